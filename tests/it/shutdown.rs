//! An orderly end: nothing that was accepted is lost, and the process says that all is well.
use std::io::Write;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use pagi_appliance::app::AppError;
use pagi_protocol::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use pagi_protocol::kafka::messages::list_groups::ListGroupsRequest;

use crate::support::appliance::{Appliance, brokers_outside, command};
use crate::support::gateway::Gateway;
use crate::support::http::Http;
use crate::support::kafka::Kafka;
use crate::support::process::Process;
use crate::support::publish;
use crate::support::upstream::{Then, Upstream};
use crate::support::wait::{self, PATIENCE};
use crate::support::{arrived, consumer, events};

#[test]
fn sigterm_ends_the_process_in_good_order_and_everything_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let topic = publish::new_topic("sigterm");
    let mut appliance = Appliance::start(folder.path()).ready();
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all()[..20]);
    appliance.process.terminate();
    let status = appliance.process.wait();
    assert!(status.success(), "{status}: {}", appliance.process.errors());

    let appliance = Appliance::start(folder.path()).ready();
    arrived::assert_all(&acknowledged, &consumer::read(&appliance.brokers, &topic));
}

const STATUS: &str = "/pagi/v1/twin/x/status";

/// A service that answers when it is told to.
fn upstream_that_waits() -> (Upstream, mpsc::Sender<()>) {
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let upstream = Upstream::start(move |_, stream| {
        let _ = told.lock().unwrap().recv_timeout(PATIENCE);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        Then::KeepOpen
    });
    (upstream, go_on)
}

/// A connection with a request on it that has reached the service.
fn request_under_way(gateway: &Gateway, upstream: &Upstream) -> Http {
    let mut http = gateway.http();
    http.send(format!("GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
    wait::until("the request is under way", || (upstream.heads().len() == 1).then_some(()));
    http
}

#[test]
fn what_was_begun_is_finished_while_nothing_new_is_accepted() {
    let (upstream, go_on) = upstream_that_waits();
    let url = upstream.url().parse().unwrap();
    let gateway = Gateway::start_with(|part| part.proxy.identity_urls = vec![url]);
    let mut busy = request_under_way(&gateway, &upstream);
    let mut idle = gateway.http();
    assert_eq!(idle.get("/").unwrap().status, 404);

    gateway.ask_to_stop();
    assert!(idle.is_closed(), "an idle connection is closed");
    wait::until("no connection is accepted", || Http::connect(gateway.address).err());
    let ready = Http::connect(gateway.admin).unwrap().get("/readyz").unwrap();
    assert_eq!((ready.status, &ready.json()["code"]), (503, &"shutting_down".into()));
    let alive = Http::connect(gateway.admin).unwrap().get("/livez").unwrap();
    assert_eq!(alive.status, 200);

    go_on.send(()).unwrap();
    let response = busy.response().unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
    assert_eq!(response.header("connection"), Some("close"));
    gateway.wait().unwrap();
}

#[test]
fn what_is_not_finished_by_the_deadline_is_given_up_and_that_is_told() {
    let (upstream, _never) = upstream_that_waits();
    let url = upstream.url().parse().unwrap();
    let gateway = Gateway::start_draining_for(Duration::from_millis(50), |part| {
        part.proxy.identity_urls = vec![url];
    });
    let mut busy = request_under_way(&gateway, &upstream);
    gateway.ask_to_stop();
    assert!(matches!(gateway.wait(), Err(AppError::DrainIncomplete)));
    assert!(busy.response().is_err());
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let (upstream, _never) = upstream_that_waits();
    let mut command = command(&["gateway", "--brokers", "127.0.0.1:1", "--drain-timeout", "1h"]);
    command.args(["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--identity-url", &upstream.url()]);
    let mut process = Process::start(&mut command);
    let line = process.line().unwrap();
    let address = line.split_once("HTTP http://").unwrap().1.split(',').next().unwrap();
    let mut busy = Http::connect(address.parse().unwrap()).unwrap();
    busy.send(format!("GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
    wait::until("the request is under way", || (upstream.heads().len() == 1).then_some(()));

    process.terminate();
    wait::until("it says so", || process.errors().contains("stopping").then_some(()));
    process.terminate();
    assert_eq!(process.wait().code(), Some(4), "{}", process.errors());
}

#[test]
fn a_kafka_client_in_the_middle_of_requests_sees_every_answer_and_then_the_end() {
    if brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path()).ready();
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic("waiting");
    let topic = FetchTopic {
        topic: "waiting".to_owned(),
        partitions: vec![FetchPartition::default()],
        ..FetchTopic::default()
    };
    // The first answer is waited for, so that most of what follows stays in the socket.
    kafka.ask(
        &FetchRequest {
            max_wait_ms: 60_000,
            topics: vec![topic],
            min_bytes: 1,
            ..FetchRequest::default()
        },
        4,
    );
    for _ in 0..1_000 {
        kafka.ask(&ListGroupsRequest::default(), 2);
    }
    appliance.process.terminate();
    let (answers, end) = kafka.rest_or_reset();
    end.expect("the connection is closed, not reset");
    assert!(!answers.is_empty());
    assert!(appliance.process.wait().success(), "{}", appliance.process.errors());
}

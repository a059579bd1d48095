//! The identity service with several instances, some of which are not well.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pagi_appliance::config::GatewayPart;

use crate::support::appliance::Appliance;
use crate::support::gateway::{Gateway, unused_address};
use crate::support::upstream::{Then, Upstream};
use crate::support::wait;

const STATUS: &str = "/pagi/v1/twin/twin-1/status";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNWELL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

fn in_front_of(urls: &[String], change: impl FnOnce(&mut GatewayPart)) -> Gateway {
    Gateway::start_with(|part| {
        part.proxy.identity_urls = urls.iter().map(|url| url.parse().unwrap()).collect();
        change(part);
    })
}

fn twin_requests(upstream: &Upstream) -> usize {
    upstream.heads().iter().filter(|head| head.contains("/twin/")).count()
}

#[test]
fn every_instance_gets_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Upstream::answering(OK), Upstream::answering(OK));
    let urls = format!("{},{}", a.url(), b.url());
    let appliance = Appliance::start_with(folder.path(), &["--identity-url", &urls]);
    for _ in 0..100 {
        assert_eq!(appliance.http().get(STATUS).unwrap().status, 200);
    }
    assert_eq!(a.heads().len() + b.heads().len(), 100);
    assert!(a.heads().len() > 20 && b.heads().len() > 20, "{} and the rest", a.heads().len());
    assert!(a.heads()[0].contains(&format!("host: {}\r\n", a.address)));
    assert!(b.heads()[0].contains(&format!("host: {}\r\n", b.address)));
}

#[test]
fn an_instance_that_has_requests_under_way_gets_fewer() {
    let slow = Upstream::start(|_, stream| {
        let _ = stream.read(&mut [0]);
        Then::Close
    });
    let fast = Upstream::answering(OK);
    let gateway = in_front_of(&[slow.url(), fast.url()], |_| {});
    let mut waiting = Vec::new();
    while slow.heads().is_empty() {
        let mut http = gateway.http();
        http.send(format!("GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
        let before = (slow.heads().len(), fast.heads().len());
        wait::until("it has arrived", || {
            ((slow.heads().len(), fast.heads().len()) != before).then_some(())
        });
        waiting.push(http);
    }
    for _ in 0..20 {
        assert_eq!(gateway.http().get(STATUS).unwrap().status, 200);
    }
    assert_eq!(slow.heads().len(), 1);
}

#[test]
fn an_instance_that_is_down_is_not_noticed() {
    let up = Upstream::answering(OK);
    let down = format!("http://{}", unused_address());
    let gateway = in_front_of(&[down, up.url()], |_| {});
    for _ in 0..100 {
        assert_eq!(gateway.http().get(STATUS).unwrap().status, 200);
    }
}

#[test]
fn where_no_instance_is_well_nobody_is_kept_waiting_until_one_is() {
    let address = unused_address();
    let gateway = in_front_of(&[format!("http://{address}")], |_| {});
    let mut http = gateway.http();
    let refused = wait::until("it is left out", || {
        let response = http.get(STATUS).unwrap();
        (response.status != 502).then_some(response)
    });
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["code"], "no_healthy_upstream");
    assert_eq!(refused.json()["retryable"], true);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let proxy_status = "pagi-appliance; error=destination_unavailable";
    assert_eq!(refused.header("proxy-status"), Some(proxy_status));
    let listener = TcpListener::bind(address).unwrap();
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).unwrap(), 0);
        stream.write_all(OK).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    wait::until("it is tried again", || (http.get(STATUS).unwrap().status == 200).then_some(()));
    drop((http, gateway));
    service.join().unwrap();
}

#[test]
fn an_instance_that_says_it_is_not_well_gets_nothing_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let well = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&well);
    let unwell = Upstream::start(move |_, stream| {
        let answer = if seen.load(Ordering::SeqCst) { OK } else { UNWELL };
        let _ = stream.write_all(answer);
        Then::KeepOpen
    });
    let good = Upstream::answering(OK);
    let urls = format!("{},{}", unwell.url(), good.url());
    let more = ["--identity-url", &urls, "--identity-health-path", "/healthz?x"];
    let appliance = Appliance::start_with(folder.path(), &more);
    let ask = || appliance.http().get(STATUS).unwrap().status;
    wait::until("it is left out", || (0..20).all(|_| ask() == 200).then_some(()));
    let head = format!("GET /healthz?x HTTP/1.1\r\nhost: {}\r\n\r\n", good.address);
    assert!(good.heads().contains(&head));
    let before = twin_requests(&unwell);
    well.store(true, Ordering::SeqCst);
    wait::until("it gets requests again", || {
        assert_eq!(ask(), 200);
        (twin_requests(&unwell) > before).then_some(())
    });
}

#[test]
fn a_connection_is_not_used_for_ever_so_that_a_name_that_moves_is_followed() {
    let upstream = Upstream::answering(OK);
    let gateway = in_front_of(&[upstream.url()], |part| {
        part.proxy.connection_age_max = Duration::from_millis(20);
    });
    let mut http = gateway.http();
    wait::until("there is another connection", || {
        assert_eq!(http.get(STATUS).unwrap().status, 200);
        (upstream.connections() > 1).then_some(())
    });
}

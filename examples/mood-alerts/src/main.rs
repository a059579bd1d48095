//! `mood-alerts [BROKERS]`: reads `twin.events` as the group `mood-alerts`, until Ctrl-C.
//!
//! Start it as often as there is work: the members of the group share the partitions.
use mood_alerts::MoodAlerts;
use pagi_appliance::router::{Config, ConsumerConfig, PagiEventRouter, consumer};
use pagi_appliance::shutdown;
use pagi_protocol::TopicName;
use prometheus_client::registry::Registry;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let brokers: Vec<String> = brokers.split(',').map(ToOwned::to_owned).collect();
    let publisher = Config { brokers: brokers.clone(), ..Config::default() };
    let router = PagiEventRouter::new(publisher, &mut Registry::default());

    let topics = vec![TopicName::parse("twin.events")?];
    let consumer = ConsumerConfig::new(brokers, "mood-alerts".to_owned(), topics);
    let (trigger, shutdown) = shutdown::channel();
    let mut work = tokio::spawn(consumer::run(consumer, MoodAlerts::new(router), shutdown));
    let ended = tokio::select! {
        ended = &mut work => ended,
        _ = tokio::signal::ctrl_c() => {
            trigger.request();
            work.await
        }
    };
    let summary = ended??;
    tracing::info!(events = summary.events, dead_letters = summary.dead_letters, "done");
    Ok(())
}

//! An orderly end: nothing that was accepted is lost, and the process says that all is well.
use crate::support::appliance::Appliance;
use crate::support::publish;
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

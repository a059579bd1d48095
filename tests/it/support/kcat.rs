//! kcat, where it is installed: an independent Kafka client.
use std::process::Command;

use super::delivered::Delivered;
use super::skip;

/// Whether kcat can be run; says so when it cannot.
pub(crate) fn is_installed() -> bool {
    let found = Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success());
    if !found {
        skip::say("kcat is not installed, so nothing is checked with it");
    }
    found
}

/// Everything `topic` holds, partition by partition, in order.
pub(crate) fn read(brokers: &str, topic: &str) -> Vec<Delivered> {
    let arguments = ["-C", "-q", "-e", "-o", "beginning", "-f", "%p %o %K %S\n%k%s\n"];
    let output = Command::new("kcat")
        .args(["-b", brokers, "-t", topic])
        .args(arguments)
        .output()
        .expect("kcat runs");
    assert!(output.status.success(), "kcat: {}", String::from_utf8_lossy(&output.stderr));
    parse(topic, &output.stdout)
}

fn parse(topic: &str, mut rest: &[u8]) -> Vec<Delivered> {
    let mut delivered = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let numbers = String::from_utf8_lossy(&rest[..end]).into_owned();
        let numbers: Vec<i64> = numbers.split(' ').map(|n| n.parse().expect("a number")).collect();
        let [partition, offset, key_length, length] = numbers[..] else { panic!("{numbers:?}") };
        let body = &rest[end + 1..];
        let key = usize::try_from(key_length).ok(); // -1: no key
        let begin = key.unwrap_or(0);
        let end = begin + usize::try_from(length).unwrap_or(0);
        delivered.push(Delivered {
            topic: topic.to_owned(),
            partition: i32::try_from(partition).expect("a partition"),
            offset,
            key: key.map(|length| String::from_utf8_lossy(&body[..length]).into_owned()),
            payload: body[begin..end].to_vec(),
        });
        rest = &body[end + 1..];
    }
    delivered
}

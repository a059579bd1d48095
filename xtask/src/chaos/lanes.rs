//! The partitions that are written to.
use std::net::SocketAddr;

use crate::failure::Outcome;
use crate::kafka::Broker;

/// Some topics with the same number of partitions; each partition is a lane, counted from 0.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    topics: Vec<String>,
    partitions: u32,
}

impl Lanes {
    pub(super) fn new(name: &str, topics: u32, partitions: u32) -> Self {
        Self { topics: (0..topics).map(|n| format!("{name}-{n}")).collect(), partitions }
    }

    /// Creates the topics.
    pub(super) fn create(&self, address: SocketAddr) -> Outcome {
        let mut broker = Broker::connect(address)?;
        let partitions = i32::try_from(self.partitions)?;
        self.topics.iter().try_for_each(|topic| broker.create_topic(topic, partitions))
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.topics.len()).unwrap_or(u32::MAX).saturating_mul(self.partitions)
    }

    /// The topic and the partition of a lane.
    pub(super) fn place(&self, lane: u32) -> (&str, i32) {
        let topic = usize::try_from(lane / self.partitions).unwrap_or(usize::MAX);
        let topic = self.topics.get(topic).map_or("", String::as_str);
        (topic, i32::try_from(lane % self.partitions).unwrap_or(-1))
    }

    /// The lane of a partition.
    pub(super) fn lane(&self, topic: &str, partition: i32) -> Option<u32> {
        let topic = self.topics.iter().position(|name| name == topic)?;
        let partition = u32::try_from(partition).ok().filter(|n| *n < self.partitions)?;
        Some(u32::try_from(topic).ok()? * self.partitions + partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_is_one_partition() {
        let lanes = Lanes::new("t", 3, 4);
        assert_eq!(lanes.count(), 12);
        assert_eq!(lanes.place(5), ("t-1", 1));
        for lane in 0..12 {
            let (topic, partition) = lanes.place(lane);
            assert_eq!(lanes.lane(topic, partition), Some(lane));
        }
        assert_eq!(lanes.lane("t-1", 4), None);
        assert_eq!(lanes.lane("u-1", 0), None);
    }
}

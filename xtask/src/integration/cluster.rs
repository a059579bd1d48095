//! Three nodes of Apache Kafka on this machine, each broker and controller, with three replicas of
//! everything.
use std::fs;
use std::thread;

use tempfile::TempDir;

use crate::apache_kafka::{Node, free_ports};
use crate::failure::{Failure, Outcome, While};
use crate::project;

/// A cluster; it ends with this value.
#[derive(Debug)]
pub(super) struct Cluster {
    /// By node id, which begins at 1.
    nodes: Vec<Node>,
    _folder: TempDir,
}

impl Cluster {
    /// Starts the nodes at the same time: each waits for a majority of controllers.
    pub(super) fn start() -> Outcome<Self> {
        fs::create_dir_all(project::target()).on("make the target folder")?;
        let folder = tempfile::tempdir_in(project::target()).on("make a folder")?;
        let ports: [u16; 3] = free_ports()?;
        let voters: Vec<String> = (1..)
            .zip(ports)
            .map(|(id, port)| format!("{id}@127.0.0.1:{}", u32::from(port) + 1))
            .collect();
        let voters = voters.join(",");
        let nodes = thread::scope(|scope| {
            let starts: Vec<_> = (1..)
                .zip(ports)
                .map(|(id, port)| {
                    let data = folder.path().join(format!("node-{id}"));
                    let properties = properties(id, &voters);
                    scope.spawn(move || Node::start(port, &data, &properties))
                })
                .collect();
            let joined = starts.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .map(|node| node.map_err(|_| Failure::new("starting Kafka failed"))?)
                .collect::<Outcome<Vec<_>>>()
        })?;
        Ok(Self { nodes, _folder: folder })
    }

    /// Where to ask for the cluster: all nodes, or all but the one with this id.
    pub(super) fn brokers(&self, without: Option<usize>) -> String {
        let nodes = (1..).zip(&self.nodes).filter(|(id, _)| Some(*id) != without);
        nodes.map(|(_, node)| node.address().to_string()).collect::<Vec<_>>().join(",")
    }

    /// kill -9.
    pub(super) fn kill(&self, id: usize) -> Outcome {
        let node = id.checked_sub(1).and_then(|index| self.nodes.get(index));
        node.ok_or_else(|| Failure::new(format!("there is no node {id}")))?.kill()
    }
}

/// A node is taken for dead after 3 s instead of 9: what is measured begins when leaders move.
fn properties(id: i32, voters: &str) -> String {
    format!(
        "node.id={id}\ncontroller.quorum.voters={voters}\n\
         default.replication.factor=3\nmin.insync.replicas=2\n\
         offsets.topic.replication.factor=3\n\
         broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
         controller.quorum.fetch.timeout.ms=2000\ncontroller.quorum.election.timeout.ms=1000\n"
    )
}

//! Which clients there are.
use super::go::GO;
use super::java::JAVA;
use super::node::NODE;
use super::python::{PYTHON, PYTHON_AND_KCAT};
use super::rust::RUST;
use super::toolkit::Toolkit;

/// One client of the matrix.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) toolkit: &'static Toolkit,
    /// What the toolkit knows its program by.
    pub(super) program: &'static str,
}

/// All of them, in the order in which they run.
pub(super) const CLIENTS: &[Client] = &[
    Client { name: "kcat", toolkit: &PYTHON_AND_KCAT, program: "with_kcat.py" },
    Client { name: "confluent-kafka", toolkit: &PYTHON, program: "with_confluent_kafka.py" },
    Client { name: "kafka-python", toolkit: &PYTHON, program: "with_kafka_python.py" },
    Client { name: "aiokafka", toolkit: &PYTHON, program: "with_aiokafka.py" },
    Client { name: "kafkajs", toolkit: &NODE, program: "kafkajs.js" },
    Client { name: "rskafka", toolkit: &RUST, program: "pagi-client-rskafka" },
    Client { name: "java-3.9", toolkit: &JAVA, program: "3.9" },
    Client { name: "java-4.3", toolkit: &JAVA, program: "4.3" },
    Client { name: "kafka-tools", toolkit: &JAVA, program: "tools:tools.Main" },
    Client { name: "franz-go", toolkit: &GO, program: "franz-go" },
    Client { name: "kafka-go", toolkit: &GO, program: "kafka-go" },
    Client { name: "sarama", toolkit: &GO, program: "sarama" },
];

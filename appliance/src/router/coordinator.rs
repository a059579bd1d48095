//! A connection to the coordinator of one group: found when needed, and found anew after a failure.
//!
//! **References.** Kafka protocol guide: `FindCoordinator`.
use std::time::Duration;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::Message;
use pagi_protocol::kafka::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use pagi_protocol::{ErrorCode, PagiError};

use super::connection::{Connection, LinkError};
use crate::limits::{BROKER_CALL_TIMEOUT, GROUP_ANSWER_BYTES_MAX};

/// One key, and an error message; every broker since Kafka 2.0 speaks it.
const FIND_COORDINATOR_VERSION: i16 = 2;

/// See the module. One request at a time.
#[derive(Debug)]
pub(super) struct Coordinator {
    brokers: Vec<String>,
    client_id: String,
    group_id: String,
    connection: Option<Connection>,
}

impl Coordinator {
    /// Connects when needed.
    pub(super) fn new(brokers: &[String], client_id: &str, group_id: &str) -> Self {
        Self {
            brokers: brokers.to_vec(),
            client_id: client_id.to_owned(),
            group_id: group_id.to_owned(),
            connection: None,
        }
    }

    /// The group's name.
    pub(super) fn group_id(&self) -> &str {
        &self.group_id
    }

    /// Looks for the coordinator again at the next call.
    pub(super) fn forget(&mut self) {
        self.connection = None;
    }

    /// Asks the coordinator. On a connection from before, which may have been closed since, a
    /// failure is followed by one more try on a new one.
    ///
    /// # Errors
    /// [`ErrorCode::BrokerUnavailable`] when it may succeed later, [`ErrorCode::Rejected`] when not.
    pub(super) async fn call<A: Message>(
        &mut self,
        request: &impl Message,
        version: i16,
        patience: Duration,
    ) -> Result<A, PagiError> {
        if let Some(connection) = self.connection.take()
            && let Ok((answer, connection)) =
                connection.call_within(patience, request, version).await
        {
            self.connection = Some(connection);
            return Ok(answer);
        }
        let connection = self.find().await?;
        let answered = connection.call_within(patience, request, version).await;
        let (answer, connection) = answered.map_err(|error| self.unavailable(error))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// What a code other than 0 means that the coordinator answered with.
    pub(super) fn refusal(&self, code: i16) -> PagiError {
        let group = &self.group_id;
        let why = match KafkaCode::from_number(code) {
            Some(code) if code.retriable() => {
                return self.unavailable(format_args!("{code:?}"));
            }
            Some(code) => format!("group {group}: the broker refuses with {code:?}"),
            None => format!("group {group}: the broker refuses with error {code}"),
        };
        PagiError::new(ErrorCode::Rejected, why)
    }

    /// Connects to the group's coordinator, which the first broker that answers names.
    async fn find(&self) -> Result<Connection, PagiError> {
        let mut result = Err(self.unavailable("no broker is configured"));
        for broker in &self.brokers {
            result = match self.ask(broker).await {
                Ok(answer) if answer.error_code == KafkaCode::None.number() => {
                    let address = format!("{}:{}", answer.host, answer.port);
                    return self.open(&address).await.map_err(|error| {
                        self.unavailable(format_args!("its coordinator {address}: {error}"))
                    });
                }
                Ok(answer) => Err(self.refusal(answer.error_code)),
                Err(error) => Err(self.unavailable(format_args!("{broker}: {error}"))),
            };
        }
        result
    }

    async fn ask(&self, broker: &str) -> Result<FindCoordinatorResponse, LinkError> {
        let request = FindCoordinatorRequest {
            key: self.group_id.clone(),
            ..FindCoordinatorRequest::default()
        };
        let connection = self.open(broker).await?;
        let (answer, _) =
            connection.call_within(BROKER_CALL_TIMEOUT, &request, FIND_COORDINATOR_VERSION).await?;
        Ok(answer)
    }

    async fn open(&self, address: &str) -> Result<Connection, LinkError> {
        Connection::open(address, &self.client_id, GROUP_ANSWER_BYTES_MAX).await
    }

    /// An error that may pass.
    pub(super) fn unavailable(&self, why: impl std::fmt::Display) -> PagiError {
        let detail = format!("cannot reach the coordinator of group {}: {why}", self.group_id);
        PagiError::new(ErrorCode::BrokerUnavailable, detail)
    }
}

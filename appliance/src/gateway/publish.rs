//! `POST /pagi/v1/event/publish`: from a request to a durable event.
//!
//! **Invariants.** Success is answered only after the router's durable acknowledgement. The bytes
//! of a request count against the budget until its answer is known.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use pagi_protocol::ErrorCode;
use pagi_protocol::http::PublishReceipt;
use tokio::sync::Semaphore;

use super::body::{self, Reservation};
use super::coding::Coding;
use super::config::Config;
use super::publication::{Defaults, Plan, Publication};
use super::record::outgoing;
use super::respond::Failure;
use crate::core::headers::is_traceparent;
use crate::router::PagiEventRouter;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Publishes what requests bring.
pub(super) struct Publish {
    router: PagiEventRouter,
    defaults: Defaults,
    body_bytes_max: usize,
    body_timeout: Duration,
    budget: Arc<Semaphore>,
}

/// A durable event.
pub(super) struct Published {
    pub(super) receipt: PublishReceipt,
    pub(super) payload_bytes: usize,
}

impl Publish {
    pub(super) fn new(config: &Config, router: PagiEventRouter) -> Self {
        let budget = Arc::new(Semaphore::new(config.in_flight_bytes_max));
        let (body_bytes_max, body_timeout) = (config.body_bytes_max, config.body_timeout);
        let defaults =
            Defaults { topic: config.default_topic.clone(), key: config.key_pointer.clone() };
        Self { router, defaults, body_bytes_max, body_timeout, budget }
    }

    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        request_id: &HeaderValue,
    ) -> Result<Published, Failure> {
        let (head, body) = request.into_parts();
        let coding = Coding::of(&head.headers)?;
        let plan = Plan::new(&head.headers, head.uri.query(), &self.defaults)?;
        let mut reservation = Reservation::new(Arc::clone(&self.budget));
        let body = body::read(body, self.body_bytes_max, self.body_timeout, &mut reservation);
        let body = body.await?;
        if coding != Coding::Identity {
            reservation.add(self.body_bytes_max)?;
        }
        let body = coding.decode(body, self.body_bytes_max)?;
        let Publication { topic, key, event } = plan.read(&head.headers, body)?;
        let payload_bytes = event.data().map_or(0, Bytes::len);
        let record = outgoing(&event, key, context(&head.headers, request_id));
        match self.router.publish(&topic, record).await {
            Ok(stored) => {
                let receipt = PublishReceipt {
                    id: event.id().to_owned(),
                    topic: stored.topic.as_str().to_owned(),
                    partition: stored.partition,
                    offset: stored.offset,
                };
                Ok(Published { receipt, payload_bytes })
            }
            Err(error) if error.code() == ErrorCode::DeliveryUnknown => {
                Err(Failure::from(error).of_event(event.id()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The record headers that lead from the event back to its request.
fn context(
    headers: &HeaderMap,
    request_id: &HeaderValue,
) -> impl Iterator<Item = (&'static str, Bytes)> {
    let trace = headers.get(TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
    let id = Some(("x-request-id", Bytes::copy_from_slice(request_id.as_bytes())));
    let trace = trace.map(|value| ("traceparent", Bytes::copy_from_slice(value.as_bytes())));
    id.into_iter().chain(trace)
}

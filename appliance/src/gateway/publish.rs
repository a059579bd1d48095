//! `POST /pagi/v1/event/publish`: from a request to durable events.
//!
//! **Invariants.** The bytes of a request count against the budget until its answer is known. An
//! answer is a success only if something is durable.
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;
use pagi_protocol::PagiError;
use tokio::sync::Semaphore;

use super::body::{self, Reservation};
use super::coding::Coding;
use super::config::Config;
use super::publication::{Defaults, Framing, Plan};
use super::respond::Failure;
use super::stored::Stored;
use super::submission::{Outcomes, Submitted, Submitter};
use crate::router::PagiEventRouter;

/// Publishes what requests bring.
pub(super) struct Publish {
    router: PagiEventRouter,
    defaults: Defaults,
    body_bytes_max: usize,
    body_timeout: Duration,
    budget: Arc<Semaphore>,
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
    ) -> Result<Stored, Failure> {
        let (head, body) = request.into_parts();
        let coding = Coding::of(&head.headers)?;
        let plan = Plan::new(&head.headers, head.uri.query(), &self.defaults)?;
        let mut reservation = Reservation::new(Arc::clone(&self.budget));
        let body = self.read(body, coding, &mut reservation).await?;
        let mut submitter = Submitter::new(self.router.clone(), &head.headers, request_id);
        match plan.framing() {
            Framing::One => one(&plan, &head.headers, body, &mut submitter).await,
            Framing::Batch => batch(&plan, &head, &body, &mut submitter, request_id).await,
        }
    }

    async fn read(
        &self,
        body: Incoming,
        coding: Coding,
        reservation: &mut Reservation,
    ) -> Result<Bytes, Failure> {
        let body = body::read(body, self.body_bytes_max, self.body_timeout, reservation).await?;
        if coding != Coding::Identity {
            reservation.add(self.body_bytes_max)?;
        }
        Ok(coding.decode(body, self.body_bytes_max)?)
    }
}

async fn one(
    plan: &Plan,
    headers: &HeaderMap,
    body: Bytes,
    submitter: &mut Submitter,
) -> Result<Stored, Failure> {
    let publication = plan.read(headers, body)?;
    let submitted = submitter.submit(publication, Instant::now()).await?;
    Ok(Stored::One(submitted.outcome().await?))
}

async fn batch(
    plan: &Plan,
    head: &Parts,
    body: &Bytes,
    submitter: &mut Submitter,
    request_id: &HeaderValue,
) -> Result<Stored, Failure> {
    let started = Instant::now();
    let mut submitted: Vec<Result<Submitted, PagiError>> = Vec::new();
    for event in plan.split(body)? {
        submitted.push(match plan.read(&head.headers, event) {
            Ok(publication) => submitter.submit(publication, started).await,
            Err(error) => Err(error),
        });
    }
    let mut outcomes = Outcomes::default();
    let mut results = Vec::with_capacity(submitted.len());
    for submitted in submitted {
        let outcome = match submitted {
            Ok(submitted) => submitted.outcome().await,
            Err(error) => Err(error.into()),
        };
        results.push(outcomes.add(outcome, request_id));
    }
    let Outcomes { tally, payload_bytes } = outcomes;
    match tally.status() {
        Ok(_) => Ok(Stored::Several { tally, payload_bytes, results }),
        Err(error) => Err(Failure::from(error).of_events(results)),
    }
}

//! `POST /pagi/v1/event/publish`: from a request to durable events.
//!
//! **Invariants.** The bytes of a request count against the budget until its answer is known. An
//! answer is a success only if something is durable.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;

use super::admission::Admission;
use super::body::{self, Reservation};
use super::coding::Coding;
use super::config::Config;
use super::lines::{self, Begun, Source};
use super::publication::{Defaults, Framing, Plan};
use super::respond::Failure;
use super::stored::Stored;
use super::submission::{Outcomes, Submitter};
use crate::router::PagiEventRouter;
use crate::shutdown::Shutdown;

/// Publishes what requests bring.
pub(super) struct Publish {
    router: PagiEventRouter,
    defaults: Defaults,
    body_bytes_max: usize,
    body_timeout: Duration,
    budget: Arc<Semaphore>,
    admission: Admission,
    /// Ends streams, which have no end of their own.
    stop: Shutdown,
}

impl Publish {
    pub(super) fn new(config: &Config, router: PagiEventRouter, stop: Shutdown) -> Self {
        let budget = Arc::new(Semaphore::new(config.in_flight_bytes_max));
        let (body_bytes_max, body_timeout) = (config.body_bytes_max, config.body_timeout);
        let defaults =
            Defaults { topic: config.default_topic.clone(), key: config.key_pointer.clone() };
        let requests_max = config.publish_requests_max;
        let admission = Admission::new(router.clone(), requests_max, config.client_rate);
        Self { admission, router, defaults, body_bytes_max, body_timeout, budget, stop }
    }

    /// Publishes what `request` brings; of a stream, the first event.
    ///
    /// # Errors
    /// Nothing is stored, or nothing is known to be.
    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
        request_id: &HeaderValue,
    ) -> Result<Answer, Failure> {
        let admitted = self.admission.admit(client, request.body().size_hint().exact())?;
        let (head, body) = request.into_parts();
        let headers = &head.headers;
        let coding = Coding::of(headers)?;
        let plan = Plan::new(headers, head.uri.query(), &self.defaults)?;
        let mut submitter = Submitter::new(self.router.clone(), headers, request_id);
        if plan.framing() == Framing::Lines {
            if coding != Coding::Identity {
                return Err(Failure::of_coding("a stream of lines cannot be compressed"));
            }
            let (bytes_max, patience) = (self.body_bytes_max, self.body_timeout);
            let (budget, stop) = (&self.budget, self.stop.clone());
            let source = Source::new(body, admitted, bytes_max, patience, budget, stop);
            let begun = lines::begin(source, plan, submitter, request_id).await?;
            return Ok(Answer::Lines(Box::new(begun)));
        }
        let mut reservation = Reservation::new(Arc::clone(&self.budget));
        let body = self.read(body, coding, &mut reservation).await?;
        if plan.framing() == Framing::Batch {
            let events = plan.split(&body)?;
            admitted.charge(events.len().saturating_sub(1));
            return batch(&plan, headers, events, &mut submitter, request_id).await;
        }
        let submitted = submitter.submit(plan.read(headers, body), Instant::now()).await;
        Ok(Answer::Whole(Stored::One(submitted.outcome().await?)))
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

/// An answer that is a success, at least in part.
pub(super) enum Answer {
    /// All that there is to say.
    Whole(Stored),
    /// The beginning of it.
    Lines(Box<Begun>),
}

async fn batch(
    plan: &Plan,
    headers: &HeaderMap,
    events: Vec<Bytes>,
    submitter: &mut Submitter,
    request_id: &HeaderValue,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let mut submitted = Vec::with_capacity(events.len());
    for event in events {
        submitted.push(submitter.submit(plan.read(headers, event), started).await);
    }
    let mut outcomes = Outcomes::default();
    let mut results = Vec::with_capacity(submitted.len());
    for submitted in submitted {
        results.push(outcomes.add(submitted.outcome().await, request_id));
    }
    let Outcomes { tally, payload_bytes } = outcomes;
    match tally.status() {
        Ok(_) => Ok(Answer::Whole(Stored::Several { tally, payload_bytes, results })),
        Err(error) => Err(Failure::from(error).of_events(results)),
    }
}

//! A handler that keeps what it gets.
use std::sync::{Arc, Mutex};

use crate::router::event::Event;
use crate::router::handler::{Answer, Handler, HandlerError};

/// Keeps the events it gets.
#[derive(Clone, Default)]
pub(super) struct Keep(Arc<Mutex<Vec<Event>>>);

impl Keep {
    pub(super) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn payloads(&self) -> Vec<String> {
        let payload = |event: Event| String::from_utf8(event.value.unwrap().to_vec()).unwrap();
        self.events().into_iter().map(payload).collect()
    }
}

impl Handler for Keep {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        self.0.lock().unwrap().extend_from_slice(events);
        Ok(vec![Answer::Done; events.len()])
    }
}

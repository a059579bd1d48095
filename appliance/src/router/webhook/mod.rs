//! The handler that posts each event to an HTTP endpoint, as a CloudEvent.
mod answer;
mod connection;
mod handler;
mod request;
mod signature;
mod url;

pub use handler::{WebhookConfig, WebhookHandler};
pub use request::Mode;
pub use signature::Secret;
pub use url::WebhookUrl;

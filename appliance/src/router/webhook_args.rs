//! The flags of `--handler webhook`.
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use pagi_protocol::{ErrorCode, PagiError};

use super::webhook::{Mode, Secret, WebhookConfig, WebhookHandler, WebhookUrl};
use crate::limits::{HANDLER_CONCURRENCY_MAX, WEBHOOK_SECRET_BYTES_MAX};

/// Where and how to deliver events.
#[derive(Debug, Clone, Default, Args)]
pub struct WebhookArgs {
    /// Where --handler webhook posts each event: http://HOST[:PORT][/PATH]
    #[arg(long, value_name = "URL", required_if_eq("handler", "webhook"))]
    pub webhook_url: Option<String>,

    /// How it writes an event: the payload as body and ce-* headers, or one JSON object
    #[arg(long, value_enum)]
    pub webhook_mode: Option<Mode>,

    /// A file with a secret: requests are then signed (webhook-signature)
    #[arg(long, value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,

    /// How many events it posts at a time; those with one key stay in order [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=CONCURRENCY_MAX))]
    pub concurrency: Option<u16>,
}

#[expect(clippy::cast_possible_wrap, reason = "checked below")]
const CONCURRENCY_MAX: i64 = HANDLER_CONCURRENCY_MAX as i64;
const _: () = assert!(CONCURRENCY_MAX > 0 && CONCURRENCY_MAX <= u16::MAX as i64);

impl WebhookArgs {
    /// Whether none of them was given.
    pub(super) const fn are_absent(&self) -> bool {
        self.webhook_url.is_none()
            && self.webhook_mode.is_none()
            && self.webhook_secret_file.is_none()
            && self.concurrency.is_none()
    }

    /// The webhook, if one was named.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`] when it cannot work.
    pub(super) fn url(&self) -> Result<Option<WebhookUrl>, PagiError> {
        self.webhook_url.as_deref().map(str::parse).transpose()
    }

    /// As many handlers as events are to be posted at a time.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`] when there can be none.
    pub(super) fn handlers(&self) -> Result<Vec<WebhookHandler>, PagiError> {
        let url = self.url()?.ok_or_else(|| {
            PagiError::new(ErrorCode::InvalidConfig, "--handler webhook needs --webhook-url")
        })?;
        let secret = self.webhook_secret_file.as_deref().map(secret).transpose()?;
        let mode = self.webhook_mode.unwrap_or_default();
        let config = Arc::new(WebhookConfig { url, mode, secret });
        let handlers = 0..self.concurrency.unwrap_or(1);
        Ok(handlers.map(|_| WebhookHandler::new(Arc::clone(&config))).collect())
    }
}

fn secret(path: &Path) -> Result<Secret, PagiError> {
    let invalid = |why: String| {
        PagiError::new(ErrorCode::InvalidConfig, format!("{}: {why}", path.display()))
    };
    let limit = u64::try_from(WEBHOOK_SECRET_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| invalid(format!("cannot be read: {error}")))?;
    if bytes.len() > WEBHOOK_SECRET_BYTES_MAX {
        return Err(invalid(format!("has more than {WEBHOOK_SECRET_BYTES_MAX} bytes")));
    }
    Secret::parse(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_a_file_of_a_sensible_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(secret(file.path()).is_err(), "empty");
        std::fs::write(file.path(), "s3cret\n").unwrap();
        secret(file.path()).unwrap();
        std::fs::write(file.path(), vec![b'x'; WEBHOOK_SECRET_BYTES_MAX + 1]).unwrap();
        assert!(secret(file.path()).unwrap_err().detail().contains("more than"));
        assert!(secret(Path::new("/does/not/exist")).is_err());
    }

    #[test]
    fn there_is_a_handler_for_each_event_at_a_time() {
        let args = WebhookArgs { webhook_url: Some("http://h".to_owned()), ..Default::default() };
        assert_eq!(args.handlers().unwrap().len(), 1);
        assert_eq!(WebhookArgs { concurrency: Some(7), ..args }.handlers().unwrap().len(), 7);
    }
}

//! Health checks: asking each upstream service now and then whether it is well.
use std::sync::{Arc, Weak};

use http::header::HOST;
use http::{Method, Request};
use tokio::time::timeout;

use super::config::Config;
use super::pool::Pool;
use super::request_body::RequestBody;
use super::upstreams::Upstreams;

/// Checks every service at the configured path for as long as `upstreams` is used.
pub(super) fn watch(upstreams: &Arc<Upstreams>, config: &Config) {
    let Some(path) = &config.health_path else { return };
    for (number, pool) in upstreams.pools() {
        let (pool, config) = (Arc::clone(pool), config.clone());
        tokio::spawn(check(Arc::downgrade(upstreams), number, pool, path.clone(), config));
    }
}

async fn check(
    upstreams: Weak<Upstreams>,
    number: usize,
    pool: Arc<Pool>,
    path: String,
    config: Config,
) {
    while let Some(upstreams) = upstreams.upgrade() {
        let good = timeout(config.connect_timeout, is_well(&pool, &path)).await;
        upstreams.probed(number, good.unwrap_or(false));
        drop(upstreams);
        tokio::time::sleep(config.health_interval).await;
    }
}

/// Whether the service answers with a status of success, on a connection of its own.
async fn is_well(pool: &Pool, path: &str) -> bool {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(HOST, pool.url().authority())
        .body(RequestBody::Empty);
    let (Ok(request), Ok(mut connection)) = (request, pool.open().await) else { return false };
    let answer = connection.sender.send_request(request).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

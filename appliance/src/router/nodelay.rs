//! `TCP_NODELAY` for the sockets of `rskafka`, which leaves it off and does not hand them out.
//!
//! It writes a request's length apart from its body. Where the broker does not acknowledge the
//! length at once, the kernel holds back the last piece of a body of more than 8 KiB and less than
//! about two segments, over loopback 128 KiB: 44 ms for each such request, measured against
//! Kafka. So the process's own sockets are looked through for those without the option.
//!
//! **Invariants.** Only ever switches the option on, and only for sockets of this process. What
//! does not work, or is not permitted, is left as it is: slower, and as right. Under a seccomp
//! filter nothing is tried, since some filters kill for a call they do not know.
//!
//! **References.** RFC 896; pidfd_getfd(2).
use std::fs::{read_dir, read_link, read_to_string};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::sockopt::{set_tcp_nodelay, tcp_nodelay};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::sync::Mutex;

/// Keeps the option on, for many who open connections at the same time.
#[derive(Debug, Default)]
pub(super) struct NoDelay {
    looked_at: Mutex<Option<Instant>>,
}

impl NoDelay {
    /// Call after a connection was opened. Of those who call at the same time, one looks for all.
    pub(super) async fn switch_on(&self) {
        let opened_at = Instant::now();
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|at| at > opened_at) {
            return;
        }
        *looked_at = Some(Instant::now());
        // Looks at each open descriptor: some milliseconds when there are thousands.
        let _ = tokio::task::spawn_blocking(switch_on_everywhere).await;
    }
}

/// Whether no seccomp filter looks at what this process calls.
pub(super) fn is_unfiltered() -> bool {
    read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t0\n"))
}

fn switch_on_everywhere() -> Option<()> {
    if !is_unfiltered() {
        return None;
    }
    let this = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    for entry in read_dir("/proc/self/fd").ok()?.flatten() {
        let is_socket = read_link(entry.path())
            .is_ok_and(|link| link.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        if is_socket
            && let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Ok(socket) = pidfd_getfd(&this, number, PidfdGetfdFlags::empty())
        {
            // Sockets of another kind refuse.
            let _ = switch_on_one(&socket);
        }
    }
    Some(())
}

fn switch_on_one(socket: &OwnedFd) -> rustix::io::Result<()> {
    if tcp_nodelay(socket)? { Ok(()) } else { set_tcp_nodelay(socket, true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_tcp_socket_gets_it_where_that_is_permitted() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        assert!(!stream.nodelay().unwrap());
        let permitted = switch_on_everywhere().is_some();
        assert_eq!(stream.nodelay().unwrap(), permitted);
    }
}

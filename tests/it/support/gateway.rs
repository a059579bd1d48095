//! The gateway in this process, without a broker: for what is decided before one is asked.
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use pagi_appliance::app::{self, AppError, Listeners};
use pagi_appliance::config::{Config, GatewayPart};
use pagi_appliance::shutdown::{self, Trigger};
use pagi_appliance::{gateway, proxy, router};

use super::http::Http;
use super::wait::PATIENCE;

/// A running gateway; it is stopped with this value.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    trigger: Trigger,
    thread: Option<JoinHandle<Result<(), AppError>>>,
}

impl Gateway {
    /// With defaults, and nothing behind it.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With `change` made to its configuration.
    pub(crate) fn start_with(change: impl FnOnce(&mut GatewayPart)) -> Self {
        Self::start_draining_for(PATIENCE, change)
    }

    /// With a drain deadline too.
    pub(crate) fn start_draining_for(
        drain_timeout: Duration,
        change: impl FnOnce(&mut GatewayPart),
    ) -> Self {
        let nowhere = unused_address();
        let mut part = GatewayPart {
            listen: nowhere,
            gateway: gateway::Config::default(),
            proxy: proxy::Config::new(vec![format!("http://{nowhere}").parse().unwrap()]),
            router: router::Config {
                brokers: vec![nowhere.to_string()],
                delivery_timeout: Duration::from_millis(500),
                ..router::Config::default()
            },
        };
        change(&mut part);
        let config = Config {
            gateway: Some(part),
            broker: None,
            admin_listen: nowhere,
            drain_timeout,
            announce: false,
        };
        let (http, admin) = (listener(), listener());
        let (address, admin_address) = (http.local_addr().unwrap(), admin.local_addr().unwrap());
        let listeners = Listeners { http: Some(http), kafka: None, admin };
        let (trigger, shutdown) = shutdown::channel();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(app::run(config, listeners, shutdown))
        });
        Self { address, admin: admin_address, trigger, thread: Some(thread) }
    }

    /// A new connection.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.address).unwrap()
    }

    /// Asks for a stop; what was begun may still be finished.
    pub(crate) fn ask_to_stop(&self) {
        self.trigger.request();
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Result<(), AppError> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.trigger.request();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An address at which nobody listens.
pub(crate) fn unused_address() -> SocketAddr {
    listener().local_addr().unwrap()
}

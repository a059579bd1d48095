//! `cargo xtask wire record`: a proxy that writes down what passes it.
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::bypass::Bypass;
use super::flaky::Flaky;
use super::proxy;
use super::recorder::Recorder;
use crate::failure::{Failure, Outcome, While};

/// How often it is looked whether the disk still takes the recording.
const CHECK_EVERY: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
The broker must tell its clients the proxy's address instead of its own:

  pagi-appliance gateway --advertised-address 127.0.0.1:19092
  cargo xtask wire record --brokers 127.0.0.1:9092 --out kcat.wire
  kcat -b 127.0.0.1:19092 -L
  cargo xtask wire show kcat.wire";

/// What to record, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The broker.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: String,
    /// Where clients connect to.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:19092")]
    listen: SocketAddr,
    /// The file to write; an older one is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Cut the connection instead of answering every 4th Produce request that holds the word
    /// "flaky", as in a topic's name.
    #[arg(long)]
    flaky: bool,
}

/// Records until it is interrupted.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let upstream = resolve(&arguments.brokers)?;
    let listener = proxy::bind(arguments.listen)?;
    let recorder = Arc::new(Recorder::create(&arguments.out)?);
    println!(
        "recording between {} and {upstream} into {}; end it with Ctrl-C",
        listener.address(),
        arguments.out.display()
    );
    let bypass = Bypass::new(Arc::clone(&recorder), listener.address(), |elsewhere| {
        eprintln!(
            "warning: the broker sends clients to {elsewhere}, past this proxy; \
             `cargo xtask wire record --help` says what to do"
        );
    });
    let proxy = listener.forward(upstream, arguments.flaky.then(Flaky::default))?;
    proxy.observe(Some(Arc::new(bypass)));
    loop {
        thread::sleep(CHECK_EVERY);
        recorder.check()?;
    }
}

/// The first address that `broker` stands for.
pub(super) fn resolve(broker: &str) -> Outcome<SocketAddr> {
    let addresses = broker.to_socket_addrs().on(format!("find {broker}, as in localhost:9092"));
    addresses?.next().ok_or_else(|| Failure::new(format!("{broker} has no address")))
}

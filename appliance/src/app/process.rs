//! The process around the app: logs, limits, threads, signals, exit code.
//!
//! **Invariants.** The first SIGTERM or ctrl-c asks for a drain, the second ends the process at
//! once.
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::AppError;
use super::listeners::Listeners;
use super::run::run;
use crate::cli::{Invocation, Task};
use crate::limits::{BLOCKING_THREADS_MAX, RUNTIME_STOP_TIMEOUT};
use crate::router::commands;
use crate::shutdown::{self, Shutdown, Trigger};
use crate::telemetry;

/// Does what was asked for, and gives the process's exit code.
#[must_use]
pub fn execute(invocation: Invocation) -> ExitCode {
    // It was started already only where a test did so, and then in the way it wants.
    let _ = telemetry::init(invocation.log);
    match perform(invocation.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn perform(task: Task) -> Result<(), AppError> {
    match task {
        Task::Serve(config) => in_runtime(async |shutdown| {
            let listeners = Listeners::bind(&config)?;
            run(*config, listeners, shutdown).await
        }),
        Task::PublishTestEvent(arguments) => in_runtime(async |_| {
            commands::publish_test_event(arguments).await.map_err(AppError::Router)
        }),
        Task::StartConsumer(arguments) => in_runtime(async |shutdown| {
            commands::start_consumer(arguments, shutdown).await.map_err(AppError::Router)
        }),
        Task::Dlq(command) => {
            in_runtime(async |shutdown| command.run(shutdown).await.map_err(AppError::Router))
        }
        Task::Topics(command) => in_runtime(async |_| Ok(command.run().await?)),
        Task::Groups(command) => in_runtime(async |_| Ok(command.run().await?)),
        Task::Log(command) => Ok(command.run()?),
    }
}

fn in_runtime(work: impl AsyncFnOnce(Shutdown) -> Result<(), AppError>) -> Result<(), AppError> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("pagi")
        .build()
        .map_err(AppError::Process)?;
    let done = runtime.block_on(async {
        let (trigger, shutdown) = shutdown::channel();
        let signals = Signals::new().map_err(AppError::Process)?;
        tokio::spawn(signals.watch(trigger));
        work(shutdown).await
    });
    // A name look-up that hangs is not waited for.
    runtime.shutdown_timeout(RUNTIME_STOP_TIMEOUT);
    done
}

/// Thousands of connections need more descriptors than the usual soft limit of 1,024.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn watch(mut self, trigger: Trigger) {
        self.next().await;
        tracing::info!("stopping; once more to stop at once");
        trigger.request();
        self.next().await;
        tracing::warn!("stopped at once");
        std::process::exit(i32::from(AppError::DrainIncomplete.exit_code()));
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

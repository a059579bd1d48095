//! The real binary, as a process that is crashed and started again on the same folder and port.
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::random::Random;
use crate::failure::{Failure, Outcome, While};

/// Far longer than a start takes, even on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How often a process is looked at while something is waited for.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// The last lines of its log are shown when it ends too early.
const TOLD_LINES: usize = 5;

/// How to start it.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) binary: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) address: SocketAddr,
    /// Where its log goes on.
    pub(super) log: PathBuf,
    /// A program and arguments that run it.
    pub(super) under: Vec<String>,
    /// With a gateway for HTTP clients at this address.
    pub(super) http: Option<SocketAddr>,
}

/// A running process; it is killed when this value goes.
#[derive(Debug)]
pub(super) struct Node {
    child: Child,
    begin: Instant,
    lines: mpsc::Receiver<String>,
    log: PathBuf,
    log_from: u64,
}

impl Setup {
    /// A broker with its data, its log and a port of its own in this folder.
    pub(super) fn new(binary: &Path, folder: &Path, random: &mut Random) -> Outcome<Self> {
        Ok(Self {
            binary: binary.to_path_buf(),
            data_dir: folder.join("data"),
            address: free_address(random)?,
            log: folder.join("broker.log"),
            under: Vec::new(),
            http: None,
        })
    }

    pub(super) fn start(&self) -> Outcome<Node> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.on(format!("open {}", self.log.display()))?;
        let log_from = log.metadata()?.len();
        let mut command = match self.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        match self.http {
            Some(http) => command.args(["gateway", "--http-listen", &http.to_string()]),
            None => command.arg("broker"),
        };
        command.args(["--admin-listen", "127.0.0.1:0", "--kafka-listen"]);
        command.arg(self.address.to_string()).arg("--data-dir").arg(&self.data_dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let begin = Instant::now();
        let mut child = command.spawn().on(format!("start {}", self.binary.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            // Nobody may be waiting any more.
            lines.for_each(|line| drop(sender.send(line)));
        });
        Ok(Node { child, begin, lines, log: self.log.clone(), log_from })
    }
}

impl Node {
    /// Waits until it says that it is ready, and gives the time since its start.
    ///
    /// # Errors
    /// It ended, or took far too long.
    pub(super) fn ready(&mut self) -> Outcome<Duration> {
        match self.lines.recv_timeout(START_PATIENCE) {
            Ok(_) => Ok(self.begin.elapsed()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(Failure::new(format!("not ready after {START_PATIENCE:?}")))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().on("wait for it")?;
                Err(Failure::new(format!("it ended ({status}) and said:\n{}", self.last_words())))
            }
        }
    }

    /// kill -9.
    pub(super) fn kill(mut self) -> Outcome {
        self.child.kill().on("kill it")?;
        self.child.wait().on("wait for it")?;
        Ok(())
    }

    /// Stops all its threads, and waits until each has: none is inside a system call then.
    pub(super) fn freeze(&mut self) -> Outcome {
        self.signal(Signal::STOP)?;
        let begin = Instant::now();
        while !all_stopped(self.child.id()) {
            if begin.elapsed() > START_PATIENCE {
                return Err(Failure::new("it does not stop"));
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    /// Lets it go on.
    pub(super) fn thaw(&mut self) -> Outcome {
        self.signal(Signal::CONT)
    }

    /// Asks it to stop.
    pub(super) fn terminate(&mut self) -> Outcome {
        self.signal(Signal::TERM)
    }

    /// Waits for it to end.
    pub(super) fn wait(&mut self, patience: Duration) -> Outcome<Option<ExitStatus>> {
        let begin = Instant::now();
        loop {
            let status = self.child.try_wait().on("look at it")?;
            if status.is_some() || begin.elapsed() > patience {
                return Ok(status);
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// What it logged since its start.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(self.log_from).unwrap_or(usize::MAX);
        String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned()
    }

    /// The end of what it logged.
    pub(super) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TOLD_LINES)..).unwrap_or_default().join("\n")
    }

    fn signal(&self, signal: Signal) -> Outcome {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("no process id"))?;
        kill_process(pid, signal).on("send a signal")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether every thread of a process is stopped.
fn all_stopped(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map_or("T", |(_, rest)| rest.trim_start());
        state.starts_with(['T', 't', 'Z', 'X'])
    })
}

/// An address that is free now, below the ports that the kernel gives out by itself: it must be
/// free again after each crash.
pub(super) fn free_address(random: &mut Random) -> Outcome<SocketAddr> {
    const FIRST: u16 = 20_000;
    const COUNT: usize = 12_000;
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let port = FIRST + u16::try_from(random.below(COUNT))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Failure::new("no free port"))
}

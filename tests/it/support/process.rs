//! A child process whose output is read while it runs, and which never outlives its test.
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::wait::{self, PATIENCE};

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Mutex<Receiver<String>>,
    errors: Arc<Mutex<String>>,
    reading_errors: Option<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&errors);
        let reading_errors = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, lines: Mutex::new(lines), errors, reading_errors: Some(reading_errors) }
    }

    /// The next line on stdout; none when the process has ended.
    ///
    /// # Panics
    /// When none comes for [`PATIENCE`].
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.lock().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("no line for {PATIENCE:?}; stderr:\n{}", self.errors())
            }
        }
    }

    /// All further lines on stdout, as they come; [`Self::line`] has none then.
    pub(crate) fn take_lines(&self) -> Receiver<String> {
        std::mem::replace(&mut self.lines.lock().unwrap(), mpsc::channel().1)
    }

    /// What was written to stderr so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// `kill -9`: the process gets no chance to do anything.
    pub(crate) fn kill_9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child can be waited for");
    }

    /// Asks for an orderly end (SIGTERM).
    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::TERM)
            .expect("a child can be signalled");
    }

    /// Waits for the end; [`Self::errors`] is complete then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait::until("the process ends", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        if let Some(reading) = self.reading_errors.take() {
            reading.join().expect("stderr can be read");
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

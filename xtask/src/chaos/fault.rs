//! One thing that the system refuses to do.
use std::fmt;
use std::path::Path;

use super::random::Random;

/// System calls that do the same on different machines, how they may fail, and how often a
/// process makes them at least, so that most faults hit something.
const CALLS: [(&[&str], &[&str], u32); 11] = [
    (&["pwritev", "pwritev2"], &["EIO", "ENOSPC", "EDQUOT", "EINTR"], 50),
    (&["pwrite64"], &["EIO", "ENOSPC", "EINTR"], 2),
    (&["fdatasync"], &["EIO", "ENOSPC", "EDQUOT"], 50),
    (&["fsync"], &["EIO", "ENOSPC"], 12),
    (&["syncfs"], &["EIO", "ENOSPC"], 2),
    (&["ftruncate"], &["EIO", "ENOSPC"], 3),
    (&["rename", "renameat", "renameat2"], &["EIO", "ENOSPC"], 3),
    (&["openat"], &["EIO", "EMFILE", "ENOSPC", "EINTR"], 50),
    (&["mkdir", "mkdirat", "unlink", "unlinkat"], &["EIO", "ENOSPC"], 4),
    (&["pread64"], &["EIO", "EINTR"], 30),
    (&["fstatfs", "getdents64", "accept4"], &["EIO", "EMFILE"], 12),
];

/// Files may grow to so many bytes more with each step of [`Fault::Short`].
const SHORT_STEP_BYTES: u64 = 32 << 10;
const SHORT_STEPS: u32 = 50;
const SHORT_FROM_BYTES: u64 = 256 << 10;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The n-th of these calls in a thread fails, and perhaps all behind it.
    Call { calls: &'static [&'static str], error: &'static str, nth: u32, on: bool },
    /// A write beyond this size of a file is cut short, and the next one fails.
    Short { file_bytes: u64 },
}

impl Fault {
    /// All there are, in the order of a seed.
    pub(super) fn all(random: &mut Random) -> Vec<Self> {
        let mut faults = Vec::new();
        for (calls, errors, most) in CALLS {
            for error in errors {
                for nth in 1..=most {
                    faults.push(Self::Call { calls, error, nth, on: false });
                    // Interrupted again and again, nothing can be done but to try again.
                    if *error != "EINTR" {
                        faults.push(Self::Call { calls, error, nth, on: true });
                    }
                }
            }
        }
        for step in 0..SHORT_STEPS {
            let file_bytes = SHORT_FROM_BYTES + u64::from(step) * SHORT_STEP_BYTES;
            faults.push(Self::Short { file_bytes });
        }
        for index in (1..faults.len()).rev() {
            faults.swap(index, random.below(index + 1));
        }
        faults
    }

    /// What runs the binary so that it meets the fault; calls that failed are noted in `trace`.
    pub(super) fn under(&self, trace: &Path) -> Vec<String> {
        match self {
            Self::Call { calls, error, nth, on } => {
                // A question mark: some machines do not have the call.
                let set: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
                let set = set.join(",");
                let from = if *on { "+" } else { "" };
                let mut under: Vec<String> =
                    ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-o"]
                        .map(str::to_owned)
                        .to_vec();
                under.push(trace.display().to_string());
                under.extend(["-e".to_owned(), format!("trace={set}")]);
                under.extend([
                    "-e".to_owned(),
                    format!("inject={set}:error={error}:when={nth}{from}"),
                ]);
                under
            }
            Self::Short { file_bytes } => {
                let limit = format!("--fsize={file_bytes}");
                // The error is to be met, not the signal that comes with it.
                ["prlimit", &limit, "env", "--ignore-signal=XFSZ"].map(str::to_owned).to_vec()
            }
        }
    }

    /// Whether it makes a sync fail, behind which nothing may go on.
    pub(super) fn is_sync(&self) -> bool {
        let syncs = ["fdatasync", "fsync", "syncfs"];
        matches!(self, Self::Call { calls, .. } if calls.iter().any(|call| syncs.contains(call)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { calls, error, nth, on } => {
                let name = calls.first().unwrap_or(&"");
                let on = if *on { " and all behind" } else { "" };
                write!(f, "{error} at {name} {nth}{on}")
            }
            Self::Short { file_bytes } => write!(f, "no file beyond {file_bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_order_and_nothing_is_left_out() {
        let all = |seed| Fault::all(&mut Random::new(seed));
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert_eq!(all(1).len(), all(2).len());
        assert!(all(1).len() > 1000);
    }

    #[test]
    fn strace_is_told_what_to_inject() {
        let fault = Fault::Call { calls: &["fdatasync"], error: "EIO", nth: 3, on: true };
        let under = fault.under(Path::new("t")).join(" ");
        assert!(under.ends_with("-o t -e trace=?fdatasync -e inject=?fdatasync:error=EIO:when=3+"));
        assert_eq!(fault.to_string(), "EIO at fdatasync 3 and all behind");
        assert!(fault.is_sync());
    }
}

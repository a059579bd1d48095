//! What a process costs, as the kernel counts it.
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::failure::{Failure, Outcome, While};

/// How often memory is looked at while a load runs.
const SAMPLE_PAUSE: Duration = Duration::from_millis(50);

/// CPU time of the process so far, its ended threads included.
pub(super) fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .on(format!("read the CPU time of {pid}"))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| Failure::new("/proc/PID/stat has another form"))?;
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Ok(f64::from(ticks) / f64::from(per_second))
}

/// User and system time, the 14th and 15th field; the second one, the name, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory now, in KiB.
pub(super) fn resident_kib(pid: u32) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .on(format!("read the memory of {pid}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.ok_or_else(|| Failure::new("/proc/PID/status has another form"))
}

/// Runs `load`, and gives with its result the most memory that `pid` was seen to hold, in KiB.
pub(super) fn watch_memory<T>(pid: u32, load: impl FnOnce() -> T) -> (T, u64) {
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(resident_kib(pid).unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(SAMPLE_PAUSE);
            }
        });
        let result = load();
        done.store(true, Ordering::Relaxed);
        (result, most.load(Ordering::Relaxed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_strange_name() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(100));
        assert_eq!(cpu_ticks("12 a S 1"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_kib(std::process::id()).unwrap() > 100);
        assert!(cpu_seconds(std::process::id()).is_ok());
        let ((), most) = watch_memory(std::process::id(), || std::thread::sleep(SAMPLE_PAUSE * 2));
        assert!(most > 100);
    }
}

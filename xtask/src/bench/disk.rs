//! The physical limit: how fast the disk itself makes a block durable.
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome, While};
use crate::latency::Latencies;

const BLOCK_BYTES: usize = 4096;
const FILE_BLOCKS: u64 = 16 * 1024;

/// Times `pwrite` of 4 KiB followed by `fdatasync`, one after the other, on a file in `folder` that
/// was filled with zeros before.
pub(super) fn fdatasync(folder: &Path, how_long: Duration) -> Outcome<Latencies> {
    let mut file: File = tempfile::tempfile_in(folder).on("make a file to measure the disk")?;
    let zeros = vec![0; BLOCK_BYTES * 64];
    for _ in 0..FILE_BLOCKS / 64 {
        file.write_all(&zeros).on("fill a file to measure the disk")?;
    }
    file.sync_all().on("sync a file to measure the disk")?;
    let block = [0xA5; BLOCK_BYTES];
    let mut latencies = Latencies::default();
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < how_long {
        let before = Instant::now();
        file.write_all_at(&block, number % FILE_BLOCKS * 4096).on("measure the disk")?;
        file.sync_data().on("measure the disk")?;
        latencies.add(before.elapsed());
        number += 1;
    }
    Ok(latencies)
}

/// Bytes that the device below `folder` was given to write so far, by everybody. What the kernel
/// counts for a process is no measure: it takes a large folio for written when a page of it is.
pub(super) fn written_bytes(folder: &Path) -> Outcome<u64> {
    const SECTOR_BYTES: u64 = 512;
    const SECTORS_WRITTEN: usize = 6;
    let device = fs::metadata(folder).on(format!("look at {}", folder.display()))?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let path = format!("/sys/dev/block/{major}:{minor}/stat");
    let stat = fs::read_to_string(&path).on(format!("read {path}"))?;
    let sectors = stat.split_whitespace().nth(SECTORS_WRITTEN).and_then(|n| n.parse::<u64>().ok());
    let sectors = sectors.ok_or_else(|| Failure::new(format!("{path} has another form")))?;
    Ok(sectors * SECTOR_BYTES)
}

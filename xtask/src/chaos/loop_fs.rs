//! A file system of its own in an image file: it can be cut off from its disk, or be full.
//!
//! Needs root, for mounting.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Outcome, While};
use crate::project;

/// Cuts a mounted file system off without writing its journal out: `FS_IOC_SHUTDOWN` with
/// `NOLOGFLUSH`. Python stands for the `ioctl`, which safe Rust does not have.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(folder, 0x8004587d, struct.pack('I', 2))";

/// Which file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ext4,
    Xfs,
}

/// A mounted file system; it is unmounted when this value goes.
#[derive(Debug)]
pub(super) struct LoopFs {
    image: PathBuf,
    mounted: PathBuf,
}

impl Format {
    const fn mkfs(self) -> &'static str {
        match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        }
    }

    /// Why it cannot be used here, if it cannot.
    pub(super) fn missing(self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("mounting needs root: run it with sudo".to_owned());
        }
        let package = match self {
            Self::Ext4 => "e2fsprogs",
            Self::Xfs => "xfsprogs",
        };
        for (program, package) in
            [(self.mkfs(), package), ("mount", "mount"), ("python3", "python3")]
        {
            if !is_installed(program) {
                return Some(format!("{program} is not there: install {package}"));
            }
        }
        None
    }
}

impl LoopFs {
    /// A new file system of so many MiB, with its image and its mount point in `folder`.
    pub(super) fn create(folder: &Path, format: Format, mib: u64) -> Outcome<Self> {
        let (image, mounted) = (folder.join("image"), folder.join("mounted"));
        let file = File::create(&image).on(format!("make {}", image.display()))?;
        file.set_len(mib << 20).on("size an image")?;
        std::fs::create_dir(&mounted).on(format!("make {}", mounted.display()))?;
        project::output(Command::new(format.mkfs()).arg("-q").arg(&image))?;
        mount(&image, &mounted)?;
        Ok(Self { image, mounted })
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.mounted
    }

    /// The disk is gone from now on: nothing more reaches it.
    pub(super) fn cut(&self) -> Outcome {
        let mut python = Command::new("python3");
        project::output(python.args(["-c", SHUTDOWN]).arg(&self.mounted)).map(drop)
    }

    /// Tries whether a cut loses what was not synced: without that, nothing would be tested.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn try_cut(&self) -> Outcome {
        let (synced, unsynced) = (self.mounted.join("synced"), self.mounted.join("unsynced"));
        File::create(&synced).and_then(|file| file.sync_all()).on("sync a file")?;
        File::open(&self.mounted).and_then(|folder| folder.sync_all()).on("sync a folder")?;
        std::fs::write(&unsynced, "x").on("write a file")?;
        self.cut()?;
        self.remount()?;
        if unsynced.exists() || !synced.exists() {
            return Err(Failure::new("a cut does not lose what was not synced, or loses more"));
        }
        std::fs::remove_file(&synced).on("remove a file")
    }

    /// Unmounts it and mounts it again, as after a power cut.
    pub(super) fn remount(&self) -> Outcome {
        unmount(&self.mounted)?;
        mount(&self.image, &self.mounted)
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        // A failed run may leave it in use; the system takes it away with the last user.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).status();
    }
}

fn mount(image: &Path, mounted: &Path) -> Outcome {
    project::output(Command::new("mount").args(["-o", "loop"]).arg(image).arg(mounted)).map(drop)
}

/// What a killed process held may take a moment to go.
fn unmount(mounted: &Path) -> Outcome {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    let mut last = Failure::new("unmount");
    for _ in 0..TRIES {
        match project::output(Command::new("umount").arg(mounted)) {
            Ok(_) => return Ok(()),
            Err(failure) => last = failure,
        }
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

/// Whether a program is in one of the folders where programs are.
pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    std::env::split_paths(&path).chain(sbin).any(|folder| folder.join(program).is_file())
}

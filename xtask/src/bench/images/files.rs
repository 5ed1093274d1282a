//! The images that are brought, and the pools that they are brought into.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::stage::Stage;
use crate::process;

/// The length of the large images.
pub const LARGE: u64 = 2 << 30;
/// How much of a sparse image is data.
const DATA: u64 = 400 << 20;
/// A sparse image has its data in so many places.
const PLACES: u64 = 8;

/// The images, in a folder that goes with this.
pub struct Files {
    folder: PathBuf,
    /// 2 GiB, of which some are data.
    pub raw: PathBuf,
    /// The same in a file of 2 GiB.
    pub qcow2: PathBuf,
    /// Data throughout.
    pub dense: PathBuf,
}

impl Files {
    /// Makes them.
    pub fn make(stage: &Stage) -> Result<Self> {
        let folder = stage.home().join("images");
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make `{}`", folder.display()))?;
        let files = Self {
            raw: folder.join("sparse.raw"),
            qcow2: folder.join("sparse.qcow2"),
            dense: folder.join("dense.raw"),
            folder,
        };
        raw(&files.raw, LARGE, DATA)?;
        raw(&files.dense, DATA, DATA)?;
        let options = ["-q", "-f", "qcow2", "-o", "preallocation=metadata"];
        let mut create = Command::new("qemu-img");
        create.arg("create").args(options).arg(&files.qcow2);
        process::output(create.arg(LARGE.to_string()))?;
        // Into what is there: each cluster has its place, and those of zeros stay holes.
        let mut fill = Command::new("qemu-img");
        fill.args(["convert", "-n", "-f", "raw", "-O", "qcow2"]);
        process::output(fill.arg(&files.raw).arg(&files.qcow2))?;
        process::output(&mut Command::new("sync"))?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // It is in what can be thrown away at any time.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a raw disk of random bytes and holes.
pub fn raw(path: &Path, length: u64, data: u64) -> Result<()> {
    let make = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.set_len(length)?;
        for place in 0..PLACES {
            let random = File::open("/dev/urandom")?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(place * length / PLACES))?;
            io::copy(&mut random.take(data / PLACES), &mut file)?;
        }
        // What makes a disk of it.
        file.write_all_at(&[0x55, 0xaa], 510)
    };
    make().with_context(|| format!("failed to make `{}`", path.display()))
}

/// A pool of files in a folder, which is made.
pub fn pool(stage: &Stage, name: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make `{}`", folder.display()))?;
    for arguments in [
        &[
            "pool-define-as",
            name,
            "dir",
            "--target",
            &folder.to_string_lossy(),
        ][..],
        &["pool-start", name],
    ] {
        process::output(stage.at_home("virsh").args(arguments))?;
    }
    Ok(())
}

/// A file system that shares data between files, of a file; unmounted with this.
pub struct Sharing(PathBuf);

impl Sharing {
    /// Makes it, and mounts it at this folder.
    pub fn mount(stage: &Stage, at: &Path) -> Result<Self> {
        let disk = stage.home().join("sharing.disk");
        let made = File::create(&disk).and_then(|file| file.set_len(4 * LARGE));
        made.with_context(|| format!("failed to make `{}`", disk.display()))?;
        process::output(Command::new("mkfs.btrfs").arg("--quiet").arg(&disk))?;
        fs::create_dir_all(at).with_context(|| format!("failed to make `{}`", at.display()))?;
        process::output(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(&disk)
                .arg(at),
        )?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        // Else it goes with the lab's own mounts.
        let _ = process::output(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

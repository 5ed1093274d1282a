//! A home with a daemon of its own, and images to bring into its pools.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trustnet_core::artifact::Digest;
use trustnet_host::image::place::part_of;

use crate::support::{Home, Run, files_below};

/// Bytes of the disks; nearly all of them are zeros that take no room.
pub const LENGTH: u64 = 8 << 20;

/// A home of its own.
pub struct Stage {
    pub home: Home,
}

impl Stage {
    /// With `disk.raw`, and the same as `disk.qcow2`.
    pub fn new() -> Self {
        let stage = Self {
            home: Home::at("qemu:///session"),
        };
        stage.raw("disk.raw", 200_000, LENGTH);
        let mut convert = stage.home.at_home("qemu-img");
        convert.args([
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "disk.raw",
            "disk.qcow2",
        ]);
        assert!(convert.status().expect("qemu-img starts").success());
        stage
    }

    /// Makes a disk with a boot record and, in its middle, so many bytes that no program makes smaller.
    pub fn raw(&self, name: &str, bytes: u64, length: u64) -> PathBuf {
        let path = self.home.path(name);
        let file = File::create(&path).expect("a file");
        file.set_len(length).expect("a length");
        file.write_all_at(&[0x55, 0xaa], 510).expect("written");
        let mut seed = 7u64;
        let noise: Vec<u8> = (0..bytes)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        file.write_all_at(&noise, 4096).expect("written");
        path
    }

    /// Packs a file beside itself.
    pub fn pack(&self, name: &str) -> String {
        let packed = format!("{name}.gz");
        let mut gzip = self.home.at_home("gzip");
        let output = gzip.args(["-c", name]).output().expect("gzip starts");
        assert!(output.status.success());
        fs::write(self.home.path(&packed), output.stdout).expect("a file");
        packed
    }

    /// The folder of the pool of images.
    pub fn pool(&self) -> PathBuf {
        self.home.path("data/trustnet-vm/images")
    }

    /// What a verb prints for machines.
    pub fn json(&self, args: &[&str]) -> Value {
        let args = args.iter().copied().chain(["-o", "json"]);
        serde_json::from_str(&self.home.done(args).out).expect("JSON")
    }

    /// What libvirt says of an image.
    pub fn libvirt(&self, pool: &str, name: &str) -> String {
        let run = self.home.virsh(&["vol-dumpxml", name, "--pool", pool]);
        assert_eq!(run.code, 0, "{}", run.err);
        run.out
    }

    /// The files of a folder that are no images: what runs have left in it.
    pub fn left_in(&self, folder: &Path) -> Vec<String> {
        let all = files_below(folder).into_iter();
        all.map(|path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into()
        })
        .filter(|name: &String| part_of(name).is_some())
        .collect()
    }

    /// What is left of images on their way, in the pool and beside the downloads.
    pub fn left(&self) -> Vec<String> {
        let mut left = self.left_in(&self.pool());
        let cache = files_below(&self.home.path("cache/trustnet-vm/downloads")).into_iter();
        left.extend(
            cache
                .filter(|path| path.extension().is_none_or(|kind| kind != "lock"))
                .map(|path| path.display().to_string()),
        );
        left
    }

    /// Runs a verb that must fail so, and leave nothing.
    #[track_caller]
    pub fn refused(&self, args: &[&str], code: i32, why: &[&str]) -> Run {
        let run = self.home.run(args);
        assert_eq!(run.code, code, "{args:?}: {}{}", run.out, run.err);
        for why in why {
            assert!(run.err.contains(why), "{args:?}: {}", run.err);
        }
        assert_eq!(self.left(), Vec::<String>::new(), "{args:?}");
        run
    }
}

/// The digest of a file's bytes, as it is given to a verb.
pub fn checksum(path: &Path) -> String {
    format!("sha256:{}", Digest::of(&fs::read(path).expect("a file")))
}

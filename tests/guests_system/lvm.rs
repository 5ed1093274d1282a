//! A pool on LVM: a volume group on a loop device, where the kernel has the device mapper.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::Home;

/// The name of the group; the laboratory has no other.
const GROUP: &str = "tnvm-lvm-test";
/// MiB of the device below the group.
const MIB: u64 = 256;

/// A loop device with a volume group, which goes when the test ends.
struct Group {
    device: String,
}

impl Group {
    /// Makes it in a file.
    fn new(file: &Path) -> Self {
        let made = fs::File::create(file).and_then(|file| file.set_len(MIB << 20));
        made.expect("a file");
        let device = said(Command::new("losetup").args(["--find", "--show"]).arg(file));
        let group = Self { device };
        said(Command::new("pvcreate").args(["--quiet", &group.device]));
        said(Command::new("vgcreate").args(["--quiet", GROUP, &group.device]));
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for command in [
            &["vgremove", "--force", "--yes", GROUP][..],
            &["losetup", "--detach", &self.device],
        ] {
            // What a failed test left is no reason to hide why it failed.
            let _ = Command::new(command[0]).args(&command[1..]).status();
        }
    }
}

/// What a command said, once it has succeeded.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Why there can be no volume group here.
fn missing() -> Option<String> {
    if std::env::var_os("TRUSTNET_VM_LAB").is_none() {
        return Some("not in the lab; run `cargo xtask test guests` as root".to_owned());
    }
    let kernel = fs::read_to_string("/proc/misc").unwrap_or_default();
    if !kernel.contains("device-mapper") {
        return Some("this kernel has no device-mapper (see /proc/misc)".to_owned());
    }
    let tool = ["pvcreate", "vgcreate", "losetup"]
        .into_iter()
        .find(|tool| Command::new(tool).arg("--version").output().is_err());
    tool.map(|tool| format!("no {tool}; `cargo xtask setup` installs lvm2"))
}

#[test]
fn volumes_of_an_lvm_pool_are_logical_volumes_and_the_group_outlives_the_pool() {
    if let Some(why) = missing() {
        println!("skipped: an LVM pool: {why}");
        return;
    }
    let home = Home::at("qemu:///system");
    let _group = Group::new(&home.path("lvm.img"));
    home.done(["pool", "add", "lvm", "logical", "--source", GROUP]);
    let pool = json(&home, &["pool", "info", "lvm"]);
    assert_eq!(pool["type"], "logical", "{pool}");
    let room = pool["available"].as_u64().expect("a number");
    assert!((MIB - 16) << 20 < room && room <= MIB << 20, "{pool}");

    // An image is a volume of its own, with the bytes that were brought.
    let image = disk(&home.path("disk.raw"));
    let import = ["image", "import", "disk.raw", "--pool", "lvm"];
    home.done(import);
    let volume = PathBuf::from(format!("/dev/{GROUP}/disk.raw"));
    assert_eq!(fs::read(&volume).expect("a device"), image);
    home.done(["image", "verify", "--pool", "lvm"]);
    assert_eq!(home.done(import).code, 0, "the same image again");
    let after = json(&home, &["pool", "info", "lvm"]);
    let taken = room - after["available"].as_u64().expect("a number");
    assert_eq!(taken, 32 << 20, "{after}");

    // What does not fit is refused with the numbers, before anything is made.
    let large = home.path("large.raw");
    disk(&large);
    let grown = fs::File::options().write(true).open(&large);
    let grown = grown.and_then(|file| file.set_len(1 << 30));
    grown.expect("a length");
    let refused = home.run(["image", "import", "large.raw", "--pool", "lvm"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("needs 1 GiB"), "{}", refused.err);

    home.done(["image", "delete", "disk.raw", "--pool", "lvm", "--yes"]);
    assert!(!volume.exists());
    home.done(["pool", "delete", "lvm", "--yes"]);
    said(Command::new("vgs").arg(GROUP));
}

/// A bootable disk of 32 MiB, and its bytes.
fn disk(path: &Path) -> Vec<u8> {
    let mut bytes = vec![0; 32 << 20];
    bytes[440..446].fill(7);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes[20 << 20..21 << 20].fill(7);
    fs::write(path, &bytes).expect("a file");
    bytes
}

fn json(home: &Home, args: &[&str]) -> Value {
    let args = args.iter().copied().chain(["-o", "json"]);
    serde_json::from_str(&home.done(args).out).expect("JSON")
}

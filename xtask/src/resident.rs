//! Who runs the demo's program. A user does so as he is. Root has no session daemon, so root's demo lives in a house of its
//! own, as Debian's unprivileged `nobody`, with a door through which root speaks to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::{paths, process, setup, speak};

const HOUSE: &str = "/var/lib/trustnet-vm-demo";
const NOBODY: u32 = 65534;
/// The daemons of a session; each ends by itself when nobody has spoken to it for two minutes.
const DAEMONS: [&str; 3] = ["libvirtd", "virtqemud", "virtlogd"];

/// Who runs the program, and where its things are.
pub struct Resident {
    /// What to run.
    pub program: PathBuf,
    /// What the program keeps for the one who runs it.
    pub data: PathBuf,
    is_housed: bool,
}

impl Resident {
    /// The one who runs what was built: this user, or, for root, the one in the house.
    pub fn with(built: &Path) -> Result<Self> {
        if !setup::is_root() {
            return Ok(Self {
                program: built.to_path_buf(),
                data: paths::data()?,
                is_housed: false,
            });
        }
        let house = Path::new(HOUSE);
        for directory in [
            "",
            "run",
            "bin",
            ".local",
            ".local/share",
            ".local/share/trustnet-vm",
        ] {
            let path = house.join(directory);
            fs::create_dir_all(&path)
                .with_context(|| format!("failed to make `{}`", path.display()))?;
            hand_over(&path, 0o700)?;
        }
        // The checkout may lie where only root may look. A running program cannot be overwritten, but replaced.
        let inner = house.join("bin/trustnet-vm");
        let fresh = house.join("bin/.trustnet-vm.unfinished");
        fs::copy(built, &fresh)
            .with_context(|| format!("failed to write `{}`", fresh.display()))?;
        fs::rename(&fresh, &inner)
            .with_context(|| format!("failed to name `{}`", inner.display()))?;
        hand_over(&inner, 0o755)?;
        let door = house.join("trustnet-vm");
        let groups = if in_groups("kvm") {
            "--groups=kvm"
        } else {
            "--clear-groups"
        };
        let script = format!(
            "#!/bin/sh\n# Runs trustnet-vm as the one who lives here.\ncd {HOUSE} || exit 1\n\
             exec setpriv --reuid={NOBODY} --regid={NOBODY} {groups} env HOME={HOUSE} XDG_RUNTIME_DIR={HOUSE}/run \\\n    \
             --unset=XDG_DATA_HOME --unset=XDG_STATE_HOME --unset=XDG_CACHE_HOME --unset=XDG_CONFIG_HOME \\\n    \
             {} \"$@\"\n",
            inner.display()
        );
        fs::write(&door, script)
            .with_context(|| format!("failed to write `{}`", door.display()))?;
        fs::set_permissions(&door, Permissions::from_mode(0o755))
            .with_context(|| format!("failed to make `{}` a program", door.display()))?;
        speak::note(&format!(
            "demo: root has no session daemon: the demo lives in `{HOUSE}` as an unprivileged user"
        ));
        Ok(Self {
            program: door,
            data: house.join(".local/share/trustnet-vm"),
            is_housed: true,
        })
    }

    /// The program, about to be run.
    pub fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// A file of the repository where the resident can read it.
    pub fn readable(&self, file: &str) -> Result<PathBuf> {
        let source = paths::repository().join(file);
        if !self.is_housed {
            return Ok(source);
        }
        let copy = Path::new(HOUSE).join(source.file_name().unwrap_or(file.as_ref()));
        fs::copy(&source, &copy)
            .with_context(|| format!("failed to write `{}`", copy.display()))?;
        hand_over(&copy, 0o644)?;
        Ok(copy)
    }

    /// Makes what was put below the resident's data the resident's own.
    pub fn own(&self, path: &Path) -> Result<()> {
        if self.is_housed {
            hand_over(path, if path.is_dir() { 0o700 } else { 0o644 })
        } else {
            Ok(())
        }
    }

    /// Where the resident lives in a house that the demo made: tears it down, unless guests are left in it.
    pub fn move_out(&self) -> Result<()> {
        if !self.is_housed {
            return Ok(());
        }
        let guests = process::output(self.command().args(["list", "-o", "name"]))?;
        if let Some(guest) = guests.lines().next() {
            speak::note(&format!("demo: kept `{HOUSE}`: `{guest}` lives there, too"));
            return Ok(());
        }
        for daemon in DAEMONS {
            end(daemon)?;
        }
        fs::remove_dir_all(HOUSE).with_context(|| format!("failed to remove `{HOUSE}`"))?;
        speak::note(&format!("demo: removed `{HOUSE}`"));
        Ok(())
    }
}

/// Ends a daemon of the house; one that is gone already, or whose number is another's by now, is none of it.
fn end(daemon: &str) -> Result<()> {
    let file = Path::new(HOUSE).join(format!("run/libvirt/{daemon}.pid"));
    let Some(id) = fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
    else {
        return Ok(());
    };
    let is_it =
        fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == daemon);
    match Pid::from_raw(id).filter(|_| is_it) {
        Some(pid) => {
            kill_process(pid, Signal::TERM).with_context(|| format!("failed to end `{daemon}`"))
        }
        None => Ok(()),
    }
}

fn hand_over(path: &Path, mode: u32) -> Result<()> {
    lchown(path, Some(NOBODY), Some(NOBODY))
        .with_context(|| format!("failed to hand over `{}`", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("failed to hand over `{}`", path.display()))
}

fn in_groups(name: &str) -> bool {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    groups
        .lines()
        .any(|line| line.split(':').next() == Some(name))
}

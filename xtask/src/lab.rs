//! `cargo xtask lab`: a complete second libvirtd that touches nothing of the host.
//!
//! In namespaces of its own for network, mounts and processes there is a bridge with addresses from the ranges for
//! documentation, a fresh `/run`, and fresh directories where libvirt keeps its files. No packet leaves. When the first
//! process of the namespace ends, for whatever reason, the kernel ends all others.

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{WaitOptions, wait};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{process, setup};

const BRIDGE: &str = "br-lab";
const ADDRESSES: [&str; 2] = ["192.0.2.1/24", "2001:db8:1::1/64"];
const SOCKET: &str = "/run/libvirt/libvirt-sock";
const KVM: &str = "/dev/kvm";
const PREFIX: &str = "trustnet-lab-";
/// Everything that libvirt and its helpers write; each gets a fresh directory.
const FRESH: [&str; 4] = [
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/log/libvirt",
    "/var/cache/libvirt",
];
/// How long a command may take to end by itself after an interrupt.
const GRACE: Duration = Duration::from_secs(15);
const DAEMON_START: Duration = Duration::from_secs(30);

/// Run a command beside a libvirtd of its own, isolated from the host (root)
#[derive(clap::Args)]
pub struct Lab {
    /// The directory that holds the lab's files; given to the part that is inside
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
    /// What to run there
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Lab {
    /// Does it, and ends as the command did.
    pub fn run(&self) -> Result<ExitCode> {
        match &self.inside {
            Some(directory) => inside(directory, &self.command),
            None => self.outside(),
        }
    }

    fn outside(&self) -> Result<ExitCode> {
        if !setup::is_root() {
            bail!("a libvirtd of its own needs root");
        }
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))
                .context("failed to catch signals")?;
        }
        sweep(Path::new("/var/tmp"))?;
        // On a disk: QEMU opens images in ways that a tmpfs may not know.
        let directory = Path::new("/var/tmp").join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&directory)
            .with_context(|| format!("failed to make `{}`", directory.display()))?;
        let ended = self.enter(&directory, &interrupted);
        let removed = fs::remove_dir_all(&directory);
        let code = ended?;
        removed.with_context(|| format!("failed to remove `{}`", directory.display()))?;
        Ok(code)
    }

    fn enter(&self, directory: &Path, interrupted: &AtomicBool) -> Result<ExitCode> {
        // A copy of this very program: a build may put another in its place at any time.
        let itself = directory.join("xtask");
        fs::copy("/proc/self/exe", &itself).context("failed to copy this program")?;
        // However this process ends, `unshare` ends with it, and with that everything inside.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
        ]);
        command.args(["--mount-proc", "--kill-child"]);
        command
            .arg(itself)
            .args(["lab", "--inside"])
            .arg(directory)
            .arg("--")
            .args(&self.command);
        let child = command.spawn().context("failed to start `unshare`")?;
        Ok(code(await_end(child, interrupted)?))
    }
}

/// Waits for the child; an interrupt reaches it by the terminal, and what does not end then is ended.
fn await_end(mut child: Child, interrupted: &AtomicBool) -> Result<ExitStatus> {
    let mut deadline = None;
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for `unshare`")? {
            return Ok(status);
        }
        if interrupted.load(Ordering::Relaxed) {
            let at = *deadline.get_or_insert_with(|| Instant::now() + GRACE);
            if Instant::now() >= at {
                child.kill().context("failed to end `unshare`")?;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Removes what labs have left whose first process was killed.
fn sweep(parent: &Path) -> Result<()> {
    for entry in
        fs::read_dir(parent).with_context(|| format!("failed to list `{}`", parent.display()))?
    {
        let path = entry
            .with_context(|| format!("failed to list `{}`", parent.display()))?
            .path();
        let process = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            fs::remove_dir_all(&path)
                .with_context(|| format!("failed to remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn inside(directory: &Path, command: &[OsString]) -> Result<ExitCode> {
    files(directory)?;
    network()?;
    daemons()?;
    let (program, arguments) = command.split_first().context("no command was given")?;
    let child = Command::new(program)
        .args(arguments)
        .env("LIBVIRT_DEFAULT_URI", "qemu:///system")
        .env("TRUSTNET_VM_LAB", "1")
        .env("XDG_RUNTIME_DIR", "/run/user/0")
        .spawn()
        .with_context(|| format!("failed to start `{}`", program.display()))?;
    Ok(code(reap_until(&child)?))
}

/// As the first process of its namespace it takes in the orphans: libvirt waits for QEMU to be gone, and a process that
/// nobody has waited for is not.
fn reap_until(child: &Child) -> Result<ExitStatus> {
    loop {
        let Some((ended, status)) =
            wait(WaitOptions::empty()).context("failed to wait for processes")?
        else {
            continue;
        };
        if u32::try_from(ended.as_raw_nonzero().get()).is_ok_and(|id| id == child.id()) {
            return Ok(ExitStatus::from_raw(status.as_raw()));
        }
    }
}

fn files(directory: &Path) -> Result<()> {
    run(
        "mount",
        &["-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"],
    )?;
    // The network namespace's own view of its interfaces. The host's control groups below the old one go, too: libvirt
    // uses what the table of mounts names.
    run("umount", &["--recursive", "--lazy", "/sys"])?;
    run("mount", &["-t", "sysfs", "sysfs", "/sys"])?;
    for path in ["/run/lock", "/run/user/0"] {
        fs::create_dir_all(path).with_context(|| format!("failed to make `{path}`"))?;
    }
    // Where QEMU's user may not open the host's own, libvirt would take KVM for new and look at QEMU anew at each call: a
    // second and more a time.
    if Path::new(KVM).exists() {
        run("mknod", &["-m", "666", "/run/kvm", "c", "10", "232"])?;
        run("mount", &["--bind", "/run/kvm", KVM])?;
    }
    for target in FRESH {
        let fresh = directory.join(target.trim_start_matches('/'));
        fs::create_dir_all(&fresh)
            .with_context(|| format!("failed to make `{}`", fresh.display()))?;
        fs::create_dir_all(target).with_context(|| format!("failed to make `{target}`"))?;
        run("mount", &["--bind", &fresh.to_string_lossy(), target])?;
    }
    // Root is alone here: nobody else is to be asked, and no profile confines a guest.
    write("/etc/libvirt/libvirtd.conf", "auth_unix_rw = \"none\"\n")?;
    write("/etc/libvirt/qemu.conf", "security_driver = \"none\"\n")
}

fn network() -> Result<()> {
    run("ip", &["link", "set", "lo", "up"])?;
    let quick = [
        "forward_delay",
        "0",
        "stp_state",
        "0",
        "mcast_snooping",
        "0",
    ];
    run(
        "ip",
        &[&["link", "add", BRIDGE, "type", "bridge"][..], &quick].concat(),
    )?;
    run("ip", &["link", "set", BRIDGE, "up"])?;
    for address in ADDRESSES {
        let family = if address.contains(':') {
            &["nodad"][..]
        } else {
            &[]
        };
        run(
            "ip",
            &[&["address", "add", address, "dev", BRIDGE][..], family].concat(),
        )?;
    }
    Ok(())
}

fn daemons() -> Result<()> {
    run("virtlogd", &["--daemon"])?;
    run("libvirtd", &["--daemon"])?;
    let deadline = Instant::now() + DAEMON_START;
    while let Err(error) = UnixStream::connect(SOCKET) {
        if Instant::now() > deadline {
            let log = fs::read_to_string("/var/log/libvirt/libvirtd.log").unwrap_or_default();
            return Err(error)
                .with_context(|| format!("libvirtd does not answer on `{SOCKET}`\n{log}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write `{path}`"))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    process::output(Command::new(program).args(arguments)).map(|_| ())
}

/// The exit code that a shell would show.
fn code(status: ExitStatus) -> ExitCode {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}

//! A home of its own for each test: own folders, own session daemon, own domains and volumes.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot set up its home fails there"
)]

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A home of its own. The path is short: libvirt's sockets live below it.
pub struct Home {
    folder: TempDir,
    uri: String,
    program: PathBuf,
    /// Who lives here: nobody, where root runs the tests, because root has no session daemon.
    user: Option<u32>,
}

/// The unprivileged user that session tests of root's run as: Debian's `nobody`.
const NOBODY: u32 = 65534;

/// What a run of the program came to.
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    /// A home with this connection as its default; `qemu:///session` is a daemon of its own.
    pub fn at(uri: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tnvm")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        for name in ["run", "data", "state", "cache", "config"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let root = std::fs::metadata("/proc/self").expect("proc").uid() == 0;
        let user = (root && uri.ends_with("/session")).then_some(NOBODY);
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_trustnet-vm"));
        if user.is_some() {
            // The checkout may lie where nobody may look.
            let copy = folder.path().join("trustnet-vm");
            std::fs::copy(&program, &copy).expect("a copy of the program");
            program = copy;
        }
        let home = Self {
            folder,
            uri: uri.to_owned(),
            program,
            user,
        };
        home.hand_over(home.folder.path());
        home
    }

    /// Makes a path the property of who lives here.
    fn hand_over(&self, path: &Path) {
        let Some(user) = self.user else { return };
        let status = Command::new("chown")
            .args(["-R", &format!("{user}:{user}")])
            .arg(path)
            .status();
        assert!(status.expect("chown starts").success());
    }

    /// A path below the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file below the home and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        self.hand_over(&path);
        path
    }

    /// The program with this home, and nothing else of the environment but the path.
    pub fn program(&self) -> Command {
        self.at_home(&self.program)
    }

    /// Any program with this home.
    pub fn at_home(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .stdin(Stdio::null())
            .current_dir(self.folder.path());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("LC_ALL", "C")
            .env("TRUSTNET_VM_CONNECT", &self.uri);
        command
    }

    /// Runs the program.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::of(
            &self
                .program()
                .args(args)
                .output()
                .expect("the program starts"),
        )
    }

    /// Runs the program and expects it to succeed; what it said is shown where it does not.
    pub fn done<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(args);
        assert_eq!(run.code, 0, "stdout:\n{}\nstderr:\n{}", run.out, run.err);
        run
    }

    /// Runs a command in a guest over SSH, and gives what it said.
    pub fn guest(&self, vm: &str, script: &str) -> String {
        self.done(["ssh", vm, "--", "sh", "-c", script])
            .out
            .trim_end()
            .to_owned()
    }

    /// virsh on this home's connection.
    pub fn virsh(&self, args: &[&str]) -> Run {
        Run::of(
            &self
                .at_home("virsh")
                .args(["-c", &self.uri])
                .args(args)
                .output()
                .expect("virsh starts"),
        )
    }

    /// Everything that is there of this home's VMs: domains, volumes of our pools, NVRAM files, login keys.
    pub fn inventory(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (what, args) in [
            ("domain", ["list", "--all", "--name"].as_slice()),
            ("volume", ["vol-list", "foundry-vms"].as_slice()),
        ] {
            let run = self.virsh(args);
            all.extend(
                run.out
                    .lines()
                    .filter(|line| !line.trim().is_empty())
                    .map(|line| format!("{what} {line}")),
            );
        }
        for folder in [
            self.path("config/libvirt/qemu/nvram"),
            PathBuf::from("/var/lib/libvirt/qemu/nvram"),
        ] {
            if self.uri.ends_with("/session") == folder.starts_with(self.folder.path()) {
                all.extend(
                    files_below(&folder)
                        .into_iter()
                        .map(|path| format!("nvram {}", path.display())),
                );
            }
        }
        // The folder of a VM's login key is named by the VM's UUID and the key, which is another each time.
        let keys = files_below(&self.path("data/trustnet-vm/keys")).into_iter();
        all.extend(keys.map(|path| {
            let folder = path.parent().and_then(Path::file_stem);
            format!("key {}", folder.unwrap_or_default().to_string_lossy())
        }));
        all.extend(
            files_below(&self.path("state"))
                .into_iter()
                .filter(|path| path.ends_with("plan.json"))
                .map(|path| format!("journal {}", path.display())),
        );
        all
    }

    /// Puts the base image where this home's pool of images is, as `debian-12.qcow2`.
    pub fn with_image(self) -> Self {
        let image = test_image();
        let folder = if self.uri.ends_with("/session") {
            self.path("data/trustnet-vm/images")
        } else {
            PathBuf::from("/var/lib/libvirt/images/foundry/images")
        };
        std::fs::create_dir_all(&folder).expect("a folder");
        let place = folder.join("debian-12.qcow2");
        if !place.exists() {
            // A copy that shares its blocks where the file system can.
            let copied = Command::new("cp")
                .args(["--reflink=auto"])
                .arg(image)
                .arg(&place)
                .status();
            assert!(copied.expect("cp starts").success());
        }
        self.hand_over(&self.path("data"));
        self
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.uri != "qemu:///session" {
            return;
        }
        // Guests that a failed test leaves, then the daemon of this home.
        for name in self
            .virsh(&["list", "--name"])
            .out
            .lines()
            .filter(|name| !name.is_empty())
        {
            self.virsh(&["destroy", name]);
        }
        for pid in [
            "run/libvirt/libvirtd.pid",
            "run/libvirt/virtqemud.pid",
            "run/libvirt/virtlogd.pid",
        ] {
            if let Ok(pid) = std::fs::read_to_string(self.path(pid)) {
                // It may be gone already.
                let _ = Command::new("kill")
                    .arg(pid.trim())
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }
}

impl Run {
    /// Reads an output.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The base image that `cargo xtask test` has built.
pub fn test_image() -> PathBuf {
    std::env::var_os("TRUSTNET_VM_TEST_IMAGE")
        .map(PathBuf::from)
        .expect("TRUSTNET_VM_TEST_IMAGE names the base image; `cargo xtask test guests` sets it")
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(files_below(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

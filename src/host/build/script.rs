//! The script that builds: a child that ends when we do, and takes everything away that it has made.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use trustnet_core::recipe::{Identities, InputFile, Mirrors, Recipe};

use super::{BuildError, SCRIPT, archives, folder};
use crate::error::HostError;

/// How often is looked whether it has ended, or is to.
const OFTEN: Duration = Duration::from_millis(50);
/// How many of the last lines are told when it fails.
const LINES: usize = 20;

/// What the script is told.
pub(super) struct Script<'a> {
    pub recipe: &'a Recipe,
    pub overlay: &'a [InputFile],
    pub mirrors: &'a Mirrors,
    pub identities: Identities,
    /// The file that it writes.
    pub output: &'a Path,
    /// What is locked while anything of it goes on.
    pub lock: &'a Path,
    /// The folder in which it makes everything else.
    pub work: PathBuf,
}

impl Script<'_> {
    /// Builds, and hands back what the archives said meanwhile. However it ends, the folder is gone.
    pub fn run(
        &self,
        stop: &dyn Fn() -> bool,
        hear: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
        self.sweep()?;
        let ran = self.lay_out().and_then(|()| self.build(stop, hear));
        let swept = self.sweep();
        let releases = ran?;
        swept?;
        Ok(releases)
    }

    /// Takes away what is in the folder, by the script: in a user namespace files may be another's. Waits for what is
    /// left of a build that was killed.
    fn sweep(&self) -> Result<(), BuildError> {
        match self.work.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(HostError::file("look at", &self.work)(error).into()),
            Ok(facts) => {
                let ours = facts.uid() == rustix::process::geteuid().as_raw();
                if !facts.is_dir() || !ours {
                    return Err(BuildError::Foreign(self.work.clone()));
                }
            }
        }
        // Nothing is taken away through a mount, whoever has made it.
        let list = Path::new("/proc/self/mounts");
        let mounts = fs::read(list).map_err(HostError::file("read", list))?;
        let below = self.work.as_os_str().as_encoded_bytes();
        if mounts.windows(below.len()).any(|place| place == below) {
            return Err(BuildError::Mounted(self.work.clone()));
        }
        let cleaned = || -> io::Result<()> {
            let mut clean = Command::new("sh");
            clean.args(["-s", "clean"]).stdin(Stdio::piped());
            self.tell(&mut clean);
            let mut child = clean.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            if let Some(mut input) = child.stdin.take() {
                io::Write::write_all(&mut input, SCRIPT.as_bytes())?;
            }
            child.wait()?;
            fs::remove_dir_all(&self.work)
        };
        Ok(cleaned().map_err(HostError::file("remove", &self.work))?)
    }

    /// Makes the folder with all that the script reads.
    fn lay_out(&self) -> Result<(), BuildError> {
        let make = || -> io::Result<()> {
            fs::DirBuilder::new().mode(0o711).create(&self.work)?;
            fs::write(self.work.join("build.sh"), SCRIPT)?;
            let overlay = self.work.join("overlay");
            fs::create_dir(&overlay)?;
            folder::write_overlay(self.overlay, &overlay)?;
            let commands = self.work.join("commands");
            fs::create_dir(&commands)?;
            for (number, command) in self.recipe.spec().commands.iter().enumerate() {
                fs::write(commands.join(format!("{number:04}.sh")), command)?;
            }
            Ok(())
        };
        Ok(make().map_err(HostError::file("write into", &self.work))?)
    }

    fn build(
        &self,
        stop: &dyn Fn() -> bool,
        hear: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
        // It is told when we end, however that is, and then ends what it has begun.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if rustix::process::geteuid().is_root() {
            // mmdebstrap has a namespace of mounts for everybody but root. What it mounts must go with it: the machine's own
            // /sys and /dev are among that.
            command.args(["unshare", "--mount"]);
        }
        command.arg("sh");
        command.arg(self.work.join("build.sh"));
        self.tell(&mut command);
        // The terminal's signals are ours to pass on.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(HostError::file("start the script of", &self.work))?;
        let errors = child.stderr.take();
        let (ended, said) = thread::scope(|scope| {
            let reader = scope.spawn(|| errors.map(|errors| listen(errors, hear)));
            let ended = wait(&mut child, stop);
            (ended, reader.join().ok().flatten().unwrap_or_default())
        });
        let status = ended.map_err(HostError::file("wait for the script of", &self.work))?;
        if status.success() {
            return Ok(archives::files(&self.work.join("told/releases"))?);
        }
        Err(if stop() {
            BuildError::Stopped
        } else {
            self.why(status, &said)
        })
    }

    /// Why it failed: the recipe's own command, where the script says which.
    fn why(&self, status: ExitStatus, said: &str) -> BuildError {
        let told = fs::read_to_string(self.work.join("told/failed")).unwrap_or_default();
        let (file, lines) = told.split_once('\n').unwrap_or_default();
        let number = file.trim_end_matches(".sh").parse().ok();
        let commands = &self.recipe.spec().commands;
        match number.and_then(|number: usize| Some((number, commands.get(number)?))) {
            Some((number, command)) => BuildError::Command {
                number,
                command: command.trim().to_owned(),
                said: indented(lines),
            },
            None => BuildError::Failed {
                name: self.recipe.name().to_owned(),
                status: status.to_string(),
                said: indented(said),
            },
        }
    }

    /// The variables that the script knows.
    fn tell(&self, command: &mut Command) {
        let spec = self.recipe.spec();
        let ids = &self.identities;
        let until = if spec.snapshot.is_some() { "no" } else { "yes" };
        command
            .env("SUITE", &spec.suite)
            .env("ARCHITECTURE", &spec.architecture)
            .env("PACKAGES", spec.packages.join(" "))
            .env("MASK", spec.mask.join(" "))
            .env("COMMAND_LINE", &spec.kernel_command_line)
            .env("ROOT_MIB", spec.root_mib.to_string())
            .env("ESP_MIB", spec.esp_mib.to_string())
            .env("MIRROR", &spec.mirror)
            .env("SECURITY_MIRROR", &spec.security_mirror)
            .env("BUILD_MIRROR", &self.mirrors.archive)
            .env("BUILD_SECURITY_MIRROR", &self.mirrors.security)
            .env("CHECK_VALID_UNTIL", until)
            .env("OVERLAY", self.work.join("overlay"))
            .env("COMMANDS", self.work.join("commands"))
            .env("ROOT_UUID", ids.root.to_string())
            .env("HASH_SEED", ids.hash_seed.to_string())
            .env("DISK_GUID", ids.disk.to_string())
            .env("ROOT_GUID", ids.root_partition.to_string())
            .env("ESP_GUID", ids.esp_partition.to_string())
            .env("BIOS_GUID", ids.bios_partition.to_string())
            .env("ESP_SERIAL", format!("{:08x}", ids.esp_serial))
            .env("SOURCE_DATE_EPOCH", ids.epoch.to_string())
            .env("WORK", &self.work)
            .env("LOCK", self.lock)
            .env("OUTPUT", self.output);
    }
}

/// Passes lines on, and keeps the last of them.
fn listen(errors: ChildStderr, hear: &(dyn Fn(&str) + Sync)) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        hear(&line);
        last.push_back(line);
        if last.len() > LINES {
            last.pop_front();
        }
    }
    Vec::from(last).join("\n")
}

/// Waits for its end; once it is to stop, it is told so.
fn wait(child: &mut Child, stop: &dyn Fn() -> bool) -> io::Result<ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop() && !told {
            told = true;
            let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(id) = id {
                kill_process(id, Signal::TERM)?;
            }
        }
        thread::sleep(OFTEN);
    }
}

fn indented(lines: &str) -> String {
    let lines: Vec<String> = lines.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

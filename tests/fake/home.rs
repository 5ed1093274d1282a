//! A home of its own for each test, with a host of its own.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use trustnet_core::record::Record;
use trustnet_host::fake::{Effect, Fail, Fake, State};
use trustnet_host::login;
use trustnet_host::paths::Paths;

/// A home, and a host in a file.
pub struct Home {
    folder: TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    /// A home whose host has everything.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A home whose host differs.
    pub fn with(change: impl FnOnce(&mut State)) -> Self {
        // In memory where there is such a place: these tests sync a lot.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("tnvm")
            .tempdir_in(place)
            .expect("a folder");
        let mut state = State::with_everything();
        change(&mut state);
        state
            .save(&folder.path().join("host.json"))
            .expect("a state file");
        Self { folder }
    }

    /// A path below the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host.
    pub fn host(&self) -> Fake {
        Fake::open(&self.path("host.json")).expect("a host")
    }

    /// The host's state.
    pub fn state(&self) -> State {
        State::load(&self.path("host.json")).expect("a state")
    }

    /// Changes the host behind the program's back.
    pub fn edit(&self, change: impl FnOnce(&mut State)) {
        self.host().edit(change).expect("a state");
    }

    /// Tells a call to do something, and nothing else to.
    pub fn tell(&self, call: &str, nth: u32, effect: Effect) {
        self.edit(|state| state.fail = vec![Fail::new(call, nth, effect)]);
    }

    /// Whether the call came that was told to do something; forgets it.
    pub fn came(&self) -> bool {
        let came = self.state().fail.iter().all(Fail::came);
        self.edit(|state| state.fail.clear());
        came
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a spec of that name with these lines more below `spec`, and gives its path. Every name
    /// has its own port.
    pub fn spec(&self, name: &str, more: &str) -> String {
        let port = 20_000
            + name
                .bytes()
                .fold(0u16, |sum, byte| (sum * 7 + u16::from(byte)) % 5000);
        let text = format!(
            "apiVersion: trustnet.io/v1alpha1\n\
             kind: VirtualMachine\n\
             metadata:\n  name: {name}\n\
             spec:\n  vcpus: 1\n  memory: 768Mi\n  \
             bootDisk:\n    size: 4Gi\n    image: debian-12.qcow2\n  \
             networkInterfaces:\n    - user:\n        sshPort: {port}\n{more}"
        );
        self.file(&format!("{name}.yaml"), &text)
    }

    /// The program with this home, and nothing else of the environment but the path.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trustnet-vm"));
        command
            .env_clear()
            .stdin(Stdio::null())
            .current_dir(self.folder.path());
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.folder.path())
            .env("XDG_CACHE_HOME", self.path(".cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env(
                "TRUSTNET_VM_CONNECT",
                format!("fake://{}", self.path("host.json").display()),
            )
            .env("TRUSTNET_VM_VIRT_TYPE", "qemu");
        command
    }

    /// Runs the program.
    pub fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        Run::of(
            &self
                .program()
                .args(args)
                .output()
                .expect("the program starts"),
        )
    }

    /// Runs the program and expects it to succeed.
    pub fn done<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{run:?}");
        run
    }

    /// Runs the program; gives the command line and all that came of it, the same on every machine.
    pub fn says<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> String {
        self.says_of(&mut self.program(), args)
    }

    /// The same with an environment of one's own.
    pub fn says_of<'a>(
        &self,
        program: &mut Command,
        args: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let args: Vec<&str> = args.into_iter().collect();
        let run = Run::of(&program.args(&args).output().expect("the program starts"));
        let mut text = format!("$ trustnet-vm {}\n{}", args.join(" "), run.out);
        if !run.err.is_empty() {
            text.push_str(&format!("--- stderr\n{}", run.err));
        }
        text.push_str(&format!(
            "--- exit {}\n",
            run.code
                .map_or("by signal".to_owned(), |code| code.to_string())
        ));
        self.steady(&text)
    }

    /// Runs the program with a terminal as its standard input, on which this is typed.
    pub fn run_on_terminal(&self, args: &[&str], typed: &str) -> String {
        let (master, slave) = terminal();
        rustix::io::write(&master, typed.as_bytes()).expect("a terminal");
        let run = Run::of(
            &self
                .program()
                .args(args)
                .stdin(slave)
                .output()
                .expect("the program starts"),
        );
        let code = run
            .code
            .map_or("by signal".to_owned(), |code| code.to_string());
        let text = format!(
            "$ trustnet-vm {} < {typed:?}\n{}--- stderr\n{}--- exit {code}\n",
            args.join(" "),
            run.out,
            run.err
        );
        self.steady(&text)
    }

    /// A text without what differs between two runs: the folder, times, keys.
    pub fn steady(&self, text: &str) -> String {
        let text = text.replace(self.folder.path().to_str().expect("UTF-8"), "[HOME]");
        let mut out = String::new();
        for line in text.split_inclusive('\n') {
            out.push_str(&steady_line(line));
        }
        out
    }

    /// Everything that somebody made: domains, volumes, NVRAM, login keys, and journals, whole or in part.
    pub fn inventory(&self) -> Vec<String> {
        let mut all = self.state().inventory();
        let keys = files_below(&self.path(".local/share/trustnet-vm/keys")).into_iter();
        all.extend(keys.map(|path| self.key_line(&path)));
        let journals = files_below(&self.path(".local/state")).into_iter();
        all.extend(
            journals
                .filter(|path| !path.to_string_lossy().contains("/locks/"))
                .map(|path| format!("file {}", path.display())),
        );
        all
    }

    /// A key's file, the same for every key that a VM may have; one that no VM has keeps its name.
    fn key_line(&self, path: &Path) -> String {
        for (uuid, domain) in &self.state().domains {
            let record = domain.facts().xml.record;
            let record = record.and_then(|text| Record::parse(&text).ok());
            let var = |name: &str| (name == "HOME").then(|| self.path("").into_os_string());
            let paths = Paths::from_env(var).expect("a home");
            let identity = record.and_then(|record| login::identity(&paths, uuid, &record));
            if identity.is_some_and(|identity| identity.file == path) {
                return format!("login key of {uuid}");
            }
        }
        format!("file {}", path.display())
    }
}

/// A terminal: the side of who sits before it, and the program's.
pub fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("a terminal");
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("UTF-8"));
    (master.into(), slave.expect("a terminal"))
}

impl Run {
    /// Reads an output.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn steady_line(line: &str) -> String {
    let mut line = line.to_owned();
    // "(0.03 s)" behind a step.
    if let Some((head, rest)) = line.rsplit_once(" (")
        && let Some((number, tail)) = rest.split_once(" s)")
        && number.parse::<f64>().is_ok()
    {
        line = format!("{head} ([TIME]){tail}");
    }
    // Every Ed25519 key begins so.
    while let Some(start) = line.find("AAAAC3NzaC1lZDI1NTE5") {
        let rest = &line[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
        line.replace_range(start..start + end.unwrap_or(rest.len()), "[KEY]");
    }
    line
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

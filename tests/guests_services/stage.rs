//! The home with its artifacts, and how the two VMs are asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Home;

/// A home with artifacts, and the VMs of `vms.yaml`.
pub struct Stage {
    /// The home.
    pub home: Home,
    /// The parts that failed.
    pub failed: Vec<&'static str>,
}

impl Stage {
    /// A home with what was fetched before.
    pub fn new() -> Self {
        let home = Home::at("qemu:///system").with_image();
        let fetched = std::env::var_os("TRUSTNET_VM_TEST_ARTIFACTS").map(PathBuf::from);
        let fetched = fetched.expect("`cargo xtask test guests` sets TRUSTNET_VM_TEST_ARTIFACTS");
        for name in ["cache/trustnet-vm/artifacts", "trustnet-vm.lock"] {
            let target = home.path(name);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            let copied = Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .arg(fetched.join(name))
                .arg(&target)
                .status();
            assert!(copied.expect("cp starts").success(), "{name}");
        }
        home.file("vms.yaml", include_str!("vms.yaml"));
        let stage = Self {
            home,
            failed: Vec::new(),
        };
        stage.add(include_str!("caddy.yaml"));
        stage.add(include_str!("asker.yaml"));
        stage
    }

    /// Adds a definition to the user's own, or puts it in the place of the one that is there.
    pub fn add(&self, definition: &str) {
        let file = self.home.file("definition.yaml", definition);
        self.home
            .done(["service", "add", "--force", file.to_str().expect("UTF-8")]);
    }

    /// Writes the specs with one text put for another, and gives the file's name.
    pub fn changed(&self, name: &str, from: &str, to: &str) -> String {
        let specs = include_str!("vms.yaml");
        assert_eq!(specs.matches(from).count(), 1, "{from}");
        self.home.file(name, &specs.replace(from, to));
        name.to_owned()
    }

    /// Does a part, and says how long it took. One that fails hides no other.
    pub fn part(&mut self, name: &'static str, part: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| part(self)));
        println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
        self.failed.extend(done.is_err().then_some(name));
    }

    /// Runs the program until it says a line, and kills it there.
    pub fn killed_when(&self, args: &[&str], mut there: impl FnMut(&str) -> bool) {
        let mut command = self.home.program();
        command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut said = Vec::new();
        for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
            let line = line.expect("a line");
            if there(&line) {
                // What the line is about may have an end that is not told.
                std::thread::sleep(Duration::from_secs(1));
                child.kill().expect("it can be killed");
                break;
            }
            said.push(line);
        }
        let status = child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(9), "{}", said.join("\n"));
    }

    /// The services of a VM as its record has them, with their states.
    pub fn state_of(&self, vm: &str) -> Vec<(String, String)> {
        let metadata = self.home.virsh(&[
            "metadata",
            vm,
            "https://trustnet.io/xmlns/trustnet-vm/v1alpha1",
        ]);
        let text = metadata.out.split_once('>').expect("an element").1;
        let text = text.rsplit_once("</").expect("an element").0;
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let services = record["services"].as_array().cloned().unwrap_or_default();
        let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        services
            .iter()
            .map(|one| (word(&one["name"]), word(&one["state"])))
            .collect()
    }

    /// Asks the database as its administrator.
    pub fn sql(&self, query: &str) -> String {
        let psql = format!("runuser -u postgres -- psql -qXAt -d app -c \"{query}\"");
        self.home.guest("db", &format!("cd /; {psql}"))
    }

    /// Waits until `app` has asked `db` anew, and has had its answer.
    pub fn answers(&self) {
        let last = "journalctl -q -o cat -n 1 -u asker --since";
        let wait = format!(
            "since=$(date '+%F %T'); for i in $(seq 60); do {last} \"$since\" | \
             grep -q '^the answer is 42$' && exec echo answered; sleep 2; done; {last} -5min"
        );
        assert_eq!(self.home.guest("app", &wait), "answered");
    }

    /// Runs the program, and gives how it ended and what it said.
    pub fn provision(&self, spec: &str, vm: &str) -> crate::support::Run {
        self.home
            .run(["provision", "-f", spec, vm, "--offline", "-v"])
    }

    /// The process of a unit's command.
    pub fn process(&self, vm: &str, unit: &str) -> String {
        self.home
            .guest(vm, &format!("systemctl show -p MainPID --value {unit}"))
    }
}

/// The line that holds a text.
pub fn index_of(text: &str, wanted: &str) -> usize {
    let found = text.lines().position(|line| line.contains(wanted));
    assert!(found.is_some(), "no `{wanted}` in\n{text}");
    found.unwrap_or_default()
}

/// What a server answers to a plain request.
pub fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server answers");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a time-out");
    let request = "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

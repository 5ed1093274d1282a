//! The login key of a VM: its own, kept while the VM is there, and the one that its guest knows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use trustnet_core::record::Record;
use trustnet_host::doors::Hypervisor;
use trustnet_host::fake::Effect;
use trustnet_host::keys::KeyPair;

use crate::distrust::silent;
use crate::guests::guest;
use crate::home::{Home, Run, files_below};

/// Where the keys are.
const KEYS: &str = ".local/share/trustnet-vm/keys";

/// The record of a VM.
pub fn record(home: &Home, name: &str) -> (String, Record) {
    let state = home.state();
    let mut all = state.domains.iter();
    let found = all.find_map(|(uuid, domain)| {
        let facts = domain.facts().xml;
        (facts.name == name).then_some((uuid.clone(), facts.record?))
    });
    let (uuid, text) = found.expect("a VM of ours");
    (uuid, Record::parse(&text).expect("it is ours"))
}

/// Changes the record of a VM.
fn rerecord(home: &Home, name: &str, change: impl FnOnce(&mut Record)) {
    let (uuid, mut record) = record(home, name);
    change(&mut record);
    let host = home.host();
    host.records()
        .write(&uuid, &record.to_text())
        .expect("it is written");
}

/// The private half of a VM's login key.
fn key_file(home: &Home, name: &str) -> PathBuf {
    let (uuid, _) = record(home, name);
    let of_the_vm = |path: &PathBuf| path.to_string_lossy().contains(&format!("/{uuid}."));
    let mut files = files_below(&home.path(KEYS));
    files.retain(of_the_vm);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// The public half of a key, as ssh-keygen reads it.
fn public(file: &Path) -> String {
    let output = Command::new("ssh-keygen").arg("-yf").arg(file).output();
    let output = output.expect("ssh-keygen starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim_end().to_owned()
}

/// Looks that each VM has the key that its seed brought into the guest, and that there is no other.
pub fn assert_sound(home: &Home) {
    let state = home.state();
    let mut expected = Vec::new();
    for domain in state.domains.values() {
        let name = domain.facts().xml.name;
        let file = key_file(home, &name);
        let known = record(home, &name).1.login_key.expect("a key");
        assert_eq!(public(&file), known, "{name}");
        let seed = &state.pools["foundry-vms"].volumes[&format!("{name}_cloudinit.iso")].content;
        let line = format!("login_key='{known}'\n");
        assert!(
            seed.windows(line.len()).any(|at| at == line.as_bytes()),
            "the seed of {name} has another key"
        );
        let mode = |path: &Path| {
            fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(&file) & 0o777, 0o600);
        assert_eq!(mode(file.parent().expect("a folder")) & 0o777, 0o700);
        expected.push(file);
    }
    expected.sort();
    assert_eq!(files_below(&home.path(KEYS)), expected);
    let folders = fs::read_dir(home.path(KEYS)).map_or(0, Iterator::count);
    assert_eq!(folders, expected.len(), "an empty folder was left");
}

/// An agent of the user's, with a key of its own.
struct Agent {
    process: Child,
    socket: PathBuf,
    public: String,
}

impl Agent {
    fn start(home: &Home) -> Self {
        let socket = home.path("agent");
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent starts");
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pair = KeyPair::generate("ada").expect("a key");
        let file = home.path("ada");
        write_key(&file, &pair);
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(&file)
            .env("SSH_AUTH_SOCK", &socket)
            .status();
        assert!(added.expect("ssh-add starts").success());
        fs::remove_file(&file).expect("it is there");
        Self {
            process,
            socket,
            public: pair.public().to_owned(),
        }
    }

    /// Runs the program as the user of this agent.
    fn run(&self, home: &Home, args: &[&str]) -> Run {
        let mut program = home.program();
        let output = program.env("SSH_AUTH_SOCK", &self.socket).args(args);
        Run::of(&output.output().expect("the program starts"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_key(file: &Path, pair: &KeyPair) {
    fs::write(file, pair.private_pem().expect("a key")).expect("a file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[test]
fn each_vm_has_a_login_key_of_its_own_that_goes_with_it() {
    let home = Home::new();
    let (web, db) = (home.spec("web", ""), home.spec("db", ""));
    home.done(["create", &web, &db]);
    assert_sound(&home);
    assert_ne!(
        public(&key_file(&home, "web")),
        public(&key_file(&home, "db"))
    );
    let before = fs::read(key_file(&home, "web")).expect("a key");
    let again = home.done(["create", &web]);
    assert!(again.out.contains("nothing to do"), "{again:?}");
    assert_eq!(fs::read(key_file(&home, "web")).expect("a key"), before);
    home.done(["destroy", "web", "--yes"]);
    assert_sound(&home);
    home.done(["create", &web]);
    assert_sound(&home);
    assert_ne!(fs::read(key_file(&home, "web")).expect("a key"), before);
    // The user's one key is not made any more.
    assert!(!home.path(".local/share/trustnet-vm/id_ed25519").exists());
}

#[test]
fn a_look_makes_no_key_and_says_the_same_each_time() {
    let home = Home::new();
    let spec = home.spec("web", "");
    let out = home.path("out").display().to_string();
    let shown = |args: &[&str]| {
        let said = home.done(args.iter().copied()).out;
        let written = files_below(&home.path("out")).into_iter();
        let written: Vec<Vec<u8>> = written
            .map(|path| fs::read(path).expect("a file"))
            .collect();
        (said, written)
    };
    for args in [
        ["plan", &spec].as_slice(),
        &["plan", &spec, "-o", "json"],
        &["render", &spec],
        &["render", &spec, "--out", &out],
    ] {
        assert_eq!(shown(args), shown(args), "{args:?}");
        assert!(!home.path(".local/share").exists(), "{args:?}");
    }
}

#[test]
fn a_create_that_fails_leaves_no_key_and_one_whose_guest_is_not_ready_keeps_it() {
    let home = Home::with(|state| silent(state, "web"));
    let spec = home.spec("web", "");
    home.tell("domains.start", 1, Effect::Before);
    assert_eq!(home.run(["create", &spec]).code, Some(4));
    assert_sound(&home);
    // A key that cannot be kept is a create that fails.
    fs::remove_dir(home.path(KEYS)).expect("it is empty");
    fs::write(home.path(KEYS), "").expect("a file");
    let before = home.state().inventory();
    let run = home.run(["create", &spec]);
    let told = format!("failed to create folder `{}/", home.path(KEYS).display());
    assert!(run.err.contains(&told), "{run:?}");
    assert_eq!(home.state().inventory(), before);
    fs::remove_file(home.path(KEYS)).expect("it is there");
    let run = home.run(["create", &spec, "--timeout", "1s"]);
    assert_eq!(run.code, Some(6), "{run:?}");
    assert_sound(&home);
}

#[test]
fn vms_of_one_name_and_spec_on_two_connections_have_their_own_keys() {
    let home = Home::new();
    let spec = home.spec("web", "");
    let other = format!("fake://{}", home.path("other.json").display());
    fs::copy(home.path("host.json"), home.path("other.json")).expect("a host");
    home.done(["create", &spec]);
    let mine = key_file(&home, "web");
    home.done(["create", &spec, "--connect", &other]);
    let both = files_below(&home.path(KEYS));
    assert_eq!(both.len(), 2, "{both:?}");
    home.done(["destroy", "web", "--yes", "--connect", &other]);
    assert_eq!(files_below(&home.path(KEYS)), [mine]);
    assert_sound(&home);
}

#[test]
fn what_the_user_put_beside_a_key_stays() {
    let home = Home::new();
    home.done(["create", &home.spec("web", "")]);
    let beside = key_file(&home, "web").with_file_name("notes");
    fs::write(&beside, "theirs").expect("a file");
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(files_below(&home.path(KEYS)), [beside]);
}

#[test]
fn the_key_of_one_vm_does_not_open_another() {
    let home = Home::new();
    let guests = [guest(&home, "web", "{}"), guest(&home, "db", "{}")];
    for (guest, name) in guests.iter().zip(["web", "db"]) {
        fs::write(guest.path("/etc/tn-name"), name).expect("a file");
        for verb in ["exec", "ssh"] {
            let run = home.done([verb, name, "--", "cat", "/etc/tn-name"]);
            assert_eq!(run.out, name, "{verb}");
        }
    }
    let (web, db) = (key_file(&home, "web"), key_file(&home, "db"));
    fs::copy(&web, &db).expect("a file");
    let run = home.run(["exec", "db", "--", "cat", "/etc/tn-name"]);
    assert_eq!((run.code, run.out.as_str()), (Some(4), ""), "{run:?}");
    let told = format!("neither the login key `{}`", db.display());
    assert!(run.err.contains(&told), "{run:?}");
    assert!(
        run.err.contains("hint: each VM has a login key of its own"),
        "{run:?}"
    );
    let run = home.run(["ssh", "db", "--", "cat", "/etc/tn-name"]);
    assert_eq!((run.code, run.out.as_str()), (Some(255), ""), "{run:?}");
}

#[test]
fn the_users_agent_opens_a_guest_whose_key_is_refused_or_not_here() {
    let home = Home::new();
    let web = guest(&home, "web", "{}");
    let agent = Agent::start(&home);
    web.authorize(&agent.public);
    home.file("sent", "sent");
    let key = key_file(&home, "web");
    write_key(&key, &KeyPair::generate("stranger").expect("a key"));
    assert_eq!(home.run(["exec", "web", "--", "true"]).code, Some(4));
    assert_eq!(
        agent.run(&home, &["exec", "web", "--", "true"]).code,
        Some(0)
    );
    fs::remove_dir_all(home.path(KEYS)).expect("a folder");
    let without = home.run(["exec", "web", "--", "true"]);
    assert_eq!(without.code, Some(4));
    let told = "accepts no key of the agent's: its login key is not on this machine";
    assert!(without.err.contains(told), "{without:?}");
    for args in [
        ["exec", "web", "--", "true"].as_slice(),
        &["ssh", "web", "--", "true"],
        &["cp", "sent", "web:/srv/sent"],
    ] {
        let run = agent.run(&home, args);
        assert_eq!(run.code, Some(0), "{args:?}: {run:?}");
    }
    assert_eq!(fs::read(web.path("/srv/sent")).expect("it came"), b"sent");
}

#[test]
fn a_vm_of_before_is_opened_by_the_users_one_key_which_outlives_it() {
    let home = Home::new();
    let web = guest(&home, "web", "{}");
    rerecord(&home, "web", |record| record.login_key = None);
    fs::remove_dir_all(home.path(KEYS)).expect("a folder");
    let run = home.run(["exec", "web", "--", "true"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    let shared = home.path(".local/share/trustnet-vm/id_ed25519");
    let pair = KeyPair::generate("trustnet-vm").expect("a key");
    write_key(&shared, &pair);
    web.authorize(pair.public());
    for verb in ["exec", "ssh"] {
        home.done([verb, "web", "--", "true"]);
    }
    // It is tried for a VM of now too, whose own key is not here.
    rerecord(&home, "web", |record| {
        record.login_key = Some("ssh-ed25519 AAAA elsewhere".to_owned());
    });
    for verb in ["exec", "ssh"] {
        home.done([verb, "web", "--", "true"]);
    }
    rerecord(&home, "web", |record| record.login_key = None);
    let gone = home.done(["destroy", "web", "--yes"]);
    assert!(!gone.err.contains("login key"), "{gone:?}");
    assert!(shared.exists());
}

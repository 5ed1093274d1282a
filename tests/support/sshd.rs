//! A "guest" without a machine: a sshd of its own on 127.0.0.1, with its own host key, port and root.
//!
//! ```ignore
//! let guest = Sshd::in_root();               // own /etc, /var, /run, /usr/local, /opt, /srv, /root, /home
//! let mut shell = guest.connect();           // verified, logged in as root
//! shell.run("echo hello > /etc/hello", …);
//! fs::read(guest.path("/etc/hello"));        // what it sees there; the machine's own /etc is untouched
//! guest.reboot();                            // every process is gone, the files stay, /run is empty
//! ```
//!
//! - [`Sshd::start`] shares the machine's files (only `/run` and an empty `/root` are its own); [`Sshd::in_root`] has overlays in memory
//!   over the folders that provisioning writes, and sees the machine's in them. `/tmp` and `/usr` are the machine's.
//!   [`Sshd::in_rootfs`] has none of the machine's files, and all of an archive's.
//! - Every process started over SSH is in a PID namespace of its own: [`Sshd::stop`] and the end of the test kill
//!   all of them at once, as a power cut would; so does the end of the test's process, however it comes.
//! - [`Sshd::record`] and [`Sshd::session`] are what the program has of a guest: its endpoint is a forwarded port.
//! - [`Sshd::authorize`] lets another login key in, such as that of a test's home.
//! - Thirty-two at once are no problem. Needs util-linux and openssh-server; root, or subordinate user IDs (`uidmap`).

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trustnet_core::record::Record;
use trustnet_host::keys::KeyPair;
use trustnet_host::login;
use trustnet_host::paths::Paths;
use trustnet_host::shell::{self, Shell};
use trustnet_host::ssh::{self, Endpoint, Session};

/// The folders that a guest with a root of its own has for itself.
const OWN: [&str; 6] = ["etc", "var", "usr/local", "opt", "srv", "home"];
/// How long a sshd may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The UUID of every such guest's domain.
pub const UUID: &str = "11111111-2222-4333-8444-555555555555";

/// A sshd of its own.
pub struct Sshd {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its host key's public half, as a VM's record has it.
    pub host_key_public: String,
    /// The public half of the VM's login key, which it lets in.
    pub login_key_public: String,
    /// Folders of a user who has the private half.
    pub paths: Paths,
    folder: TempDir,
    /// Keeps the mount namespace.
    holder: Child,
    /// The first process of the PID namespace.
    init: Option<Child>,
}

impl Sshd {
    /// One that shares the machine's files.
    pub fn start() -> Self {
        Self::new(&[], "")
    }

    /// One with a root of its own.
    pub fn in_root() -> Self {
        Self::new(&OWN, "")
    }

    /// One whose files are all in an archive (tar): another distribution, on the same kernel. What there is of
    /// OpenRC in it boots before sshd.
    pub fn in_rootfs(archive: &Path) -> Self {
        Self::held("", |folder| hold(folder, "unpack", &[archive.as_os_str()]))
    }

    /// One that shares the machine's files, with further lines for sshd_config(5), which count first.
    pub fn configured(lines: &str) -> Self {
        Self::new(&[], lines)
    }

    fn new(own: &[&str], lines: &str) -> Self {
        let own: Vec<&OsStr> = own.iter().map(OsStr::new).collect();
        Self::held(lines, |folder| hold(folder, "hold", &own))
    }

    fn held(lines: &str, hold: impl FnOnce(&Path) -> Child) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tnsshd")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        let host_key_public = key(&folder.path().join("host_key"));
        let var = |name: &str| (name == "HOME").then(|| folder.path().join("user").into());
        let paths = Paths::from_env(var).expect("a home");
        let pair = KeyPair::generate("test").expect("a key");
        let pem = pair.private_pem().expect("a key");
        login::keep(&paths, UUID, pair.public(), &pem).expect("it is kept");
        let mut guest = Self {
            port: 0,
            host_key_public,
            login_key_public: pair.public().to_owned(),
            holder: hold(folder.path()),
            init: None,
            paths,
            folder,
        };
        guest.authorize(pair.public());
        guest.listen(lines);
        guest
    }

    /// Finds a port and boots; another test may be faster to take the port.
    fn listen(&mut self, lines: &str) {
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            self.port = free.local_addr().expect("an address").port();
            drop(free);
            self.configure(lines);
            if self.try_boot() {
                return;
            }
        }
        panic!("sshd does not come up:\n{}", self.log());
    }

    fn configure(&self, lines: &str) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let config = format!(
            "{lines}\nPort {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nMaxStartups 100\nMaxSessions 100\nUseDNS no\n\
             PidFile none\nLogLevel VERBOSE\nSubsystem sftp internal-sftp\n",
            self.port,
            at("host_key"),
            at("authorized_keys"),
        );
        fs::write(self.folder.path().join("sshd_config"), config).expect("a file");
    }

    /// Lets a login key in.
    pub fn authorize(&self, public: &str) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.folder.path().join("authorized_keys"))
            .expect("a file");
        writeln!(file, "{public}").expect("it is written");
    }

    /// Starts it after [`Sshd::stop`], on the same port, with the same keys and files.
    pub fn boot(&mut self) {
        assert!(self.try_boot(), "sshd does not come up:\n{}", self.log());
    }

    fn try_boot(&mut self) -> bool {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if !is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args([
            "/usr/bin/unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        let mut init = command
            .arg("sh")
            .arg(self.folder.path().join("guest-root.sh"))
            .arg("boot")
            .arg(self.folder.path().join("sshd_config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nsenter starts");
        let since = Instant::now();
        let up = loop {
            if self.answers() {
                break true;
            }
            if since.elapsed() > PATIENCE || init.try_wait().expect("a child").is_some() {
                break false;
            }
            if self.log().contains("Cannot bind any address") {
                break false;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.init = Some(init);
        if !up {
            self.stop();
        }
        up
    }

    /// Whether something listens on the port, and it is this one.
    fn answers(&self) -> bool {
        let told = format!("Server listening on 127.0.0.1 port {}.", self.port);
        self.log().contains(&told)
            && TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|stream| {
                let mut banner = String::new();
                BufReader::new(stream).read_line(&mut banner).is_ok() && banner.starts_with("SSH-")
            })
    }

    /// Cuts its power: all of its processes are gone.
    pub fn stop(&mut self) {
        if let Some(mut init) = self.init.take() {
            // unshare(1) takes its child along, and that is the first of the namespace.
            let _ = init.kill();
            let _ = init.wait();
            while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Cuts its power and starts it again.
    pub fn reboot(&mut self) {
        self.stop();
        self.boot();
    }

    /// Where a path of its own is seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.holder.id()))
    }

    /// A path below its temporary folder, which it and the machine see alike.
    pub fn shared(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What sshd has logged, since the first boot.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where it answers.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: "127.0.0.1".to_owned(),
            port: self.port,
        }
    }

    /// What would be recorded of a VM with this host key and port; `services` and the like are to be set.
    pub fn record(&self, name: &str) -> Record {
        let text = serde_json::json!({
            "madeBy": "0", "digest": "d", "hostKey": self.host_key_public,
            "loginKey": self.login_key_public, "volumes": [],
            "forwards": [{ "interface": 0, "hostPort": self.port, "guestPort": 22 }],
            "spec": {
                "apiVersion": "trustnet.io/v1alpha1", "kind": "VirtualMachine", "metadata": { "name": name },
                "spec": { "vcpus": 1, "memory": "1Gi", "bootDisk": { "size": "4Gi", "empty": true },
                    "networkInterfaces": [] },
            },
        });
        Record::parse(&text.to_string()).expect("a record")
    }

    /// The file of the login key.
    pub fn login_key(&self) -> PathBuf {
        let identity = login::identity(&self.paths, UUID, &self.record("web"));
        identity.expect("it was kept").file
    }

    /// Whose guest it is.
    pub fn session<'a>(&'a self, record: &'a Record) -> Session<'a> {
        Session {
            paths: &self.paths,
            uri: "qemu:///session",
            uuid: UUID,
            record,
        }
    }

    /// A verified connection.
    pub fn connect(&self) -> Box<dyn Shell> {
        let record = self.record("web");
        let endpoint = ssh::endpoint(&record).expect("a forwarded port");
        shell::connect(&self.session(&record), &endpoint, PATIENCE).expect("it lets us in")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        // The namespace goes with its last process.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

const SCRIPT: &str = include_str!("guest-root.sh");

fn hold(folder: &Path, mode: &str, arguments: &[&OsStr]) -> Child {
    let store = folder.join("root");
    fs::create_dir(&store).expect("a folder");
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    let script = folder.join("guest-root.sh");
    fs::write(&script, SCRIPT).expect("a file");
    let mut holder = command
        .args(["--mount", "sh"])
        .arg(script)
        .arg(mode)
        .arg(store)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare starts");
    let mut said = String::new();
    let out = holder.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut said).expect("it speaks");
    assert_eq!(said, "held\n", "a mount namespace with overlays");
    holder
}

/// Makes a key pair: the private half in a file, the public one given.
fn key(file: &Path) -> String {
    let pair = KeyPair::generate("test").expect("a key");
    let pem = pair.private_pem().expect("a key");
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut out| out.write_all(pem.as_bytes()))
        .expect("a file");
    pair.public().to_owned()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("proc").uid() == 0
}

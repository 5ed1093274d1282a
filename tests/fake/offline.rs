//! `create --offline`: what is missing or damaged is told before anything is made, and nobody is asked for it.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, Digest, Verified, VerifiedBy};
use trustnet_core::lockfile::{Lock, LockKey, Locked};
use trustnet_host::cache::store::{Incoming, Store};

use crate::home::{Home, files_below};

const TOOL: &str = "apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: '1.0'
  versionSource: { text: 'https://localhost:PORT/latest' }
  artifacts:
    - name: pinned
      url: 'https://localhost:PORT/pinned-{{ version }}'
      digests: { amd64: 'sha256:DIGEST', arm64: 'sha256:DIGEST' }
      install: { path: /usr/local/bin/pinned }
    - name: listed
      url: 'https://localhost:PORT/listed-{{ version }}'
      checksums: { url: 'https://localhost:PORT/sums' }
      install: { path: /usr/local/bin/listed }
    - { name: image, oci: { image: 'localhost:PORT/image' } }
    - { name: packages, packages: { apt: [hello] } }
";

/// What the pinned artifact is.
const PINNED: &str = "#!/bin/sh\necho pinned\n";

/// A publisher on loopback that nobody is to ask.
struct Publisher(TcpListener);

impl Publisher {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        Self(listener)
    }

    fn port(&self) -> String {
        let address = self.0.local_addr().expect("an address");
        address.port().to_string()
    }

    /// The kernel takes connections, and keeps them until they are asked for.
    fn connections(&self) -> usize {
        let each = std::iter::from_fn(|| match self.0.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            taken => Some(taken),
        });
        each.count()
    }
}

/// A home with a definition, and the publisher that it names.
fn stage(definition: &str) -> (Home, Publisher) {
    let (home, publisher) = (Home::new(), Publisher::new());
    let digest = Digest::of(PINNED.as_bytes()).to_string();
    let text = definition.replace("PORT", &publisher.port());
    home.file("tool.yaml", &text.replace("DIGEST", &digest));
    home.done(["service", "add", "tool.yaml", "--quiet"]);
    (home, publisher)
}

fn id(name: &str) -> ArtifactId {
    let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
    ArtifactId::new("tool", "1.0", arch, name).expect("a name")
}

/// The definition with its first artifact alone.
fn only_pinned() -> String {
    let (head, _) = TOOL.split_once("    - name: listed").expect("an artifact");
    head.to_owned()
}

/// Runs `create --offline`, which must make nothing, and gives what it said.
fn refused(home: &Home, publisher: &Publisher) -> String {
    let (before, files) = (home.state(), files_below(&home.path(".local")));
    let mut program = home.program();
    let archive = format!("http://127.0.0.1:{}", publisher.port());
    program.env("TRUSTNET_VM_DEB_MIRROR", &archive);
    program.env("TRUSTNET_VM_DEB_SECURITY_MIRROR", &archive);
    let said = home.says_of(&mut program, ["create", "web.yaml", "--offline", "--quiet"]);
    assert_eq!(publisher.connections(), 0, "{said}");
    assert_eq!(home.state(), before, "{said}");
    let mut after = files_below(&home.path(".local"));
    // The lock that keeps another run from the folder's lock file is held, and stays.
    after.retain(|path| files.contains(path) || !path.to_string_lossy().contains("/folders/"));
    assert_eq!(after, files, "{said}");
    said
}

#[test]
fn with_an_empty_cache_all_that_is_missing_is_told_and_nothing_is_made_or_asked_for() {
    let (home, publisher) = stage(TOOL);
    let said = |services: &str| {
        home.spec("web", &format!("  services:\n    - {services}\n"));
        let said = refused(&home, &publisher);
        said.replace(std::env::consts::ARCH, "[ARCH]")
            .replace(id("image").arch().as_str(), "[ARCH]")
    };
    let missing = "--- stderr
error: nothing may be fetched, and
  tool 1.0 [ARCH] image is not in the cache
  tool 1.0 [ARCH] listed is not in the cache
  tool 1.0 [ARCH] packages for debian-12 is not in the cache
  tool 1.0 [ARCH] pinned is not in the cache
hint: fetch it with a network: `trustnet-vm cache fetch`, or `cache import` an archive
--- exit 7
";
    let command = "$ trustnet-vm create web.yaml --offline --quiet\n";
    assert_eq!(said("name: tool"), format!("{command}{missing}"));
    assert_eq!(
        said("{ name: tool, version: ~1.0 }"),
        format!(
            "{command}--- stderr\nerror: version `~1.0` of `tool` is not locked, and nothing may be fetched\n\
             hint: fetch it with a network: `trustnet-vm cache fetch`, or `cache import` an archive\n--- exit 7\n"
        )
    );
    // A lock says what they must be, and is no artifact.
    let mut lock = Lock::default();
    lock.set_version("tool", "~1.0", "1.0");
    for (name, kind, source) in [
        (
            "pinned",
            ArtifactKind::Url,
            "https://localhost:PORT/pinned-1.0",
        ),
        (
            "listed",
            ArtifactKind::Url,
            "https://localhost:PORT/listed-1.0",
        ),
        ("image", ArtifactKind::Oci, "localhost:PORT/image:1.0"),
    ] {
        let locked = Locked::File {
            kind,
            source: source.replace("PORT", &publisher.port()),
            sha256: Digest::of(PINNED.as_bytes()),
            size: PINNED.len() as u64,
        };
        let artifact = id(name);
        let release = None;
        lock.set(LockKey { artifact, release }, locked);
    }
    let text = lock.to_yaml().expect("a lock");
    let path = home.file("trustnet-vm.lock", &text);
    for asked in ["name: tool", "{ name: tool, version: ~1.0 }"] {
        assert_eq!(said(asked), format!("{command}{missing}"));
    }
    assert_eq!(fs::read_to_string(path).expect("the lock"), text);
}

#[test]
fn what_is_damaged_in_the_cache_is_told_before_anything_is_made() {
    let (home, publisher) = stage(&only_pinned());
    home.spec("web", "  services: [{ name: tool }]\n");
    let store = Store::open(&home.path(".cache/trustnet-vm/artifacts")).expect("a store");
    let put = || {
        let incoming = Incoming {
            artifact: id("pinned"),
            kind: ArtifactKind::Url,
            source: format!("https://localhost:{}/pinned-1.0", publisher.port()),
            verified: Verified::by(VerifiedBy::Pin),
        };
        let entry = store.insert(&mut PINNED.as_bytes(), None, None, &incoming);
        store.path(&entry.expect("it is taken in").sha256)
    };
    let damage = |path: &std::path::Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
        // As long as before: a look at the size says nothing.
        fs::write(path, PINNED.replace("pinned", "PINNED")).expect("a write");
    };
    let blob = put();
    damage(&blob);
    let said = refused(&home, &publisher);
    let told = "error: failed to get tool pinned: failed to use ";
    assert!(
        said.contains(told) && said.ends_with("--- exit 7\n"),
        "{said}"
    );
    assert!(said.contains("its bytes have changed"), "{said}");
    // It lies aside now, for a look at it, and is missing.
    assert!(!blob.exists());
    let said = refused(&home, &publisher);
    assert!(said.contains("pinned is not in the cache"), "{said}");
    // Whole again, the VM is made of it.
    assert_eq!(put(), blob);
    home.done(["create", "web.yaml", "--offline", "--no-wait", "--quiet"]);
    assert_eq!(home.state().domains.len(), 1);
    // Nothing is hashed for a VM that is there.
    damage(&blob);
    home.done(["create", "web.yaml", "--offline", "--no-wait", "--quiet"]);
    assert!(blob.exists());
    assert_eq!(publisher.connections(), 0);
}

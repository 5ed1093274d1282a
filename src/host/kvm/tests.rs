//! The choice, with a door that gives what a test says.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it expects"
)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;
use trustnet_core::observed::DomainFacts;
use trustnet_core::xml::{DomainCapabilities, PoolCapabilities};

use super::*;
use crate::doors::{Domains, Guests, Pools, Probes, Records, Survey, Volumes};

/// A host that offers KVM or not, with what its next probes come to.
struct Door {
    offers: bool,
    proofs: Mutex<Vec<Proof>>,
}

impl Door {
    fn new(offers: bool, proofs: &[Proof]) -> Self {
        Self {
            offers,
            proofs: Mutex::new(proofs.to_vec()),
        }
    }
}

type Result<T> = std::result::Result<T, HostError>;

#[expect(clippy::unimplemented, reason = "the choice must not ask for more")]
impl Hypervisor for Door {
    fn survey(&self) -> &dyn Survey {
        self
    }
    fn domains(&self) -> &dyn Domains {
        unimplemented!()
    }
    fn records(&self) -> &dyn Records {
        unimplemented!()
    }
    fn pools(&self) -> &dyn Pools {
        unimplemented!()
    }
    fn volumes(&self) -> &dyn Volumes {
        unimplemented!()
    }
    fn guests(&self) -> &dyn Guests {
        unimplemented!()
    }
    fn probes(&self) -> &dyn Probes {
        self
    }
}

#[expect(clippy::unimplemented, reason = "the choice must not ask for more")]
impl Survey for Door {
    fn host(&self) -> Result<HostInfo> {
        unimplemented!()
    }
    fn capabilities(&self, kind: DomainType, _: &str) -> Result<Option<DomainCapabilities>> {
        assert_eq!(kind, DomainType::Kvm);
        Ok(self.offers.then(DomainCapabilities::default))
    }
    fn bridges(&self) -> Result<Option<Vec<String>>> {
        unimplemented!()
    }
    fn networks(&self) -> Result<BTreeMap<String, bool>> {
        unimplemented!()
    }
    fn domains(&self) -> Result<Vec<DomainFacts>> {
        unimplemented!()
    }
    fn pools(&self) -> Result<Option<PoolCapabilities>> {
        unimplemented!()
    }
}

impl Probes for Door {
    fn boot(&self, kind: DomainType, _: &str, deadline: Duration) -> Result<Proof> {
        assert_eq!((kind, deadline), (DomainType::Kvm, DEADLINE));
        Ok(self.proofs.lock().unwrap().pop().expect("no probe is due"))
    }
}

fn home() -> (TempDir, Paths) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().as_os_str().to_owned();
    let paths = Paths::from_env(|name| (name == "HOME").then(|| home.clone())).expect("a home");
    (folder, paths)
}

fn info() -> HostInfo {
    HostInfo {
        uri: "qemu:///session".to_owned(),
        session: true,
        local: true,
        identity: "host 1".to_owned(),
        arch: "x86_64".to_owned(),
        free_memory_mib: None,
    }
}

fn chosen(door: &Door, info: &HostInfo, paths: &Paths) -> String {
    let (kind, why) = choose(door, info, paths).expect("an answer");
    format!("{}: {why}", kind.as_str())
}

const SILENT: &str = "qemu: KVM started a probe that did not come to its end within 3 s";

#[test]
fn kvm_is_chosen_when_its_probe_passes_and_the_answer_is_remembered() {
    let (_folder, paths) = home();
    let door = Door::new(true, &[Proof::Passed]);
    assert_eq!(chosen(&door, &info(), &paths), "kvm: KVM ran the probe");
    assert_eq!(
        chosen(&door, &info(), &paths),
        "kvm: KVM ran the probe (cached)"
    );
}

#[test]
fn a_silent_probe_means_qemu_and_is_remembered() {
    let (_folder, paths) = home();
    let door = Door::new(true, &[Proof::Silent]);
    assert_eq!(chosen(&door, &info(), &paths), SILENT);
    assert_eq!(chosen(&door, &info(), &paths), format!("{SILENT} (cached)"));
}

#[test]
fn a_probe_that_was_not_started_is_tried_again() {
    let (_folder, paths) = home();
    let door = Door::new(
        true,
        &[Proof::Passed, Proof::Refused("no such device".to_owned())],
    );
    assert_eq!(
        chosen(&door, &info(), &paths),
        "qemu: KVM did not start a probe: no such device"
    );
    assert_eq!(chosen(&door, &info(), &paths), "kvm: KVM ran the probe");
}

#[test]
fn nothing_is_probed_where_no_kvm_is_offered_or_no_probe_is_made() {
    let (_folder, paths) = home();
    let door = Door::new(false, &[]);
    let none = "qemu: the hypervisor offers no KVM (no /dev/kvm, or no permission)";
    assert_eq!(chosen(&door, &info(), &paths), none);
    let door = Door::new(true, &[]);
    let arm = HostInfo {
        arch: "aarch64".to_owned(),
        ..info()
    };
    let unproved =
        "qemu: no probe of KVM is made for `aarch64`; `--virt-type kvm` takes it unproved";
    assert_eq!(chosen(&door, &arm, &paths), unproved);
}

#[test]
fn an_answer_holds_for_one_host_only_and_a_broken_one_for_none() {
    let (_folder, paths) = home();
    let door = Door::new(true, &[Proof::Silent, Proof::Passed, Proof::Passed]);
    chosen(&door, &info(), &paths);
    let newer = HostInfo {
        identity: "host 2".to_owned(),
        ..info()
    };
    assert_eq!(chosen(&door, &newer, &paths), "kvm: KVM ran the probe");
    fs::write(Memory::of(&newer, &paths).path, "{").expect("written");
    assert_eq!(chosen(&door, &newer, &paths), SILENT);
}

#[test]
fn an_answer_of_another_machine_grows_old() {
    let (_folder, paths) = home();
    let remote = HostInfo {
        uri: "qemu+ssh://a/system".to_owned(),
        local: false,
        ..info()
    };
    let door = Door::new(true, &[Proof::Silent, Proof::Passed]);
    chosen(&door, &remote, &paths);
    let file = fs::File::options()
        .write(true)
        .open(Memory::of(&remote, &paths).path)
        .expect("the file");
    file.set_modified(SystemTime::now() - REMOTE_AGE - Duration::from_secs(1))
        .expect("set");
    assert_eq!(chosen(&door, &remote, &paths), SILENT);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_probe_is_what_its_source_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/probe/probe.S");
    let run = |program: &str, args: &[&str]| {
        let status = Command::new(program)
            .args(args)
            .current_dir(folder.path())
            .status();
        assert!(
            status
                .expect("binutils, which Rust's own linker needs")
                .success()
        );
    };
    run("as", &[source, "-o", "probe.o"]);
    let place = ["-Ttext", "0x7c00", "-e", "0x7c00", "--oformat", "binary"];
    run(
        "ld",
        &[
            &["-m", "elf_x86_64"],
            place.as_slice(),
            &["probe.o", "-o", "probe.bin"],
        ]
        .concat(),
    );
    assert_eq!(
        fs::read(folder.path().join("probe.bin")).expect("the bytes"),
        PROBE
    );
    assert!(
        PROBE
            .windows(WORD.len())
            .any(|window| window == WORD.as_bytes())
    );
}

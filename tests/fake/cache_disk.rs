//! One cache disk for many VMs: made once, by whichever run comes first, whatever becomes of it.
//!
//! The spec files here ask for no services: the set of artifacts is given to the planner as the program gives
//! it, in a process of its own where it is to be killed. What comes after is the program's own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use trustnet_api::disk::DiskFormat;
use trustnet_core::artifact::{
    Arch, ArtifactId, ArtifactKind, ArtifactSet, Digest, Verified, VerifiedBy,
};
use trustnet_core::cache_disk::{self, Standing};
use trustnet_core::load;
use trustnet_core::plan::{self, Artifacts, CreateInput, Goal, PublicKeys, Step};
use trustnet_core::readiness::Phase;
use trustnet_core::vm::{VM_POOL, Vm};
use trustnet_core::xml::{self, DomainType};
use trustnet_host::apply::{self, Context, Event};
use trustnet_host::cache::store::{Incoming, Store};
use trustnet_host::doors::{Hypervisor, VolumeRef, Volumes};
use trustnet_host::fake::{Effect, Fail, Fake, KILL_VARIABLE};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal::{self, Journal, Payload};
use trustnet_host::lock::Lock;
use trustnet_host::observe::observe;
use trustnet_host::paths::Paths;
use trustnet_host::ready::ReadyOptions;

use crate::home::{Home, Run, files_below};

/// Where this program runs itself: the home, and the VM to make.
const AT: &str = "TRUSTNET_VM_TEST_CACHE_DISK";

const DISK: &str = "  cacheDisk: {}\n";

fn paths(home: &str) -> Paths {
    let home = PathBuf::from(home);
    Paths::from_env(|name| match name {
        "HOME" => Some(home.clone().into()),
        "XDG_RUNTIME_DIR" => Some(home.join("run").into()),
        _ => None,
    })
    .expect("a home")
}

/// Fills the home's store, and gives what is in it.
fn artifacts(paths: &Paths) -> ArtifactSet {
    let store = Store::open(&paths.artifacts).expect("a store");
    let artifact = |number: u32| {
        let bytes: Vec<u8> = (0..60_000 * number).map(|at| (at % 241) as u8).collect();
        let incoming = Incoming {
            artifact: ArtifactId::new("sql", "15", Arch::Amd64, &format!("a{number}"))
                .expect("a name"),
            kind: ArtifactKind::File,
            source: "here".to_owned(),
            verified: Verified::by(VerifiedBy::Pin),
        };
        let entry = store.insert(&mut bytes.as_slice(), None, None, &incoming);
        let entry = entry.expect("taken in");
        (entry.sha256, entry.size)
    };
    ArtifactSet::new((1..=3).map(artifact))
}

/// Makes a VM that needs the artifacts, as `create --no-wait` does.
fn make(home: &str, name: &str) {
    let paths = paths(home);
    let path = format!("{home}/host.json");
    let uri = format!("fake://{path}");
    let text = std::fs::read(format!("{home}/{name}.yaml")).expect("a spec");
    let (mut documents, _) = load::load(&text);
    let vm = Vm::resolve(&documents.remove(0).object).expect("valid").0;
    let host = Fake::open(path.as_ref()).expect("a host");
    let set = artifacts(&paths);
    let lock = journal::connection_dir(&paths, &uri).join("locks/planning");
    let planning = std::sync::Mutex::new(Some(Lock::take(&lock).expect("the lock")));
    let info = host.survey().host().expect("the host");
    let kind = Some((DomainType::Qemu, "a test".to_owned()));
    let observed = observe(&host, &vm, &info, kind, "/fake", Some(&set)).expect("facts");
    let goal = plan::create(&CreateInput {
        vm: &vm,
        observed: &observed,
        keys: PublicKeys {
            host: "ssh-ed25519 AAAA",
            login: "ssh-ed25519 BBBB",
        },
        seed_size: 2048,
        folder: None,
        wait: false,
        version: "0.0.0",
        artifacts: Some(Artifacts {
            set: &set,
            sharing: 1,
        }),
    });
    let Goal::Steps(plan) = goal.expect("a plan") else {
        return;
    };
    let folder = journal::journal_dir(&paths, &uri, name);
    let payload = Payload {
        seed: &[b'#'; 2048],
        login_key: "",
    };
    let journal = Journal::begin(&folder, *plan, Some(payload)).expect("a journal");
    let listen = |event: Event<'_>| {
        if matches!(event, Event::Finished(_, Step::DefineDomain { .. }, _)) {
            planning.lock().expect("no panic").take();
        }
    };
    let context = Context {
        hypervisor: &host,
        ready: ReadyOptions {
            until: Phase::Ready,
            timeout: std::time::Duration::from_secs(60),
            paths: &paths,
            uri: &uri,
        },
        interrupt: &Interrupt::default(),
        listen: &listen,
    };
    apply::apply(journal, &context).expect("the VM is made");
}

/// Not a test: what the tests of this file run in a process of its own.
#[test]
fn at_home() {
    if let Some((home, name)) = std::env::var(AT)
        .ok()
        .as_deref()
        .and_then(|at| at.split_once(' '))
    {
        make(home, name);
    }
}

fn process(home: &Home, name: &str) -> Command {
    home.spec(name, DISK);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "cache_disk::at_home", "--nocapture"])
        .env(
            AT,
            format!("{} {name}", home.path("").display()).replace("/ ", " "),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn made(home: &Home, name: &str) {
    let run = Run::of(&process(home, name).output().expect("it starts"));
    assert_eq!(run.code, Some(0), "{run:?}");
}

fn set(home: &Home) -> ArtifactSet {
    let home = home.path("");
    artifacts(&paths(home.to_str().expect("UTF-8").trim_end_matches('/')))
}

fn standing(home: &Home) -> Option<Standing> {
    trustnet_host::cache_disk::standing(&home.host(), VM_POOL, &set(home)).expect("an answer")
}

/// Bytes that were ever written to the cache disk, and how many the disk has.
fn written_and_size(home: &Home) -> (u64, u64) {
    let set = set(home);
    let name = format!("{VM_POOL}/{}", cache_disk::volume_name(&set));
    let size = cache_disk::lay_out(&set).expect("a layout").size;
    (home.state().written.get(&name).copied().unwrap_or(0), size)
}

fn prune(home: &Home) -> usize {
    let host = home.host();
    let unused = trustnet_host::cache_disk::unused_cache_volumes(&host, &[]).expect("an answer");
    for volume in &unused {
        host.delete(VolumeRef::Named(&volume.pool, &volume.name))
            .expect("deleted");
    }
    unused.len()
}

#[test]
fn ten_vms_cost_one_copy_and_the_last_of_them_leaves_it_to_prune() {
    let home = Home::new();
    let names: Vec<String> = (0..10).map(|number| format!("vm-{number}")).collect();
    for name in &names {
        made(&home, name);
    }
    let (written, size) = written_and_size(&home);
    assert!(size > set(&home).bytes());
    assert_eq!(written, size, "the disk was written more than once");
    for (number, name) in names.iter().enumerate() {
        assert_eq!(standing(&home), Some(Standing::Complete), "{number}");
        assert_eq!(prune(&home), 0, "{number}");
        home.done(["destroy", name, "--yes", "--force"]);
    }
    assert_eq!(standing(&home), Some(Standing::Complete));
    assert_eq!(prune(&home), 1);
    assert_eq!(standing(&home), None);
}

#[test]
fn processes_at_once_write_it_once() {
    let home = Home::new();
    let children: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| process(&home, name).spawn().expect("it starts"))
        .into_iter()
        .collect();
    for child in children {
        let run = Run::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let (written, size) = written_and_size(&home);
    assert_eq!(written, size);
    assert_eq!(home.state().domains.len(), 4);
}

/// A home in which a run was killed; none if it came to its end first.
fn killed(moment: Option<&str>, nth: u32) -> Option<Home> {
    let home = Home::new();
    // The store is there before: what is killed is the making of the VM.
    set(&home);
    let mut command = process(&home, "web");
    match moment {
        Some(moment) => {
            command.env(KILL_VARIABLE, moment);
        }
        None => home.tell("*", nth, Effect::KillAfter),
    }
    let run = Run::of(&command.output().expect("it starts"));
    home.edit(|state| state.fail.clear());
    if run.code == Some(0) {
        return None;
    }
    assert_eq!(run.signal, Some(9), "{run:?}");
    Some(home)
}

/// Both ways out, and another VM that comes first.
fn every_way_out(what: &str, again: impl Fn() -> Option<Home>) -> bool {
    let Some(home) = again() else { return false };
    let left = standing(&home);
    assert_ne!(left, Some(Standing::Foreign), "{what}");
    let has_journal = |home: &Home| {
        let plan = |path: &PathBuf| path.ends_with("journal/web/plan.json");
        files_below(&home.path(".local/state")).iter().any(plan)
    };
    // Another VM gets a whole disk, whatever was left, and resume leaves that one as it is.
    made(&home, "other");
    assert_eq!(standing(&home), Some(Standing::Complete), "{what}");
    let (written, _) = written_and_size(&home);
    if has_journal(&home) {
        home.done(["resume", "web"]);
    } else {
        made(&home, "web");
    }
    assert_eq!(written_and_size(&home).0, written, "{what}: written again");
    assert_eq!(home.state().domains.len(), 2, "{what}");
    assert_eq!(prune(&home), 0, "{what}");

    let home = again().expect("killed as before");
    if has_journal(&home) {
        home.done(["resume", "web"]);
        assert_eq!(standing(&home), Some(Standing::Complete), "{what}: resumed");
        let home = again().expect("killed as before");
        home.done(["rollback", "web"]);
        assert_eq!(home.state().domains.len(), 0, "{what}: rolled back");
        let volumes = home.state().pools[VM_POOL].volumes.len();
        assert_eq!(volumes, usize::from(standing(&home).is_some()), "{what}");
    }
    true
}

#[test]
fn a_run_that_is_killed_at_any_mark_or_call_leaves_a_disk_that_is_whole_or_made_again() {
    for moment in [
        "cache-disk:0",
        "cache-disk:19",
        "cache-disk:16",
        "cache-disk:whole",
    ] {
        assert!(
            every_way_out(moment, || killed(Some(moment), 0)),
            "{moment}"
        );
    }
    for word in ["begun", "done"] {
        let moment = format!("{word}:0");
        assert!(
            every_way_out(&moment, || killed(Some(&moment), 0)),
            "{moment}"
        );
    }
    let calls =
        (1..).take_while(|nth| every_way_out(&format!("call {nth}"), || killed(None, *nth)));
    let calls = calls.count();
    assert!(calls > 15, "only {calls} calls");
}

/// As much as it takes to be worth a disk where nobody asks for one: a file with nothing in it but a hole.
const MUCH: u64 = 257 << 20;
/// The digest of so many zeros.
const ZEROS: &str = "053eadfdec682cf16f3f8704c7609c57868dd75765e08dc5a7491f5d06bcb74d";

/// A home whose cache has what a service needs that is added to it.
fn with_much() -> Home {
    let home = Home::new();
    let url = "https://localhost:1/much";
    let definition = format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: {{ name: much }}\nspec:\n  version: '1'\n  \
         artifacts:\n    - name: much\n      url: {url}\n      digests: {{ amd64: 'sha256:{ZEROS}', arm64: 'sha256:{ZEROS}' }}\n      \
         install: {{ path: /srv/much }}\n"
    );
    home.file("much.yaml", &definition);
    home.done(["service", "add", "much.yaml", "--quiet"]);
    let store = Store::open(&home.path(".cache/trustnet-vm/artifacts")).expect("a store");
    let digest = Digest::parse(ZEROS).expect("a digest");
    let blob = std::fs::File::create(store.path(&digest)).expect("a file");
    blob.set_len(MUCH).expect("a hole");
    let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
    let incoming = Incoming {
        artifact: ArtifactId::new("much", "1", arch, "much").expect("a name"),
        kind: ArtifactKind::Url,
        source: url.to_owned(),
        verified: Verified::by(VerifiedBy::Pin),
    };
    store.record(&digest, MUCH, &incoming).expect("an entry");
    home
}

#[test]
fn much_that_several_vms_need_comes_on_one_disk_that_nobody_asked_for() {
    let home = with_much();
    let documents = ["a", "b", "c"].map(|name| {
        let path = home.spec(name, "  services: [{ name: much }]\n");
        std::fs::read_to_string(path).expect("a spec")
    });
    home.file("two.yaml", &documents[1..].join("---\n"));
    let create = |file: &str| {
        home.run([
            "create",
            file,
            "--offline",
            "--no-wait",
            "--quiet",
            "--parallel",
            "1",
        ])
    };
    let set = ArtifactSet::new([(Digest::parse(ZEROS).expect("a digest"), MUCH)]);
    let name = cache_disk::volume_name(&set);
    let attached = || {
        let state = home.state();
        let domains = state.domains.values();
        domains.filter(|domain| domain.xml.contains(&name)).count()
    };
    // One alone needs no disk, and makes none for those to come.
    assert_eq!(create("a.yaml").code, Some(0));
    assert_eq!((home.state().domains.len(), attached()), (1, 0));
    // Of two, each begins to make one. It is not let: as much would not fit into this host.
    let refuse = |nth| Fail::new("volumes.write_from", nth, Effect::Before);
    home.edit(|state| state.fail = vec![refuse(1), refuse(2)]);
    let run = create("two.yaml");
    assert!(home.came() && run.code != Some(0), "{run:?}");
    assert_eq!(home.state().domains.len(), 1, "{run:?}");
    // Where it is there, whole by its head, both have that one, and nothing more is written.
    let layout = cache_disk::lay_out(&set).expect("a layout");
    let xml = xml::volume(&name, layout.size, DiskFormat::Raw, None);
    let host = home.host();
    host.create(VM_POOL, &xml).expect("a volume");
    let volume = VolumeRef::Named(VM_POOL, &name);
    Volumes::write(&host, volume, &layout.head).expect("it is written");
    let before = home.state().written;
    assert_eq!(create("two.yaml").code, Some(0));
    assert_eq!((home.state().domains.len(), attached()), (3, 2));
    let key = format!("{VM_POOL}/{name}");
    assert_eq!(home.state().written[&key], before[&key]);
}

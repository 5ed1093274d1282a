//! A cache disk on the fake host.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::cell::Cell;

use tempfile::TempDir;
use trustnet_api::disk::DiskFormat;
use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, Verified, VerifiedBy};
use trustnet_core::vm::VM_POOL;
use trustnet_core::xml;

use super::*;
use crate::cache::store::Incoming;
use crate::fake::{Effect, Fail, Fake, State};

struct Place {
    _folder: TempDir,
    host: Fake,
    store: Store,
    set: ArtifactSet,
    contents: Vec<Vec<u8>>,
}

/// A host, and a store with artifacts of these sizes.
fn place(sizes: &[usize]) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("host.json");
    State::with_everything().save(&path).expect("a state");
    let store = Store::open(&folder.path().join("artifacts")).expect("a store");
    let mut artifacts = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let bytes: Vec<u8> = (0..*size).map(|at| (at * 7 + number) as u8).collect();
        let name = format!("artifact-{number}");
        let incoming = Incoming {
            artifact: ArtifactId::new("sql", "15", Arch::Amd64, &name).expect("a name"),
            kind: ArtifactKind::File,
            source: name,
            verified: Verified::by(VerifiedBy::Pin),
        };
        let entry = store
            .insert(&mut bytes.as_slice(), None, None, &incoming)
            .expect("it is taken in");
        artifacts.push((entry.sha256, entry.size, bytes));
    }
    artifacts.sort();
    Place {
        host: Fake::open(&path).expect("a host"),
        store,
        set: ArtifactSet::new(artifacts.iter().map(|(digest, size, _)| (*digest, *size))),
        contents: artifacts.into_iter().map(|(.., bytes)| bytes).collect(),
        _folder: folder,
    }
}

impl Place {
    fn name(&self) -> String {
        cache_disk::volume_name(&self.set)
    }

    fn ensure(&self, stop: &dyn Fn() -> bool) -> Result<(), HostError> {
        let name = self.name();
        let size = cache_disk::lay_out(&self.set).expect("a layout").size;
        let wanted = Wanted {
            pool: VM_POOL,
            volume: &name,
            xml: &xml::volume(&name, size, DiskFormat::Raw, None),
            artifacts: &self.set,
        };
        ensure(&self.host, &self.store, &wanted, stop)
    }

    fn standing(&self) -> Option<Standing> {
        standing(&self.host, VM_POOL, &self.set).expect("an answer")
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.host.edit(change).expect("a state")
    }

    fn bytes(&self) -> Vec<u8> {
        let name = self.name();
        self.state(|state| state.pools[VM_POOL].volumes[&name].content.clone())
    }

    fn written(&self) -> u64 {
        self.state(|state| state.written.values().sum())
    }
}

const NEVER: &dyn Fn() -> bool = &|| false;

#[test]
fn the_volume_is_the_image_byte_for_byte_and_is_written_once() {
    let place = place(&[100_000, 2048, 0, 1, 200_001]);
    assert_eq!(place.standing(), None);
    place.ensure(NEVER).expect("it is made");
    assert_eq!(place.standing(), Some(Standing::Complete));
    let layout = cache_disk::lay_out(&place.set).expect("a layout");
    let bytes = place.bytes();
    assert_eq!(bytes.len() as u64, layout.size);
    assert_eq!(bytes[..layout.head.len()], layout.head);
    for ((digest, _), content) in place.set.iter().zip(&place.contents) {
        let range = trustnet_core::iso::find(&bytes, &digest.to_string()).expect("a file");
        assert_eq!(&bytes[range], content.as_slice());
    }
    assert_eq!(place.written(), layout.size);
    place.ensure(NEVER).expect("it is there");
    assert_eq!(place.written(), layout.size);
}

#[test]
fn a_damaged_or_missing_artifact_is_told_before_a_byte_is_written() {
    for damage in [true, false] {
        let place = place(&[1000, 2000]);
        let (digest, _) = place.set.iter().last().expect("an artifact");
        let path = place.store.path(digest);
        if damage {
            std::fs::write(path, b"something else").expect("a file");
        } else {
            std::fs::remove_file(path).expect("it is gone");
        }
        let error = place.ensure(NEVER).expect_err("a refusal");
        assert!(
            matches!(
                &error,
                HostError::Artifact(error) if matches!(**error, CacheError::Damaged { .. } | CacheError::Missing(_))
            ),
            "{error:?}"
        );
        assert_eq!((place.standing(), place.written()), (None, 0));
    }
}

#[test]
fn an_artifact_of_another_size_than_was_planned_is_refused() {
    let mut place = place(&[1000]);
    let digest = *place.set.iter().next().expect("an artifact").0;
    place.set = ArtifactSet::new([(digest, 999)]);
    let error = place.ensure(NEVER).expect_err("a refusal");
    assert!(
        error.to_string().contains("it has 1000 bytes, not 999"),
        "{error}"
    );
    assert_eq!(place.standing(), None);
}

#[test]
fn writing_that_fails_anywhere_takes_the_volume_away_and_the_next_makes_it() {
    let mut failed = 0;
    for nth in 1.. {
        let place = place(&[100_000, 1]);
        let told = Fail::new("volumes.write_from", nth, Effect::Before);
        place.state(|state| state.fail = vec![told]);
        if place.ensure(NEVER).is_ok() {
            break;
        }
        failed += 1;
        assert_eq!(place.standing(), None, "call {nth}");
        place.ensure(NEVER).expect("it is made");
        assert_eq!(place.standing(), Some(Standing::Complete), "call {nth}");
    }
    assert!(failed > 3, "only {failed} calls");
}

#[test]
fn an_interruption_ends_the_writing_and_leaves_nothing() {
    let place = place(&[1_000_000]);
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 20
    };
    place.ensure(&stop).expect_err("an interruption");
    assert_eq!(place.standing(), None);
    assert!(place.written() > 0, "it was interrupted before it began");
}

#[test]
fn what_somebody_else_has_put_there_is_left_as_it_is() {
    let place = place(&[1000]);
    let name = place.name();
    let theirs = vec![7; 1 << 20];
    place.state(|state| {
        let pool = state.pools.get_mut(VM_POOL).expect("a pool");
        pool.put(&name, &theirs);
    });
    assert_eq!(place.standing(), Some(Standing::Foreign));
    place.ensure(NEVER).expect_err("a refusal");
    assert_eq!(place.bytes(), theirs);
    let unused = unused_cache_volumes(&place.host, &[]).expect("an answer");
    assert_eq!(unused, []);
}

#[test]
fn what_nobody_refers_to_is_unused_and_what_a_domain_or_a_journal_refers_to_is_not() {
    use trustnet_core::plan::{Plan, Step, Verb};
    let place = place(&[1000]);
    let name = place.name();
    let unused = |plans: &[Plan]| {
        let found = unused_cache_volumes(&place.host, plans).expect("an answer");
        found
            .into_iter()
            .map(|volume| volume.name)
            .collect::<Vec<_>>()
    };
    place.state(|state| state.foreign("other"));
    assert!(unused(&[]).is_empty());
    place.ensure(NEVER).expect("it is made");
    assert_eq!(unused(&[]), std::slice::from_ref(&name));
    let disks = [
        format!("<source file='/fake/vms/{name}'/>"),
        format!("<source pool='{VM_POOL}' volume='{name}'/>"),
    ];
    for disk in disks {
        let uuid = "11111111-2222-4333-8444-000000000001";
        let xml = format!(
            "<domain type='qemu'><name>user</name><uuid>{uuid}</uuid><memory>1024</memory><vcpu>1</vcpu>\
             <devices><disk>{disk}<target dev='vdb'/></disk></devices></domain>"
        );
        let plan = Plan {
            verb: Verb::Create,
            vm: "user".to_owned(),
            uuid: uuid.to_owned(),
            steps: vec![Step::DefineDomain { xml: xml.clone() }],
        };
        assert!(unused(&[plan]).is_empty());
        place.host.domains().define(&xml).expect("defined");
        assert!(unused(&[]).is_empty());
        place.host.domains().undefine(uuid).expect("gone");
        assert_eq!(unused(&[]), std::slice::from_ref(&name));
    }
    // One that was begun may go, too.
    place.state(|state| {
        let pool = state.pools.get_mut(VM_POOL).expect("a pool");
        let volume = pool.volumes.get_mut(&name).expect("a volume");
        volume.content[16 * SECTOR..].fill(0);
    });
    assert_eq!(place.standing(), Some(Standing::Begun));
    assert_eq!(unused(&[]), [name]);
}

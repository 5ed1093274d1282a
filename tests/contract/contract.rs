//! The promises. Each begins on a host without the things that it makes, and takes them away.

use std::io::Read;
use std::path::Path;

use trustnet_api::disk::DiskFormat;
use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, ArtifactSet, Verified, VerifiedBy};
use trustnet_core::cache_disk::{self, Standing};
use trustnet_core::observed::DomainState;
use trustnet_core::xml;
use trustnet_host::cache::store::{Incoming, Store};
use trustnet_host::cache_disk::Wanted;
use trustnet_host::doors::{Hypervisor, Power, VolumeRef};
use trustnet_host::error::{BackendErrorKind, HostError};

/// A host, and what differs between hosts.
pub struct Place<'a> {
    /// The doors.
    pub hypervisor: &'a dyn Hypervisor,
    /// The domain type.
    pub kind: &'static str,
    /// A folder of its own for pools.
    pub folder: &'a Path,
}

pub const POOL: &str = "tnvm-contract";
const UUID: &str = "6b1c9e2e-3c0f-4a53-8a7e-0c5d6f1b2a01";
const OTHER_UUID: &str = "6b1c9e2e-3c0f-4a53-8a7e-0c5d6f1b2a02";
/// A record with everything that XML takes for its own.
const RECORD: &str = r#"{"a":"<b>&amp;]]>'é\\\"","c":"  two  blanks  "}"#;

pub fn kind(error: &HostError) -> Option<BackendErrorKind> {
    match error {
        HostError::Vm { source, .. } | HostError::Storage { source, .. } => Some(source.kind),
        _ => None,
    }
}

pub fn pool_xml(place: &Place<'_>) -> String {
    xml::pool(POOL, place.folder.join("pool").to_str().expect("UTF-8"))
}

pub fn with_pool(place: &Place<'_>) {
    place
        .hypervisor
        .pools()
        .ensure(POOL, &pool_xml(place))
        .expect("a pool");
}

fn named(name: &str) -> VolumeRef<'_> {
    VolumeRef::Named(POOL, name)
}

fn domain_xml(place: &Place<'_>, name: &str, uuid: &str, memory: u32) -> String {
    let record = RECORD
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let namespace = trustnet_core::record::NAMESPACE;
    format!(
        "<domain type='{}'><name>{name}</name><uuid>{uuid}</uuid>\
         <metadata><tvm:record xmlns:tvm='{namespace}'>{record}</tvm:record></metadata>\
         <memory unit='MiB'>{memory}</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>",
        place.kind
    )
}

fn gone(place: &Place<'_>, uuid: &str) {
    let domains = place.hypervisor.domains();
    if domains
        .state(uuid)
        .expect("a state")
        .is_some_and(DomainState::is_active)
    {
        domains.power(uuid, Power::Cut).expect("off");
    }
    domains.undefine(uuid).expect("gone");
    assert_eq!(domains.state(uuid).expect("an answer"), None);
}

pub fn a_pool_is_made_once_and_started_where_it_is_not_active(place: &Place<'_>) {
    let pools = place.hypervisor.pools();
    if place.kind != "qemu" {
        assert_eq!(pools.find(POOL).expect("an answer"), None);
    }
    for _ in 0..2 {
        pools.ensure(POOL, &pool_xml(place)).expect("a pool");
        let facts = pools.find(POOL).expect("an answer").expect("a pool");
        assert!(facts.active);
        assert_eq!(facts.xml.kind, "dir");
        assert!(facts.xml.path.ends_with("/pool"), "{facts:?}");
    }
    pools.refresh(POOL).expect("refreshed");
    assert!(pools.refresh("no-such-pool").is_err());
}

pub fn a_volume_is_what_its_definition_says_and_nothing_is_made_twice(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    let xml = xml::volume("disk.qcow2", 1 << 30, DiskFormat::Qcow2, None);
    volumes.create(POOL, &xml).expect("made");
    let facts = volumes
        .find(named("disk.qcow2"))
        .expect("an answer")
        .expect("a volume");
    assert_eq!(
        (facts.name.as_str(), facts.format.as_str(), facts.capacity),
        ("disk.qcow2", "qcow2", 1 << 30)
    );
    assert!(facts.path.ends_with("/pool/disk.qcow2"), "{facts:?}");
    assert_eq!(
        volumes
            .find(VolumeRef::Path(&facts.path))
            .expect("an answer"),
        Some(facts)
    );
    let again = volumes.create(POOL, &xml).expect_err("a refusal");
    // libvirt's test driver has no word for it.
    if place.kind == "qemu" {
        assert_eq!(kind(&again), Some(BackendErrorKind::Exists), "{again:?}");
    }
    volumes.delete(named("disk.qcow2")).expect("deleted");
    assert_eq!(volumes.find(named("disk.qcow2")).expect("an answer"), None);
}

pub fn what_pools_hold_is_listed_with_the_pool(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    let ours = || {
        let all = place.hypervisor.pools().contents().expect("an answer");
        let ours = all.into_iter().filter(|(pool, _)| pool == POOL);
        ours.map(|(_, name)| name).collect::<Vec<_>>()
    };
    let before = ours();
    volumes
        .create(POOL, &xml::volume("listed", 512, DiskFormat::Raw, None))
        .expect("made");
    let after = ours();
    assert!(after.contains(&"listed".to_owned()), "{after:?}");
    assert_eq!(after.len(), before.len() + 1);
    volumes.delete(named("listed")).expect("deleted");
    assert_eq!(ours(), before);
}

pub fn what_is_not_there_is_none_and_deleting_it_is_no_error(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    for volume in [
        named("nothing"),
        VolumeRef::Named("no-such-pool", "nothing"),
        VolumeRef::Path("/no/such/file"),
    ] {
        assert_eq!(volumes.find(volume).expect("an answer"), None, "{volume}");
        volumes.delete(volume).expect("nothing to do");
    }
    let xml = xml::volume("disk", 512, DiskFormat::Raw, None);
    let refused = volumes.create("no-such-pool", &xml).expect_err("a refusal");
    assert_eq!(
        kind(&refused),
        Some(BackendErrorKind::NotFound),
        "{refused:?}"
    );
    let domains = place.hypervisor.domains();
    assert_eq!(domains.find("nothing").expect("an answer"), None);
    assert_eq!(domains.state(UUID).expect("an answer"), None);
    let refused = domains.power(UUID, Power::On).expect_err("a refusal");
    assert_eq!(
        kind(&refused),
        Some(BackendErrorKind::NotFound),
        "{refused:?}"
    );
}

pub fn a_volume_stands_over_its_backing_file(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    volumes
        .create(POOL, &xml::volume("base", 1 << 20, DiskFormat::Qcow2, None))
        .expect("made");
    let base = volumes
        .find(named("base"))
        .expect("an answer")
        .expect("a volume")
        .path;
    let over = xml::volume("over", 1 << 21, DiskFormat::Qcow2, Some((&base, "qcow2")));
    volumes.create(POOL, &over).expect("made");
    let facts = volumes
        .find(named("over"))
        .expect("an answer")
        .expect("a volume");
    assert_eq!((facts.backing, facts.capacity), (Some(base), 1 << 21));
    for name in ["over", "base"] {
        volumes.delete(named(name)).expect("deleted");
    }
}

pub fn bytes_come_back_as_they_were_written(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    let bytes: Vec<u8> = (0..700_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let size = bytes.len() as u64;
    volumes
        .create(POOL, &xml::volume("seed", size, DiskFormat::Raw, None))
        .expect("made");
    assert_eq!(volumes.read(named("seed"), 16).expect("bytes"), [0; 16]);
    volumes.write(named("seed"), &bytes).expect("written");
    assert_eq!(volumes.read(named("seed"), size).expect("bytes"), bytes);
    assert_eq!(volumes.read(named("seed"), size * 2).expect("bytes"), bytes);
    volumes.write(named("seed"), b"new").expect("written");
    let read = volumes.read(named("seed"), 6).expect("bytes");
    assert_eq!(read, [b"new", &bytes[3..6]].concat());
    volumes.delete(named("seed")).expect("deleted");
    assert!(volumes.read(named("seed"), 1).is_err());
    assert!(volumes.write(named("seed"), b"x").is_err());
}

/// A stream that gives a little at a time, as files and sockets may, and fails after `good` bytes.
struct Trickle {
    at: u64,
    good: u64,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.good {
            return Err(std::io::Error::other("the disk is on fire"));
        }
        let count = buffer.len().min(1000);
        for byte in &mut buffer[..count] {
            *byte = (self.at % 251) as u8;
            self.at += 1;
        }
        Ok(count)
    }
}

pub fn a_stream_is_written_where_it_belongs_and_one_that_fails_is_told(place: &Place<'_>) {
    with_pool(place);
    let volumes = place.hypervisor.volumes();
    let size = 3 << 20;
    volumes
        .create(POOL, &xml::volume("big", size, DiskFormat::Raw, None))
        .expect("made");
    volumes.write(named("big"), &[9; 5000]).expect("written");
    let mut from = Trickle { at: 0, good: size };
    volumes
        .write_from(named("big"), 4096, &mut from, (2 << 20) + 7)
        .expect("written");
    let mut expected = vec![9; 4096];
    expected.extend((0..(2u64 << 20) + 7).map(|at| (at % 251) as u8));
    expected.resize(usize::try_from(size).expect("it is small"), 0);
    assert!(volumes.read(named("big"), size).expect("bytes") == expected);

    let mut from = Trickle {
        at: 0,
        good: 1 << 20,
    };
    let refused = volumes.write_from(named("big"), 0, &mut from, size);
    let error = trustnet_host::error::chain(&refused.expect_err("a refusal"));
    assert!(error.contains("the disk is on fire"), "{error}");
    let short = volumes.write_from(named("big"), 0, &mut &b"short"[..], 6);
    let error = trustnet_host::error::chain(&short.expect_err("a refusal"));
    assert!(error.contains("ends too early"), "{error}");
    // The connection goes on.
    volumes
        .write_from(named("big"), 1, &mut &b"xyz"[..], 2)
        .expect("written");
    let read = volumes.read(named("big"), 4).expect("bytes");
    assert_eq!(&read[1..3], b"xy");
    volumes.delete(named("big")).expect("deleted");
    let gone = volumes.write_from(named("big"), 0, &mut &b"x"[..], 1);
    assert!(gone.is_err());
}

pub fn a_cache_disk_is_made_once_and_unused_until_a_domain_refers_to_it(place: &Place<'_>) {
    with_pool(place);
    let folder = place.folder.join("artifacts");
    let store = Store::open(&folder).expect("a store");
    let mut artifacts = Vec::new();
    for (number, size) in [70_000u32, 0, 300_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 3 % 250) as u8).collect();
        let incoming = Incoming {
            artifact: ArtifactId::new("sql", "15", Arch::Amd64, &format!("a{number}"))
                .expect("a name"),
            kind: ArtifactKind::File,
            source: "here".to_owned(),
            verified: Verified::by(VerifiedBy::Pin),
        };
        let entry = store.insert(&mut bytes.as_slice(), None, None, &incoming);
        artifacts.push(
            entry
                .map(|entry| (entry.sha256, entry.size))
                .expect("taken in"),
        );
    }
    let set = ArtifactSet::new(artifacts);
    let name = cache_disk::volume_name(&set);
    let size = cache_disk::lay_out(&set).expect("a layout").size;
    let wanted = Wanted {
        pool: POOL,
        volume: &name,
        xml: &xml::volume(&name, size, DiskFormat::Raw, None),
        artifacts: &set,
    };
    let standing = || trustnet_host::cache_disk::standing(place.hypervisor, POOL, &set);
    let unused = || {
        let found = trustnet_host::cache_disk::unused_cache_volumes(place.hypervisor, &[]);
        found
            .expect("an answer")
            .into_iter()
            .map(|volume| volume.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(standing().expect("an answer"), None);
    // A run that was killed between two stretches.
    place
        .hypervisor
        .volumes()
        .create(POOL, wanted.xml)
        .expect("made");
    assert_eq!(standing().expect("an answer"), Some(Standing::Begun));
    for _ in 0..2 {
        trustnet_host::cache_disk::ensure(place.hypervisor, &store, &wanted, &|| false)
            .expect("it is made");
        assert_eq!(standing().expect("an answer"), Some(Standing::Complete));
    }
    assert_eq!(unused(), std::slice::from_ref(&name));
    let path = place
        .hypervisor
        .volumes()
        .find(named(&name))
        .expect("an answer")
        .expect("a volume")
        .path;
    let disk = format!(
        "<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>\
         <target dev='vda' bus='virtio'/><readonly/><shareable/></disk></devices></domain>"
    );
    let xml = domain_xml(place, "tnvm-a", UUID, 64).replace("</domain>", &disk);
    place.hypervisor.domains().define(&xml).expect("defined");
    assert!(unused().is_empty());
    gone(place, UUID);
    assert_eq!(unused(), std::slice::from_ref(&name));
    place
        .hypervisor
        .volumes()
        .delete(named(&name))
        .expect("deleted");
    assert!(unused().is_empty());
}

pub fn a_definition_comes_back_with_its_record_whatever_is_in_it(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    let facts = domains
        .find("tnvm-a")
        .expect("an answer")
        .expect("a domain");
    assert_eq!(
        (facts.xml.name.as_str(), facts.xml.uuid.as_str()),
        ("tnvm-a", UUID)
    );
    assert_eq!((facts.xml.vcpus, facts.xml.memory_mib), (1, 64));
    assert_eq!(facts.xml.record.as_deref(), Some(RECORD));
    assert_eq!(facts.state, DomainState::Shutoff);
    let listed = domains.list().expect("a list");
    let listed = listed
        .iter()
        .find(|domain| domain.name == "tnvm-a")
        .expect("in the list");
    assert_eq!(
        (listed.uuid.as_str(), listed.state),
        (UUID, DomainState::Shutoff)
    );
    let all = place.hypervisor.survey().domains().expect("all");
    assert!(all.contains(&facts), "{all:?}");
    gone(place, UUID);
}

/// pitfall 5
pub fn a_definition_over_the_old_one_replaces_it_and_a_bad_one_leaves_it(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    domains.power(UUID, Power::OnWithHost).expect("set");
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 128))
        .expect("defined");
    let facts = domains
        .find("tnvm-a")
        .expect("an answer")
        .expect("a domain");
    assert_eq!(facts.xml.memory_mib, 128);
    let nameless = domain_xml(place, "tnvm-a", UUID, 256).replace("<name>tnvm-a</name>", "");
    assert!(domains.define(&nameless).is_err());
    assert_eq!(domains.find("tnvm-a").expect("an answer"), Some(facts));
    gone(place, UUID);
}

pub fn a_name_belongs_to_one_uuid(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    assert!(
        domains
            .define(&domain_xml(place, "tnvm-a", OTHER_UUID, 64))
            .is_err()
    );
    assert!(
        domains
            .define(&domain_xml(place, "tnvm-b", UUID, 64))
            .is_err()
    );
    assert_eq!(domains.state(OTHER_UUID).expect("an answer"), None);
    assert_eq!(domains.find("tnvm-b").expect("an answer"), None);
    gone(place, UUID);
}

pub fn a_domain_starts_once_and_stops_when_its_power_is_cut(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    let record = || {
        domains
            .find("tnvm-a")
            .expect("an answer")
            .expect("a domain")
            .xml
            .record
    };
    for _ in 0..2 {
        assert!(domains.power(UUID, Power::Cut).is_err());
        domains.power(UUID, Power::On).expect("on");
        assert_eq!(
            domains.state(UUID).expect("an answer"),
            Some(DomainState::Running)
        );
        assert!(domains.power(UUID, Power::On).is_err());
        assert_eq!(record().as_deref(), Some(RECORD));
        domains.power(UUID, Power::Cut).expect("off");
        assert_eq!(
            domains.state(UUID).expect("an answer"),
            Some(DomainState::Shutoff)
        );
    }
    // pitfall 8: what was recorded before the first start is there after the last stop.
    assert_eq!(record().as_deref(), Some(RECORD));
    gone(place, UUID);
}

pub fn a_domain_that_is_undefined_is_gone_and_may_be_undefined_again(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    domains.undefine(UUID).expect("gone");
    domains.undefine(UUID).expect("nothing to do");
    assert_eq!(domains.find("tnvm-a").expect("an answer"), None);
    let listed = domains.list().expect("a list");
    assert!(
        listed.iter().all(|domain| domain.uuid != UUID),
        "{listed:?}"
    );
}

pub fn records_come_in_the_order_they_were_asked_for(place: &Place<'_>) {
    let domains = place.hypervisor.domains();
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    let plain = domain_xml(place, "tnvm-b", OTHER_UUID, 64);
    let (head, rest) = plain.split_once("<metadata>").expect("metadata");
    let (_, tail) = rest.split_once("</metadata>").expect("metadata");
    domains.define(&format!("{head}{tail}")).expect("defined");
    let nobody = "00000000-0000-4000-8000-000000000000".to_owned();
    let asked = [
        OTHER_UUID.to_owned(),
        UUID.to_owned(),
        nobody,
        UUID.to_owned(),
    ];
    let records = place.hypervisor.records().read(&asked).expect("records");
    let records: Vec<_> = records
        .into_iter()
        .map(|metadata| metadata.record)
        .collect();
    let record = Some(RECORD.to_owned());
    assert_eq!(records, [None, record.clone(), None, record]);

    // Foundry's, in the form in which libvirt keeps what Foundry gives it.
    let foundry = "<metadata><metadata xmlns=\"http://foundry.cofront.xyz/v1alpha1\" \
        xmlns:foundry-vm-spec=\"http://foundry.cofront.xyz/v1alpha1\">kind: A &lt;&amp;\nspec: {}\n</metadata></metadata>";
    domains
        .define(&format!("{head}{foundry}{tail}"))
        .expect("defined");
    let asked = [OTHER_UUID.to_owned()];
    let records = place.hypervisor.records().read(&asked).expect("records");
    assert_eq!(records[0].record, None);
    assert_eq!(records[0].foundry.as_deref(), Some("kind: A <&\nspec: {}"));
    gone(place, UUID);
    gone(place, OTHER_UUID);
}

pub fn a_record_that_is_written_is_read_in_both_definitions(place: &Place<'_>) {
    let (domains, records) = (place.hypervisor.domains(), place.hypervisor.records());
    domains
        .define(&domain_xml(place, "tnvm-a", UUID, 64))
        .expect("defined");
    let read = || {
        let found = records.read(&[UUID.to_owned()]).expect("records");
        let lasting = domains.find("tnvm-a").expect("an answer").expect("there");
        assert_eq!(found[0].record, lasting.xml.record);
        found[0].record.clone().expect("a record")
    };
    let hostile = "{\"a\":\"<&>'\\\"]]> \\u00e9\"}";
    records.write(UUID, hostile).expect("written");
    assert_eq!(read(), hostile);
    domains.power(UUID, Power::On).expect("on");
    records.write(UUID, RECORD).expect("written");
    assert_eq!(read(), RECORD);
    domains.power(UUID, Power::Cut).expect("off");
    assert_eq!(read(), RECORD);
    gone(place, UUID);
    let missing = records.write(UUID, RECORD);
    assert!(missing.is_err(), "{missing:?}");
}

pub fn the_host_says_who_it_is(place: &Place<'_>) {
    let info = place.hypervisor.survey().host().expect("an answer");
    assert!(!info.arch.is_empty());
    assert!(info.free_memory_mib.is_none_or(|free| free > 0), "{info:?}");
    place.hypervisor.survey().networks().expect("an answer");
    place.hypervisor.survey().bridges().expect("an answer");
}

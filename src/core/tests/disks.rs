//! Disks in pools that know raw volumes only: copies of their image, block devices, images of Ceph.
//! `tests/disks/<name>.xml` is the domain; `UPDATE_GOLDEN=1` writes it anew.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "goldens are files, and libvirt's own validator is asked"
)]

mod schema;

use trustnet_core::observed::{Observed, PoolFacts};
use trustnet_core::plan::{self, CreateInput, Goal, PublicKeys, Step};
use trustnet_core::record::{Record, Role};
use trustnet_core::vm::Vm;
use trustnet_core::xml::{self, DomainType, VolumeXml};

const KEYS: PublicKeys<'_> = PublicKeys {
    host: "ssh-ed25519 AAAA(public)",
    login: "ssh-ed25519 AAAA(login)",
};

const LOGICAL: &str = "<pool type='logical'><source><name>vg0</name></source><target><path>/dev/vg0</path></target></pool>";
const ZFS: &str = "<pool type='zfs'><source><name>tank</name></source><target><path>/dev/zvol/tank</path></target></pool>";
const RBD: &str = "<pool type='rbd'><source><name>vms</name><host name='mon1.example.org' port='6789'/>\
     <host name='2001:db8::7' port='6789'/><host name='mon3'/>\
     <auth type='ceph' username='libvirt'><secret usage='ceph libvirt'/></auth></source></pool>";
const NETFS: &str = "<pool type='netfs'><source><host name='nas'/><dir path='/x'/></source>\
     <target><path>/mnt/nas</path></target></pool>";
const ISCSI: &str = "<pool type='iscsi'><target><path>/dev/disk/by-path</path></target></pool>";

fn vm(boot: &str, more: &str) -> Vm {
    let text = format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: {{ name: web }}\n\
         spec:\n  vcpus: 1\n  memory: 768Mi\n  storagePool: fast\n  bootDisk: {{ size: 4Gi, {boot} }}\n  \
         dataDisks: [{{ device: vdb, size: 1Gi, reclaimPolicy: Retain }}]\n  \
         networkInterfaces: [{{ user: {{ sshPort: 2201 }} }}]\n{more}"
    );
    let (mut documents, problems) = trustnet_core::load::load(text.as_bytes());
    assert_eq!(problems, []);
    Vm::resolve(&documents.remove(0).object).expect("valid").0
}

fn host(vm: &Vm, pool: &str) -> Observed {
    let mut observed = plan::ideal_host(vm, false, DomainType::Kvm);
    let facts = PoolFacts {
        xml: xml::read_pool(pool),
        active: true,
        available: 1 << 40,
        ..PoolFacts::default()
    };
    observed.pools.insert("fast".to_owned(), facts);
    observed
}

fn planned(vm: &Vm, observed: &Observed) -> Result<Vec<Step>, String> {
    let goal = plan::create(&CreateInput {
        vm,
        observed,
        keys: KEYS,
        seed_size: 65536,
        folder: None,
        wait: true,
        version: "0.0.0",
        artifacts: None,
    });
    match goal {
        Ok(Goal::Steps(plan)) => Ok(plan.steps),
        Ok(Goal::Reached) => unreachable!("there is no such VM yet"),
        Err(refusals) => Err(refusals
            .iter()
            .map(|refusal| {
                let hint = refusal.hint.as_deref().unwrap_or_default();
                format!("{}\n  hint: {hint}\n", refusal.message)
            })
            .collect()),
    }
}

/// The steps, with what libvirt is told of volumes.
fn shown(steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::CreateVolume { xml, .. } | Step::CopyVolume { xml, .. } => format!("{step}\n{xml}"),
        other => format!("{other}\n"),
    };
    steps.iter().map(line).collect()
}

fn domain(steps: &[Step]) -> &str {
    let defined = steps.iter().find_map(|step| match step {
        Step::DefineDomain { xml } => Some(xml.as_str()),
        _ => None,
    });
    defined.expect("a domain is defined")
}

#[test]
fn disks_are_what_their_pool_can_have_and_the_domain_finds_them() {
    let cases = [
        ("logical", LOGICAL, "image: debian-12.qcow2"),
        ("zfs", ZFS, "empty: true"),
        ("rbd", RBD, "image: 'fast:debian-12'"),
        ("netfs", NETFS, "image: debian-12.qcow2"),
    ];
    let mut said = String::new();
    for (name, pool, boot) in cases {
        let vm = vm(boot, "");
        let steps = planned(&vm, &host(&vm, pool)).expect("a plan");
        schema::check(
            "disks_are_what_their_pool_can_have_and_the_domain_finds_them",
            &format!("disks/{name}"),
            "domain",
            domain(&steps),
        );
        said += &format!("=== {name}\n{}", shown(&steps));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn the_record_names_each_volume_where_it_is() {
    let vm = vm("image: 'fast:debian-12'", "");
    let steps = planned(&vm, &host(&vm, RBD)).expect("a plan");
    let facts = xml::read_domain(domain(&steps));
    let record = Record::parse(&facts.record.expect("a record")).expect("a record");
    let own: Vec<_> = record
        .volumes
        .iter()
        .map(|own| (own.role, own.pool.as_str(), own.name.as_str()))
        .collect();
    assert_eq!(
        own,
        [
            (Role::Boot, "fast", "web_boot"),
            (Role::Data, "fast", "web_data-vdb"),
            (Role::Seed, "foundry-vms", "web_cloudinit.iso"),
        ]
    );
    assert_eq!(facts.disks[0].network.as_deref(), Some("vms/web_boot"));
    assert_eq!(record.digest, vm.digest());
}

#[test]
fn a_disk_that_is_kept_is_taken_up_by_the_name_that_it_has_there() {
    let vm = vm("image: debian-12.qcow2", "");
    let mut observed = host(&vm, LOGICAL);
    // LVM gives whole extents.
    let kept = VolumeXml {
        capacity: (1 << 30) + (4 << 20),
        path: "/dev/vg0/web_data-vdb".to_owned(),
        ..VolumeXml::default()
    };
    let pool = observed.pools.get_mut("fast").expect("the pool");
    pool.volumes.insert("web_data-vdb".to_owned(), kept);
    let steps = planned(&vm, &observed).expect("a plan");
    let adopted = Step::AdoptVolume {
        pool: "fast".to_owned(),
        volume: "web_data-vdb".to_owned(),
    };
    assert!(steps.contains(&adopted), "{}", shown(&steps));
}

#[test]
fn what_libvirt_cannot_make_is_refused_with_the_reason_and_what_to_do() {
    let mut said = String::new();
    for (pool, boot, more) in [
        (LOGICAL, "image: /images/debian-12.qcow2", ""),
        (LOGICAL, "image: debian-12.qcow2", "  cacheDisk: {}\n"),
        (ZFS, "image: debian-12.qcow2", ""),
        (RBD, "image: debian-12.qcow2", ""),
        (ISCSI, "empty: true", ""),
    ] {
        let vm = vm(boot, more);
        let mut observed = host(&vm, pool);
        if more.is_empty() {
            said += &planned(&vm, &observed).expect_err("a refusal");
            continue;
        }
        observed.cache_volume = None;
        let set = trustnet_core::artifact::ArtifactSet::new([(
            trustnet_core::artifact::Digest::of(b"a"),
            5,
        )]);
        let refused = plan::create(&CreateInput {
            vm: &vm,
            observed: &observed,
            keys: KEYS,
            seed_size: 1,
            folder: None,
            wait: false,
            version: "0.0.0",
            artifacts: Some(plan::Artifacts {
                set: &set,
                sharing: 1,
            }),
        });
        for refusal in refused.expect_err("a refusal") {
            let hint = refusal.hint.unwrap_or_default();
            said += &format!("{}\n  hint: {hint}\n", refusal.message);
        }
    }
    // An image in a volume group, and a VM whose disks are files.
    let text_vm = vm("image: 'fast:debian-12'", "");
    let mut wire = text_vm.wire().clone();
    wire.spec.storage_pool = None;
    let files = Vm::resolve(&wire).expect("valid").0;
    said += &planned(&files, &{
        let mut observed = host(&files, LOGICAL);
        observed.pools.insert(
            "foundry-vms".to_owned(),
            PoolFacts {
                xml: xml::read_pool(NETFS),
                active: true,
                available: 1 << 40,
                ..PoolFacts::default()
            },
        );
        observed
    })
    .expect_err("a refusal");
    insta::assert_snapshot!(said);
}

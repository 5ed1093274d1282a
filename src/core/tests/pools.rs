//! Pools of every type, whole: `tests/pools/<name>.xml` is what libvirt is told, by its own schema. With
//! `UPDATE_GOLDEN=1` the files are written anew.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "goldens are files, and libvirt's own validator is asked"
)]

mod schema;

use trustnet_core::observed::{DomainFacts, DomainState, PoolFacts};
use trustnet_core::pool::{self, PoolKind, PoolRequest};
use trustnet_core::xml;

/// What is asked for, in the words of `pool add`.
fn request(words: &str) -> PoolRequest {
    let mut words = words.split(' ');
    let mut next = || words.next().map(str::to_owned);
    let name = next().expect("a name");
    let kind = match next().expect("a type").as_str() {
        "dir" => PoolKind::Dir,
        "fs" => PoolKind::Fs,
        "netfs" => PoolKind::Netfs,
        "logical" => PoolKind::Logical,
        "zfs" => PoolKind::Zfs,
        "rbd" => PoolKind::Rbd,
        other => panic!("no type `{other}`"),
    };
    let mut request = PoolRequest {
        name,
        kind,
        target: None,
        source: None,
        hosts: Vec::new(),
        format: None,
        user: None,
        secret: None,
        cow: None,
    };
    while let Some(flag) = next() {
        let value = next();
        match flag.as_str() {
            "--target" => request.target = value,
            "--source" => request.source = value,
            "--host" => request.hosts.extend(value),
            "--format" => request.format = value,
            "--user" => request.user = value,
            "--secret" => request.secret = value,
            "--cow" => request.cow = value.map(|word| word == "yes"),
            other => panic!("no flag `{other}`"),
        }
    }
    request
}

/// The golden's name, and what is asked for.
const POOLS: [(&str, &str); 10] = [
    ("dir", "ssd dir --target /mnt/ssd/foundry/"),
    ("dir-on-btrfs", "bulk dir --target /srv/bulk --cow no"),
    ("fs", "scratch fs --source /dev/sdb1 --target /mnt/scratch"),
    (
        "fs-of-a-format",
        "scratch fs --source /dev/disk/by-id/a&b --format ext4 --target /mnt/<scratch> --cow yes",
    ),
    (
        "netfs",
        "nas netfs --source nas.example.org:/export/vms --target /mnt/nas",
    ),
    (
        "netfs-by-address",
        "nas netfs --source [2001:db8::5]:/export/vms --target /mnt/nas",
    ),
    ("logical", "lvm logical --source vg0"),
    ("zfs", "tank zfs --source tank/vms"),
    (
        "rbd",
        "ceph rbd --source vms --host mon1.example.org --host [2001:db8::7]:6789",
    ),
    (
        "rbd-with-a-login",
        "ceph rbd --source vms --host mon1.example.org:6789 --user libvirt --secret 2A5B8D9E-0C1F-4F7A-9B63-5D2E7C8A9B10",
    ),
];

#[test]
fn a_pool_of_every_type_is_told_as_libvirts_schema_has_it() {
    for (name, words) in POOLS {
        let pool = request(words).resolve().expect("a pool");
        schema::check(
            "a_pool_of_every_type_is_told_as_libvirts_schema_has_it",
            &format!("pools/{name}"),
            "storagepool",
            &xml::storage_pool(&pool),
        );
    }
}

#[test]
fn a_pool_is_the_same_when_it_is_read_back_and_what_differs_is_named() {
    for (name, words) in POOLS {
        let pool = request(words).resolve().expect("a pool");
        let facts = xml::read_pool(&xml::storage_pool(&pool));
        assert_eq!(facts.kind, pool.source.kind(), "{name}");
        assert_eq!(
            pool::differences(&facts, &facts),
            Vec::<String>::new(),
            "{name}"
        );
    }
    let read = |words| {
        xml::read_pool(&xml::storage_pool(
            &request(words).resolve().expect("a pool"),
        ))
    };
    let there = read("p rbd --source vms --host a:1 --user u --secret one");
    let wanted = read("p rbd --source others --host a:2 --user u --secret two");
    insta::assert_snapshot!(pool::differences(&there, &wanted).join("\n"), @r"
    source (`vms`, not `others`)
    hosts (`a:1`, not `a:2`)
    login (`u one`, not `u two`)
    ");
    let there = read("p fs --source /dev/a --format ext4 --target /a");
    let same = read("p fs --source /dev/a --target /a/");
    assert_eq!(pool::differences(&there, &same), Vec::<String>::new());
    let wanted = read("p dir --target /b");
    insta::assert_snapshot!(pool::differences(&there, &wanted).join("\n"), @r"
    type (`fs`, not `dir`)
    target (`/a`, not `/b`)
    ");
}

#[test]
fn what_is_no_pool_says_why() {
    let mut said = String::new();
    for words in [
        "a/b dir --target /a",
        "-a dir --target /a",
        "p dir",
        "p dir --target a",
        "p dir --target /a/../b",
        "p dir --target /",
        "p dir --target /a --source /dev/sda",
        "p fs --target /a",
        "p netfs --source nas --target /a",
        "p netfs --source 2001:db8::5:/x --target /a",
        "p netfs --source nas:/x",
        "p logical --source vg/0",
        "p logical --source vg0 --target /a",
        "p logical --source -f",
        "p zfs --source tank//vms",
        "p rbd --source vms",
        "p rbd --source vms --host a:b",
        "p rbd --source vms --host [::1",
        "p rbd --source vms --host a:0",
        "p rbd --source vms --host a --user u",
        "p rbd --source vms --host a --secret s",
    ] {
        let error = request(words).resolve().expect_err(words);
        said.push_str(&format!("{words}\n  {error}\n"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn who_has_something_in_a_pool_is_found_by_disk_chain_and_record() {
    let domain = |name: &str, disk: &str| {
        let xml = format!(
            "<domain type='kvm'><name>{name}</name><devices><disk>{disk}<target dev='vda'/></disk></devices></domain>"
        );
        DomainFacts::new(xml::read_domain(&xml), DomainState::Shutoff)
    };
    let domains = [
        domain("by-file", "<source file='/pool/a'/>"),
        domain(
            "by-chain",
            "<source file='/else/b'/><backingStore type='file'><source file='/pool/base'/></backingStore>",
        ),
        domain("by-volume", "<source pool='p' volume='c'/>"),
        domain("by-device", "<source dev='/dev/vg0/d'/>"),
        domain(
            "by-image",
            "<source protocol='rbd' name='vms/e'><host name='a'/></source>",
        ),
        domain("elsewhere", "<source file='/pool-2/a'/>"),
        domain("another-protocol", "<source protocol='nbd' name='vms/e'/>"),
    ];
    let users = |words: &str| {
        let xml = xml::read_pool(&xml::storage_pool(
            &request(words).resolve().expect("a pool"),
        ));
        let facts = PoolFacts {
            xml,
            ..PoolFacts::default()
        };
        let found = pool::users("p", &facts, &domains);
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        users("p dir --target /pool"),
        "`by-file` (a) `by-chain` (base) `by-volume` (c)"
    );
    assert_eq!(
        users("p rbd --source vms --host a"),
        "`by-volume` (c) `by-image` (e)"
    );
    let group = PoolFacts {
        xml: xml::read_pool("<pool type='logical'><target><path>/dev/vg0</path></target></pool>"),
        ..PoolFacts::default()
    };
    let found = pool::users("q", &group, &domains);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "`by-device` (d)");
}

#[test]
fn a_type_that_the_hypervisor_lacks_is_told_with_those_that_it_has_and_the_package() {
    let said = xml::read_pool_capabilities(
        "<storagepoolCapabilities><pool type='dir' supported='yes'><volOptions>\
         <defaultFormat type='raw'/><enum name='targetFormatType'><value>raw</value><value>qcow2</value>\
         </enum></volOptions></pool><pool type='fs' supported='yes'/><pool type='zfs' supported='no'/>\
         <pool type='logical' supported='no'><poolOptions><enum name='sourceFormatType'>\
         <value>lvm2</value></enum></poolOptions></pool></storagepoolCapabilities>",
    );
    assert_eq!(said["dir"].formats, ["raw", "qcow2"]);
    assert!(said["logical"].formats.is_empty());
    assert_eq!(pool::supports(Some(&said), "dir"), Ok(()));
    assert_eq!(pool::supports(None, "zfs"), Ok(()));
    for kind in ["logical", "rbd"] {
        let refused = pool::supports(Some(&said), kind).expect_err("a refusal");
        assert_eq!(
            refused.to_string(),
            format!("the hypervisor has no pools of type `{kind}`; it has dir, fs")
        );
        assert_eq!(
            refused.hint(),
            format!(
                "install `libvirt-daemon-driver-storage-{kind}` on the hypervisor and start its libvirt daemon anew, or use another type"
            )
        );
    }
}

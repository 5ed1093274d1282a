//! Properties of the loader: nothing makes it panic or take long, and what it read, printed without
//! its secrets, means the same when it is read again.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use trustnet_api::cloud_init::{CloudInit, File, User};
use trustnet_api::disk::{BootDisk, DataDisk, Filesystem, ReclaimPolicy};
use trustnet_api::interface::{NetworkInterface, UserNetwork};
use trustnet_api::meta::ObjectMeta;
use trustnet_api::quantity::Quantity;
use trustnet_api::secret::{Age, SecretString, ValueFrom};
use trustnet_api::vm::{Firmware, VirtualMachine, VirtualMachineSpec};
use trustnet_core::load::{self, MAX_BYTES};
use trustnet_core::vm::{SecretMap, Vm};

const EVERYTHING: &[u8] = include_bytes!("../../../tests/cases/good-everything/input.yaml");

fn resolved(text: &[u8]) -> Vm {
    let (documents, problems) = load::load(text);
    assert_eq!(problems, [], "{}", String::from_utf8_lossy(text));
    Vm::resolve(&documents[0].object).expect("it is valid").0
}

/// Loads, and resolves what was loaded.
fn survives(text: &[u8]) {
    let (documents, problems) = load::load(text);
    for problem in &problems {
        assert!(problem.message.len() < 4096);
    }
    for document in documents {
        if let Err(problems) = Vm::resolve(&document.object) {
            for problem in problems {
                let _ = document.place(problem);
            }
        }
    }
}

#[test]
fn a_file_of_100_mb_is_refused_before_it_is_read() {
    let text = "a: b\n".repeat(20 << 20);
    let (documents, problems) = load::load(text.as_bytes());
    assert!(documents.is_empty());
    assert_eq!(problems[0].message, "the file has more than 1024 KiB");
}

#[test]
fn a_mebibyte_of_anything_takes_no_long() {
    let full = |unit: &str| unit.repeat(MAX_BYTES / unit.len());
    let numbered = |unit: fn(usize) -> String| {
        let mut text = String::new();
        for index in 0.. {
            let next = unit(index);
            if text.len() + next.len() > MAX_BYTES {
                return text;
            }
            text.push_str(&next);
        }
        text
    };
    let head =
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata:\n  name: a\nspec:\n";
    let texts = [
        full("["),
        full("{"),
        full("- "),
        full("? "),
        full(": "),
        full("a"),
        full("\""),
        full("'"),
        full("&a "),
        full("*a "),
        full("#"),
        full("\n"),
        full("---\n"),
        full("%"),
        full("!"),
        full("|\n"),
        full("a:\n "),
        full("\t"),
        full("&a [*a]\n"),
        full("[a, "),
        full("{a: "),
        full("\u{85}"),
        full("\u{feff}"),
        full("é"),
        full("\\"),
        format!("\"{}\"", full("\\u0041").split_at(MAX_BYTES - 8).0),
        numbered(|i| format!("k{i}: v\n")),
        numbered(|i| format!("- &a{i} v\n- *a{i}\n")),
        format!(
            "{head}{}",
            numbered(|i| format!("  unknownKey{i}: v\n"))
                .split_at(MAX_BYTES - 200)
                .0
        ),
        format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(MAX_BYTES / 2),
            "*a, ".repeat(MAX_BYTES / 16)
        ),
        format!("{head}  vcpus: {}\n", "9".repeat(MAX_BYTES - 200)),
        format!("{head}  memory: 1.{}\n", "9".repeat(MAX_BYTES - 200)),
        format!(
            "{head}  networkInterfaces: [{}]\n",
            "{bridge: a}, ".repeat(6000)
        ),
    ];
    for text in texts {
        survives(&text.as_bytes()[..text.len().min(MAX_BYTES)]);
    }
}

#[test]
fn the_way_of_writing_does_not_count_and_the_meaning_does() {
    let text = String::from_utf8_lossy(EVERYTHING).into_owned();
    let digest = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        resolved(text.replace(from, to).as_bytes())
            .digest()
            .to_owned()
    };
    let same = resolved(EVERYTHING).digest().to_owned();
    let written = [
        ("memoryGiB: 2", "memory: 2Gi"),
        ("memoryGiB: 2", "memory: 2048Mi"),
        ("sizeGB: 20", "size: 20Gi"),
        ("any <text>", "other text"),
        ("generation: 3", "generation: 4"),
        ("Web.Example.ORG", "web.example.org"),
        ("mode: 0755", "mode: \"755\""),
        ("locale: de_AT", "\n    # a comment\n    locale: de_AT"),
    ];
    for (from, to) in written {
        assert_eq!(digest(from, to), same, "{from} → {to}");
    }
    let meant = [
        ("vcpus: 2", "vcpus: 3"),
        ("memoryGiB: 2", "memoryGiB: 3"),
        ("tier: \"\"", "tier: web"),
        ("$6$salt$hash", "$6$salt$other"),
        ("ALICE_HASH", "BOB_HASH"),
        ("10.20.30.40/24", "10.20.30.41/24"),
        ("reclaimPolicy: Retain", "reclaimPolicy: Delete"),
        ("#!/bin/sh", "#!/bin/bash"),
    ];
    for (from, to) in meant {
        assert_ne!(digest(from, to), same, "{from} → {to}");
    }
}

#[test]
fn a_reference_counts_by_what_it_means() {
    let text = String::from_utf8(EVERYTHING.to_vec()).expect("UTF-8");
    let digest = |to: &str| {
        resolved(text.replace("file: secrets/token", to).as_bytes())
            .digest()
            .to_owned()
    };
    let same = digest("generate: { name: token }");
    assert_eq!(
        digest("generate: { name: token, length: 32, alphabet: alphanumeric, shared: false }"),
        same
    );
    for other in [
        "generate: { name: tokens }",
        "generate: { name: token, length: 33 }",
        "generate: { name: token, alphabet: hex }",
        "generate: { name: token, shared: true }",
        "file: token",
        "age: { file: token }",
    ] {
        assert_ne!(digest(other), same, "{other}");
    }
    // With what it is decrypted says nothing about the secret.
    let age = digest("age: { file: token }");
    assert_eq!(digest("age: { file: token, identity: ~/key.txt }"), age);
    assert_ne!(digest("age: { file: tokens }"), age);
}

#[test]
fn secrets_are_named_and_never_shown() {
    let vm = resolved(EVERYTHING);
    let env = ValueFrom::Env("ALICE_HASH".to_owned());
    let file = ValueFrom::File("secrets/token".to_owned());
    assert_eq!(vm.secret_refs(), [env.clone(), file.clone()]);
    assert_eq!(vm.redacted_secrets(), Vec::<String>::new());
    let printed = serde_json::to_string(vm.wire()).expect("a spec serialises");
    for shown in [format!("{vm:?}"), printed.clone()] {
        assert!(
            !shown.contains("$6$salt$hash") && !shown.contains("hello: <world>"),
            "{shown}"
        );
    }
    let again = resolved(printed.as_bytes());
    assert_eq!(
        again.redacted_secrets(),
        [
            "spec.cloudInit.passwordHash",
            "spec.cloudInit.files[0].content",
            "spec.cloudInit.files[2].content"
        ]
    );

    let mut secrets = SecretMap::default();
    secrets.insert(file, "anything\n".to_owned());
    secrets.insert(env.clone(), "hunter2".to_owned());
    let problems = vm
        .check_secrets(&secrets)
        .expect_err("a password is not a hash");
    assert_eq!(problems[0].path, "spec.cloudInit.users[0].passwordHash");
    assert!(problems[0].concerns_secret() && !format!("{problems:?}").contains("hunter2"));
    secrets.insert(env, "$6$a$b".to_owned());
    assert_eq!(vm.check_secrets(&secrets), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn any_yaml_like_text_is_survived(text in "([ \\-?:,\\[\\]{}#&*!|>'\"%@`\t\n]|[a-c]|\\PC|a: |\n  |- |<<: |&a |\\*a ){0,80}") {
        survives(text.as_bytes());
    }

    #[test]
    fn any_change_of_a_spec_is_survived(
        at in 0..EVERYTHING.len(), length in 0usize..40,
        new in prop_oneof![vec(any::<u8>(), 0..8), "[ \\-:\\[\\]{}'\"\n0-9a-z]{0,8}".prop_map(String::into_bytes)],
    ) {
        let end = (at + length).min(EVERYTHING.len());
        survives(&[&EVERYTHING[..at], &new, &EVERYTHING[end..]].concat());
    }

    #[test]
    fn a_spec_printed_without_its_secrets_means_the_same(wire in spec()) {
        let (vm, _) = Vm::resolve(&wire).expect("the generator makes valid specs");
        let json = serde_json::to_string(&wire).expect("a spec serialises");
        let yaml = serde_saphyr::to_string(&wire).expect("a spec serialises");
        for text in [json, yaml] {
            let again = resolved(text.as_bytes());
            prop_assert_eq!(again.digest(), vm.digest(), "{}", text);
            prop_assert_eq!(again.uuid(), vm.uuid());
            prop_assert!(again.secret_refs() == vm.secret_refs());
        }
    }
}

/// Text that XML can carry, with what means something to some reader.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\tä-ž😀]{0,30}",
        Just("yes".to_owned()),
        Just("null".to_owned()),
        Just("~".to_owned()),
        Just("0x10".to_owned()),
        Just("1e3".to_owned()),
        Just("]]>".to_owned()),
        Just("<!--".to_owned()),
        Just("&amp;".to_owned()),
        Just("- a: b".to_owned()),
        Just("%{a}".to_owned()),
        Just("trailing \n\n".to_owned()),
        Just(" leading".to_owned()),
        Just("{{ v1 }}".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("a\r\nb\r".to_owned()),
    ]
}

fn secret(inline: impl Strategy<Value = String>) -> impl Strategy<Value = SecretString> {
    prop_oneof![
        3 => inline.prop_map(SecretString::Inline),
        1 => "[A-Z_]{1,8}".prop_map(|name| SecretString::ValueFrom(ValueFrom::Env(name))),
        1 => "[a-z./ ]{0,8}[a-z]".prop_map(|path| SecretString::ValueFrom(ValueFrom::File(path))),
        1 => "[a-z./ ]{0,8}[a-z]".prop_map(|file| {
            SecretString::ValueFrom(ValueFrom::Age(Age { file, identity: None }))
        }),
    ]
}

fn guest() -> impl Strategy<Value = CloudInit> {
    let hash = || option::of(secret("\\$6\\$[a-zA-Z0-9./$]{0,20}"));
    let name = "[a-z_][a-z0-9_-]{1,8}".prop_filter("root is there already", |name| name != "root");
    let user = (name, hash()).prop_map(|(name, password_hash)| User {
        name,
        password_hash,
        ..User::default()
    });
    let file = ("/[a-z]{1,6}", secret(text()), option::of("0?[0-7]{3}")).prop_map(
        |(path, content, mode)| File {
            path,
            content,
            owner: None,
            mode,
        },
    );
    let commands = vec(
        text().prop_filter("a command says something", |c| !c.trim().is_empty()),
        0..3,
    );
    (
        hash(),
        option::of(any::<bool>()),
        option::of(user),
        option::of(file),
        commands,
    )
        .prop_map(
            |(password_hash, ssh_password_auth, user, file, run_commands)| CloudInit {
                password_hash,
                ssh_password_auth,
                users: user.into_iter().collect(),
                files: file.into_iter().collect(),
                run_commands,
                ..CloudInit::default()
            },
        )
}

fn spec() -> impl Strategy<Value = VirtualMachine> {
    let size = || {
        prop_oneof![
            (1u64..100).prop_map(|gb| (Some(gb), None)),
            "[1-9][0-9]{0,3}(\\.[0-9]{1,3})?(Mi|Gi|M|G)".prop_map(|q| (None, Some(Quantity(q)))),
        ]
    };
    let disk = (
        size(),
        option::of("/[a-z]{1,6}"),
        option::of(Just(ReclaimPolicy::Retain)),
        option::of(Just(Filesystem::Xfs)),
    )
        .prop_map(
            |((size_gb, size), mount_path, reclaim_policy, filesystem)| DataDisk {
                device: "vdb".to_owned(),
                size_gb,
                size,
                filesystem,
                mount_path,
                reclaim_policy,
            },
        );
    let nic = prop_oneof![
        option::of(1u16..).prop_map(|ssh_port| NetworkInterface {
            user: Some(UserNetwork { ssh_port }),
            ..NetworkInterface::default()
        }),
        (1u8..255, option::of(any::<bool>())).prop_map(|(host, default_route)| NetworkInterface {
            bridge: Some("br0".to_owned()),
            ip: Some(format!("10.0.0.{host}/23")),
            ips: vec![format!("2001:db8::{host}/64")],
            gateway: Some("10.0.1.254".to_owned()),
            default_route,
            ..NetworkInterface::default()
        }),
    ];
    let notes: BTreeMap<String, String> = BTreeMap::new();
    let notes = prop_oneof![Just(notes), btree_map(text(), text(), 0..4)];
    let labels = btree_map(
        "[a-z]([a-z0-9./_-]{0,4}[a-z0-9])?",
        "([a-zA-Z0-9]([a-z.]{0,4}[a-z])?)?",
        0..3,
    )
    .prop_filter("one `/` at most", |labels| {
        labels.keys().all(|key| !key.contains(['/', '.']))
    });
    let firmware = option::of(prop_oneof![
        Just(Firmware::Bios),
        Just(Firmware::UefiSecure)
    ]);
    (
        "[a-zA-Z0-9]([a-z0-9_-]{0,8}[a-z0-9])?",
        labels,
        notes,
        1u32..64,
        size(),
        size(),
        option::of(disk),
        nic,
        option::of(guest()),
        firmware,
    )
        .prop_map(
            |(name, labels, annotations, vcpus, memory, boot, disk, nic, cloud_init, firmware)| {
                VirtualMachine {
                    api_version: trustnet_api::TRUSTNET_V1ALPHA1.to_owned(),
                    kind: trustnet_api::VIRTUAL_MACHINE.to_owned(),
                    metadata: ObjectMeta {
                        name,
                        labels,
                        annotations,
                        generation: None,
                    },
                    spec: VirtualMachineSpec {
                        vcpus,
                        memory_gib: memory.0,
                        memory: memory.1,
                        cpu_mode: None,
                        firmware,
                        tpm: None,
                        boot_disk: BootDisk {
                            size_gb: boot.0,
                            size: boot.1,
                            image: Some("a.qcow2".to_owned()),
                            ..BootDisk::default()
                        },
                        data_disks: disk.into_iter().collect(),
                        network_interfaces: vec![nic],
                        cloud_init,
                        autostart: None,
                        protected: None,
                        storage_pool: None,
                        services: Vec::new(),
                        cache_disk: None,
                        guest_os: None,
                        depends_on: Vec::new(),
                    },
                    status: None,
                }
            },
        )
}

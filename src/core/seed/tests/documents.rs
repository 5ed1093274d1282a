//! The documents against goldens.

use serde_json::json;
use trustnet_api::interface::Dhcp;

use super::super::vendor::GUEST_SCRIPT;
use super::super::{Seed, SeedError, SeedInput, meta, network, scrub, user_data};
use super::{KEY, full_guest, guest, interface, parts, pyyaml, secrets, seed};
use crate::vm::{Guest, Interface, SecretValue, Vm};

/// The seed of a spec as text, with the guest's script left out.
fn of_spec(spec: &str) -> String {
    let wire = serde_saphyr::from_str(spec).expect("a spec");
    let (vm, _) = Vm::resolve(&wire).expect("a valid VM");
    let login_key = Some("ssh-ed25519 LLLL trustnet-vm");
    let input = SeedInput {
        vm: &vm,
        secrets: &secrets(),
        host_key: Some(KEY),
        login_key,
    };
    let seed = Seed::render(&input).expect("a seed");
    assert_eq!(
        seed.to_iso(),
        Seed::render(&input).expect("a seed").to_iso()
    );
    let script = GUEST_SCRIPT.strip_prefix("#!/bin/sh\n").expect("a script");
    let documents = seed
        .documents()
        .map(|(name, text)| format!("==> {name}\n{}", text.replace(script, "[guest.sh]\n")));
    documents.concat()
}

#[test]
fn the_seeds_of_specs_are_as_in_the_golden_files() {
    insta::assert_snapshot!(
        "seed-simple",
        of_spec(include_str!("../../../../examples/simple-vm.yaml"))
    );
    insta::assert_snapshot!("seed-disks", of_spec("
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: db }
spec:
  vcpus: 1
  memoryGiB: 1
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  dataDisks:
    - { device: vdb, size: 1Gi, filesystem: ext4, mountPath: /srv/db/wal }
    - { device: vdc, size: 1Gi, filesystem: xfs, mountPath: /srv/db }
    - { device: vdd, size: 1Gi, filesystem: btrfs }
    - { device: vde, size: 1Gi }
  networkInterfaces:
    - { bridge: br0, ips: [192.0.2.10/24, 2001:db8::10/64], gateway: 192.0.2.1, gateway6: 2001:db8::1 }
"));
}

#[test]
fn raw_user_data_is_given_as_it_is_and_needs_its_secret() {
    let raw = "#!/bin/sh\necho ä\r\n";
    let with = |raw| Guest {
        raw_user_data: Some(raw),
        ..full_guest()
    };
    let known = with(SecretValue::Known(raw.to_owned()));
    assert_eq!(user_data::render(&known, &secrets()).as_deref(), Ok(raw));
    let missing = with(SecretValue::Redacted("sha256:00".to_owned()));
    let what = "`rawUserData`".to_owned();
    assert_eq!(
        user_data::render(&missing, &secrets()),
        Err(SeedError::Secret { what })
    );
}

#[test]
fn a_scrubbed_seed_holds_no_key_and_is_otherwise_the_same() {
    let seed = seed(&full_guest(), Some(KEY));
    let before = seed.to_iso();
    let mut after = before.clone();
    assert!(scrub(&mut after));
    assert_eq!(before.len(), after.len());
    for line in KEY.private_openssh.lines().chain([KEY.public_openssh]) {
        assert!(
            !after.windows(line.len()).any(|w| w == line.as_bytes()),
            "{line}"
        );
    }
    let vendor = crate::iso::find(&after, "vendor-data").expect("vendor-data");
    let changed: Vec<_> = (0..before.len())
        .filter(|at| before[*at] != after[*at])
        .collect();
    assert!(changed.iter().all(|at| vendor.contains(at)));
    let text = String::from_utf8(after[vendor].to_vec()).expect("text");
    if let Some(parts) = parts(&text) {
        assert_eq!(parts.len(), 3);
        assert_eq!(
            pyyaml(&parts[1][2]),
            Some(json!({ "ssh_deletekeys": false }))
        );
        assert!(seed.vendor_data.contains(&parts[2][2]));
    }
    assert!(!scrub(&mut after), "there is nothing left to scrub");
}

#[test]
fn user_data_cannot_draw_the_scrubbing_to_itself() {
    let raw = "#cloud-config\n# the guest's SSH host key, until the guest has it\nssh_keys: {}\n\n--==trustnet-vm==\n";
    let guest = Guest {
        raw_user_data: Some(SecretValue::Known(raw.to_owned())),
        ..guest()
    };
    let mut iso = seed(&guest, Some(KEY)).to_iso();
    assert!(scrub(&mut iso));
    let user_data = crate::iso::find(&iso, "user-data").expect("user-data");
    assert_eq!(&iso[user_data], raw.as_bytes());
    assert!(!scrub(&mut seed(&guest, None).to_iso()));
}

#[test]
fn generated_user_data_is_as_in_the_golden_file() {
    insta::assert_snapshot!(
        "user-data-empty",
        user_data::render(&guest(), &secrets()).expect("user-data")
    );
    insta::assert_snapshot!(
        "user-data-full",
        user_data::render(&full_guest(), &secrets()).expect("user-data")
    );
    insta::assert_snapshot!("meta-data-full", meta::render("web.1234", &full_guest()));
}

#[test]
fn network_config_is_as_in_the_golden_file() {
    let ip = |text: &str| text.parse().expect("an address");
    let static_dual = Interface {
        gateways: vec![ip("192.0.2.1"), ip("fe80::1")],
        dns_servers: vec![ip("192.0.2.53"), ip("2001:db8::53")],
        default_route: true,
        ..interface(1, &["192.0.2.10/24", "2001:db8::10/64"])
    };
    let dhcp = Interface {
        dhcp: Some(Dhcp::Both),
        ..interface(2, &[])
    };
    let bare = interface(3, &[]);
    insta::assert_snapshot!(
        "network-three",
        network::render(&[static_dual, dhcp.clone(), bare])
    );
    let ipv6 = Interface {
        gateways: vec![ip("2001:db8:ffff::1")],
        default_route: true,
        ..interface(1, &["2001:db8:1::10/64"])
    };
    insta::assert_snapshot!("network-ipv6-only", network::render(&[ipv6]));
    insta::assert_snapshot!("network-dhcp", network::render(&[dhcp]));
}

#[test]
fn one_user_data_has_our_part_and_the_users_behind_it_whatever_that_is() {
    let multipart = "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\n\
                     Content-Type: text/x-shellscript; name=\"x\"\n\n#!/bin/sh\n\n--b--\n";
    for (user_data, kind, read) in [
        ("#cloud-config\nlocale: \"ä\"\n", "text/cloud-config", None),
        (
            "#!/bin/sh\n--==trustnet-vm==--\n",
            "text/x-shellscript",
            None,
        ),
        (
            "#include\nhttps://example.org/x\n",
            "text/x-include-url",
            None,
        ),
        ("## template: jinja\n#cloud-config\n", "text/jinja2", None),
        (multipart, "text/x-shellscript", Some("#!/bin/sh\n")),
    ] {
        let seed = Seed {
            user_data: user_data.to_owned(),
            ..seed(&guest(), Some(KEY))
        };
        let Some(ours) = parts(&seed.vendor_data) else {
            return;
        };
        let Some(all) = parts(&seed.single_user_data()) else {
            return;
        };
        assert!(ours.len() > 1);
        assert_eq!(all[..ours.len()], ours);
        let [theirs] = &all[ours.len()..] else {
            panic!("{user_data}: {} parts", all.len());
        };
        assert_eq!(theirs[0], kind);
        assert_eq!(theirs[2], read.unwrap_or(user_data));
    }
}

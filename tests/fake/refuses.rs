//! What stands in the way is said before anything is made, all at once.

use trustnet_host::fake::{State, Volume, qcow2_header};

use crate::home::Home;

/// A spec whose interfaces, and what else is given, are these.
fn spec(home: &Home, name: &str, interfaces: &str, more: &str) {
    let text = std::fs::read_to_string(home.spec(name, more)).expect("the spec");
    let (head, rest) = text.split_once("    - user:").expect("an interface");
    let (_, tail) = rest.split_once("sshPort: ").expect("a port");
    let (_, tail) = tail.split_once('\n').expect("a line");
    home.file(
        &format!("{name}.yaml"),
        &format!("{head}{interfaces}{tail}"),
    );
}

fn refused(home: &Home, names: &[&str]) -> String {
    let before = home.inventory();
    let mut said = String::new();
    for name in names {
        said.push_str(&home.says(["create", &format!("{name}.yaml"), "--quiet"]));
    }
    assert_eq!(home.inventory(), before);
    said
}

#[test]
fn networks_that_are_not_there_are_told_with_the_nearest_that_is() {
    let home = Home::new();
    spec(
        &home,
        "near",
        "    - { bridge: br1, ip: 192.0.2.10/24 }\n",
        "",
    );
    spec(
        &home,
        "far",
        "    - { bridge: something, ip: 192.0.2.10/24 }\n",
        "",
    );
    spec(&home, "off", "    - { network: off, dhcp: ipv4 }\n", "");
    spec(
        &home,
        "none",
        "    - { network: defualt, dhcp: ipv4 }\n    - { bridge: br9, ip: 192.0.2.11/24 }\n",
        "",
    );
    insta::assert_snapshot!(refused(&home, &["near", "far", "off", "none"]));
}

#[test]
fn what_another_domain_has_is_told_with_the_one_that_has_it() {
    let home = Home::new();
    spec(
        &home,
        "web",
        "    - { bridge: br0, ip: 192.0.2.10/24, mac: \"02:00:00:00:00:01\" }\n",
        "",
    );
    home.done(["create", "web.yaml"]);
    home.done(["create", &home.spec("db", "")]);
    spec(
        &home,
        "address",
        "    - { bridge: br0, ips: [\"2001:db8::1/64\", 192.0.2.10/24] }\n",
        "",
    );
    spec(
        &home,
        "mac",
        "    - { bridge: br0, ip: 192.0.2.11/24, mac: \"02:00:00:00:00:01\" }\n",
        "",
    );
    let port = std::fs::read_to_string(home.path("db.yaml")).expect("the spec");
    home.file("port.yaml", &port.replace("name: db", "name: port"));
    insta::assert_snapshot!(refused(&home, &["address", "mac", "port"]));
}

#[test]
fn what_the_host_cannot_do_is_told_all_at_once() {
    let home = Home::with(|state: &mut State| {
        state.host.free_memory_mib = Some(512);
        for xml in state.host.capabilities.values_mut() {
            *xml = xml
                .replace("efi", "none")
                .replace("emulator", "none")
                .replace("255", "2");
        }
    });
    home.spec("web", "  tpm: true\n");
    home.spec("big", "  firmware: bios\n  cpuMode: host-passthrough\n");
    let text = std::fs::read_to_string(home.path("big.yaml")).expect("the spec");
    home.file("big.yaml", &text.replace("vcpus: 1", "vcpus: 4"));
    insta::assert_snapshot!(refused(&home, &["web", "big"]));
}

#[test]
fn an_image_that_was_just_put_into_the_pool_is_found() {
    let home = Home::new();
    home.edit(|state| {
        let images = state.pools.get_mut("foundry-images").expect("a pool");
        images.volumes.clear();
        images.unseen.insert(
            "debian-12.qcow2".to_owned(),
            Volume::of_file("debian-12.qcow2", &qcow2_header(1 << 30)),
        );
    });
    home.done(["create", &home.spec("web", "")]);
}

/// pitfall 21
#[test]
fn kvm_is_taken_where_a_probe_passes_and_the_choice_is_told() {
    let chosen = |change: fn(&mut State)| {
        let home = Home::with(change);
        home.spec("web", "");
        home.says([
            "plan",
            "web.yaml",
            "--virt-type",
            "auto",
            "-o",
            "json",
            "--quiet",
        ])
    };
    let offered = |state: &mut State| {
        let caps = state.host.capabilities["qemu"].clone();
        state.host.capabilities.insert("kvm".to_owned(), caps);
    };
    let kind = |text: &str| {
        text.lines()
            .skip(1)
            .take(5)
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let works = chosen(|state| {
        let caps = state.host.capabilities["qemu"].clone();
        state.host.capabilities.insert("kvm".to_owned(), caps);
        state.host.kvm = true;
    });
    let all = [chosen(|_| {}), chosen(offered), works]
        .map(|text| kind(&text))
        .concat();
    insta::assert_snapshot!(all);
}

//! What is checked before anything is changed: of a machine in a folder, and of a hypervisor in a file.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use trustnet_host::fake::Pool;

use crate::home::{Home, Run};
use crate::name_server::NameServer;

/// Files of a machine with IPv6 as it should be.
const WELL: [(&str, &str); 13] = [
    (
        "proc/net/if_inet6",
        "20010db8000000000000000000000001 02 40 00 80     eth0\n\
         fe800000000000000000000000000002 02 40 20 80     eth0\n\
         00000000000000000000000000000001 01 80 10 80       lo\n",
    ),
    (
        "proc/net/ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
         fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n",
    ),
    (
        "proc/net/dev",
        "Inter-|   Receive\n face |bytes\n    lo: 0\n  eth0: 0\n",
    ),
    (
        "proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
         eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n",
    ),
    ("proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
    ("proc/sys/net/ipv6/conf/default/disable_ipv6", "0\n"),
    ("proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0\n"),
    ("proc/sys/net/ipv6/conf/eth0/accept_ra", "1\n"),
    ("proc/sys/net/ipv6/conf/eth0/forwarding", "0\n"),
    ("proc/sys/net/ipv6/conf/lo/disable_ipv6", "0\n"),
    ("proc/71/comm", "chronyd\n"),
    (
        "proc/meminfo",
        "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n",
    ),
    ("etc/resolv.conf", "nameserver 2001:db8::53\n"),
];

/// A socket that listens at port 9000 of all addresses, in `/proc/net/tcp6`, and one that only talks.
const LISTENER: &str = "  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n\
   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0 100 0 0 10 0\n\
   1: 00000000000000000000000000000000:1F40 00000000000000000000000000000000:0001 01 00000000:00000000 00:00000000 00000000 0 0 4712 1 0 100 0 0 10 0\n";

/// A home with a machine in a folder.
pub struct Machine(pub Home);

impl Machine {
    fn new() -> Self {
        Self::of(Home::new())
    }

    fn of(home: Home) -> Self {
        let machine = Self(home);
        for (path, text) in WELL {
            machine.file(path, text);
        }
        machine
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path("machine").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.path("machine").join(path)).ok()
    }

    /// What the program says of this machine, on every day the same.
    fn says(&self, args: &str) -> String {
        let root = self.0.path("machine");
        let root = root.to_str().expect("UTF-8").to_owned();
        let args = args.split(' ').filter(|word| !word.is_empty());
        let args = ["preflight", "--root", &root].into_iter().chain(args);
        days(&self.0.says(args)).replace(" --root [HOME]/machine", "")
    }

    fn session(&self, commands: &[&str]) -> String {
        commands.iter().map(|args| self.says(args)).collect()
    }
}

/// A text without days: `2026-11-22` is `[DAY]`.
fn days(text: &str) -> String {
    let is_day = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        word.len() == 10 && digits == 8 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-'
    };
    let mut out = text.to_owned();
    for at in 0..text.len().saturating_sub(9) {
        if let Some(word) = text.get(at..at + 10)
            && is_day(word)
        {
            out = out.replace(word, "[DAY]");
        }
    }
    out
}

#[test]
fn a_machine_on_which_all_is_well_is_told_in_every_form() {
    let machine = Machine::new();
    insta::assert_snapshot!(machine.session(&[
        "",
        "-o json",
        "-o yaml",
        "-o name",
        "--no-headers"
    ]));
}

#[test]
fn what_specs_ask_for_is_told_before_anything_is_made() {
    let machine = Machine::of(Home::with(|state| {
        state.host.free_memory_mib = Some(1024);
        let vms = state.pools.get_mut("foundry-vms").expect("the pool");
        vms.available = 5 << 30;
        let mut group = Pool::new("lvm", "/dev/vg0");
        group.xml = group.xml.replace("dir", "logical");
        group.available = 1 << 30;
        state.pools.insert("lvm".to_owned(), group);
    }));
    let home = &machine.0;
    home.spec("web", "");
    home.spec("db", "");
    home.spec("far", "  storagePool: lvm\n");
    for (name, from, to) in [
        (
            "bridged",
            "    - user:\n        sshPort: 22",
            "    - bridge: br9\n      ip: 192.0.2.10/24\n#",
        ),
        ("pictured", "debian-12.qcow2", "debian-12.qcow"),
    ] {
        let spec = fs::read_to_string(home.spec(name, "")).expect("a spec");
        home.file(&format!("{name}.yaml"), &spec.replace(from, to));
    }
    let before = home.inventory();
    let spec = |name: &str| home.path(name).to_str().expect("UTF-8").to_owned();
    let files = [
        "web.yaml",
        "db.yaml",
        "far.yaml",
        "bridged.yaml",
        "pictured.yaml",
    ]
    .map(spec);
    let said = machine.session(&[&files.join(" "), &format!("{} -o json", files[0])]);
    assert_eq!(home.inventory(), before);
    insta::assert_snapshot!(said);
}

#[test]
fn a_vm_that_is_there_asks_for_nothing_more_and_another_of_its_name_is_refused() {
    let machine = Machine::new();
    let spec = machine.0.spec("web", "");
    machine.0.done(["create", &spec, "--quiet"]);
    machine.0.edit(|state| {
        state.host.free_memory_mib = Some(1);
        let vms = state.pools.get_mut("foundry-vms").expect("the pool");
        vms.available = 0;
    });
    let mut said = machine.says(&spec);
    let text = fs::read_to_string(&spec).expect("a spec");
    machine
        .0
        .file("web.yaml", &text.replace("vcpus: 1", "vcpus: 2"));
    said += &machine.says(&spec);
    insta::assert_snapshot!(said);
}

#[test]
fn a_network_needs_its_services_built_and_on_a_bridge_ipv6_around_it() {
    let machine = Machine::new();
    machine.file("proc/net/if_inet6", "");
    let registry = |more: &str| {
        format!(
            "apiVersion: trustnet.io/v1alpha1\nkind: Registry\nmetadata: {{ name: root }}\n\
             spec:\n  role: root\n  domain: example.org\n  address: \"fd10:1234::253\"\n  \
             vm:\n    bootDisk: {{ size: 4Gi, image: debian-12.qcow2 }}\n{more}"
        )
    };
    let on = |name: &str, more: &str| machine.0.file(name, &registry(more));
    let files = [
        on("segment.yaml", ""),
        on("bridge.yaml", "    networkInterfaces: [{ bridge: br0 }]\n"),
    ];
    let mut said = machine.session(&[&files[0]]);
    let builds = ".local/share/trustnet-vm/builds/amd64";
    fs::create_dir_all(machine.0.path(builds)).expect("a folder");
    machine
        .0
        .file(&format!("{builds}/trustnet-registry"), "#!/bin/sh\n");
    said += &machine.session(&[&files[0], &files[1]]);
    let program = Path::new(env!("CARGO_BIN_EXE_trustnet-vm"));
    let here = program.parent().expect("a folder").join("../lib");
    let here = here.to_str().expect("UTF-8");
    insta::assert_snapshot!(said.replace(here, "[BESIDE]"));
}

#[test]
fn without_a_hypervisor_the_rest_is_told_all_the_same() {
    let machine = Machine::new();
    let spec = machine.0.spec("web", "");
    fs::remove_file(machine.0.path("host.json")).expect("it was there");
    insta::assert_snapshot!(machine.session(&["", &format!("{spec} --offline")]));
}

#[test]
fn offline_the_cache_has_to_have_everything() {
    let machine = Machine::new();
    let spec = machine
        .0
        .spec("web", "  services:\n    - name: caddy\n    - name: sql\n      config: { database: app, user: app }\n");
    insta::assert_snapshot!(machine.session(&[
        &format!("{spec} --offline"),
        "--offline --domain example.org --role node"
    ]));
}

#[test]
fn a_domain_is_looked_up_and_judged_by_the_role() {
    let machine = Machine::new();
    let names = NameServer::start();
    names.set("example.org.", &["2001:db8::80"]);
    names.set("joined.example.", &[]);
    names.set("tnr.joined.example.", &["2001:db8::1", "2001:db8::2"]);
    let root = machine.0.path("machine");
    let mut said = String::new();
    for args in [
        "--domain joined.example --role root",
        "--domain joined.example --role node",
        "--domain example.org --role root",
        "--domain example.org --role secondary",
        "--domain exmaple.org --role node",
        "--domain ..org",
    ] {
        let mut program = machine.0.program();
        program.env("TRUSTNET_NAME_SERVERS", names.address().to_string());
        let root = root.to_str().expect("UTF-8");
        let args = ["preflight", "--root", root]
            .into_iter()
            .chain(args.split(' '));
        let all = machine.0.says_of(&mut program, args);
        // The rest is told elsewhere.
        let lines = all.split_inclusive('\n').filter(|line| {
            ["$", "domain", "  fix", "error", "---", "For"]
                .iter()
                .any(|word| line.starts_with(word))
        });
        said.extend(lines);
    }
    insta::assert_snapshot!(said.replace(" --root [HOME]/machine", ""));
    let asked = names.asked().into_iter().map(|(name, _)| name);
    let asked: std::collections::BTreeSet<String> = asked.collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(
        asked,
        [
            "example.org.",
            "exmaple.org.",
            "tnr.example.org.",
            "tnr.exmaple.org.",
            "tnr.joined.example."
        ]
    );
}

#[test]
fn a_node_beside_its_root_asks_nobody_and_one_alone_asks_for_the_domain() {
    let machine = Machine::new();
    let document = |kind: &str, name: &str, more: &str| {
        format!(
            "apiVersion: trustnet.io/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n  \
             domain: example.org\n{more}  vm:\n    bootDisk: {{ size: 4Gi, image: debian-13 }}\n---\n"
        )
    };
    let root = document("Registry", "root", "  role: root\n  address: fd10::253\n");
    let second = document(
        "Registry",
        "second",
        "  role: secondary\n  address: fd10::254\n",
    );
    let node = document("Node", "node", "  address: fd10::1\n");
    let known = document(
        "Node",
        "node",
        "  address: fd10::1\n  registry: { type: integrated, rootRegistry: \"fd10::253\" }\n",
    );
    let files = [
        machine
            .0
            .file("together.yaml", &format!("{root}{second}{node}")),
        machine.0.file("known.yaml", &known),
        machine.0.file("alone.yaml", &node),
    ];
    let builds = ".local/share/trustnet-vm/builds/amd64";
    fs::create_dir_all(machine.0.path(builds)).expect("a folder");
    for program in ["trustnet-registry", "trustnet-node"] {
        machine
            .0
            .file(&format!("{builds}/{program}"), "#!/bin/sh\n");
    }
    let files = files.map(|file| format!("{file} --offline"));
    insta::assert_snapshot!(machine.session(&files.each_ref().map(String::as_str)));
}

#[test]
fn ports_matter_where_the_service_may_run_on_this_machine() {
    let machine = Machine::new();
    machine.file("proc/net/tcp6", LISTENER);
    machine.file("proc/88/comm", "nginx\n");
    machine.file("proc/88/fd/3", "");
    let fd = machine.0.path("machine/proc/88/fd/4");
    std::os::unix::fs::symlink("socket:[4711]", fd).expect("a link");
    insta::assert_snapshot!(machine.session(&[
        "--role root",
        "--role node",
        "--role node -o name"
    ]));
}

#[test]
fn ipv6_that_the_kernel_left_out_is_explained_and_not_switched() {
    let machine = Machine::new();
    for path in ["proc/net/if_inet6", "proc/net/ipv6_route"] {
        fs::remove_file(machine.0.path("machine").join(path)).expect("it was there");
    }
    machine.file("sys/module/ipv6/parameters/disable", "1\n");
    machine.file("proc/cmdline", "root=/dev/vda1 ipv6.disable=1\n");
    machine.file(
        "etc/default/grub",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"ipv6.disable=1\"\n",
    );
    insta::assert_snapshot!(machine.session(&["", "--ipv6-auto-enable --yes"]));
    assert_eq!(machine.text("etc/sysctl.d/99-trustnet-vm.conf"), None);
}

#[test]
fn the_switches_are_shown_first_and_changed_only_when_somebody_says_so() {
    let machine = Machine::new();
    let switch = "proc/sys/net/ipv6/conf/eth0/disable_ipv6";
    let ours = "etc/sysctl.d/99-trustnet-vm.conf";
    machine.file(switch, "1\n");
    machine.file("proc/net/if_inet6", "");
    machine.file("proc/net/ipv6_route", "");
    machine.file("etc/sysctl.d/10-theirs.conf", "kernel.sysrq = 0\n");
    machine.file(
        "etc/network/interfaces",
        "auto eth0\niface eth0 inet dhcp\n",
    );
    let mut said = machine.says("--ipv6-auto-enable");
    assert_eq!(machine.text(switch).as_deref(), Some("1\n"));
    assert_eq!(machine.text(ours), None);
    said += &machine.says("--undo-ipv6");
    said += &machine.says("--ipv6-auto-enable --yes --ipv6-tries 2 --ipv6-pause 1ms -o json");
    assert_eq!(machine.text(switch).as_deref(), Some("0\n"));
    said += &machine.says("--ipv6-auto-enable --yes");
    said += &machine.says("--undo-ipv6");
    said += &machine.says("--undo-ipv6 --yes");
    assert_eq!(machine.text(switch).as_deref(), Some("1\n"));
    assert_eq!(machine.text(ours), None);
    let folder = machine.0.path("machine/etc/sysctl.d");
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1);
    insta::assert_snapshot!(said);
}

#[test]
fn a_person_is_asked_and_only_yes_is_yes() {
    let machine = Machine::new();
    let switch = "proc/sys/net/ipv6/conf/eth0/disable_ipv6";
    machine.file(switch, "1\n");
    let root = machine.0.path("machine");
    let root = root.to_str().expect("UTF-8");
    let args = [
        "preflight",
        "--root",
        root,
        "--ipv6-auto-enable",
        "--ipv6-tries",
        "0",
        "-o",
        "name",
    ];
    let mut said = String::new();
    for (typed, is) in [("n\n", "1\n"), ("\n", "1\n"), ("y\n", "0\n")] {
        said += &machine.0.run_on_terminal(&args, typed);
        assert_eq!(machine.text(switch).as_deref(), Some(is), "{typed:?}");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn who_interrupts_the_waiting_is_told_that_ipv6_is_switched_on() {
    let machine = Machine::new();
    machine.file("proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n");
    machine.file("proc/net/if_inet6", "");
    let mut program = machine.0.program();
    program
        .args([
            "preflight",
            "--ipv6-auto-enable",
            "--yes",
            "--ipv6-pause",
            "1h",
            "--quiet",
        ])
        .arg("--root")
        .arg(machine.0.path("machine"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = program.spawn().expect("the program starts");
    while machine
        .text("proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        .as_deref()
        != Some("0\n")
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = rustix::process::Pid::from_child(&child);
    // It waits from now on, and heeds signals before that as well.
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    let run = Run::of(&child.wait_with_output().expect("it ends"));
    assert_eq!(run.code, Some(9), "{run:?}");
    insta::assert_snapshot!(machine.0.steady(&run.err));
}

#[test]
fn who_keeps_the_network_is_named_in_what_mends_it() {
    for (name, files) in [
        (
            "NetworkManager",
            [
                (
                    "run/NetworkManager/devices/2",
                    "[device]\nmanaged=true\nconnection-uuid=7f\n",
                ),
                (
                    "etc/NetworkManager/system-connections/lan.nmconnection",
                    "[connection]\nid=Office LAN\nuuid=7f\n\n[ipv6]\nmethod=disabled\n",
                ),
            ],
        ),
        (
            "systemd-networkd",
            [
                (
                    "run/systemd/netif/links/2",
                    "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10-lan.network\n",
                ),
                (
                    "etc/systemd/network/10-lan.network",
                    "[Network]\nIPv6AcceptRA=no\n",
                ),
            ],
        ),
        (
            "netplan",
            [
                (
                    "run/systemd/netif/links/2",
                    "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-eth0.network\n",
                ),
                (
                    "etc/netplan/50-cloud-init.yaml",
                    "network:\n  ethernets:\n    eth0:\n      accept-ra: false\n",
                ),
            ],
        ),
    ] {
        let machine = Machine::new();
        let link = "fe800000000000000000000000000002 02 40 20 80     eth0\n";
        machine.file("proc/net/if_inet6", link);
        for (path, text) in files {
            machine.file(path, text);
        }
        insta::assert_snapshot!(name, machine.says("-o json"));
    }
}

#[test]
fn a_file_of_our_name_that_is_not_ours_stays() {
    let machine = Machine::new();
    let ours = "etc/sysctl.d/99-trustnet-vm.conf";
    machine.file(ours, "net.ipv6.conf.all.disable_ipv6 = 1\n");
    machine.file("proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n");
    insta::assert_snapshot!(machine.session(&["--ipv6-auto-enable --yes -q", "--undo-ipv6 --yes"]));
    let text = machine.text(ours);
    assert_eq!(
        text.as_deref(),
        Some("net.ipv6.conf.all.disable_ipv6 = 1\n")
    );
}

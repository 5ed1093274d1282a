//! Real guests on the system's daemon: a complete libvirtd of its own in a network namespace with a
//! bridge `br-lab` (`cargo xtask lab`), so that nothing of the host is touched.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails where it expects, and says on standard output that it was skipped"
)]

#[path = "guests_system/lvm.rs"]
mod lvm;
mod support;

use support::Home;

/// Three VMs in one invocation: two that are to find each other on a bridge with IPv6 only, one of
/// them by raw user-data, and one whose cloud-init fails.
#[test]
fn vms_on_an_ipv6_only_bridge_reach_each_other_and_one_failure_stops_no_other() {
    if std::env::var_os("TRUSTNET_VM_LAB").is_none() {
        println!("skipped: guests_system: not in the lab; run `cargo xtask test guests` as root");
        return;
    }
    let home = Home::at("qemu:///system").with_image();
    let spec = home.file(
        "network.yaml",
        r##"
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: web }
spec:
  vcpus: 1
  memory: 768Mi
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  dataDisks:
    - { device: vdb, size: 64Mi }
  networkInterfaces:
    - { bridge: br-lab, ip: "2001:db8:1::10/64", gateway: "2001:db8:1::1" }
---
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: web_2 }
spec:
  vcpus: 1
  memory: 768Mi
  tpm: true
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  networkInterfaces:
    - { bridge: br-lab, ip: "2001:db8:1::20/64", gateway: "2001:db8:1::1" }
  cloudInit:
    rawUserData: |
      #!/bin/sh
      echo raw > /var/lib/raw
---
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: broken }
spec:
  vcpus: 1
  memory: 768Mi
  firmware: bios
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  networkInterfaces:
    - { bridge: br-lab, ips: ["2001:db8:1::30/64", "192.0.2.30/24"] }
  cloudInit:
    runCommands:
      - echo before
      - ls /does-not-exist
      - echo never > /var/lib/never
"##,
    );
    let before = home.inventory();
    let run = home.run(["create", spec.to_str().expect("UTF-8"), "--timeout", "20m"]);

    // The one that fails says with which command, and stops no other.
    assert_eq!(run.code, 6, "{}\n{}", run.out, run.err);
    assert!(
        run.err
            .contains("failed to create `broken`: cloud-init failed"),
        "{}",
        run.err
    );
    assert!(run.err.contains("+ ls /does-not-exist"), "{}", run.err);
    assert!(
        run.err.contains("2 created, 0 unchanged, 1 failed"),
        "{}",
        run.err
    );
    assert!(
        run.out.contains("Successfully created VM 'web'\n"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("Successfully created VM 'web_2'\n"),
        "{}",
        run.out
    );
    assert_eq!(
        home.guest("broken", "cat /var/lib/never || echo stopped"),
        "stopped"
    );
    let status: serde_json::Value =
        serde_json::from_str(&home.done(["get", "broken", "-o", "json"]).out).expect("JSON");
    assert_eq!(status["status"]["phase"], "Failed");

    // The two find each other by their static addresses.
    assert_eq!(home.guest("web_2", "cat /var/lib/raw"), "raw");
    assert_eq!(
        home.guest(
            "web",
            "ping -6 -c 1 -W 20 2001:db8:1::20 >/dev/null && echo reached"
        ),
        "reached"
    );
    assert_eq!(
        home.guest(
            "web_2",
            "ping -6 -c 1 -W 20 2001:db8:1::10 >/dev/null && echo reached"
        ),
        "reached"
    );
    assert_eq!(
        home.guest("web", "ip -4 -o addr show scope global | wc -l"),
        "0"
    );

    // An address, a name, a bridge that is taken or not there is refused before anything is made.
    let clash = home.file(
        "clash.yaml",
        r##"
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: clash }
spec:
  vcpus: 1
  memory: 768Mi
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  networkInterfaces:
    - { bridge: br-lob, ip: "2001:db8:1::10/64" }
"##,
    );
    let with_all = home.inventory();
    let refused = home.run(["create", clash.to_str().expect("UTF-8")]);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(
        refused.err.contains("did you mean `br-lab`?"),
        "{}",
        refused.err
    );
    assert!(
        refused
            .err
            .contains("address 2001:db8:1::10 is taken by `web`"),
        "{}",
        refused.err
    );
    assert_eq!(home.inventory(), with_all);

    // `web` goes; `web_2`, whose name begins the same, stays and runs.
    home.done(["destroy", "web", "broken", "--yes", "--deadline", "60s"]);
    assert_eq!(home.guest("web_2", "echo alive"), "alive");
    let left = home.inventory().join("\n");
    assert!(
        left.contains("web_2_boot.qcow2") && left.contains("domain web_2"),
        "{left}"
    );
    assert!(
        !left.contains("web_boot") && !left.contains("broken"),
        "{left}"
    );
    home.done(["destroy", "web_2", "--yes", "--force"]);
    assert_eq!(
        home.inventory().len(),
        before.len().max(2),
        "{:?}",
        home.inventory()
    );
}

//! Real guests in session mode: no root, no network of the host.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use support::{Home, Run, files_below};
use trustnet_core::xml::DomainType;
use trustnet_host::doors::{Hypervisor, Proof};
use trustnet_host::libvirt::Libvirt;

/// One guest proves much: that a spec with everything in it becomes a guest that can be trusted, that
/// it lives through stop and start, and that its data lives through its end.
#[test]
fn a_spec_becomes_a_guest_that_can_be_trusted_and_its_data_outlives_it() {
    let home = with_imported_image(Home::at("qemu:///session"));
    home.file("token", "tok3n-from-a-file\n");
    let spec = home.file(
        "web.yaml",
        r##"
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: web, labels: { role: web } }
spec:
  vcpus: 1
  memory: 768Mi
  autostart: false
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  dataDisks:
    - { device: vdb, size: 1Gi, filesystem: ext4, mountPath: /srv/data, reclaimPolicy: Retain }
  networkInterfaces:
    - user: {}
  cloudInit:
    fqdn: web.example.org
    users:
      - { name: ada, sudo: true, shell: /bin/bash }
    files:
      - { path: /etc/token, content: { valueFrom: { file: token } } }
      - { path: /etc/motto, content: "it's \"quoted\": #not a comment\n" }
    runCommands:
      - echo ran > /var/lib/ran
"##,
    );
    let spec = spec.to_str().expect("UTF-8");

    let made = home.done(["create", spec, "--timeout", "15m"]);
    assert_eq!(
        made.out,
        "Creating VM 'web'...\n\
         ✓ Configuration validated\n\
         ✓ Storage created (4 GiB boot + 1 GiB data)\n\
         ✓ Cloud-init ISO generated\n\
         ✓ Domain defined\n\
         ✓ VM started\n\
         ✓ Guest ready\n\
         Successfully created VM 'web'\n"
    );

    // The guest is what the spec says.
    assert_eq!(home.guest("web", "hostname -f"), "web.example.org");
    assert_eq!(
        home.guest("web", "cat /etc/token; stat -c %a /etc/token"),
        "tok3n-from-a-file600"
    );
    assert_eq!(
        home.guest("web", "cat /etc/motto"),
        "it's \"quoted\": #not a comment"
    );
    assert_eq!(
        home.guest("web", "cat /var/lib/ran; sudo -u ada sudo -n id -u"),
        "ran\n0"
    );
    assert_eq!(
        home.guest("web", "cloud-init status | head -1"),
        "status: done"
    );
    assert_eq!(home.guest("web", "findmnt -no FSTYPE /srv/data"), "ext4");
    assert!(
        home.guest("web", "df --output=size -BM / | tail -1")
            .trim()
            .trim_end_matches('M')
            .parse::<u32>()
            .expect("a number")
            > 3000
    );

    the_image_stays_below_the_guest(&home);

    // The guest's host key is the recorded one, and the private half is nowhere.
    let recorded = json(&home, &["get", "web", "-o", "json"])["status"]["sshHostKey"]
        .as_str()
        .expect("a key")
        .to_owned();
    let key = |text: &str| text.split_whitespace().nth(1).expect("a key").to_owned();
    assert_eq!(
        key(&home.guest("web", "cat /etc/ssh/ssh_host_ed25519_key.pub")),
        key(&recorded)
    );
    let private = home.guest("web", "sed -n 4p /etc/ssh/ssh_host_ed25519_key");
    for place in ["data", "state", "cache", "run", "config"] {
        for file in files_below(&home.path(place)) {
            // The guest's own disk has it, and is to have it.
            if file.ends_with("web_boot.qcow2") {
                continue;
            }
            if file
                .metadata()
                .is_ok_and(|facts| facts.is_file() && facts.len() < 8 << 20)
            {
                let bytes = std::fs::read(&file).unwrap_or_default();
                let found = bytes
                    .windows(private.len())
                    .any(|window| window == private.as_bytes());
                assert!(!found, "the private host key is in {}", file.display());
            }
        }
    }
    let xml = home.virsh(&["dumpxml", "web"]).out;
    for secret in ["tok3n-from-a-file", private.as_str()] {
        assert!(!xml.contains(secret), "a secret is in the domain's XML");
    }

    // The same again changes nothing, however it is given; something else is refused.
    let again = "VM 'web' is there already, made from this spec: nothing to do\n";
    assert_eq!(home.done(["create", spec]).out, again);
    let echoed = home.file("echo.yaml", &home.done(["get", "web", "-o", "yaml"]).out);
    assert_eq!(
        home.done(["create", echoed.to_str().expect("UTF-8")]).out,
        again
    );
    let other = std::fs::read_to_string(spec)
        .expect("the spec")
        .replace("vcpus: 1", "vcpus: 2");
    let other = home.file("other.yaml", &other);
    let refused = home.run(["create", other.to_str().expect("UTF-8")]);
    assert_eq!(refused.code, 4);
    assert!(
        refused.err.contains("`spec.vcpus` (1 → 2)"),
        "{}",
        refused.err
    );

    // Its state is what it says.
    let listed = json(&home, &["list", "-o", "json"]);
    assert_eq!(listed["items"][0]["state"], "running");
    let status = json(&home, &["get", "web", "-o", "json"])["status"].clone();
    assert_eq!(status["phase"], "Running");
    let ready = status["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .find(|c| c["type"] == "Ready");
    assert_eq!(ready.expect("a condition")["status"], "True");

    // It survives stop and start with the same host key, and reports again.
    home.guest("web", "echo kept > /srv/data/kept; sync");
    assert_eq!(
        home.done(["stop", "web"]).out,
        "Successfully stopped VM 'web'\n"
    );
    home.done(["start", "web", "--timeout", "15m"]);
    // One listener right after the other hears it all each time.
    for _ in 0..5 {
        let waited = home.done(["wait", "web", "--for", "cloud-init", "--timeout", "60s"]);
        assert_eq!(waited.out, "VM 'web': cloud-init done\n");
    }
    assert_eq!(home.guest("web", "cat /srv/data/kept"), "kept");

    // Its end leaves the data, and the next VM takes it up.
    let gone = home.done(["destroy", "web", "--yes"]);
    assert!(
        gone.out.ends_with("Successfully destroyed VM 'web'\n"),
        "{}",
        gone.out
    );
    let left = home.inventory();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left[2].contains("web_data-vdb.qcow2"), "{left:?}");
    let agent = Agent::start(&home);
    let pair = home.file("pair.yaml", &pair(&agent.public));
    let made = agent.done(&["create", pair.to_str().expect("UTF-8"), "--timeout", "7m"]);
    assert_eq!(home.guest("web", "cat /srv/data/kept"), "kept");

    // The second guest never reports: its SSH answers instead, and that is said.
    let said =
        "silent: the guest's cloud-init has not reported; its SSH answers, with the right host key";
    assert!(made.err.contains(said), "{}", made.err);
    // Its own user-data kept its login key out, and the user's agent opens it.
    assert_ne!(home.run(["exec", "silent", "--", "true"]).code, 0);
    for verb in ["exec", "ssh"] {
        agent.done(&[verb, "silent", "--", "true"]);
    }

    // The two find each other on a segment that never leaves the loopback.
    let ping = "ping -6 -c 1 -W 20 fd10:1234::2 >/dev/null && echo reached";
    assert_eq!(home.guest("web", ping), "reached");
    assert!(
        home.virsh(&["dumpxml", "web"])
            .out
            .contains("localaddr=127.0.0.1")
    );
    home.done(["destroy", "web", "silent", "--yes", "--force"]);
    assert_eq!(
        home.done(["destroy", "web", "--yes"]).out,
        "VM 'web' is not there: nothing to do\n"
    );

    // Nothing stands on the image any more.
    home.done(["image", "prune", "--yes"]);
    assert_eq!(home.done(["image", "list", "-o", "name"]).out, "");
}

/// Has the program bring the base image into a home's pool of images, as `debian-12.qcow2`.
fn with_imported_image(home: Home) -> Home {
    let file = home.path("base.qcow2");
    std::fs::copy(support::test_image(), &file).expect("a copy");
    // Who lives here may be another user.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("a mode");
    let path = file.to_str().expect("UTF-8");
    home.done(["image", "import", path, "--name", "debian-12.qcow2"]);
    std::fs::remove_file(file).expect("removed");
    home
}

/// The image of a running guest is what was brought, and nobody deletes it.
fn the_image_stays_below_the_guest(home: &Home) {
    let refused = home.run(["image", "delete", "debian-12.qcow2", "--yes"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(
        refused.err.contains("`web` stands on it"),
        "{}",
        refused.err
    );
    home.done(["image", "prune", "--yes"]);
    let info = json(home, &["image", "info", "debian-12.qcow2", "-o", "json"]);
    assert_eq!(
        info["usedBy"],
        serde_json::json!([{ "domain": "web" }]),
        "{info}"
    );
    let verified = home.done(["image", "verify", "debian-12.qcow2"]);
    assert!(verified.out.contains("good (sha256:"), "{}", verified.out);
}

/// On real libvirt, with a real QEMU that is started and never waited for: the process is killed at
/// every mark of its journal in turn, and once the rest is finished, once it is undone.
#[test]
fn kill_at_any_mark_of_a_create_leaves_what_resume_finishes_and_rollback_undoes() {
    let home = Home::at("qemu:///session").with_image();
    let spec = home.file(
        "web.yaml",
        r##"
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: { name: web }
spec:
  vcpus: 1
  memory: 512Mi
  bootDisk: { size: 4Gi, image: debian-12.qcow2 }
  dataDisks:
    - { device: vdb, size: 64Mi }
  networkInterfaces:
    - user: {}
"##,
    );
    let create = [
        "create",
        spec.to_str().expect("UTF-8"),
        "--no-wait",
        "--virt-type",
        "qemu",
    ];
    let destroy = ["destroy", "web", "--yes", "--force"];
    home.done(create);
    let undisturbed = home.inventory();
    home.done(destroy);
    let empty = home.inventory();

    let mut killed = 0;
    for step in 0.. {
        let mut ended = false;
        for moment in [format!("begun:{step}"), format!("done:{step}")] {
            for verb in ["resume", "rollback"] {
                let output = home
                    .program()
                    .args(create)
                    .env("TRUSTNET_VM_TEST_KILL", &moment)
                    .output();
                let output = output.expect("the program starts");
                if output.status.success() {
                    home.done(destroy);
                    ended = true;
                    continue;
                }
                assert_eq!(
                    output.status.signal(),
                    Some(9),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                killed += 1;
                // The next command says so and touches nothing.
                let told = home.run(create);
                assert_eq!(told.code, 9, "{moment}: {}", told.err);
                assert!(
                    told.err.contains("`trustnet-vm resume web`"),
                    "{}",
                    told.err
                );
                home.done([verb, "web"]);
                if verb == "resume" {
                    assert_eq!(home.inventory(), undisturbed, "{moment}, then resume");
                    home.done(destroy);
                }
                assert_eq!(home.inventory(), empty, "{moment}, then {verb}");
            }
        }
        if ended {
            break;
        }
    }
    assert!(killed >= 2 * 2 * 6, "only {killed} kills");
}

/// `web` again, smaller and with its data, and a guest whose user-data keeps ours from running; both
/// on one segment.
fn pair(key: &str) -> String {
    format!(
        r##"
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: {{ name: web }}
spec:
  vcpus: 1
  memory: 768Mi
  bootDisk: {{ size: 4Gi, image: debian-12.qcow2 }}
  dataDisks:
    - {{ device: vdb, size: 1Gi, filesystem: ext4, mountPath: /srv/data, reclaimPolicy: Retain }}
  networkInterfaces:
    - user: {{}}
    - {{ segment: lan, ip: "fd10:1234::1/64" }}
---
apiVersion: trustnet.io/v1alpha1
kind: VirtualMachine
metadata: {{ name: silent }}
spec:
  vcpus: 1
  memory: 768Mi
  bootDisk: {{ size: 4Gi, image: debian-12.qcow2 }}
  networkInterfaces:
    - user: {{}}
    - {{ segment: lan, ip: "fd10:1234::2/64" }}
  cloudInit:
    rawUserData: |
      Content-Type: multipart/mixed; boundary="=="
      MIME-Version: 1.0

      --==
      Content-Type: text/cloud-boothook

      #!/bin/sh
      mkdir -p /run/trustnet-vm

      --==
      Content-Type: text/cloud-config

      #cloud-config
      disable_root: false
      users: [{{ name: root, ssh_authorized_keys: ["{}"] }}]

      --==--
"##,
        key.trim()
    )
}

/// The agent of who lives in a home, with a key in it.
struct Agent<'a> {
    home: &'a Home,
    process: Child,
    public: String,
}

impl<'a> Agent<'a> {
    fn start(home: &'a Home) -> Self {
        let socket = home.path("run/agent");
        let mut agent = home.at_home("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let process = agent.spawn().expect("ssh-agent starts");
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let key = home.path("run/ada");
        for (program, args) in [
            (
                "ssh-keygen",
                ["-q", "-t", "ed25519", "-N", "", "-f"].as_slice(),
            ),
            ("ssh-add", &["-q"]),
        ] {
            let mut command = home.at_home(program);
            command.env("SSH_AUTH_SOCK", &socket).args(args).arg(&key);
            assert!(command.status().expect("it starts").success(), "{program}");
        }
        let public = std::fs::read_to_string(key.with_extension("pub")).expect("a key");
        Self {
            home,
            process,
            public,
        }
    }

    /// Runs the program as its user, and expects it to succeed.
    fn done(&self, args: &[&str]) -> Run {
        let mut program = self.home.program();
        program.env("SSH_AUTH_SOCK", self.home.path("run/agent"));
        let run = Run::of(&program.args(args).output().expect("the program starts"));
        assert_eq!(run.code, 0, "stdout:\n{}\nstderr:\n{}", run.out, run.err);
        run
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn json(home: &Home, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&home.done(args).out).expect("JSON")
}

/// What decides for or against KVM must itself be sound: where guests come up, it does too.
/// libvirt tells nothing of the volumes of a pool that is stopped.
#[test]
fn an_image_in_a_pool_that_was_stopped_is_found_and_the_plan_starts_the_pool() {
    let home = Home::at("qemu:///session").with_image();
    let folder = home.path("data/trustnet-vm/images");
    let folder = folder.to_str().expect("UTF-8");
    for args in [
        [
            "pool-define-as",
            "foundry-images",
            "dir",
            "--target",
            folder,
        ]
        .as_slice(),
        &["pool-start", "foundry-images"],
        &["pool-destroy", "foundry-images"],
    ] {
        assert_eq!(home.virsh(args).code, 0, "{args:?}");
    }
    let spec = home.file(
        "vm.yaml",
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: { name: vm }\n\
         spec:\n  vcpus: 1\n  memory: 512Mi\n  bootDisk: { size: 4Gi, image: debian-12.qcow2 }\n  \
         networkInterfaces: [ { user: {} } ]\n",
    );
    let plan = home.done([
        "plan".as_ref(),
        spec.as_os_str(),
        "--virt-type".as_ref(),
        "qemu".as_ref(),
    ]);
    let start = "make sure that pool `foundry-images` is there";
    assert_eq!(plan.out.matches(start).count(), 1, "{}", plan.out);
}

#[test]
fn the_probe_comes_to_its_end_where_guests_do_and_leaves_nothing() {
    let home = Home::at("qemu:///session");
    // The daemon that virsh starts stays for a while; our own connection is to its socket.
    let pools = home.virsh(&["pool-list", "--all", "--name"]).out;
    let socket = home.path("run/libvirt/libvirt-sock");
    let libvirt = Libvirt::connect(&format!("qemu+unix:///session?socket={}", socket.display()))
        .expect("a connection");
    let info = libvirt.survey().host().expect("the host");
    if info.arch != "x86_64" {
        return;
    }
    let folder = home.path("probe");
    let folder = folder.to_str().expect("UTF-8");
    let proof = libvirt
        .probes()
        .boot(DomainType::Qemu, folder, Duration::from_secs(60))
        .expect("an experiment");
    assert_eq!(proof, Proof::Passed);
    // Nor does one that runs out of time.
    let proof = libvirt
        .probes()
        .boot(DomainType::Qemu, folder, Duration::from_millis(1))
        .expect("an experiment");
    assert_eq!(proof, Proof::Silent);
    assert_eq!(home.virsh(&["list", "--all", "--name"]).out.trim(), "");
    assert_eq!(home.virsh(&["pool-list", "--all", "--name"]).out, pools);
    assert!(!std::path::Path::new(folder).exists());
}

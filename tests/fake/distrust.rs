//! What is given to the program is not trusted: names, images, folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use trustnet_host::fake::{Effect, Guest, Reports, State, qcow2_header};

use crate::home::{Home, Run};

#[test]
fn a_name_never_leads_out_of_the_programs_own_folders() {
    let home = Home::new();
    // What a killed run may leave beside a journal is swept away: of a VM's journal only.
    let precious = [home.path("precious.old"), home.path("precious.new")];
    for folder in &precious {
        fs::create_dir(folder).expect("a folder");
    }
    let absolute = home.path("precious");
    for name in [
        absolute.to_str().expect("UTF-8"),
        "../../../../../../precious",
        "..",
        "a/b",
        "a.b",
        "",
    ] {
        for verb in ["start", "stop", "restart", "resume", "rollback"] {
            let run = home.run([verb, "--", name]);
            assert_eq!(run.code, Some(1), "{verb} {name}: {run:?}");
        }
        let run = home.run(["destroy", "--yes", "--", name]);
        assert_eq!(run.code, Some(1), "destroy {name}: {run:?}");
        for folder in &precious {
            assert!(folder.is_dir(), "{name}");
        }
    }
}

#[test]
fn an_image_that_depends_on_another_file_is_refused_before_anything_is_made() {
    let with = |at: usize, value: u64| {
        let mut head = qcow2_header(1 << 30);
        head[at..at + 8].copy_from_slice(&value.to_be_bytes());
        head
    };
    let mut backed = with(8, 0x200);
    backed[16..20].copy_from_slice(&11u32.to_be_bytes());
    backed.resize(0x200, 0);
    backed.extend(b"/etc/shadow");
    // A backing file, and the incompatible feature "the data is in an external file".
    for head in [backed, with(72, 1 << 2)] {
        let home = Home::with(|state| {
            let images = state.pools.get_mut("foundry-images").expect("a pool");
            images.put("debian-12.qcow2", &head);
        });
        let before = home.inventory();
        let run = home.run(["create", &home.spec("web", "")]);
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(run.err.contains("depends on another file"), "{run:?}");
        assert_eq!(home.inventory(), before);
    }
}

#[test]
fn a_retained_volume_that_another_domain_uses_is_not_taken_up() {
    const RETAIN: &str = "  dataDisks:\n    - { device: vdb, size: 1Gi, reclaimPolicy: Retain }\n";
    for source in [
        "<disk type='file'><source file='/fake/vms/web_data-vdb.qcow2'/>",
        "<disk type='volume'><source pool='foundry-vms' volume='web_data-vdb.qcow2'/>",
    ] {
        let home = Home::new();
        let spec = home.spec("web", RETAIN);
        home.done(["create", &spec]);
        home.done(["destroy", "web", "--yes"]);
        home.edit(|state| {
            state.foreign("other");
            let other = state.domains.values_mut().next().expect("a domain");
            let file = "<disk type='file'><source file='/fake/vms/other.qcow2'/>";
            assert!(other.xml.contains(file));
            other.xml = other.xml.replace(file, source);
        });
        let before = home.inventory();
        let run = home.run(["create", &spec]);
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(run.err.contains("is in use by `other`"), "{run:?}");
        assert_eq!(home.inventory(), before);
    }
}

#[test]
fn a_vm_that_was_exchanged_while_the_user_thought_is_not_destroyed() {
    let home = Home::new();
    home.done(["create", &home.spec("web", "")]);
    home.tell("domains.find", 2, Effect::Slow(500));
    let child = home.spawn(&["destroy", "web", "--yes"]);
    home.until(|state| state.fail.iter().any(|fail| fail.came()));
    let other = "11111111-2222-4333-8444-555555555555";
    home.edit(|state| {
        let (uuid, mut domain) = state.domains.pop_first().expect("a domain");
        domain.xml = domain.xml.replace(&uuid, other);
        state.domains.insert(other.to_owned(), domain);
    });
    let before = home.inventory();
    let output = child.wait_with_output().expect("it ends");
    let run = Run::of(&output);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(
        run.err.contains("is not what was shown any more"),
        "{run:?}"
    );
    assert_eq!(home.inventory(), before);
}

/// pitfall 15
#[test]
fn an_open_port_is_no_guest_and_one_that_says_nothing_holds_nobody_up() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let number = port.local_addr().expect("a port").port();
    let home = Home::with(|state| silent(state, "web"));
    let spec = home.spec("web", "");
    let text = fs::read_to_string(&spec).expect("the spec");
    let line = text
        .lines()
        .find(|line| line.contains("sshPort"))
        .expect("a port");
    let text = text.replace(line, &format!("        sshPort: {number}"));
    // It is free while the VM is made; then somebody accepts every connection, and says nothing.
    drop(port);
    home.done(["create", &home.file("web.yaml", &text), "--no-wait"]);
    let port = std::net::TcpListener::bind(("127.0.0.1", number)).expect("a port");
    let begun = Instant::now();
    let run = home.run(["wait", "web", "--timeout", "3s"]);
    assert_eq!(run.code, Some(6), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{run:?}");
    port.set_nonblocking(true).expect("a port");
    assert!(port.accept().is_ok(), "nobody came: {run:?}");
}

#[test]
fn a_guest_that_never_reports_is_ready_when_a_command_has_run_in_it() {
    let home = Home::with(|state| silent(state, "web"));
    let bin = home.path("bin");
    fs::create_dir(&bin).expect("a folder");
    let ssh = home.file("bin/ssh", "#!/bin/sh\necho \"$@\" >>\"$HOME/asked\"\n");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut program = home.program();
    program.env("PATH", path);
    program.args(["create", &home.spec("web", ""), "--timeout", "4s"]);
    let run = Run::of(&program.output().expect("the program starts"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.err.contains("has not reported; its SSH answers"),
        "{run:?}"
    );
    let asked = fs::read_to_string(home.path("asked")).expect("ssh was asked");
    assert!(asked.ends_with(" -- 127.0.0.1 true\n"), "{asked}");
    assert!(asked.contains("-o StrictHostKeyChecking=yes"), "{asked}");
}

#[test]
fn a_look_at_a_guest_that_comes_up_does_not_undo_its_create() {
    let home = Home::new();
    // `get` has the line to the guest at the moment at which `create` wants it.
    home.tell("guests.reports", 1, Effect::Before);
    let run = home.done(["create", &home.spec("web", "")]);
    assert!(home.came());
    assert!(run.err.contains("cannot be heard yet"), "{run:?}");
}

/// pitfall 29
#[test]
fn a_list_costs_the_same_calls_however_many_domains_there_are() {
    let home = Home::new();
    for name in ["web", "db", "app"] {
        home.done(["create", &home.spec(name, "")]);
    }
    home.tell("*", 4, Effect::Before);
    let run = home.done(["list"]);
    assert_eq!(run.out.lines().count(), 4, "{run:?}");
    assert!(!home.came(), "more than three calls");
}

/// Makes the guest of a VM one that says nothing of itself.
pub fn silent(state: &mut State, name: &str) {
    let guest = Guest {
        reports: Reports::Nothing,
        ..Guest::default()
    };
    state.guests.insert(name.to_owned(), guest);
}

/// pitfall 33
#[test]
fn libvirt_itself_says_nothing_beside_our_own_words() {
    let home = Home::new();
    let run = home.run(["list", "-c", "qemu+unix:///system?socket=/nowhere"]);
    let begins: Vec<&str> = run
        .err
        .lines()
        .map(|line| line.split_once(' ').map_or(line, |(word, _)| word))
        .collect();
    assert_eq!(begins, ["error:", "hint:"], "{run:?}");
}

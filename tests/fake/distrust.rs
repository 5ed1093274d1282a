//! What is given to the program is not trusted: names, images, folders.

use std::fs;

use trustnet_host::fake::{Effect, qcow2_header};

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
    // A backing file, and the incompatible feature "the data is in an external file".
    for head in [with(8, 0x200), with(72, 1 << 2)] {
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

//! Room in a pool: what does not fit is refused before anything is made, with the numbers.

use trustnet_host::fake::Pool;

use crate::home::Home;

fn session(home: &Home, commands: &[&str]) -> String {
    commands
        .iter()
        .map(|line| home.says(line.split(' ')))
        .collect()
}

/// A home whose pool for VMs has so many bytes left.
fn home(left: u64) -> Home {
    Home::with(|state| {
        let vms = state.pools.get_mut("foundry-vms").expect("the pool");
        vms.available = left;
        let mut group = Pool::new("lvm", "/dev/vg0");
        group.xml = group.xml.replace("dir", "logical");
        group.available = 9 << 30;
        state.pools.insert("lvm".to_owned(), group);
    })
}

#[test]
fn vms_that_do_not_fit_together_are_refused_before_the_first_is_made() {
    // Each of them would fit alone.
    let home = home((64 << 20) + (700 << 10));
    for name in ["a", "b", "c"] {
        home.spec(name, "");
    }
    home.spec("d", "  storagePool: lvm\n");
    home.spec("e", "  storagePool: lvm\n");
    home.spec("f", "  storagePool: lvm\n");
    let before = home.inventory();
    let said = session(
        &home,
        &[
            "create a.yaml b.yaml c.yaml",
            "plan a.yaml b.yaml c.yaml d.yaml e.yaml f.yaml",
        ],
    );
    assert_eq!(home.inventory(), before);
    insta::assert_snapshot!(said);
}

#[test]
fn disks_that_can_outgrow_their_pool_are_warned_of_once_and_made() {
    let home = home(6 << 30);
    for name in ["a", "b", "c"] {
        home.spec(name, "");
    }
    insta::assert_snapshot!(session(
        &home,
        &[
            "create a.yaml --quiet --no-wait",
            "create b.yaml c.yaml -o name --quiet --no-wait",
            "create a.yaml b.yaml c.yaml -o name --quiet --no-wait",
        ]
    ));
    let one = self::home(6 << 30);
    one.spec("big", "  dataDisks:\n    - { device: vdb, size: 3Gi }\n");
    insta::assert_snapshot!(session(&one, &["create big.yaml --quiet --no-wait"]));
}

#[test]
fn a_vm_that_does_not_fit_is_refused_with_the_numbers() {
    let home = home(64 << 20);
    home.spec("web", "");
    insta::assert_snapshot!(session(&home, &["create web.yaml"]));
    assert!(home.inventory().iter().all(|line| !line.contains("web")));
}

#[test]
fn a_vm_in_a_volume_group_has_a_copy_of_its_image_on_block_devices_and_leaves_nothing_there() {
    let home = home(1 << 40);
    home.edit(|state| {
        let group = state.pools.get_mut("lvm").expect("the pool");
        group.available = 40 << 30;
    });
    home.spec(
        "web",
        "  storagePool: lvm\n  dataDisks:\n    - { device: vdb, size: 1Gi }\n",
    );
    let before = home.inventory();
    let mut said = session(
        &home,
        &[
            "plan web.yaml",
            "create web.yaml --quiet",
            "create web.yaml --quiet",
            "pool info lvm",
            "storage status",
        ],
    );
    let state = home.state();
    let domain = state.domains.values().next().expect("the VM");
    assert!(
        domain.xml.contains(r#"<source dev="/dev/vg0/web_boot"/>"#),
        "{}",
        domain.xml
    );
    said += &session(&home, &["destroy web --yes --quiet"]);
    insta::assert_snapshot!(said);
    assert_eq!(home.inventory(), before);
    assert_eq!(home.state().pools["lvm"].available, 40 << 30);
}

#[test]
fn a_copy_that_is_interrupted_is_undone_or_made_anew() {
    use trustnet_host::fake::Effect;
    for (effect, verb) in [
        (Effect::KillBefore, "rollback"),
        (Effect::KillAfter, "rollback"),
        (Effect::KillAfter, "resume"),
    ] {
        let home = home(1 << 40);
        home.spec("web", "  storagePool: lvm\n");
        let before = home.inventory();
        home.tell("volumes.copy", 1, effect);
        assert_eq!(home.run(["create", "web.yaml"]).signal, Some(9));
        home.done([verb, "web"]);
        if verb == "resume" {
            home.done(["destroy", "web", "--yes"]);
        }
        assert_eq!(home.inventory(), before, "{verb}");
    }
}

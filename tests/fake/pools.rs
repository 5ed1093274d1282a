//! Storage pools: which there are, what is in them, and what may be done to them.

use trustnet_host::fake::Pool;

use crate::home::Home;

fn session(home: &Home, commands: &[&str]) -> String {
    commands
        .iter()
        .map(|line| home.says(line.split(' ')))
        .collect()
}

/// A home with a VM, an image that nobody uses, something that is nobody's, and a pool that is stopped.
fn home() -> Home {
    let home = Home::with(|state| {
        let images = state.pools.get_mut("foundry-images").expect("the pool");
        images.put("unused.raw", &[7; 4096]);
        let vms = state.pools.get_mut("foundry-vms").expect("the pool");
        vms.put("left-over", &[7; 512]);
        vms.available = 600 << 30;
        let mut stopped = Pool::new("stopped", "/fake/stopped");
        (stopped.active, stopped.autostart) = (false, false);
        state.pools.insert("stopped".to_owned(), stopped);
    });
    home.spec("web", "  dataDisks:\n    - { device: vdb, size: 1Gi }\n");
    home.done(["create", "web.yaml"]);
    home
}

#[test]
fn pools_are_listed_and_shown_in_every_form() {
    let home = home();
    insta::assert_snapshot!(session(
        &home,
        &[
            "pool list",
            "pool list -o wide --no-headers",
            "pool list -o json",
            "pool ls -o name --quiet",
            "pool info foundry-vms",
            "pool info foundry-images -o yaml",
            "pool info stopped",
            "pool info foundry-wms",
        ]
    ));
}

#[test]
fn storage_is_shown_with_what_no_vm_uses() {
    let home = home();
    insta::assert_snapshot!(session(
        &home,
        &[
            "storage status",
            "storage status -o wide",
            "storage status -o json",
            "storage status -o name",
        ]
    ));
}

#[test]
fn a_pool_is_added_once_and_one_that_differs_is_refused() {
    let home = home();
    insta::assert_snapshot!(session(
        &home,
        &[
            "pool add ssd --target /mnt/ssd",
            "pool add ssd --type dir --target /mnt/ssd/",
            "pool add ssd --target /mnt/ssd -o json",
            "pool add ssd --target /mnt/other",
            "pool add stopped --target /fake/stopped",
            "pool add lvm --type lvm --source vg0 -o name",
            "pool add ceph --type ceph --source vms --host mon1 --user libvirt --secret ceph-libvirt",
            "pool add tank --type zfs --source tank",
            "pool add nas --type nfs --source nas.example.org",
            "pool add nas --type nfs --target /mnt/nas --host nas --source nas:/x",
            "pool list -o wide",
        ]
    ));
}

#[test]
fn a_pool_is_deleted_when_nothing_uses_it_and_its_files_stay() {
    let home = home();
    home.done(["pool", "add", "ssd", "--target", "/mnt/ssd"]);
    home.edit(|state| {
        let ssd = state.pools.get_mut("ssd").expect("the pool");
        ssd.put("kept", &[7; 512]);
    });
    home.spec("db", "  storagePool: bulk\n");
    home.done(["pool", "add", "bulk", "--target", "/mnt/bulk"]);
    home.done(["create", "db.yaml"]);
    let mut said = session(
        &home,
        &[
            "pool delete bulk --yes",
            "pool delete foundry-vms --yes",
            "pool delete ssd",
        ],
    );
    said += &home.run_on_terminal(&["pool", "delete", "ssd"], "n\n");
    said += &session(
        &home,
        &[
            "pool delete ssd --yes",
            "pool delete ssd --yes -o json",
            "pool add ssd --target /mnt/ssd",
            "pool info ssd",
            "destroy db --yes --quiet",
            "pool rm bulk --yes --quiet -o name",
        ],
    );
    insta::assert_snapshot!(said);
}

#[test]
fn a_pool_in_which_interrupted_work_has_something_stays() {
    use trustnet_host::fake::Effect;
    let home = home();
    home.done(["pool", "add", "bulk", "--target", "/mnt/bulk"]);
    home.spec("db", "  storagePool: bulk\n");
    home.tell("domains.define", 1, Effect::KillBefore);
    assert_eq!(home.run(["create", "db.yaml"]).signal, Some(9));
    insta::assert_snapshot!(session(
        &home,
        &[
            "pool delete bulk --yes",
            "rollback db --quiet",
            "pool delete bulk --yes"
        ]
    ));
}

#[test]
fn pools_are_looked_through_again_when_told_to() {
    let home = home();
    home.edit(|state| {
        let vms = state.pools.get_mut("foundry-vms").expect("the pool");
        let new = trustnet_host::fake::Volume::of_file("new", &[7; 512]);
        vms.unseen.insert("new".to_owned(), new);
    });
    insta::assert_snapshot!(session(
        &home,
        &[
            "pool refresh foundry-vms foundry-images",
            "pool refresh --all -o json",
            "pool refresh stopped",
            "pool refresh nothing foundry-vms -o name",
            "pool refresh",
        ]
    ));
    assert!(
        home.state().pools["foundry-vms"]
            .volumes
            .contains_key("new")
    );
}

//! The host fails at every call of a create and of a destroy in turn.

use trustnet_host::fake::{Effect, State};

use crate::home::Home;

/// A spec with every kind of step, on a host where even the pool is missing.
pub const DISKS: &str = "  dataDisks:\n    - { device: vdb, size: 1Gi }\n";

/// A host without the pool of the VMs' volumes.
pub fn bare(state: &mut State) {
    state.pools.remove("foundry-vms");
}

#[test]
fn after_any_failed_call_of_create_the_host_is_as_before_or_resume_finishes_what_runs() {
    let undisturbed = {
        let home = Home::with(bare);
        let spec = home.spec("web", DISKS);
        home.done(["create", &spec]);
        home.inventory()
    };
    for effect in [Effect::Before, Effect::After] {
        let mut tolerated = Vec::new();
        let mut resumed = 0;
        for nth in 1.. {
            let home = Home::with(bare);
            let spec = home.spec("web", DISKS);
            let before = home.inventory();
            home.tell("*", nth, effect);
            let run = home.run(["create", &spec]);
            if !home.came() {
                assert_eq!(run.code, Some(0), "{run:?}");
                assert!(nth > 15, "only {nth} calls");
                break;
            }
            if run.code == Some(0) {
                tolerated.push(nth);
                assert_eq!(home.inventory(), undisturbed, "call {nth}, {effect:?}");
                continue;
            }
            assert!(
                matches!(run.code, Some(4 | 5)),
                "call {nth}, {effect:?}: {run:?}"
            );
            if home
                .state()
                .domains
                .values()
                .any(|domain| domain.state.is_active())
            {
                // It runs: it stays, and what remains is finished.
                resumed += 1;
                home.done(["resume", "web"]);
            } else {
                assert_eq!(home.inventory(), before, "call {nth}, {effect:?}: {run:?}");
                home.done(["create", &spec]);
            }
            assert_eq!(home.inventory(), undisturbed, "call {nth}, {effect:?}");
        }
        // The line to the guest may be another run's for a while; the console is only for the case that
        // the guest fails.
        assert_eq!(tolerated.len(), 2, "{effect:?}: {tolerated:?}");
        assert!(resumed >= 3, "{effect:?}: only {resumed} resumed");
    }
}

#[test]
fn after_any_failed_call_of_destroy_the_vm_is_whole_or_resume_takes_it_away() {
    for effect in [Effect::Before, Effect::After] {
        for nth in 1.. {
            let home = Home::new();
            let before = home.inventory();
            home.done(["create", &home.spec("web", DISKS)]);
            let made = home.inventory();
            home.tell("*", nth, effect);
            let run = home.run(["destroy", "web", "--yes"]);
            if !home.came() {
                assert_eq!(run.code, Some(0), "{run:?}");
                assert!(nth > 8, "only {nth} calls");
                break;
            }
            if run.code == Some(0) {
                // A button that was pressed and reported as failed: the guest went.
                assert_eq!(home.inventory(), before, "call {nth}, {effect:?}");
                continue;
            }
            assert!(
                matches!(run.code, Some(4 | 5)),
                "call {nth}, {effect:?}: {run:?}"
            );
            if home
                .inventory()
                .iter()
                .any(|line| line.starts_with("file "))
            {
                assert!(
                    run.err.contains("`trustnet-vm resume` finishes it"),
                    "{run:?}"
                );
                home.done(["resume", "web"]);
            } else {
                let stopped: Vec<String> = made
                    .iter()
                    .map(|line| line.replace("running", "shut off"))
                    .collect();
                let now = home.inventory();
                assert!(
                    now == made || now == stopped,
                    "call {nth}, {effect:?}: {now:?}"
                );
                home.done(["destroy", "web", "--yes"]);
            }
            assert_eq!(home.inventory(), before, "call {nth}, {effect:?}");
        }
    }
}

#[test]
fn undoing_that_fails_leaves_a_journal_and_rollback_undoes_the_rest() {
    let undoing = ["domains.undefine", "volumes.delete"];
    for call in undoing {
        let home = Home::new();
        let before = home.inventory();
        home.tell("domains.start", 1, Effect::Before);
        home.edit(|state| {
            state
                .fail
                .push(trustnet_host::fake::Fail::new(call, 1, Effect::Before))
        });
        let run = home.run(["create", &home.spec("web", DISKS)]);
        assert_eq!(run.code, Some(9), "{run:?}");
        home.edit(|state| state.fail.clear());
        home.done(["rollback", "web"]);
        assert_eq!(home.inventory(), before, "{call}");
    }
}

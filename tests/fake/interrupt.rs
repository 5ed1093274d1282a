//! Ctrl-C, once, twice and three times; and two runs at once.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use trustnet_core::observed::DomainState;
use trustnet_host::fake::{Effect, Guest, Reports, State};

use crate::home::{Home, Run};
use crate::steps::DISKS;

impl Home {
    /// Starts the program.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let mut program = self.program();
        program
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program.spawn().expect("the program starts")
    }

    /// Waits until the host has come so far.
    #[track_caller]
    pub fn until(&self, what: impl Fn(&State) -> bool) {
        let begun = Instant::now();
        while !what(&self.state()) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{:?}",
                self.inventory()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn guest(&self, name: &str, guest: Guest) {
        self.edit(|state| {
            state
                .guests
                .insert(name.to_owned(), guest)
                .map(drop)
                .unwrap_or_default()
        });
    }
}

/// Presses Ctrl-C.
fn press(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("it runs");
}

fn end(child: Child) -> Run {
    Run::of(&child.wait_with_output().expect("it ends"))
}

fn runs(state: &State) -> bool {
    state
        .domains
        .values()
        .any(|domain| domain.state == DomainState::Running)
}

fn came(state: &State) -> bool {
    state.fail.iter().any(|fail| fail.came())
}

#[test]
fn ctrl_c_while_a_guest_comes_up_undoes_the_create() {
    let home = Home::new();
    home.guest(
        "web",
        Guest {
            reports: Reports::Booted,
            ..Guest::default()
        },
    );
    let spec = home.spec("web", DISKS);
    let before = home.inventory();
    let child = home.spawn(&["create", &spec, "--quiet"]);
    home.until(runs);
    press(&child);
    let run = end(child);
    assert_eq!(run.code, Some(9), "{run:?}");
    assert_eq!(
        run.err,
        "error: failed to create `web`: interrupted; what was made is undone\n"
    );
    assert_eq!(home.inventory(), before);
}

#[test]
fn ctrl_c_stops_after_the_step_in_hand_and_undoes_it_too() {
    let home = Home::new();
    let spec = home.spec("web", DISKS);
    let before = home.inventory();
    home.tell("volumes.create", 2, Effect::Slow(400));
    let child = home.spawn(&["create", &spec]);
    home.until(came);
    press(&child);
    let run = end(child);
    assert_eq!(run.code, Some(9), "{run:?}");
    assert_eq!(home.inventory(), before);
}

#[test]
fn ctrl_c_twice_leaves_everything_to_the_journal() {
    let home = Home::new();
    let spec = home.spec("web", DISKS);
    let before = home.inventory();
    home.tell("volumes.create", 2, Effect::Slow(400));
    let child = home.spawn(&["create", &spec, "--quiet"]);
    home.until(came);
    press(&child);
    // Two signals at once are one.
    std::thread::sleep(Duration::from_millis(100));
    press(&child);
    let run = end(child);
    assert_eq!(run.code, Some(9), "{run:?}");
    insta::assert_snapshot!(home.steady(&run.err), @r"
    error: failed to create `web`: interrupted; the journal holds the rest
    hint: `trustnet-vm resume` finishes it, `trustnet-vm rollback` undoes it
    ");
    assert_ne!(home.inventory(), before);
    home.done(["resume"]);
    assert_eq!(
        home.done(["create", &spec]).out,
        "VM 'web' is there already, made from this spec: nothing to do\n"
    );
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(home.inventory(), before);
}

/// pitfall 11
#[test]
fn ctrl_c_during_a_shutdown_leaves_the_vm_running_however_often_it_is_pressed() {
    let home = Home::new();
    home.guest(
        "web",
        Guest {
            deaf: true,
            ..Guest::default()
        },
    );
    home.done(["create", &home.spec("web", "")]);
    let before = home.inventory();
    for args in [
        ["stop", "web"].as_slice(),
        &["restart", "web"],
        &["destroy", "web", "--yes"],
    ] {
        home.tell("domains.button", 1, Effect::Slow(100));
        let child = home.spawn(args);
        home.until(came);
        press(&child);
        std::thread::sleep(Duration::from_millis(50));
        press(&child);
        let run = end(child);
        assert_eq!(run.code, Some(9), "{args:?}: {run:?}");
        home.edit(|state| state.fail.clear());
        let now: Vec<String> = home
            .inventory()
            .into_iter()
            .filter(|line| !line.starts_with("file "))
            .collect();
        assert_eq!(now, before, "{args:?}");
        home.run(["rollback", "web"]);
        assert_eq!(home.inventory(), before, "{args:?}");
    }
}

#[test]
fn ctrl_c_after_something_has_gone_for_good_leaves_the_rest_to_resume() {
    let home = Home::new();
    let before = home.inventory();
    home.done(["create", &home.spec("web", DISKS)]);
    home.tell("volumes.delete", 1, Effect::Slow(400));
    let child = home.spawn(&["destroy", "web", "--yes", "--quiet"]);
    home.until(came);
    press(&child);
    let run = end(child);
    assert_eq!(run.code, Some(9), "{run:?}");
    let refused = home.says(["rollback", "web"]);
    insta::assert_snapshot!(refused, @r"
    $ trustnet-vm rollback web
    --- stderr
    error: the destroy of `web` has removed things that cannot be brought back
    hint: finish it: `trustnet-vm resume web`
    --- exit 4
    ");
    home.done(["resume", "web"]);
    assert_eq!(home.inventory(), before);
}

#[test]
fn of_two_runs_on_one_name_one_wins_and_the_other_is_told() {
    let home = Home::new();
    let spec = home.spec("web", DISKS);
    home.tell("volumes.write", 1, Effect::Slow(1500));
    let first = home.spawn(&["create", &spec]);
    home.until(came);
    let mut told = String::new();
    for args in [
        ["create", &spec].as_slice(),
        &["destroy", "web", "--yes"],
        &["start", "web"],
        &["resume", "web"],
    ] {
        told.push_str(&home.says(args.iter().copied()));
    }
    // Nothing was interrupted: who only looks is told of no leftover.
    assert_eq!(home.done(["list", "-o", "name"]).err, "");
    let first = end(first);
    assert_eq!(first.code, Some(0), "{first:?}");
    insta::assert_snapshot!(told);
}

#[test]
fn ctrl_c_is_heard_while_another_run_plans() {
    let home = Home::new();
    let (web, db) = (home.spec("web", ""), home.spec("db", ""));
    home.tell("volumes.create", 1, Effect::Slow(3000));
    let first = home.spawn(&["create", &web]);
    home.until(came);
    let begun = Instant::now();
    let second = home.spawn(&["create", &db, "--quiet"]);
    std::thread::sleep(Duration::from_millis(500));
    press(&second);
    let second = end(second);
    assert!(begun.elapsed() < Duration::from_millis(2500), "{second:?}");
    assert_eq!(second.code, Some(9), "{second:?}");
    insta::assert_snapshot!(second.err, @"error: failed to create `db`: interrupted before anything was made");
    let first = end(first);
    assert_eq!(first.code, Some(0), "{first:?}");
}

#[test]
fn the_third_ctrl_c_ends_a_call_that_does_not_come_back() {
    let home = Home::new();
    let spec = home.spec("web", DISKS);
    let before = home.inventory();
    home.tell("volumes.create", 2, Effect::Slow(60_000));
    let child = home.spawn(&["create", &spec, "--quiet"]);
    home.until(came);
    for _ in 0..3 {
        press(&child);
        std::thread::sleep(Duration::from_millis(100));
    }
    let run = end(child);
    assert_eq!(run.signal, Some(Signal::INT.as_raw()), "{run:?}");
    home.edit(|state| state.fail.clear());
    home.done(["rollback", "web"]);
    assert_eq!(home.inventory(), before);
}

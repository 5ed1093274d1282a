//! `kill -9` at every call and at every mark of the journal.

use std::collections::BTreeSet;

use trustnet_core::observed::DomainState;
use trustnet_host::fake::{Effect, KILL_VARIABLE};

use crate::home::{Home, Run, files_below};
use crate::login;
use crate::steps::{DISKS, bare};

/// How a create is killed.
#[derive(Debug, Clone)]
enum Kill {
    Call(u32, Effect),
    Mark(String),
}

/// A home in which a create was killed; none if it came to its end first.
fn killed_create(kill: &Kill) -> Option<(Home, Vec<String>)> {
    let home = Home::with(bare);
    let before = home.inventory();
    let spec = home.spec("web", DISKS);
    let run = match kill {
        Kill::Call(nth, effect) => {
            home.tell("*", *nth, *effect);
            home.run(["create", &spec])
        }
        Kill::Mark(moment) => {
            let output = home
                .program()
                .env(KILL_VARIABLE, moment)
                .args(["create", &spec])
                .output();
            Run::of(&output.expect("the program starts"))
        }
    };
    home.edit(|state| state.fail.clear());
    if run.code == Some(0) {
        return None;
    }
    assert_eq!(run.signal, Some(9), "{kill:?}: {run:?}");
    Some((home, before))
}

fn journal(home: &Home) -> bool {
    let plan = |path: &std::path::PathBuf| path.ends_with("journal/web/plan.json");
    files_below(&home.path(".local/state")).iter().any(plan)
}

/// The files and volumes in which a private key stands.
fn private_keys(home: &Home) -> BTreeSet<String> {
    let key = |bytes: &[u8]| {
        bytes
            .windows(16)
            .any(|window| window == b"OPENSSH PRIVATE ")
    };
    let state = home.state();
    let volumes = state.pools.values().flat_map(|pool| &pool.volumes);
    let volumes = volumes
        .filter(|(_, volume)| key(&volume.content))
        .map(|(name, _)| name.clone());
    let files = files_below(&home.path(".local/state")).into_iter();
    let files = files.filter(|path| key(&std::fs::read(path).expect("a file")));
    volumes
        .chain(files.map(|path| path.display().to_string()))
        .collect()
}

fn undisturbed() -> Vec<String> {
    let home = Home::with(bare);
    home.done(["create", &home.spec("web", DISKS)]);
    home.inventory()
}

/// Kills a create in one way, and looks that both ways out lead where they should.
fn both_ways_out(kill: &Kill, undisturbed: &[String]) -> bool {
    let Some((home, before)) = killed_create(kill) else {
        return false;
    };
    if !journal(&home) {
        // Nothing was begun, or all was done.
        let mut made = home.inventory();
        made.retain(|line| !line.contains("/journal/web."));
        assert!(made == before || made == undisturbed, "{kill:?}: {made:?}");
        home.done(["create", &home.spec("web", DISKS)]);
        assert_eq!(home.inventory(), undisturbed, "{kill:?}");
        assert_eq!(private_keys(&home), BTreeSet::new(), "{kill:?}");
        login::assert_sound(&home);
        return true;
    }
    let refused = home.run(["create", &home.spec("web", DISKS)]);
    assert_eq!(refused.code, Some(9), "{kill:?}: {refused:?}");
    home.done(["resume", "web"]);
    assert_eq!(home.inventory(), undisturbed, "{kill:?}: resumed");
    assert_eq!(private_keys(&home), BTreeSet::new(), "{kill:?}: resumed");
    login::assert_sound(&home);

    let (home, _) = killed_create(kill).expect("killed as before");
    home.done(["rollback", "web"]);
    assert_eq!(home.inventory(), before, "{kill:?}: rolled back");
    login::assert_sound(&home);
    true
}

#[test]
fn a_create_that_is_killed_at_any_call_is_finished_by_resume_and_undone_by_rollback() {
    let undisturbed = undisturbed();
    // Before a call is after the one before it, and the marks between have a test of their own.
    let killed = |nth: &u32| both_ways_out(&Kill::Call(*nth, Effect::KillAfter), &undisturbed);
    let calls = (1..).take_while(killed).count();
    assert!(calls > 15, "only {calls} calls");
}

#[test]
fn a_create_that_is_killed_at_any_mark_is_finished_by_resume_and_undone_by_rollback() {
    let undisturbed = undisturbed();
    for moment in ["staged", "written", "finished", "closing"] {
        assert!(
            both_ways_out(&Kill::Mark(moment.to_owned()), &undisturbed),
            "{moment}"
        );
    }
    for word in ["begun", "done"] {
        let mark = |step: &u32| both_ways_out(&Kill::Mark(format!("{word}:{step}")), &undisturbed);
        let steps = (0..).take_while(mark).count();
        assert_eq!(steps, 11, "{word}");
    }
}

#[test]
fn the_private_host_key_is_gone_before_the_journal_is() {
    for moment in ["finished", "closing"] {
        let (home, _) = killed_create(&Kill::Mark(moment.to_owned())).expect("killed");
        assert_eq!(private_keys(&home), BTreeSet::new(), "{moment}");
    }
    for moment in ["finished", "closing"] {
        let (home, before) = killed_create(&Kill::Mark("done:8".to_owned())).expect("killed");
        let output = home
            .program()
            .env(KILL_VARIABLE, moment)
            .args(["rollback", "web"])
            .output();
        let run = Run::of(&output.expect("the program starts"));
        assert_eq!(run.signal, Some(9), "{moment}");
        assert_eq!(private_keys(&home), BTreeSet::new(), "{moment}");
        home.done(["rollback", "web"]);
        assert_eq!(home.inventory(), before, "{moment}");
    }
}

#[test]
fn a_rollback_that_is_killed_at_any_mark_is_finished_by_the_next() {
    for step in 0..9 {
        let (home, before) = killed_create(&Kill::Mark("done:8".to_owned())).expect("killed");
        let moment = format!("undone:{step}");
        let output = home
            .program()
            .env(KILL_VARIABLE, moment)
            .args(["rollback", "web"])
            .output();
        assert_eq!(
            Run::of(&output.expect("the program starts")).signal,
            Some(9),
            "{step}"
        );
        home.done(["rollback", "web"]);
        assert_eq!(home.inventory(), before, "{step}");
    }
}

#[test]
fn a_destroy_that_is_killed_at_any_call_is_finished_by_resume() {
    for nth in 1.. {
        let home = Home::new();
        let before = home.inventory();
        home.done(["create", &home.spec("web", DISKS)]);
        home.tell("*", nth, Effect::KillAfter);
        let run = home.run(["destroy", "web", "--yes"]);
        if !home.came() {
            assert_eq!(run.code, Some(0), "{run:?}");
            assert!(nth > 8, "only {nth} calls");
            break;
        }
        assert_eq!(run.signal, Some(9), "{run:?}");
        if journal(&home) {
            let refused = home.run(["destroy", "web", "--yes"]);
            assert_eq!(refused.code, Some(9), "call {nth}: {refused:?}");
            home.done(["resume"]);
        } else {
            home.done(["destroy", "web", "--yes"]);
        }
        assert_eq!(home.inventory(), before, "call {nth}");
    }
}

#[test]
fn a_destroy_that_is_killed_at_any_mark_is_finished_by_resume_and_takes_the_login_key_along() {
    for word in ["begun", "done"] {
        for step in 0.. {
            let home = Home::new();
            let before = home.inventory();
            home.done(["create", &home.spec("web", DISKS)]);
            let output = home
                .program()
                .env(KILL_VARIABLE, format!("{word}:{step}"))
                .args(["destroy", "web", "--yes"])
                .output();
            let run = Run::of(&output.expect("the program starts"));
            if run.code == Some(0) {
                assert_eq!(step, 6, "{word}");
                break;
            }
            assert_eq!(run.signal, Some(9), "{word}:{step}: {run:?}");
            home.done(["resume"]);
            assert_eq!(home.inventory(), before, "{word}:{step}");
            login::assert_sound(&home);
        }
    }
}

/// pitfall 10
#[test]
fn a_leftover_is_told_by_the_next_command_whatever_it_is() {
    let (home, _) = killed_create(&Kill::Mark("done:7".to_owned())).expect("killed");
    let spec = home.spec("web", DISKS);
    let mut all = String::new();
    for args in [
        ["list", "--no-headers"].as_slice(),
        &["create", &spec],
        &["plan", &spec],
        &["destroy", "web", "--yes"],
        &["start", "web"],
        &["stop", "web"],
        &["get", "web", "-o", "name"],
    ] {
        all.push_str(&home.says(args.iter().copied()));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_line_of_the_log_that_was_cut_off_does_not_count_and_does_not_spoil_the_next() {
    let (home, before) = killed_create(&Kill::Mark("begun:4".to_owned())).expect("killed");
    let log = files_below(&home.path(".local/state"))
        .into_iter()
        .find(|path| path.ends_with("log"));
    let log = log.expect("a log");
    let text = std::fs::read_to_string(&log).expect("text");
    std::fs::write(&log, text.strip_suffix("un 4\n").expect("the last mark")).expect("a file");
    let output = home
        .program()
        .env(KILL_VARIABLE, "begun:4")
        .args(["resume", "web"])
        .output();
    assert_eq!(
        Run::of(&output.expect("the program starts")).signal,
        Some(9)
    );
    assert_eq!(std::fs::read_to_string(&log).expect("text"), text);
    home.done(["rollback", "web"]);
    assert_eq!(home.inventory(), before);
}

#[test]
fn a_vm_whose_create_was_killed_before_the_wait_is_not_lost_with_the_journal() {
    // pitfall 12
    let (home, before) = killed_create(&Kill::Mark("done:8".to_owned())).expect("killed");
    std::fs::remove_dir_all(home.path(".local/state")).expect("a folder");
    assert!(
        home.state()
            .domains
            .values()
            .all(|domain| domain.state == DomainState::Running)
    );
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(home.inventory(), before);
}

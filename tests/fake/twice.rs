//! Every verb twice equals once, and nothing that no record names is ever touched.

use proptest::prelude::*;
use trustnet_host::fake::{Pool, Volume};

use crate::home::Home;

/// Names of which one is a prefix of the others.
const NAMES: [&str; 3] = ["web", "web_2", "web-db"];

/// Volumes that no record names, whatever their names say.
const FOREIGN: [&str; 4] = [
    "web_base.qcow2",
    "web_3_boot.qcow2",
    "web",
    "web_data-vdz.qcow2",
];

#[derive(Debug, Clone, Copy)]
enum Verb {
    Create,
    Destroy,
    DestroyKeeping,
    Start,
    Stop,
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        3 => Just(Verb::Create),
        2 => Just(Verb::Destroy),
        1 => Just(Verb::DestroyKeeping),
        1 => Just(Verb::Start),
        1 => Just(Verb::Stop),
    ]
}

fn args<'a>(verb: Verb, name: &'a str, spec: &'a str) -> Vec<&'a str> {
    match verb {
        Verb::Create => vec!["create", spec],
        Verb::Destroy => vec!["destroy", name, "--yes", "--force"],
        Verb::DestroyKeeping => vec!["destroy", name, "--yes", "--force", "--keep-data"],
        Verb::Start => vec!["start", name],
        Verb::Stop => vec!["stop", name, "--force"],
    }
}

/// What the second run says when there is nothing to do.
fn nothing(verb: Verb, name: &str) -> String {
    match verb {
        Verb::Create => {
            format!("VM '{name}' is there already, made from this spec: nothing to do\n")
        }
        Verb::Destroy | Verb::DestroyKeeping => {
            format!("VM '{name}' is not there: nothing to do\n")
        }
        Verb::Start => format!("VM '{name}' runs already\n"),
        Verb::Stop => format!("VM '{name}' does not run\n"),
    }
}

fn home() -> Home {
    Home::with(|state| {
        state.foreign("legacy");
        let vms = state.pools.get_mut("foundry-vms").expect("a pool");
        for name in FOREIGN {
            vms.put(name, name.as_bytes());
        }
    })
}

/// The foreign volumes, with their bytes; and what the other domain is.
fn foreign(home: &Home) -> (Vec<(String, Volume)>, Vec<String>) {
    let state = home.state();
    let pool: &Pool = &state.pools["foundry-vms"];
    let volumes = pool
        .volumes
        .iter()
        .filter(|(name, _)| FOREIGN.contains(&name.as_str()));
    let volumes = volumes
        .map(|(name, volume)| (name.clone(), volume.clone()))
        .collect();
    let other = state
        .inventory()
        .into_iter()
        .filter(|line| line.contains("legacy"));
    (volumes, other.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_verb_twice_equals_once_and_nothing_that_no_record_names_is_touched(
        verbs in prop::collection::vec((verb(), 0..NAMES.len()), 1..9)
    ) {
        let home = home();
        let before = foreign(&home);
        prop_assert_eq!(before.0.len(), FOREIGN.len());
        // The last one's data stays; the others' goes with them.
        let specs = NAMES.map(|name| {
            let policy = if name == "web-db" { "Retain" } else { "Delete" };
            home.spec(name, &format!("  dataDisks:\n    - {{ device: vdb, size: 1Gi, reclaimPolicy: {policy} }}\n"))
        });
        let mut retained = false;
        for (verb, which) in verbs {
            let name = NAMES[which];
            let args = args(verb, name, &specs[which]);
            let first = home.run(args.iter().copied());
            let once = home.inventory();
            let second = home.run(args.iter().copied());
            prop_assert_eq!(&home.inventory(), &once, "{:?} {}: {:?}", verb, name, &second);
            prop_assert_eq!(first.code, second.code, "{:?} {}: {:?} {:?}", verb, name, &first, &second);
            if first.code == Some(0) {
                prop_assert_eq!(&second.out, &nothing(verb, name));
            } else {
                // What is not there cannot be started or stopped; a data disk that was kept against
                // its policy is in the way.
                let there = once.iter().any(|line| line.starts_with(&format!("domain {name} ")));
                prop_assert!(!there, "{:?} {}: {:?}", verb, name, &first);
            }
            prop_assert_eq!(&foreign(&home), &before);
            retained |= once.iter().any(|line| line.starts_with("domain web-db "));
            let kept = once.iter().any(|line| line == "volume foundry-vms/web-db_data-vdb.qcow2");
            prop_assert_eq!(kept, retained);
            for name in NAMES {
                let there = once.iter().any(|line| line.starts_with(&format!("domain {name} ")));
                let boot = once.iter().any(|line| *line == format!("volume foundry-vms/{name}_boot.qcow2"));
                prop_assert_eq!(there, boot, "{}: {:?}", name, once);
            }
        }
    }
}

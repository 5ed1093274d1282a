//! Several VMs at once, in one process and in several.

use std::collections::BTreeSet;

use trustnet_core::xml::read_domain;

use crate::home::{Home, Run};

/// A spec whose port is chosen by the program.
fn any_port(home: &Home, name: &str) -> String {
    let text = std::fs::read_to_string(home.spec(name, "")).expect("the spec");
    let (head, _) = text.split_once("    - user:").expect("an interface");
    home.file(
        &format!("{name}.yaml"),
        &format!("{head}    - user: {{}}\n"),
    )
}

fn ports(home: &Home) -> BTreeSet<u16> {
    let state = home.state();
    state
        .domains
        .values()
        .flat_map(|domain| read_domain(&domain.xml).forwarded_ports)
        .collect()
}

#[test]
fn one_that_fails_stops_no_other_and_the_summary_names_each() {
    let home = Home::new();
    for name in ["app", "db", "web"] {
        home.spec(name, "");
    }
    let spec = std::fs::read_to_string(home.path("db.yaml")).expect("the spec");
    home.file("db.yaml", &spec.replace("debian-12", "debian-21"));
    home.done(["create", "web.yaml"]);
    let all = ["create", "app.yaml", "db.yaml", "web.yaml"];
    // One at a time, so that the lines stand in order.
    let mut said = home.says(all.into_iter().chain(["--parallel", "1", "--quiet"]));
    said.push_str(&home.says(all.into_iter().chain(["-o", "json", "--quiet"])));
    said.push_str(&home.says(["list", "--no-headers"]));
    insta::assert_snapshot!(said);
}

#[test]
fn two_vms_of_one_name_are_refused_before_anything_is_made() {
    let home = Home::new();
    let before = home.inventory();
    let spec = home.spec("web", "");
    let twin = home.file(
        "twin.yaml",
        &std::fs::read_to_string(&spec).expect("the spec"),
    );
    assert_eq!(home.run(["create", &spec, &twin]).code, Some(2));
    assert_eq!(home.inventory(), before);
}

#[test]
fn vms_of_one_invocation_get_ports_of_their_own() {
    let home = Home::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    let specs: Vec<String> = names.iter().map(|name| any_port(&home, name)).collect();
    home.done(
        ["create", "--parallel", "6"]
            .into_iter()
            .chain(specs.iter().map(String::as_str)),
    );
    assert_eq!(ports(&home).len(), names.len());
}

#[test]
fn processes_at_once_get_ports_of_their_own() {
    let home = Home::new();
    let names = ["a", "b", "c", "d"];
    let specs: Vec<String> = names.iter().map(|name| any_port(&home, name)).collect();
    let children: Vec<_> = specs
        .iter()
        .map(|spec| home.spawn(&["create", spec]))
        .collect();
    for child in children {
        let run = Run::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    assert_eq!(ports(&home).len(), names.len());
}

#[test]
fn a_vm_that_is_asked_for_by_many_processes_at_once_is_made_once() {
    let home = Home::new();
    let spec = home.spec("web", "");
    let children: Vec<_> = (0..4)
        .map(|_| home.spawn(&["create", &spec, "--quiet"]))
        .collect();
    let runs: Vec<Run> = children
        .into_iter()
        .map(|child| Run::of(&child.wait_with_output().expect("it ends")))
        .collect();
    let made = |run: &&Run| run.out.contains("Successfully created");
    assert_eq!(runs.iter().filter(made).count(), 1, "{runs:?}");
    for run in &runs {
        let there = run.code == Some(0);
        assert!(
            there
                || run
                    .err
                    .starts_with("error: failed to create `web`: another trustnet-vm is working"),
            "{run:?}"
        );
    }
    assert_eq!(home.state().domains.len(), 1);
}

//! What other tools of this kind get wrong.

use trustnet_core::observed::DomainState;
use trustnet_host::fake::{Effect, Guest, Pool};

use crate::home::Home;
use crate::steps::DISKS;

/// pitfall 1
#[test]
fn destroying_web_leaves_web_2_and_every_volume_whose_name_begins_like_it() {
    let home = Home::with(|state| {
        state
            .pools
            .get_mut("foundry-vms")
            .expect("a pool")
            .put("web_base.qcow2", b"an image");
        state
            .pools
            .get_mut("foundry-images")
            .expect("a pool")
            .put("web_boot.qcow2", b"an image");
    });
    home.done(["create", &home.spec("web_2", DISKS)]);
    let before = home.inventory();
    home.done(["create", &home.spec("web", DISKS)]);
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(home.inventory(), before);
    assert!(
        before.contains(&"domain web_2 running, with the host".to_owned()),
        "{before:?}"
    );
}

/// pitfall 2
#[test]
fn a_volume_that_was_there_before_survives_the_create_that_it_caused_to_fail() {
    let home = Home::new();
    let put = |name: &'static str| {
        home.edit(|state| {
            state
                .pools
                .get_mut("foundry-vms")
                .expect("a pool")
                .put(name, b"precious")
        });
    };
    put("web_data-vdb.qcow2");
    let before = home.inventory();
    let refused = home.run(["create", &home.spec("web", DISKS)]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert_eq!(home.inventory(), before);

    // Somebody makes it after we looked.
    let spec = home.spec("db", DISKS);
    home.tell("volumes.create", 1, Effect::Slow(400));
    let child = home.spawn(&["create", &spec]);
    home.until(|state| state.fail.iter().any(|fail| fail.came()));
    put("db_data-vdb.qcow2");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let volumes = &home.state().pools["foundry-vms"].volumes;
    assert_eq!(volumes["db_data-vdb.qcow2"].content, b"precious");
    assert_eq!(volumes.len(), 2, "{:?}", home.inventory());
}

/// pitfall 3
#[test]
fn volumes_in_a_pool_of_the_users_own_go_with_the_vm() {
    let home = Home::with(|state| {
        state
            .pools
            .insert("fast".to_owned(), Pool::new("fast", "/fast"));
    });
    let before = home.inventory();
    home.done([
        "create",
        &home.spec("web", &format!("  storagePool: fast\n{DISKS}")),
    ]);
    assert_eq!(home.state().pools["fast"].volumes.len(), 3);
    assert!(home.state().pools["foundry-vms"].volumes.is_empty());
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(home.inventory(), before);
}

/// pitfall 4
#[test]
fn a_uefi_vm_goes_with_its_nvram() {
    let home = Home::new();
    home.done(["create", &home.spec("web", "")]);
    assert_eq!(home.state().nvram.len(), 1);
    home.done(["destroy", "web", "--yes"]);
    assert_eq!(home.state().nvram.len(), 0);
}

/// pitfall 6
#[test]
fn a_look_up_that_fails_is_never_read_as_gone() {
    let home = Home::new();
    let spec = home.spec("web", DISKS);
    home.done(["create", &spec]);
    let before = home.inventory();
    for (call, args) in [
        ("domains.find", ["destroy", "web", "--yes"].as_slice()),
        ("domains.state", &["destroy", "web", "--yes"]),
        ("survey.domains", &["create", &spec]),
        ("domains.list", &["list"]),
        ("records.read", &["list"]),
    ] {
        home.tell(call, 0, Effect::Before);
        let run = home.run(args.iter().copied());
        assert_eq!(run.code, Some(4), "{call}: {run:?}");
        assert_eq!(run.out, "", "{call}");
        home.edit(|state| state.fail.clear());
        assert_eq!(home.inventory(), before, "{call}");
    }
}

/// pitfall 6
#[test]
fn where_a_service_answers_is_not_unknown_because_its_vm_could_not_be_looked_up() {
    let home = Home::new();
    home.file(
        "asker.yaml",
        r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: asker }
spec:
  version: "1"
  dependencies: [{ service: node-exporter }]
  files: [{ path: /etc/asker, content: "{{ dependencies['node-exporter'].host }}" }]
"#,
    );
    home.done(["service", "add", "asker.yaml", "--quiet"]);
    for name in ["web", "app"] {
        home.spec(name, "");
        home.done(["create", &format!("{name}.yaml")]);
    }
    let asks =
        "  services: [{ name: asker, dependencies: [{ service: node-exporter, vm: web }] }]\n";
    home.spec("app", asks);
    let provision = || home.run(["provision", "-f", "app.yaml"]);
    for nth in 0..2 {
        home.tell("domains.find", nth, Effect::Before);
        let run = provision();
        assert!(home.came(), "{nth}: {run:?}");
        assert_eq!(run.code, Some(4), "{nth}: {run:?}");
    }
    // It is there, and has no such service.
    let run = provision();
    assert_eq!(run.code, Some(2), "{run:?}");
    let why = "it is not known where `node-exporter` answers";
    assert!(run.err.contains(why), "{}", run.err);
}

/// pitfall 8
#[test]
fn the_record_outlives_every_change_of_power() {
    let home = Home::new();
    let spec = home.spec("web", "");
    home.done(["create", &spec]);
    let record = |home: &Home| {
        home.state()
            .domains
            .values()
            .map(|domain| domain.facts().xml.record)
            .collect::<Vec<_>>()
    };
    let before = record(&home);
    assert!(before[0].is_some());
    for args in [
        ["stop", "web"].as_slice(),
        &["start", "web"],
        &["restart", "web"],
        &["stop", "web", "--force"],
    ] {
        home.done(args.iter().copied());
        assert_eq!(record(&home), before, "{args:?}");
    }
    assert!(
        home.done(["create", &spec])
            .out
            .ends_with("nothing to do\n")
    );
}

/// pitfall 9
#[test]
fn what_xml_and_yaml_take_for_their_own_comes_back_as_it_was() {
    let home = Home::new();
    let odd = r#"<a b="c">&amp;]]>'"\ #: - {}[] %s ${x} `y` é"#;
    let text = std::fs::read_to_string(home.spec("web", "")).expect("the spec");
    let quoted = serde_json::to_string(odd).expect("a string");
    let text = text.replace(
        "name: web",
        &format!("name: web\n  annotations: {{ odd: {quoted} }}"),
    );
    let spec = home.file(
        "web.yaml",
        &format!("{text}  cloudInit:\n    runCommands: [{quoted}]\n"),
    );
    home.done(["create", &spec]);
    let shown: serde_json::Value =
        serde_json::from_str(&home.done(["get", "web", "-o", "json"]).out).expect("JSON");
    assert_eq!(shown["metadata"]["annotations"]["odd"], odd);
    assert_eq!(shown["spec"]["cloudInit"]["runCommands"][0], odd);
    let echo = home.file("echo.yaml", &home.done(["get", "web", "-o", "yaml"]).out);
    assert!(
        home.done(["create", &echo])
            .out
            .ends_with("nothing to do\n")
    );
}

/// pitfall 11
#[test]
fn power_is_cut_only_after_the_deadline_or_by_force() {
    let home = Home::new();
    home.done(["create", &home.spec("web", "")]);
    for args in [
        ["stop", "web"].as_slice(),
        &["restart", "web"],
        &["destroy", "web", "--yes"],
    ] {
        home.done(["start", "web"]);
        home.tell("domains.cut", 1, Effect::Before);
        home.done(args.iter().copied());
        assert!(!home.came(), "{args:?}");
    }
    home.edit(|state| {
        state.guests.insert(
            "deaf".to_owned(),
            Guest {
                deaf: true,
                ..Guest::default()
            },
        );
    });
    home.done(["create", &home.spec("deaf", "")]);
    let stopped = home.done(["stop", "deaf", "--deadline", "400ms"]);
    assert_eq!(
        stopped.out,
        "Successfully stopped VM 'deaf' (its power was cut)\n"
    );
    assert!(
        home.state()
            .domains
            .values()
            .all(|domain| domain.state == DomainState::Shutoff)
    );
}

/// pitfall 28, as far as a plan can know
#[test]
fn a_vm_whose_image_is_gone_says_so_when_it_is_started() {
    let home = Home::new();
    home.done(["create", &home.spec("web", "")]);
    home.done(["stop", "web"]);
    home.edit(|state| {
        state
            .pools
            .get_mut("foundry-images")
            .expect("a pool")
            .volumes
            .clear()
    });
    let run = home.run(["start", "web"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.err.contains("/fake/images/debian-12.qcow2"), "{run:?}");
}

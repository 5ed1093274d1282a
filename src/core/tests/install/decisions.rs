//! What follows from answers.

use trustnet_api::install::{Deployment, InstallSpec, RegistryType};
use trustnet_core::install::{
    Form, Found, Key, Own, Stage, Tnr, complete, merged, put, resolve, shown,
};

fn at(addresses: &[&str]) -> Found {
    let addresses = addresses.iter().map(|text| text.parse().expect("IPv6"));
    Found {
        tnr: Tnr::At(addresses.collect()),
        token: true,
        ..Found::default()
    }
}

fn answers(pairs: &[(Key, &str)]) -> InstallSpec {
    let mut answers = InstallSpec::default();
    for (key, text) in pairs {
        put(&mut answers, *key, text);
        assert_eq!(shown(&answers, *key).as_deref(), Some(*text));
    }
    answers
}

#[test]
fn a_domain_with_a_registry_is_joined_and_one_without_is_offered_a_root() {
    let said = answers(&[(Key::Domain, "example.org")]);
    let joined = complete(&said, &at(&["2001:db8:7::253"]));
    assert_eq!(joined.registry_type, Some(RegistryType::Integrated));
    assert_eq!(joined.node_name.as_deref(), Some("node-1"));
    assert_eq!(joined.address.as_deref(), Some("2001:db8:7::1"));
    assert_eq!(joined.deployment, Some(Deployment::Vm));
    for tnr in [
        Tnr::NotAsked,
        Tnr::None(String::new()),
        Tnr::Unknown(String::new()),
    ] {
        let found = Found {
            tnr,
            ..Found::default()
        };
        let form = Form {
            answers: &said,
            found: &found,
        };
        let offered = form.suggestion(Key::RegistryType).expect("an offer");
        assert_eq!((offered.text.as_str(), offered.silently), ("root", false));
        let lacks = resolve(&said, &found).expect_err("nobody said it");
        assert_eq!(lacks.len(), 1);
    }
}

#[test]
fn addresses_follow_the_custom_of_the_network() {
    for (role, name, address) in [
        ("root", "root", Some("fd10:1234::253")),
        ("independent", "secondary", Some("fd10:1234::254")),
        ("integrated", "node-9", Some("fd10:1234::9")),
        ("integrated", "node-10", Some("fd10:1234::10")),
        // Those are the registries'.
        ("integrated", "node-253", None),
        ("integrated", "node-0", None),
        ("integrated", "ada", None),
    ] {
        let said = answers(&[
            (Key::Domain, "example.org"),
            (Key::RegistryType, role),
            (Key::NodeName, name),
        ]);
        let complete = complete(&said, &Found::default());
        assert_eq!(complete.address.as_deref(), address, "{name}");
    }
}

#[test]
fn a_port_that_somebody_has_is_gone_past_with_a_warning_and_one_that_was_asked_for_is_refused() {
    let said = answers(&[
        (Key::Domain, "example.org"),
        (Key::RegistryType, "integrated"),
        (Key::NodeName, "node-1"),
    ]);
    let mut found = at(&["fd10:1234::253"]);
    assert_eq!(
        resolve(&said, &found).expect("complete").registry_port,
        8000
    );
    found.taken = [8000, 8001].into();
    let moved = resolve(&said, &found).expect("complete");
    assert_eq!(moved.registry_port, 8002);
    assert_eq!(moved.answers.registry_port, Some(8002));
    assert_eq!(
        moved.warnings,
        [
            "something else answers at port 8000 of the address already: the registry takes port 8002"
        ]
    );
    let spec = trustnet_core::install::spec_text(&moved);
    assert!(spec.contains("port: 8002"), "{spec}");
    // The same again: nobody knocks at its own ports, and it keeps the one that it was made with.
    found.taken.clear();
    found.own = Some(Own {
        registry_port: Some(8002),
    });
    assert_eq!(
        resolve(&said, &found).expect("complete").registry_port,
        8002
    );
    (found.own, found.taken) = (None, [8000, 8001].into());
    let asked = InstallSpec {
        registry_port: Some(8001),
        ..said.clone()
    };
    let lacks = resolve(&asked, &found).expect_err("it is taken");
    assert!(
        lacks[0]
            .to_string()
            .starts_with("--registry-port PORT: something else")
    );
    let own = InstallSpec {
        registry_port: Some(9000),
        ..said
    };
    assert!(resolve(&own, &found).is_err());
    // A registry that others look for by its record is not found at another port: that is said.
    let root = answers(&[(Key::Domain, "example.org"), (Key::RegistryType, "root")]);
    found.tnr = Tnr::None(String::new());
    assert_eq!(resolve(&root, &found).expect("complete").warnings.len(), 2);
    found.taken = (8000..8100).collect();
    assert!(resolve(&root, &found).is_err());
}

#[test]
fn another_root_needs_the_domain_as_a_word_and_the_same_one_needs_none() {
    let root = answers(&[
        (Key::Domain, "example.org"),
        (Key::RegistryType, "root"),
        (Key::Address, "2001:db8::1"),
    ]);
    let there = at(&["2001:db8::1", "2001:db8::2"]);
    assert!(resolve(&root, &there).is_err(), "nobody here has made it");
    for (own, awaited) in [(Some(Own::default()), false), (None, true)] {
        let ours = Found {
            own,
            awaited,
            ..there.clone()
        };
        assert!(resolve(&root, &ours).is_ok());
        assert!(
            resolve(
                &root,
                &Found {
                    tnr: at(&["2001:db8::2"]).tnr,
                    ..ours
                }
            )
            .is_err()
        );
    }
    assert!(resolve(&root, &at(&["2001:db8::2"])).is_err());
    for (word, good) in [("example.org", true), ("yes", false)] {
        let mut said = root.clone();
        put(&mut said, Key::NewRoot, word);
        assert_eq!(
            resolve(&said, &at(&["2001:db8::2"])).is_ok(),
            good,
            "{word}"
        );
    }
}

#[test]
fn flags_lie_over_a_file_and_of_two_words_for_one_size_one_stays() {
    let file: InstallSpec = serde_json::from_str(
        r#"{"bridge":"br0","domain":"example.org","dnsServers":["::1"],"vm":{"memoryGiB":4,"vcpus":3,"bootDisk":{"sizeGB":9,"image":"x"}}}"#,
    )
    .expect("answers");
    let flags: InstallSpec = serde_json::from_str(
        r#"{"network":"default","vm":{"memory":"1Gi","bootDisk":{"size":"8Gi"}}}"#,
    )
    .expect("answers");
    let merged = merged(flags, file);
    assert_eq!(
        (merged.bridge, merged.network.as_deref()),
        (None, Some("default"))
    );
    assert_eq!(merged.dns_servers, ["::1"]);
    let vm = serde_json::Value::Object(merged.vm.expect("fields").0);
    let wanted =
        serde_json::json!({"memory":"1Gi","vcpus":3,"bootDisk":{"size":"8Gi","image":"x"}});
    assert_eq!(vm, wanted);
}

#[test]
fn the_stages_are_those_of_the_role() {
    let of = |role: &str| {
        let said = answers(&[(Key::Domain, "example.org"), (Key::RegistryType, role)]);
        let found = Found {
            own: Some(Own::default()),
            ..at(&["fd10:1234::253"])
        };
        resolve(&said, &found).expect("complete")
    };
    let root = of("root");
    assert!(root.is_advertised() && !root.has_node());
    assert!(!root.stages(false).contains(&Stage::Record));
    assert!(root.stages(true).contains(&Stage::Record));
    let node = of("integrated");
    assert!(node.stages(true).contains(&Stage::Registration));
    assert!(!node.stages(true).contains(&Stage::Record));
    assert_eq!(node.stages(false).last(), Some(&Stage::Verification));
}

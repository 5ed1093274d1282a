//! Every file that an installation makes, whole, and beside those of the design document that it follows.

use crate::configurations::configurations;
use serde_json::Value;
use trustnet_api::install::{InstallSpec, RegistryType};
use trustnet_core::install::{Found, Installation, Tnr, answers_text, check, resolve, spec_text};
use trustnet_core::load;
use trustnet_core::vm::Vm;

const SEED_ROOT: &str = include_str!("../../network/settings/seed/root.yml");
const SEED_INDEPENDENT: &str =
    include_str!("../../network/settings/seed/secondary-independent.yml");
const SEED_INTEGRATED: &str = include_str!("../../network/settings/seed/secondary-integrated.yml");
const SEED_NODE: &str = include_str!("../../network/settings/seed/node.yml");

/// The examples of the document.
fn installation(role: RegistryType) -> Installation {
    let text = |text: &str| Some(text.to_owned());
    let base = InstallSpec {
        domain: text("bucoto.com"),
        registry_type: Some(role),
        ..InstallSpec::default()
    };
    let answers = match role {
        RegistryType::Root => InstallSpec {
            address: text("2001:db8::1"),
            ..base
        },
        RegistryType::Independent => InstallSpec {
            address: text("2001:db8::2"),
            root_registry_ip: text("[2001:db8::1]:8000"),
            ..base
        },
        RegistryType::Integrated => InstallSpec {
            node_name: text("node-1"),
            address: text("2001:db8::100"),
            ..base
        },
    };
    let found = Found {
        tnr: match role {
            RegistryType::Root => Tnr::None("there is no such record".to_owned()),
            _ => Tnr::At(vec!["2001:db8::1".parse().expect("an address")]),
        },
        token: true,
        ..Found::default()
    };
    resolve(&answers, &found).expect("nothing is missing")
}

/// The configuration that the service gets.
fn configuration(role: RegistryType) -> String {
    let spec = spec_text(&installation(role));
    let mut all = configurations(&spec);
    assert_eq!(all.len(), 1);
    all.remove(0).2
}

#[test]
fn every_file_of_each_role_is_what_is_written_down() {
    for (name, role) in [
        ("root", RegistryType::Root),
        ("secondary-independent", RegistryType::Independent),
        ("node-integrated", RegistryType::Integrated),
    ] {
        let installation = installation(role);
        insta::assert_snapshot!(format!("{name}.answers"), answers_text(&installation));
        insta::assert_snapshot!(format!("{name}.spec"), spec_text(&installation));
        insta::assert_snapshot!(format!("{name}.configuration"), configuration(role));
    }
}

/// Where our files have another value than the document's: the document's path, and our path and value. DESIGN.md says
/// why of each.
const DIFFERENCES: [(&str, &str, &str, &str); 8] = [
    (
        "root",
        "database.path",
        "database.path",
        "/var/lib/trustnet/registry.db",
    ),
    (
        "root",
        "persistence.snapshot_path",
        "persistence.snapshot_path",
        "/var/lib/trustnet/snapshots",
    ),
    (
        "independent",
        "database.path",
        "database.path",
        "/var/lib/trustnet/registry.db",
    ),
    (
        "independent",
        "persistence.backup_interval",
        "persistence.snapshot_interval",
        "3600",
    ),
    (
        "independent",
        "persistence.backup_path",
        "persistence.snapshot_path",
        "/var/lib/trustnet/snapshots",
    ),
    ("node", "registry.address", "registry.address", "[::1]:8000"),
    (
        "integrated",
        "registry.root_registry.domain",
        "registry.root_registry.domain",
        "bucoto.com",
    ),
    (
        "integrated",
        "registry.root_registry.lookup_method",
        "registry.root_registry.lookup_method",
        "dns",
    ),
];

#[test]
fn every_value_of_the_documents_files_is_ours_or_stands_in_the_table_of_differences() {
    let mut used = 0;
    for (file, seed, role) in [
        ("root", SEED_ROOT, RegistryType::Root),
        ("independent", SEED_INDEPENDENT, RegistryType::Independent),
        ("node", SEED_NODE, RegistryType::Integrated),
        ("integrated", SEED_INTEGRATED, RegistryType::Integrated),
    ] {
        let ours = leaves(&configuration(role));
        let find = |path: &str| {
            let found = ours.iter().find(|(known, _)| known == path);
            found.map(|(_, value)| value.as_str())
        };
        for (path, value) in leaves(seed) {
            let known = DIFFERENCES
                .iter()
                .find(|(of, theirs, _, _)| *of == file && *theirs == path);
            match known {
                Some((_, _, our_path, our_value)) => {
                    used += 1;
                    assert_eq!(find(our_path), Some(*our_value), "{file}: {path}");
                }
                // A registry inside a node has no file of its own: the rest are its defaults, in the program.
                None if file == "integrated" => {}
                None => assert_eq!(find(&path), Some(value.as_str()), "{file}: {path}"),
            }
        }
    }
    assert_eq!(
        used,
        DIFFERENCES.len(),
        "a row of the table is of no use any more"
    );
}

/// The scalars of a YAML document with their paths.
fn leaves(text: &str) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, all: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let path = format!("{path}.{key}");
                    walk(path.trim_start_matches('.'), value, all);
                }
            }
            Value::String(text) => all.push((path.to_owned(), text.clone())),
            other => all.push((path.to_owned(), other.to_string())),
        }
    }
    let value: Value = serde_saphyr::from_str(text).expect("YAML");
    let mut all = Vec::new();
    walk("", &value, &mut all);
    all
}

#[test]
fn the_example_of_answers_makes_a_spec_that_create_takes() {
    let text = include_str!("../../../../examples/install.yaml");
    let (documents, problems) = load::load_installs(text.as_bytes());
    assert_eq!(problems, []);
    let [document] = documents.as_slice() else {
        panic!("one document");
    };
    assert_eq!(check(&document.object), []);
    let installation = resolve(&document.object.spec, &Found::default());
    let spec = spec_text(&installation.expect("nothing is missing"));
    let (documents, problems) = load::load(spec.as_bytes());
    assert_eq!(problems, [], "{spec}");
    Vm::resolve(&documents[0].object).expect("a VM");
    insta::assert_snapshot!(spec);
}

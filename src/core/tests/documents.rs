//! What a user would copy is valid: every example, and every spec in the project's own documents.
#![expect(clippy::disallowed_methods, reason = "tests read the project's files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trustnet_api::network::{NodeConfig, RegistryConfig};
use trustnet_core::image::catalogue;
use trustnet_core::load::{self, configuration};
use trustnet_core::network::{NodeSettings, RegistrySettings};
use trustnet_core::recipe::Recipe;
use trustnet_core::service::Definition;
use trustnet_core::vm::Vm;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a text has documents that are VMs, or become some.
fn has_vms(text: &str) -> bool {
    let kinds = ["VirtualMachine", "Registry", "Node"];
    kinds
        .iter()
        .any(|kind| text.contains(&format!("kind: {kind}\n")))
}

fn check(name: &str, text: &str) -> usize {
    let (documents, problems) = load::load(text.as_bytes());
    assert_eq!(problems, [], "{name}\n{text}");
    for document in &documents {
        let (_, warnings) =
            Vm::resolve(&document.object).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(warnings, [], "{name}");
    }
    documents.len()
}

#[test]
fn every_example_is_valid_without_a_warning() {
    let mut count = 0;
    for entry in fs::read_dir(project().join("examples")).expect("there are examples") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("an example is text");
        if has_vms(&text) {
            count += check(&path.display().to_string(), &text);
        }
    }
    assert!(count >= 18, "only {count} VMs in the examples");
}

#[test]
fn every_spec_in_the_documents_is_valid() {
    for entry in fs::read_dir(project()).expect("the project is a folder") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let text = fs::read_to_string(&path).expect("a document is text");
            for block in fenced(&text).iter().filter(|block| has_vms(block)) {
                check(&path.display().to_string(), block);
            }
            for block in fenced(&text)
                .iter()
                .filter(|block| block.contains("kind: Service"))
            {
                let (services, problems) = load::load_services(block.as_bytes());
                assert_eq!(problems, [], "{block}");
                let known = services.iter().map(|document| &document.object);
                let wrong: Vec<_> = known.flat_map(Definition::check).collect();
                assert_eq!(wrong, [], "{block}");
            }
            for block in fenced(&text)
                .iter()
                .filter(|block| block.contains("kind: Image\n"))
            {
                let (recipes, problems) = load::load_recipes(block.as_bytes());
                assert_eq!(problems, [], "{block}");
                for recipe in recipes {
                    assert_eq!(Recipe::check(&recipe.object), [], "{block}");
                }
            }
        }
    }
}

/// Whether a text has a catalogue of images; what is wrong with it is told then.
fn has_catalogue(text: &str) -> bool {
    if !text.contains("kind: ImageCatalogue\n") {
        return false;
    }
    let (documents, problems) = load::load_image_catalogues(text.as_bytes());
    assert_eq!(problems, [], "{text}");
    for document in documents {
        assert_eq!(catalogue::check(&document.object), [], "{text}");
    }
    true
}

#[test]
fn every_catalogue_of_images_to_be_copied_is_valid() {
    let example = project().join("examples/catalogues/own.yaml");
    let example = fs::read_to_string(example).expect("the example is there");
    assert!(has_catalogue(&example));
    for entry in fs::read_dir(project()).expect("the project is a folder") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let text = fs::read_to_string(&path).expect("a document is text");
            fenced(&text).iter().for_each(|block| {
                has_catalogue(block);
            });
        }
    }
}

#[test]
fn the_services_configurations_in_the_readme_are_valid() {
    let readme = fs::read_to_string(project().join("README.md")).expect("the readme");
    let registry = trustnet_api::schema::configuration::<RegistryConfig>();
    let node = trustnet_api::schema::configuration::<NodeConfig>();
    let mut seen = BTreeSet::new();
    for block in fenced(&readme) {
        if block.starts_with("registry: {") {
            seen.insert("registry");
            let config: RegistryConfig =
                configuration(block.as_bytes(), &registry, |_| Vec::new()).expect("it is read");
            RegistrySettings::resolve(&config).expect("it means something");
        } else if block.starts_with("node: {") {
            seen.insert("node");
            let config: NodeConfig =
                configuration(block.as_bytes(), &node, |_| Vec::new()).expect("it is read");
            NodeSettings::resolve(&config).expect("it means something");
        }
    }
    assert_eq!(seen, BTreeSet::from(["node", "registry"]));
}

#[test]
fn every_defect_of_the_pattern_that_the_cache_follows_has_a_test_that_is_there() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        read_code(&project().join(folder), &mut code);
    }
    let design = fs::read_to_string(project().join("DESIGN.md")).expect("the design");
    let table = design.split("| defect | test |").nth(1).expect("the table");
    let table = table.split("\n\n").next().expect("its end");
    let tests: Vec<&str> = table
        .lines()
        .filter_map(|line| line.rsplit('|').nth(1))
        .map(|cell| cell.trim().trim_matches('`'))
        .filter(|test| test.contains('_'))
        .collect();
    assert_eq!(tests.len(), 7);
    for test in tests {
        assert!(code.contains(&format!("fn {test}(")), "no test `{test}`");
    }
}

#[test]
fn every_pitfall_of_the_design_has_a_test_that_is_there() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        read_code(&project().join(folder), &mut code);
    }
    let design = fs::read_to_string(project().join("DESIGN.md")).expect("the design is text");
    let (_, section) = design
        .split_once("## What others get wrong")
        .expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut pitfalls = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, what, test] = cells.as_slice() else {
            panic!("{row}");
        };
        let more = what.split("; ").map(|more| more.split(' ').next());
        pitfalls.extend(
            more.chain([Some(*number)])
                .filter_map(|n| n?.parse::<u32>().ok()),
        );
        let test = test.trim_matches('`');
        if test.contains('_') {
            assert!(code.contains(&format!("fn {test}(")), "no test `{test}`");
        }
    }
    let all: BTreeSet<u32> = (1..=34).collect();
    assert_eq!(pitfalls, all);
}

fn read_code(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            read_code(&path, code);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            code.push_str(&fs::read_to_string(&path).expect("code is text"));
        }
    }
}

/// The blocks between "```yaml" and "```", their common indentation taken away.
fn fenced(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match &mut open {
            None if line.trim_start().starts_with("```yaml") => {
                open = Some((indent, String::new()));
            }
            None => {}
            Some((_, block)) if line.trim_start().starts_with("```") => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            Some((outer, block)) => {
                block.push_str(line.get(*outer..).unwrap_or_default());
                block.push('\n');
            }
        }
    }
    blocks
}

//! Everything in `examples/` is valid, can be planned, and renders to the same bytes each time.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use trustnet_core::load;
use trustnet_core::plan::{self, CreateInput, Goal, PublicKeys};
use trustnet_core::service::{Catalogue, select};
use trustnet_core::vm::Vm;
use trustnet_core::xml::DomainType;

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(folder).expect("there are examples");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        // Answers are no VM yet: `trustnet-core`'s tests make one of them.
        .filter(|path| !path.ends_with("install.yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

/// The program, with a home of its own and the secrets that the examples refer to.
fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustnet-vm"));
    command.env_clear().env("HOME", home);
    command.env("API_TOKEN", "t0ken");
    command
}

/// Every file below a folder, by its path from there.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below it").to_owned();
                all.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

#[test]
fn every_example_is_valid_and_can_be_planned() {
    for file in examples() {
        let (documents, problems) = load::load(&fs::read(&file).expect("an example"));
        assert_eq!(problems, [], "{}", file.display());
        for document in documents {
            let (vm, warnings) = Vm::resolve(&document.object).expect("valid");
            assert_eq!(warnings, [], "{}", file.display());
            let observed = plan::ideal_host(&vm, true, DomainType::Kvm);
            let input = CreateInput {
                vm: &vm,
                observed: &observed,
                keys: PublicKeys {
                    host: "ssh-ed25519 AAAA",
                    login: "ssh-ed25519 BBBB",
                },
                seed_size: 65536,
                folder: None,
                wait: true,
                version: "0.0.0",
                artifacts: None,
            };
            let services = select(&document.object.spec.services, &Catalogue::builtin());
            let services = services.expect("services of the catalogue");
            assert_eq!(services.len(), document.object.spec.services.len());
            let goal = plan::create(&input).expect("nothing stands in the way");
            assert!(matches!(goal, Goal::Steps(_)), "{}", file.display());
        }
    }
}

#[test]
fn every_example_renders_to_the_same_bytes_each_time() {
    let home = tempfile::tempdir().expect("a folder");
    for file in examples() {
        // Beside a copy of the example lie the secret files that one of them names.
        let copy = home.path().join(file.file_name().expect("a name"));
        fs::copy(&file, &copy).expect("a copy");
        let secrets = fs::read_to_string(&file).expect("text");
        for line in secrets.lines().filter(|line| line.contains("file:")) {
            let name = line.rsplit("file:").next().unwrap_or_default();
            let name = name.trim_matches(|c: char| c == ' ' || c == '}' || c == '"');
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "$6$salt$hash\n").expect("a secret");
        }
        let render = |out: &str| {
            let out = home
                .path()
                .join(out)
                .join(file.file_stem().expect("a name"));
            let run = program(home.path())
                .arg("render")
                .arg(&copy)
                .arg("--out")
                .arg(&out)
                .output();
            let run = run.expect("the program starts");
            assert!(
                run.status.success(),
                "{}: {}",
                file.display(),
                String::from_utf8_lossy(&run.stderr)
            );
            tree(&out)
        };
        let (first, second) = (render("first"), render("second"));
        assert_eq!(first, second, "{}", file.display());
        let vm = first
            .keys()
            .next()
            .expect("a file")
            .iter()
            .next()
            .expect("the VM's folder");
        for name in [
            "domain.xml",
            "user-data",
            "vendor-data",
            "meta-data",
            "network-config",
            "seed.iso",
        ] {
            assert!(
                first.contains_key(&Path::new(vm).join(name)),
                "{name}: {:?}",
                first.keys()
            );
        }
        assert!(
            first
                .keys()
                .any(|path| path.parent().is_some_and(|p| p.ends_with("volumes")))
        );
    }
}

/// The program, which is to succeed; what it says on standard output.
fn said(home: &Path, args: &[&str]) -> String {
    let output = program(home).args(args).output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {err}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_registry_and_a_node_are_shown_as_the_vms_that_they_become_and_those_mean_the_same() {
    let home = tempfile::tempdir().expect("a folder");
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/network.yaml");
    let network = network.to_str().expect("UTF-8");
    let shown = said(home.path(), &["render", network]);
    let (documents, problems) = load::load(shown.as_bytes());
    assert_eq!(problems, [], "{shown}");
    let became: Vec<(String, String)> = documents
        .iter()
        .map(|document| {
            let vm = &document.object;
            assert_eq!(vm.kind, "VirtualMachine");
            let kind = vm.metadata.labels["trustnet.io/kind"].clone();
            (kind, vm.metadata.name.clone())
        })
        .collect();
    let expected = [
        ("Registry", "root"),
        ("Registry", "secondary"),
        ("Node", "node-1"),
        ("Node", "node-2"),
    ];
    let expected = expected.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    assert_eq!(became, expected);
    // What is shown is a file that means the same: it is shown again as it is, and gives libvirt and cloud-init the same.
    let copy = home.path().join("shown.yaml");
    fs::write(&copy, &shown).expect("a file");
    let copy = copy.to_str().expect("UTF-8");
    assert_eq!(said(home.path(), &["render", copy]), shown);
    let out = |file: &str, folder: &str| {
        let folder = home.path().join(folder);
        let args = ["render", file, "--out", folder.to_str().expect("UTF-8")];
        said(home.path(), &args);
        tree(&folder)
    };
    assert_eq!(out(copy, "copy"), out(network, "network"));
    // In JSON it is the same, too.
    let json = said(home.path(), &["render", network, "-o", "json"]);
    let values = serde_json::Deserializer::from_str(&json).into_iter::<serde_json::Value>();
    let values: Vec<serde_json::Value> = values.map(|one| one.expect("JSON")).collect();
    assert_eq!(values.len(), documents.len());
    for (value, document) in values.iter().zip(&documents) {
        let wire = serde_json::to_value(&document.object).expect("JSON");
        assert_eq!(*value, wire);
    }
}

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

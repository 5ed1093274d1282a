//! The golden folders: `tests/cases/<name>/input.yaml` against what is made of it. A new case needs
//! no Rust: make a folder with an `input.yaml` and an empty file for each output that is wanted,
//! run with `UPDATE_GOLDEN=1`, and read what was written.
#![expect(clippy::disallowed_methods, reason = "tests read their cases")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use trustnet_core::load;
use trustnet_core::observed::Observed;
use trustnet_core::plan::{self, CreateInput, Goal, PublicKeys};
use trustnet_core::problem::{Problem, Severity};
use trustnet_core::seed::{HostKey, Seed, SeedInput};
use trustnet_core::vm::{Attachment, Interface, SecretMap, Vm};
use trustnet_core::xml::DomainType;

type Render = fn(&Vm) -> String;

/// What is made of a VM: the name of the file and how to make it.
const RENDERINGS: &[(&str, Render)] = &[
    ("vm.txt", described),
    ("wire.yaml", written),
    ("domain.xml", domain),
    ("volumes.xml", volumes),
    ("plan.txt", planned),
    ("user-data", |vm| seed(vm).user_data),
    ("vendor-data", |vm| seed(vm).vendor_data),
    ("meta-data", |vm| seed(vm).meta_data),
    ("network-config", |vm| seed(vm).network_config),
];
/// All problems; there is no such file where there is none.
const PROBLEMS: &str = "problems.txt";

#[test]
fn every_case_gives_what_its_folder_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .expect("there are cases")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    folders.sort();
    let failures: Vec<String> = folders.iter().flat_map(|folder| case(folder)).collect();
    assert!(
        failures.is_empty(),
        "{}\nif this is right: UPDATE_GOLDEN=1",
        failures.join("\n")
    );
}

fn case(folder: &Path) -> Vec<String> {
    let input = fs::read(folder.join("input.yaml")).expect("a case has an input");
    let (vms, problems) = loaded(&input);
    let shown: String = problems.iter().map(shown).collect();
    let mut failures = Vec::new();
    failures.extend(compare(&folder.join(PROBLEMS), &shown, !shown.is_empty()));
    for (name, render) in RENDERINGS {
        let file = folder.join(name);
        if file.exists() {
            let text: String = vms
                .iter()
                .map(|vm| headed(vm, render(vm), vms.len()))
                .collect();
            failures.extend(compare(&file, &text, true));
        }
    }
    if vms.is_empty() && shown.is_empty() {
        failures.push(format!("{}: nothing came out", folder.display()));
    }
    failures
}

fn loaded(input: &[u8]) -> (Vec<Vm>, Vec<Problem>) {
    let (documents, mut problems) = load::load(input);
    let mut vms = Vec::new();
    for document in documents {
        let found = match Vm::resolve(&document.object) {
            Ok((vm, warnings)) => {
                vms.push(vm);
                warnings
            }
            Err(errors) => errors,
        };
        problems.extend(found.into_iter().map(|problem| document.place(problem)));
    }
    problems.sort_by_key(|problem| problem.place.map_or(0, |place| place.offset));
    for problem in &problems {
        let place = problem.place;
        assert!(place.is_none_or(|p| p.offset <= input.len()
            && p.length >= 1
            && p.line >= 1
            && p.column >= 1));
    }
    (vms, problems)
}

fn shown(problem: &Problem) -> String {
    let mut text = "input.yaml:".to_owned();
    if let Some(place) = problem.place {
        let _ = write!(text, "{}:{}:", place.line, place.column);
    }
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _ = write!(text, " {severity}: ");
    if !problem.path.is_empty() {
        let _ = write!(text, "{}: ", problem.path);
    }
    let _ = writeln!(text, "{}", problem.message);
    if let Some(hint) = &problem.hint {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

fn headed(vm: &Vm, text: String, count: usize) -> String {
    if count == 1 {
        text
    } else {
        format!("=== {}\n{text}", vm.name())
    }
}

/// The domain on a session host under KVM, and on the system's under QEMU's own translator where the
/// VM has a bridge or a libvirt network.
fn host(vm: &Vm) -> Observed {
    let bridged =
        |i: &Interface| matches!(i.attachment, Attachment::Bridge(_) | Attachment::Network(_));
    if vm.interfaces().iter().any(bridged) {
        plan::ideal_host(vm, false, DomainType::Qemu)
    } else {
        plan::ideal_host(vm, true, DomainType::Kvm)
    }
}

const HOST_KEY: &str = "ssh-ed25519 AAAA(public)";
const LOGIN_KEY: &str = "ssh-ed25519 AAAA(login)";
const KEYS: PublicKeys<'_> = PublicKeys {
    host: HOST_KEY,
    login: LOGIN_KEY,
};

fn domain(vm: &Vm) -> String {
    plan::render(vm, &host(vm), KEYS, "0.0.0").0
}

fn volumes(vm: &Vm) -> String {
    let (_, volumes) = plan::render(vm, &host(vm), KEYS, "0.0.0");
    volumes.into_iter().map(|(_, xml)| xml).collect()
}

fn planned(vm: &Vm) -> String {
    let observed = host(vm);
    let input = CreateInput {
        vm,
        observed: &observed,
        keys: KEYS,
        seed_size: 65536,
        folder: None,
        wait: true,
        version: "0.0.0",
        artifacts: None,
    };
    match plan::create(&input) {
        Ok(Goal::Steps(plan)) => plan.to_string(),
        Ok(Goal::Reached) => "nothing to do\n".to_owned(),
        Err(refusals) => refusals
            .iter()
            .map(|refusal| format!("refused: {}\n", refusal.message))
            .collect(),
    }
}

fn seed(vm: &Vm) -> Seed {
    let mut secrets = SecretMap::default();
    for from in vm.secret_refs() {
        let value = format!("(value of {from:?})");
        secrets.insert(from, value);
    }
    let input = SeedInput {
        vm,
        secrets: &secrets,
        host_key: Some(HostKey {
            private_openssh: "(private)\n",
            public_openssh: HOST_KEY,
        }),
        login_key: Some(LOGIN_KEY),
    };
    Seed::render(&input).expect("every secret is known")
}

/// The VM as a document: what a kind that becomes one is made of.
fn written(vm: &Vm) -> String {
    serde_saphyr::to_string(vm.wire()).expect("it can be written")
}

fn described(vm: &Vm) -> String {
    let (boot, disks, guest) = (vm.boot_disk(), vm.data_disks(), vm.guest());
    format!(
        "name: {}\ndigest: {}\nuuid: {}\nvcpus: {}\nmemory: {} MiB\ncpu: {:?}\nfirmware: {:?}\ntpm: {}\nautostart: {}\nprotected: {}\npool: {}\n\
         boot: {boot:#?}\ndata: {disks:#?}\ninterfaces: {:#?}\nguest: {guest:#?}\n",
        vm.name(),
        vm.digest(),
        vm.uuid(),
        vm.vcpus(),
        vm.memory_mib(),
        vm.cpu_mode(),
        vm.firmware(),
        vm.tpm(),
        vm.autostart(),
        vm.protected(),
        vm.pool(),
        vm.interfaces(),
    )
}

/// What is different, if anything; with `UPDATE_GOLDEN` the file is made anew instead.
fn compare(file: &Path, text: &str, wanted: bool) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        if wanted {
            fs::write(file, text).expect("the golden file can be written");
        } else if file.exists() {
            fs::remove_file(file).expect("the golden file can be removed");
        }
        return None;
    }
    let golden = fs::read_to_string(file).unwrap_or_default();
    (golden != text).then(|| {
        format!(
            "--- {} says\n{golden}+++ but there came\n{text}",
            file.display()
        )
    })
}

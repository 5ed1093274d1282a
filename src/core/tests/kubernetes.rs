//! Golden folders of Kubernetes: `tests/kubernetes/<name>/input.yaml` against what is made of it, and each configuration
//! in it against the services' own reading. The files are validated against the published schemas by
//! `tests/openapi/test_kubernetes.py`.
#![expect(clippy::expect_used, reason = "a test fails where it expects")]
#![expect(clippy::disallowed_methods, reason = "tests read their cases")]

use std::fmt::{Display, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trustnet_api::network::{NodeConfig, RegistryConfig};
use trustnet_core::image::catalogue;
use trustnet_core::kubernetes::{self, Exposure, IpFamilies, Options, Workload};
use trustnet_core::load::{self, configuration};
use trustnet_core::network::{NodeSettings, RegistrySettings};
use trustnet_core::problem::Severity;
use trustnet_core::seed::Seed;
use trustnet_core::service::{Catalogue, Instance, select};
use trustnet_core::vm::Vm;
use trustnet_core::{artifact::Arch, kubevirt};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kubernetes");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .expect("there are cases")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.join("input.yaml").exists())
        .collect();
    folders.sort();
    assert!(folders.len() > 4);
    folders
}

fn loaded(text: &[u8]) -> Vec<(Vm, Vec<Instance>)> {
    let (documents, problems) = load::load(text);
    let refused = problems.iter().any(|one| one.severity == Severity::Error);
    assert!(!refused, "{problems:?}");
    let catalogue = Catalogue::builtin();
    let each = documents.into_iter().map(|document| {
        let (vm, _) = Vm::resolve(&document.object).expect("a VM");
        let services = select(&vm.wire().spec.services, &catalogue);
        (vm, services.expect("known services"))
    });
    each.collect()
}

/// Two cases have other options than the usual ones.
fn options(folder: &Path) -> Options {
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("dual-stack") => Options {
            namespace: "network-2".to_owned(),
            image: "registry.example.org/trustnet:1".to_owned(),
            storage_class: Some("fast".to_owned()),
            exposure: Exposure::Cluster,
            families: IpFamilies::DualStack,
            cluster_domain: "cluster.example".to_owned(),
        },
        Some("nodes-of-another-file") => Options {
            namespace: "default".to_owned(),
            ..Options::default()
        },
        _ => Options::default(),
    }
}

fn documents(objects: &[Value]) -> String {
    let each = objects.iter().map(|object| {
        let text = serde_saphyr::to_string(object).expect("YAML");
        format!("---\n{text}")
    });
    each.collect()
}

fn lines<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for item in items {
        let _ = writeln!(text, "{item}");
    }
    text
}

fn of_kubernetes(vms: &[(Vm, Vec<Instance>)], options: &Options) -> (String, String) {
    let workloads: Vec<Workload<'_>> = vms
        .iter()
        .map(|(vm, services)| Workload { vm, services })
        .collect();
    match kubernetes::manifests(&workloads, options) {
        Ok(made) => {
            let tokens = made
                .tokens
                .iter()
                .map(|one| format!("Secret `{}`: {:?}", one.name, one.from));
            let said = lines(&made.notices) + &lines(tokens);
            (documents(&made.objects), said)
        }
        Err(refused) => (
            String::new(),
            lines(refused.iter().map(|one| format!("error: {one}"))),
        ),
    }
}

fn of_kubevirt(vms: &[(Vm, Vec<Instance>)], options: &kubevirt::Options) -> (String, String) {
    let machines: Vec<&Vm> = vms.iter().map(|(vm, _)| vm).collect();
    match kubevirt::manifests(&machines, &catalogue::Catalogue::builtin(), options) {
        Ok(made) => (documents(&made.objects), lines(&made.notices)),
        Err(refused) => {
            let refused = refused.iter().map(|one| format!("error: {one}"));
            (String::new(), lines(refused))
        }
    }
}

/// The Secrets that are made from what is kept elsewhere: here from nothing in particular.
fn secrets(vms: &[(Vm, Vec<Instance>)], options: &Options, virt: &kubevirt::Options) -> String {
    let seed = Seed {
        user_data: "#cloud-config\n".to_owned(),
        vendor_data: String::new(),
        meta_data: String::new(),
        network_config: "version: 2\n".to_owned(),
    };
    let each = vms
        .iter()
        .map(|(vm, _)| kubevirt::seed_secret(vm, &seed, virt));
    let mut all: Vec<Value> = each.map(|one| one.expect("a name")).collect();
    let workloads: Vec<Workload<'_>> = vms
        .iter()
        .map(|(vm, services)| Workload { vm, services })
        .collect();
    let tokens = kubernetes::manifests(&workloads, options).map_or(Vec::new(), |made| made.tokens);
    all.extend(
        tokens
            .iter()
            .map(|token| token.object("the token", options)),
    );
    documents(&all)
}

fn compare(file: &Path, text: &str) -> Option<String> {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update && file.exists() {
        fs::write(file, text).expect("the golden file is written");
        return None;
    }
    let there = fs::read_to_string(file).ok()?;
    (there != text).then(|| format!("{} differs", file.display()))
}

#[test]
fn every_case_becomes_what_its_folder_says() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for folder in folders() {
        let vms = loaded(&fs::read(folder.join("input.yaml")).expect("an input"));
        let options = options(&folder);
        let virt = kubevirt::Options {
            namespace: options.namespace.clone(),
            storage_class: options.storage_class.clone(),
            arch: Arch::Amd64,
        };
        let kubernetes = of_kubernetes(&vms, &options);
        let kubevirt = of_kubevirt(&vms, &virt);
        if folder.join("secrets.yaml").exists() {
            let text = secrets(&vms, &options, &virt);
            failures.extend(compare(&folder.join("secrets.yaml"), &text));
        }
        for (name, (objects, said)) in [("kubernetes", kubernetes), ("kubevirt", kubevirt)] {
            for (file, text) in [
                (format!("{name}.yaml"), objects),
                (format!("{name}.txt"), said),
            ] {
                compared += usize::from(folder.join(&file).exists());
                failures.extend(compare(&folder.join(file), &text));
            }
        }
    }
    assert!(compared > 8);
    assert!(
        failures.is_empty(),
        "{}\nif this is right: UPDATE_GOLDEN=1",
        failures.join("\n")
    );
}

/// The documents of all ConfigMaps, as the services read them.
#[test]
fn the_services_accept_every_configuration_that_a_pod_gets() {
    let registry = trustnet_api::schema::configuration::<RegistryConfig>();
    let node = trustnet_api::schema::configuration::<NodeConfig>();
    let mut read = 0;
    for folder in folders() {
        let vms = loaded(&fs::read(folder.join("input.yaml")).expect("an input"));
        let workloads: Vec<Workload<'_>> = vms
            .iter()
            .map(|(vm, services)| Workload { vm, services })
            .collect();
        let Ok(made) = kubernetes::manifests(&workloads, &options(&folder)) else {
            continue;
        };
        for object in made.objects.iter().filter(|one| one["kind"] == "ConfigMap") {
            if let Some(text) = object["data"]["registry.yaml"].as_str() {
                let config: RegistryConfig =
                    configuration(text.as_bytes(), &registry, |_| Vec::new()).expect("it is read");
                let settings = RegistrySettings::resolve(&config).expect("it means something");
                assert!(settings.address.is_unspecified());
                assert_eq!(settings.port, 8000, "registries are looked up there");
            } else {
                let text = object["data"]["node.yaml"].as_str().expect("a node's");
                let config: NodeConfig =
                    configuration(text.as_bytes(), &node, |_| Vec::new()).expect("it is read");
                let settings = NodeSettings::resolve(&config).expect("it means something");
                assert!(settings.address.is_unspecified());
                assert_eq!(settings.domain, "example.org");
            }
            read += 1;
        }
    }
    assert!(read > 5, "{read}");
}

/// What stands in the StatefulSet fits what stands in its ConfigMap, and in the recipe of the image.
#[test]
fn a_pod_has_all_that_its_configuration_and_its_image_speak_of() {
    let recipe = include_str!("../../../images/oci/Containerfile");
    for folder in folders() {
        let vms = loaded(&fs::read(folder.join("input.yaml")).expect("an input"));
        let workloads: Vec<Workload<'_>> = vms
            .iter()
            .map(|(vm, services)| Workload { vm, services })
            .collect();
        let Ok(made) = kubernetes::manifests(&workloads, &options(&folder)) else {
            continue;
        };
        let of_kind =
            |kind: &'static str| made.objects.iter().filter(move |one| one["kind"] == kind);
        for (set, map) in of_kind("StatefulSet").zip(of_kind("ConfigMap")) {
            let pod = &set["spec"]["template"]["spec"];
            let container = &pod["containers"][0];
            let command: Vec<&str> = container["command"]
                .as_array()
                .expect("a command")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let program = command[0].rsplit('/').next().expect("a program");
            assert!(
                recipe.contains(&format!("{program} {}\n", command[0])),
                "{program}"
            );
            assert!(recipe.contains(&format!("USER {}", pod["securityContext"]["runAsUser"])));
            let mounts: Vec<&str> = container["volumeMounts"]
                .as_array()
                .expect("mounts")
                .iter()
                .filter_map(|mount| mount["mountPath"].as_str())
                .collect();
            let below = |path: &str| {
                mounts
                    .iter()
                    .any(|mount| path.starts_with(&format!("{mount}/")) || path == *mount)
            };
            assert!(below(command[2]), "{command:?}");
            let (_, text) = map["data"]
                .as_object()
                .expect("data")
                .iter()
                .next()
                .expect("a file");
            let text = text.as_str().expect("text");
            let paths = text
                .split(['"', ' ', '\n', ',', '}'])
                .filter(|word| word.starts_with('/'));
            let paths: Vec<&str> = paths.collect();
            assert!(paths.len() >= 2, "{paths:?}");
            for path in paths {
                assert!(below(path), "{path} is in none of {mounts:?}");
            }
        }
    }
}

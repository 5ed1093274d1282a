//! What the kinds of a network become is what the services read: every configuration of the example networks is loaded
//! by the machinery of the daemons themselves.
#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use trustnet_api::network::{NodeConfig, RegistryConfig};
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::load::{self, configuration};
use trustnet_core::network::{NodeRegistry, NodeSettings, RegistrySettings};
use trustnet_core::provision::{Action, Input, Pinned, ServiceInput, build};
use trustnet_core::service::{At, Catalogue, select};

const NETWORKS: [&str; 4] = [
    include_str!("../../../examples/root.yaml"),
    include_str!("../../../examples/root-and-node.yaml"),
    include_str!("../../../examples/network.yaml"),
    include_str!("../../../examples/integrated.yaml"),
];

/// The configuration file of each VM of a file: the VM's name, the service's, and the text.
fn configurations(text: &str) -> Vec<(String, String, String)> {
    let (documents, problems) = load::load(text.as_bytes());
    assert_eq!(problems, []);
    let mut all = Vec::new();
    for document in documents {
        let vm = document.object;
        let services = select(&vm.spec.services, &Catalogue::builtin()).expect("known services");
        let [instance] = services.as_slice() else {
            panic!("one service");
        };
        let version = instance.exact_version().expect("an exact version");
        let mut scope = instance.scope(&vm.metadata.name, version, Arch::Amd64);
        for need in &instance.dependencies {
            let remote = need.remote.as_ref().expect("in another VM");
            let at = At {
                host: remote.host.clone().expect("an address"),
                port: remote.port.expect("a port"),
            };
            scope.dependencies.insert(need.service.clone(), at);
        }
        let name = instance.name().to_owned();
        let input = ServiceInput {
            instance,
            scope,
            secrets: [("joinToken".to_owned(), "0123456789abcdef".to_owned())].into(),
            artifacts: [(name.clone(), Pinned::Blob(Digest::of(b"program")))].into(),
        };
        let program = build(&Input {
            services: &[input],
            mounts: &[],
        })
        .expect("a program");
        let file = program.steps.iter().find_map(|step| match &step.action {
            Action::File { path, content, .. } if path.starts_with("/etc/trustnet/") => {
                Some(String::from_utf8(content.bytes().to_vec()).expect("text"))
            }
            _ => None,
        });
        all.push((vm.metadata.name, name, file.expect("a configuration")));
    }
    all
}

#[test]
fn every_configuration_of_the_example_networks_is_one_that_the_services_read() {
    let registry = trustnet_api::schema::configuration::<RegistryConfig>();
    let node = trustnet_api::schema::configuration::<NodeConfig>();
    let mut said = String::new();
    for network in NETWORKS {
        for (vm, service, text) in configurations(network) {
            if service == "trustnet-registry" {
                let config: RegistryConfig =
                    configuration(text.as_bytes(), &registry, |_| Vec::new()).expect("it is read");
                RegistrySettings::resolve(&config).expect("it means something");
            } else {
                let config: NodeConfig =
                    configuration(text.as_bytes(), &node, |_| Vec::new()).expect("it is read");
                NodeSettings::resolve(&config).expect("it means something");
            }
            said.push_str(&format!("=== {vm}\n{text}"));
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn the_administrator_of_a_root_is_known_to_all_registries_of_its_file() {
    let administrator = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let network = include_str!("../../../examples/network.yaml");
    let root = "  role: root\n";
    assert_eq!(network.matches(root).count(), 1);
    let known = format!("{root}  administratorKey: {administrator}\n");
    let mut integrated = 0;
    for (vm, service, text) in configurations(&network.replace(root, &known)) {
        let key = if service == "trustnet-registry" {
            let schema = trustnet_api::schema::configuration::<RegistryConfig>();
            let config: RegistryConfig =
                configuration(text.as_bytes(), &schema, |_| Vec::new()).expect("it is read");
            let settings = RegistrySettings::resolve(&config).expect("it means something");
            settings.administrator
        } else {
            let schema = trustnet_api::schema::configuration::<NodeConfig>();
            let config: NodeConfig =
                configuration(text.as_bytes(), &schema, |_| Vec::new()).expect("it is read");
            let settings = NodeSettings::resolve(&config).expect("it means something");
            let NodeRegistry::Integrated { administrator, .. } = settings.registry else {
                continue;
            };
            integrated += 1;
            administrator
        };
        let key = key.map(|key| key.to_string());
        assert_eq!(key.as_deref(), Some(administrator), "{vm}");
    }
    assert!(integrated > 0);
}

//! What the kinds of a network become is what the services read: every configuration of the example networks is loaded
//! by the machinery of the daemons themselves.
#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod configurations;

use configurations::configurations;
use trustnet_api::network::{NodeConfig, RegistryConfig};
use trustnet_core::load::configuration;
use trustnet_core::network::{NodeRegistry, NodeSettings, RegistrySettings};

const NETWORKS: [&str; 4] = [
    include_str!("../../../examples/root.yaml"),
    include_str!("../../../examples/root-and-node.yaml"),
    include_str!("../../../examples/network.yaml"),
    include_str!("../../../examples/integrated.yaml"),
];

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

//! The files that an installation writes: the spec that `create` takes, and the answers that `install` takes again.

use serde::Serialize;
use serde_json::{Map, Value, json};
use trustnet_api::install::{Install, InstallSpec, RegistryType};
use trustnet_api::meta::ObjectMeta;
use trustnet_api::network::{REGISTRY_PORT, RegistryRole};
use trustnet_api::node::{Node, NodeRegistry, NodeRegistryType, NodeSpec};
use trustnet_api::registry::{Registry, RegistrySpec};
use trustnet_api::secret::ValueFrom;
use trustnet_api::{INSTALL, NODE, REGISTRY, TRUSTNET_V1ALPHA1};

use super::Installation;

impl Installation {
    /// Where the join token is read from, where that is said.
    fn join_token(&self) -> Option<ValueFrom> {
        let file = self.answers.join_token_file.clone();
        file.map(ValueFrom::File)
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: self.name.to_string(),
            ..ObjectMeta::default()
        }
    }

    /// The port, where it is not the one that is meant anyhow.
    fn port(&self) -> Option<u16> {
        (self.registry_port != REGISTRY_PORT).then_some(self.registry_port)
    }

    fn root(&self) -> Option<String> {
        self.root.map(|root| root.to_string())
    }

    fn registry_document(&self, role: RegistryRole) -> Registry {
        Registry {
            api_version: TRUSTNET_V1ALPHA1.to_owned(),
            kind: REGISTRY.to_owned(),
            metadata: self.metadata(),
            spec: RegistrySpec {
                role,
                domain: self.domain.clone(),
                address: self.address.to_string(),
                port: self.port(),
                root_registry: self.root(),
                join_token_from: self.join_token(),
                administrator_key: None,
                depends_on: Vec::new(),
                vm: None,
            },
        }
    }

    fn node_document(&self) -> Node {
        let registry = NodeRegistry {
            kind: NodeRegistryType::Integrated,
            address: None,
            root_registry: self.root(),
            port: self.port(),
            administrator_key: None,
        };
        Node {
            api_version: TRUSTNET_V1ALPHA1.to_owned(),
            kind: NODE.to_owned(),
            metadata: self.metadata(),
            spec: NodeSpec {
                domain: self.domain.clone(),
                address: self.address.to_string(),
                port: None,
                registry: Some(registry),
                gossip: None,
                join_token_from: self.join_token(),
                depends_on: Vec::new(),
                vm: None,
            },
        }
    }

    /// The fields of the VM that somebody said something of.
    fn vm(&self) -> Map<String, Value> {
        let answers = &self.answers;
        let mut vm = answers.vm.clone().unwrap_or_default().0;
        if let Some(image) = &answers.image
            && let Value::Object(boot) = vm.entry("bootDisk").or_insert(json!({}))
        {
            boot.insert("image".to_owned(), json!(image));
        }
        let mut reached = Map::new();
        if let Some(bridge) = &answers.bridge {
            reached.insert("bridge".to_owned(), json!(bridge));
        }
        if let Some(network) = &answers.network {
            reached.insert("network".to_owned(), json!(network));
        }
        let attached = !reached.is_empty();
        if let Some(gateway) = &answers.gateway6 {
            reached.insert("gateway6".to_owned(), json!(gateway));
        }
        if !answers.dns_servers.is_empty() {
            reached.insert("dnsServers".to_owned(), json!(answers.dns_servers));
        }
        if !reached.is_empty() && !vm.contains_key("networkInterfaces") {
            let interfaces = if attached {
                json!([reached])
            } else {
                reached.insert("segment".to_owned(), json!(self.domain));
                json!([{ "user": {} }, reached])
            };
            vm.insert("networkInterfaces".to_owned(), interfaces);
        }
        vm
    }
}

/// The documents of the spec.
#[must_use]
pub fn documents(installation: &Installation) -> Vec<Value> {
    let vm = installation.vm();
    let document = match installation.role {
        RegistryType::Root => value(&installation.registry_document(RegistryRole::Root)),
        RegistryType::Independent => {
            value(&installation.registry_document(RegistryRole::Secondary))
        }
        RegistryType::Integrated => value(&installation.node_document()),
    };
    vec![with_vm(document, vm)]
}

/// The spec, as a file.
#[must_use]
pub fn spec_text(installation: &Installation) -> String {
    let documents = documents(installation);
    let texts: Vec<String> = documents.iter().map(yaml).collect();
    format!(
        "# Made by `trustnet-vm install`, which takes the answers beside it again; `trustnet-vm create` takes this.\n{}",
        texts.join("---\n")
    )
}

/// The answers, as a file.
#[must_use]
pub fn answers_text(installation: &Installation) -> String {
    let answers: &InstallSpec = &installation.answers;
    let install = Install {
        api_version: TRUSTNET_V1ALPHA1.to_owned(),
        kind: INSTALL.to_owned(),
        spec: answers.clone(),
    };
    let vm = answers.vm.clone().unwrap_or_default().0;
    let again = "# The same once more: trustnet-vm install --yes --answers THIS_FILE\n";
    format!("{again}{}", yaml(&with_vm(value(&install), vm)))
}

fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("our own types hold nothing that JSON cannot")
}

/// A document with the fields of its VM, which its own type never writes.
fn with_vm(mut document: Value, vm: Map<String, Value>) -> Value {
    if !vm.is_empty() {
        document["spec"]["vm"] = Value::Object(vm);
    }
    document
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("JSON is YAML")
}

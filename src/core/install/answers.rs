//! The answers, by their keys.

use std::net::Ipv6Addr;

use serde_json::{Map, Value};
use trustnet_api::dns::DnsProvider;
use trustnet_api::install::{Deployment, InstallSpec, RegistryType};

use super::Key;
use super::question::attachment;

/// What flags say over what a file says.
#[must_use]
pub fn merged(flags: InstallSpec, file: InstallSpec) -> InstallSpec {
    // One kind of attachment is meant: a flag for one overrules the file's other.
    let attached = flags.bridge.is_some() || flags.network.is_some();
    let (bridge, network) = if attached {
        (flags.bridge, flags.network)
    } else {
        (file.bridge, file.network)
    };
    let mut vm = file.vm.unwrap_or_default();
    lay_over(&mut vm.0, flags.vm.unwrap_or_default().0);
    InstallSpec {
        domain: flags.domain.or(file.domain),
        registry_type: flags.registry_type.or(file.registry_type),
        new_root: flags.new_root.or(file.new_root),
        node_name: flags.node_name.or(file.node_name),
        deployment: flags.deployment.or(file.deployment),
        address: flags.address.or(file.address),
        registry_vm_ip: flags.registry_vm_ip.or(file.registry_vm_ip),
        registry_port: flags.registry_port.or(file.registry_port),
        root_registry_ip: flags.root_registry_ip.or(file.root_registry_ip),
        bridge,
        network,
        gateway6: flags.gateway6.or(file.gateway6),
        dns_servers: if flags.dns_servers.is_empty() {
            file.dns_servers
        } else {
            flags.dns_servers
        },
        image: flags.image.or(file.image),
        join_token_file: flags.join_token_file.or(file.join_token_file),
        dns: flags.dns.or(file.dns),
        ipv6_auto_enable: flags.ipv6_auto_enable.or(file.ipv6_auto_enable),
        vm: (!vm.0.is_empty()).then_some(vm),
    }
}

/// Lays fields over others; of two words for one size only the upper one stays.
fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        for (one, other) in [("memory", "memoryGiB"), ("size", "sizeGB")] {
            if key == one {
                below.remove(other);
            }
        }
        match (below.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// An answer as a user would write it; none where there is none.
#[must_use]
pub fn shown(answers: &InstallSpec, key: Key) -> Option<String> {
    match key {
        Key::Domain => answers.domain.clone(),
        Key::RegistryType => answers.registry_type.map(|role| word(role).to_owned()),
        Key::Deployment => answers.deployment.map(|one| {
            match one {
                Deployment::Vm => "vm",
                Deployment::Kubernetes => "kubernetes",
            }
            .to_owned()
        }),
        Key::NodeName => answers.node_name.clone(),
        Key::Address => answers.address.clone().or(answers.registry_vm_ip.clone()),
        Key::NewRoot => answers.new_root.clone(),
        Key::RootRegistry => answers.root_registry_ip.clone(),
        Key::Attachment => match (&answers.bridge, &answers.network) {
            (Some(bridge), _) => Some(format!("bridge {bridge}")),
            (None, Some(network)) => Some(format!("network {network}")),
            (None, None) => None,
        },
        Key::JoinToken => answers.join_token_file.clone(),
        Key::DnsProvider => {
            let provider = answers.dns.as_ref().and_then(|dns| dns.provider);
            provider.map(|provider| provider.word().to_owned())
        }
    }
}

/// The address, where a good one was answered.
#[must_use]
pub fn address(answers: &InstallSpec) -> Option<Ipv6Addr> {
    let text = shown(answers, Key::Address)?;
    let net = super::question::address(&text).ok()?;
    Some(net.addr())
}

/// The word of a registry type.
pub(super) fn word(role: RegistryType) -> &'static str {
    match role {
        RegistryType::Root => "root",
        RegistryType::Independent => "independent",
        RegistryType::Integrated => "integrated",
    }
}

/// Takes an answer that was checked; an empty one takes it away.
pub fn put(answers: &mut InstallSpec, key: Key, text: &str) {
    let text = text.trim();
    let some = (!text.is_empty()).then(|| text.to_owned());
    match key {
        Key::Domain => answers.domain = some.map(|text| text.to_ascii_lowercase()),
        Key::RegistryType => {
            answers.registry_type = match text {
                "root" => Some(RegistryType::Root),
                "independent" => Some(RegistryType::Independent),
                "integrated" => Some(RegistryType::Integrated),
                _ => None,
            }
        }
        Key::Deployment => {
            answers.deployment = match text {
                "vm" => Some(Deployment::Vm),
                "kubernetes" => Some(Deployment::Kubernetes),
                _ => None,
            }
        }
        Key::NodeName => answers.node_name = some.map(|text| text.to_ascii_lowercase()),
        Key::Address => {
            answers.address = some;
            answers.registry_vm_ip = None;
        }
        Key::NewRoot => answers.new_root = some,
        Key::RootRegistry => answers.root_registry_ip = some,
        Key::Attachment => {
            let (kind, name) = attachment(text).unwrap_or_default();
            let named = |wanted: &str| (kind == wanted).then(|| name.to_owned());
            answers.bridge = named("bridge");
            answers.network = named("network");
        }
        Key::JoinToken => answers.join_token_file = some,
        Key::DnsProvider => {
            let mut all = DnsProvider::ALL.into_iter();
            let provider = all.find(|one| one.word() == text);
            if provider.is_some() || answers.dns.is_some() {
                answers.dns.get_or_insert_default().provider = provider;
            }
        }
    }
}

//! Services: how pods are found and reached.

use serde_json::{Map, Value, json};
use trustnet_api::network::{REGISTRY_LABEL, REGISTRY_PORT};

use super::{Exposure, IpFamilies, Options, Part, Role, names};

/// The Service that has all registries of a namespace: its name in the cluster's DNS is `tnr.` and a domain, which is
/// what the services look up.
const DISCOVERY: &str = REGISTRY_LABEL;

/// Every registry of the network, ready or not: a secondary looks for the root before it is ready itself.
pub(super) fn discovery(domain: &str, options: &Options) -> Value {
    let port =
        json!({ "name": "api", "protocol": "TCP", "port": REGISTRY_PORT, "targetPort": "api" });
    let spec = json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": names::selector(Role::Registry, domain, None),
        "ports": [port],
    });
    let mut labels = names::common(domain);
    labels.insert("app.kubernetes.io/component".into(), "registry".into());
    service(DISCOVERY, &labels, spec, options)
}

/// The name of a workload's headless Service.
pub(super) fn headless_name(part: &Part<'_>) -> String {
    format!("{}-pods", part.name)
}

/// A name in DNS for the pod itself.
pub(super) fn headless(part: &Part<'_>, options: &Options) -> Value {
    let spec = json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": names::selector(part.role, &part.domain, Some(&part.name)),
        "ports": ports(part, part.container_port),
    });
    let labels = names::labels(part);
    service(&headless_name(part), &labels, spec, options)
}

/// Where the workload is called.
pub(super) fn client(part: &Part<'_>, options: &Options) -> Value {
    let mut spec = json!({
        "type": "ClusterIP",
        "selector": names::selector(part.role, &part.domain, Some(&part.name)),
        "ports": ports(part, part.port),
    });
    if part.role == Role::Registry && options.exposure == Exposure::LoadBalancer {
        spec["type"] = "LoadBalancer".into();
        spec["loadBalancerIP"] = part.address.to_string().into();
        // A registry bounds what each address may send: who calls has to stay visible.
        spec["externalTrafficPolicy"] = "Local".into();
    }
    service(&part.name, &names::labels(part), spec, options)
}

fn ports(part: &Part<'_>, port: u16) -> Value {
    let mut ports =
        vec![json!({ "name": "api", "protocol": "TCP", "port": port, "targetPort": "api" })];
    if part.role == Role::Node {
        ports.push(
            json!({ "name": "gossip", "protocol": "UDP", "port": port, "targetPort": "gossip" }),
        );
    }
    ports.into()
}

fn service(name: &str, labels: &Map<String, Value>, mut spec: Value, options: &Options) -> Value {
    let (policy, families) = match options.families {
        IpFamilies::Ipv6 => ("SingleStack", json!(["IPv6"])),
        IpFamilies::DualStack => ("PreferDualStack", json!(["IPv6", "IPv4"])),
    };
    spec["ipFamilyPolicy"] = policy.into();
    spec["ipFamilies"] = families;
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": options.namespace, "labels": labels },
        "spec": spec,
    })
}

//! The StatefulSet of a workload, and the ConfigMap that it reads.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trustnet_api::disk::ReclaimPolicy;

use super::{Options, Part, Role, TOKEN_KEY, names, services};

/// Nobody in particular: the user that distroless images call `nonroot`.
const USER: u32 = 65_532;
/// What a service takes at least.
const LEAST_CPU: &str = "100m";
const LEAST_MEMORY_MIB: u64 = 128;
/// The size of a volume for a VM without data disks.
const DATA: u64 = 10 << 30;
/// The annotation that changes with the configuration, so that a change of it starts the pod anew.
const DIGEST: &str = "trustnet.io/configuration-digest";

/// The configuration file.
pub(super) fn config_map(part: &Part<'_>, options: &Options) -> Value {
    let configuration = &part.configuration;
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(part, options),
        "data": { configuration.file.as_str(): configuration.content },
    })
}

fn metadata(part: &Part<'_>, options: &Options) -> Value {
    json!({
        "name": part.name,
        "namespace": options.namespace,
        "labels": names::labels(part),
    })
}

/// One pod with a volume of its own: each service has one writer and one key.
pub(super) fn stateful_set(part: &Part<'_>, options: &Options) -> Value {
    let selector = names::selector(part.role, &part.domain, Some(&part.name));
    let kept = part.vm.data_disks().first().map(|disk| disk.reclaim);
    let deleted = match kept {
        Some(ReclaimPolicy::Delete) => "Delete",
        Some(ReclaimPolicy::Retain) | None => "Retain",
    };
    let digest = Sha256::digest(part.configuration.content.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(part, options),
        "spec": {
            "replicas": 1,
            "serviceName": services::headless_name(part),
            "selector": { "matchLabels": selector },
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": deleted, "whenScaled": "Retain" },
            "template": {
                "metadata": { "labels": names::labels(part), "annotations": { DIGEST: digest } },
                "spec": pod(part, options),
            },
            "volumeClaimTemplates": [claim(part, options)],
        },
    })
}

fn pod(part: &Part<'_>, options: &Options) -> Value {
    let configuration = &part.configuration;
    let token_file = configuration
        .token_path
        .rsplit('/')
        .next()
        .unwrap_or_default();
    json!({
        // Nothing in it talks to the cluster.
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": names::selector(part.role, &part.domain, None) },
        }],
        "containers": [container(part, options)],
        "volumes": [
            { "name": "configuration", "configMap": { "name": part.name } },
            {
                "name": "join-token",
                "secret": {
                    "secretName": part.token,
                    // The group's, because the file is root's: 0440.
                    "defaultMode": 0o440,
                    "items": [{ "key": TOKEN_KEY, "path": token_file }],
                },
            },
            { "name": "tmp", "emptyDir": { "sizeLimit": "64Mi" } },
        ],
    })
}

fn container(part: &Part<'_>, options: &Options) -> Value {
    let configuration = &part.configuration;
    let token_folder = configuration
        .token_path
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder);
    let mut ports =
        vec![json!({ "name": "api", "containerPort": part.container_port, "protocol": "TCP" })];
    if part.role == Role::Node {
        ports.push(
            json!({ "name": "gossip", "containerPort": part.container_port, "protocol": "UDP" }),
        );
    }
    json!({
        "name": part.role.service(),
        "image": options.image,
        "command": configuration.command,
        "ports": ports,
        "startupProbe": probe(alive(part.role), 2, 150),
        "livenessProbe": probe(alive(part.role), 20, 3),
        "readinessProbe": probe(&configuration.ready, 5, 3),
        "resources": resources(part),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": [
            { "name": "configuration", "mountPath": configuration.folder, "readOnly": true },
            { "name": "join-token", "mountPath": token_folder, "readOnly": true },
            { "name": "data", "mountPath": configuration.data },
            // For what SQLite sorts on a disk.
            { "name": "tmp", "mountPath": "/tmp" },
        ],
    })
}

/// A route that answers well as long as the program works. `/api/health` does not, where a root is away or a node is
/// not registered yet: no reason to kill what goes on without.
fn alive(role: Role) -> &'static str {
    match role {
        Role::Registry => "/api/nodes?limit=1",
        Role::Node => "/api/peers",
    }
}

fn probe(path: &str, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": "api", "scheme": "HTTP" },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

/// No more than the VM would have, and as much as the service needs.
fn resources(part: &Part<'_>) -> Value {
    let memory = part.vm.memory_mib();
    json!({
        "limits": { "cpu": part.vm.vcpus().to_string(), "memory": format!("{memory}Mi") },
        "requests": { "cpu": LEAST_CPU, "memory": format!("{}Mi", memory.min(LEAST_MEMORY_MIB)) },
    })
}

fn claim(part: &Part<'_>, options: &Options) -> Value {
    let size = part.vm.data_disks().first().map_or(DATA, |disk| disk.size);
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": quantity(size) } },
        "volumeMode": "Filesystem",
    });
    if let Some(class) = &options.storage_class {
        spec["storageClassName"] = class.as_str().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data", "labels": names::selector(part.role, &part.domain, Some(&part.name)) },
        "spec": spec,
    })
}

/// Bytes as a quantity of Kubernetes, in the largest unit that holds them exactly.
pub(crate) fn quantity(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let unit = UNITS
        .iter()
        .find(|(_, bits)| bytes.is_multiple_of(1 << bits));
    match unit.filter(|_| bytes > 0) {
        Some((name, bits)) => format!("{}{name}", bytes >> bits),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn a_quantity_is_exact() {
        for (bytes, text) in [
            (10 << 30, "10Gi"),
            (1 << 40, "1Ti"),
            (1536 << 20, "1536Mi"),
            (1 << 10, "1Ki"),
            (10_000_000_000, "9765625Ki"),
            (1000, "1000"),
        ] {
            assert_eq!(quantity(bytes), text);
        }
    }
}

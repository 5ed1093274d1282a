//! The VM around a registry or a node: what the document says of it, and defaults for the rest.

use ipnet::Ipv6Net;
use serde_json::{Map, Value, json};
use trustnet_api::meta::ObjectMeta;
use trustnet_api::service_ref::ServiceRef;
use trustnet_api::vm::{VirtualMachine, VirtualMachineSpec};
use trustnet_api::vm_fields::VmFields;
use trustnet_api::{KIND_LABEL, TRUSTNET_V1ALPHA1, VIRTUAL_MACHINE};

use super::expansion::{Expansion, Origin};
use crate::problem::Problem;

/// What is taken where a document says nothing.
pub(super) struct Defaults {
    /// The kind that the VM was written as.
    pub kind: &'static str,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, as a quantity.
    pub memory: &'static str,
    /// The boot disk's size, as a quantity.
    pub boot: &'static str,
}

/// The image of the boot disk.
const IMAGE: &str = "debian-12.qcow2";
/// The size of the data disk.
const DATA: &str = "10Gi";
/// Where the data disk is mounted.
const MOUNT: &str = "/srv/data";

/// What goes into the VM.
pub(super) struct Inside<'a> {
    pub metadata: &'a ObjectMeta,
    pub fields: Option<&'a VmFields>,
    pub address: Ipv6Net,
    pub domain: &'a str,
    pub depends_on: &'a [String],
    pub service: ServiceRef,
    /// Where the fields of the service stood.
    pub origin: Origin,
    pub problems: Vec<Problem>,
}

impl Defaults {
    /// Makes the VM.
    pub fn around(&self, inside: Inside<'_>) -> Expansion {
        let Inside {
            metadata,
            fields,
            address,
            domain,
            depends_on,
            service,
            mut origin,
            mut problems,
        } = inside;
        origin.note("spec", "spec.vm");
        origin.note("spec.services", "spec");
        origin.note("spec.dependsOn", "spec.dependsOn");
        let mut spec = fields.map(|fields| fields.0.clone()).unwrap_or_default();
        self.fill(&mut spec, domain);
        attach(&mut spec, address, &mut origin, &mut problems);
        let own = spec
            .get("services")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        for index in 0..own {
            let in_vm = format!("spec.services[{}]", index + 1);
            origin.note(in_vm, format!("spec.vm.services[{index}]"));
        }
        let spec: Option<VirtualMachineSpec> = serde_json::from_value(Value::Object(spec))
            .map_err(|error| problems.push(Problem::error("spec.vm", error.to_string())))
            .ok();
        let metadata = self.labelled(metadata, &mut problems);
        let vm = spec.map(|spec| VirtualMachine {
            api_version: TRUSTNET_V1ALPHA1.to_owned(),
            kind: VIRTUAL_MACHINE.to_owned(),
            metadata,
            spec: VirtualMachineSpec {
                services: std::iter::once(service).chain(spec.services).collect(),
                depends_on: depends_on.to_vec(),
                ..spec
            },
            status: None,
        });
        Expansion {
            vm,
            origin,
            problems,
        }
    }

    fn fill(&self, spec: &mut Map<String, Value>, segment: &str) {
        let absent = |spec: &Map<String, Value>, keys: [&str; 2]| {
            !keys.iter().any(|key| spec.contains_key(*key))
        };
        spec.entry("vcpus").or_insert(json!(self.vcpus));
        if absent(spec, ["memory", "memoryGiB"]) {
            spec.insert("memory".to_owned(), json!(self.memory));
        }
        if let Value::Object(boot) = spec.entry("bootDisk").or_insert(json!({})) {
            if absent(boot, ["size", "sizeGB"]) {
                boot.insert("size".to_owned(), json!(self.boot));
            }
            if absent(boot, ["image", "empty"]) {
                boot.insert("image".to_owned(), json!(IMAGE));
            }
        }
        spec.entry("dataDisks").or_insert(json!([{
            "device": "vdb",
            "size": DATA,
            "filesystem": "ext4",
            "mountPath": MOUNT,
            "reclaimPolicy": "Retain",
        }]));
        spec.entry("networkInterfaces")
            .or_insert(json!([{ "user": {} }, { "segment": segment }]));
    }

    /// The metadata with the label that says as what the VM was written.
    fn labelled(&self, metadata: &ObjectMeta, problems: &mut Vec<Problem>) -> ObjectMeta {
        let mut metadata = metadata.clone();
        let given = metadata
            .labels
            .insert(KIND_LABEL.to_owned(), self.kind.to_owned());
        if given.is_some_and(|given| given != self.kind) {
            let path = crate::path::field("metadata.labels", KIND_LABEL);
            let message = format!("the label `{KIND_LABEL}` is set by the kind");
            problems.push(Problem::error(path, message).hint("leave it out"));
        }
        metadata
    }
}

/// Gives the address to the interface that has it already, else to the first that others reach.
fn attach(
    spec: &mut Map<String, Value>,
    address: Ipv6Net,
    origin: &mut Origin,
    problems: &mut Vec<Problem>,
) {
    let Some(Value::Array(interfaces)) = spec.get_mut("networkInterfaces") else {
        return;
    };
    let is_it = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        let alone = text.split('/').next().unwrap_or_default();
        alone.parse() == Ok(address.addr())
    };
    let has_it = |interface: &Value| {
        let ips = interface["ips"].as_array().into_iter().flatten();
        ips.chain([&interface["ip"]]).any(is_it)
    };
    if interfaces.iter().any(has_it) {
        return;
    }
    let reached = |interface: &Value| interface.get("user").is_none();
    let Some(index) = interfaces.iter().position(reached) else {
        if !interfaces.is_empty() {
            let message = "no interface of the VM is one that other guests reach";
            problems.push(Problem::error("spec.vm.networkInterfaces", message).hint(
                "add one with `segment`, `bridge` or `network`: `address` becomes an address of it",
            ));
        }
        return;
    };
    let Value::Object(interface) = &mut interfaces[index] else {
        return;
    };
    if let Value::Array(ips) = interface.entry("ips").or_insert(json!([])) {
        let path = format!("spec.networkInterfaces[{index}].ips[{}]", ips.len());
        origin.note(path, "spec.address");
        ips.push(json!(address.to_string()));
    }
}

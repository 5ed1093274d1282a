//! Network interfaces: the pod's network, or one of Multus's.

use serde_json::{Value, json};

use crate::vm::{Attachment, Vm};

/// The interfaces of a VM.
#[derive(Default)]
pub(super) struct Interfaces {
    /// What the guest sees.
    pub devices: Vec<Value>,
    /// What they are attached to.
    pub networks: Vec<Value>,
}

/// QEMU's user-mode network becomes the pod's; bridges, libvirt's networks and segments are networks that somebody has
/// defined for Multus.
pub(super) fn interfaces(vm: &Vm, told: &mut Vec<String>) -> Interfaces {
    let mut all = Interfaces::default();
    let mut pod = false;
    let mut boot_order = 1;
    for (index, interface) in vm.interfaces().iter().enumerate() {
        let name = format!("eth{index}");
        let mut device = json!({
            "name": name,
            "model": "virtio",
            "macAddress": interface.mac.to_string(),
        });
        let attached = match &interface.attachment {
            Attachment::User { ssh_port } => {
                if pod {
                    told.push(format!(
                        "`networkInterfaces[{index}]` is left out: a VM has the pod's network once"
                    ));
                    continue;
                }
                pod = true;
                if ssh_port.is_some() {
                    told.push("no port of the host leads to its SSH: use `virtctl ssh`".to_owned());
                }
                None
            }
            Attachment::Bridge(bridge) => Some(("bridge", bridge)),
            Attachment::Network(network) => Some(("libvirt network", network)),
            Attachment::Segment(segment) => Some(("segment", segment)),
        };
        if interface.pxe_boot {
            boot_order += 1;
            device["bootOrder"] = boot_order.into();
        }
        let network = match attached {
            None => {
                device["masquerade"] = json!({});
                json!({ "name": name, "pod": {} })
            }
            Some((kind, attached)) => {
                device["bridge"] = json!({});
                let network = definition(attached, interface.vlan);
                let vlan = interface.vlan.map(|vlan| format!(" with VLAN {vlan}"));
                told.push(format!(
                    "the {kind} `{attached}`{} is the NetworkAttachmentDefinition `{network}`, which has to be there",
                    vlan.unwrap_or_default()
                ));
                json!({ "name": name, "multus": { "networkName": network } })
            }
        };
        all.devices.push(device);
        all.networks.push(network);
    }
    all
}

/// What a network is called among Multus's: its name as a domain name, and the VLAN.
fn definition(name: &str, vlan: Option<u16>) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    let name = match name.trim_matches('-') {
        "" => "network",
        name => name,
    };
    match vlan {
        Some(vlan) => format!("{name}-vlan{vlan}"),
        None => name.to_owned(),
    }
}

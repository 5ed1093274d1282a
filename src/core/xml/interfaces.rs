//! Network interfaces of a domain, and the QEMU arguments of those that libvirt cannot express.

use std::io;

use sha2::{Digest, Sha256};

use super::{Forward, Xml, empty, nest};
use crate::vm::{Attachment, Interface, Vm};

/// The first slot of the root complex that our own QEMU devices take. libvirt fills from slot 1 up
/// and keeps 0x1b to 0x1f for the chipset.
const FIRST_SLOT: usize = 0x10;

/// The interfaces that libvirt knows: bridges and its own networks.
pub(super) fn interfaces(w: &mut Xml, vm: &Vm) -> io::Result<()> {
    let mut boot_order = 1;
    for interface in vm.interfaces() {
        let (kind, source) = match &interface.attachment {
            Attachment::Bridge(bridge) => ("bridge", ("bridge", bridge.as_str())),
            Attachment::Network(network) => ("network", ("network", network.as_str())),
            Attachment::User { .. } | Attachment::Segment(_) => continue,
        };
        if interface.pxe_boot {
            boot_order += 1;
        }
        nest(w, "interface", &[("type", kind)], |w| {
            managed(w, interface, source, boot_order)
        })?;
    }
    Ok(())
}

fn managed(
    w: &mut Xml,
    interface: &Interface,
    source: (&str, &str),
    boot_order: u32,
) -> io::Result<()> {
    empty(w, "mac", &[("address", &interface.mac.to_string())])?;
    empty(w, "source", &[source])?;
    if let Some(vlan) = interface.vlan {
        nest(w, "vlan", &[], |w| {
            empty(w, "tag", &[("id", &vlan.to_string())])
        })?;
    }
    if let Some(tap) = &interface.tap {
        empty(w, "target", &[("dev", tap.as_str())])?;
    }
    empty(w, "model", &[("type", "virtio")])?;
    if interface.pxe_boot {
        empty(w, "boot", &[("order", &boot_order.to_string())])
    } else {
        // No boot ROM: the firmware loses no time on it.
        empty(w, "rom", &[("enabled", "no")])
    }
}

/// The arguments for user-mode networks with a forwarded port, and for segments bound to loopback:
/// libvirt's XML has neither for QEMU's built-in back ends.
pub(super) fn qemu_arguments(vm: &Vm, forwards: &[Forward]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (index, interface) in vm.interfaces().iter().enumerate() {
        let netdev = match &interface.attachment {
            Attachment::User { .. } => {
                let mut netdev = format!("user,id=tnet{index}");
                for forward in forwards.iter().filter(|forward| forward.interface == index) {
                    let Forward {
                        host_port,
                        guest_port,
                        ..
                    } = forward;
                    netdev.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host_port}-:{guest_port}"));
                }
                netdev
            }
            Attachment::Segment(name) => {
                let (group, port) = multicast_of(name);
                format!("socket,id=tnet{index},mcast={group}:{port},localaddr=127.0.0.1")
            }
            Attachment::Bridge(_) | Attachment::Network(_) => continue,
        };
        let slot = FIRST_SLOT + index;
        let mac = interface.mac;
        arguments.extend([
            "-netdev".to_owned(),
            netdev,
            "-device".to_owned(),
            format!(
                "virtio-net-pci,netdev=tnet{index},mac={mac},bus=pcie.0,addr={slot:#x},romfile="
            ),
        ]);
    }
    arguments
}

/// The multicast group and port of a segment: from its name, in the administratively scoped range
/// (RFC 2365), so that the VMs of one segment find each other without a registry of segments.
fn multicast_of(segment: &str) -> (String, u16) {
    let digest = Sha256::digest(segment.as_bytes());
    let port = 49152 + (u16::from_be_bytes([digest[3], digest[4]]) % 16384);
    (
        format!("239.{}.{}.{}", digest[0], digest[1], digest[2]),
        port,
    )
}

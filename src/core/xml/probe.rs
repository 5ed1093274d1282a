//! The domain and the volume that prove that a domain type works.

use trustnet_api::disk::DiskFormat;

use super::{DomainType, document, empty, nest, storage, text};

/// Memory of the probe, in MiB.
const MEMORY_MIB: &str = "32";

/// The name of everything that a probe makes, of which several may run at once.
#[must_use]
pub fn probe_name(id: &str) -> String {
    format!("trustnet-vm-probe-{id}")
}

/// The probe's boot disk. The firmware's geometry wants no less than one cylinder.
#[must_use]
pub fn probe_volume(name: &str) -> String {
    storage::volume(name, 1 << 20, DiskFormat::Raw, None)
}

/// The probe's domain: the machine of a VM, with a boot disk and a serial port.
#[must_use]
pub fn probe_domain(name: &str, kind: DomainType, disk: &str) -> String {
    document(|w| {
        nest(w, "domain", &[("type", kind.as_str())], |w| {
            text(w, "name", &[], name)?;
            text(w, "memory", &[("unit", "MiB")], MEMORY_MIB)?;
            text(w, "vcpu", &[], "1")?;
            nest(w, "os", &[], |w| {
                text(w, "type", &[("arch", "x86_64"), ("machine", "q35")], "hvm")
            })?;
            nest(w, "features", &[], |w| {
                empty(w, "acpi", &[])?;
                empty(w, "apic", &[])
            })?;
            text(w, "on_reboot", &[], "destroy")?;
            nest(w, "devices", &[], |w| {
                nest(w, "disk", &[("type", "file"), ("device", "disk")], |w| {
                    empty(w, "driver", &[("name", "qemu"), ("type", "raw")])?;
                    empty(w, "source", &[("file", disk)])?;
                    empty(w, "target", &[("dev", "vda"), ("bus", "virtio")])?;
                    empty(w, "readonly", &[])?;
                    empty(w, "boot", &[("order", "1")])
                })?;
                empty(w, "controller", &[("type", "usb"), ("model", "none")])?;
                nest(w, "serial", &[("type", "pty")], |w| {
                    empty(w, "target", &[("port", "0")])
                })?;
                empty(w, "memballoon", &[("model", "none")])?;
                nest(w, "video", &[], |w| empty(w, "model", &[("type", "none")]))
            })
        })
    })
}

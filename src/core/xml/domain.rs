//! The domain: what libvirt is told of a VM. <https://libvirt.org/formatdomain.html>

use std::io;

use serde::{Deserialize, Serialize};
use trustnet_api::vm::{CpuMode, Firmware};

use super::{Place, Xml, devices, document, empty, interfaces, nest, record_text, text};
use crate::record::Record;
use crate::vm::Vm;

/// The domain type: who executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainType {
    /// The CPU, through KVM.
    Kvm,
    /// QEMU's own translator (TCG).
    Qemu,
}

impl DomainType {
    /// libvirt's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Qemu => "qemu",
        }
    }
}

/// A port of the host that leads into the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// The place of the interface in the spec's list.
    pub interface: usize,
    /// The port of 127.0.0.1.
    pub host_port: u16,
    /// The guest's port.
    pub guest_port: u16,
}

/// All that a domain's XML is made from.
#[derive(Debug, Clone, Copy)]
pub struct DomainInput<'a> {
    /// The VM.
    pub vm: &'a Vm,
    /// Its record, for the metadata.
    pub record: &'a Record,
    /// The domain type.
    pub kind: DomainType,
    /// The guest's architecture, such as `x86_64`.
    pub arch: &'a str,
    /// The CPU mode, which may differ from the spec's where the domain type cannot do that.
    pub cpu_mode: CpuMode,
    /// Where its disks are.
    pub disks: Place<'a>,
    /// Where its seed is.
    pub seed: Place<'a>,
    /// Path and format of the boot disk's backing image.
    pub backing: Option<(&'a str, &'a str)>,
}

/// The XML of the domain.
#[must_use]
pub fn domain(input: &DomainInput<'_>) -> String {
    let vm = input.vm;
    let arguments = interfaces::qemu_arguments(vm, &input.record.forwards);
    let mut attributes = vec![("type", input.kind.as_str())];
    if !arguments.is_empty() {
        attributes.push(("xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0"));
    }
    document(|w| {
        nest(w, "domain", &attributes, |w| {
            text(w, "name", &[], vm.name().as_str())?;
            text(w, "uuid", &[], &vm.uuid().to_string())?;
            nest(w, "metadata", &[], |w| {
                record_text(w, &input.record.to_text())
            })?;
            text(
                w,
                "memory",
                &[("unit", "MiB")],
                &vm.memory_mib().to_string(),
            )?;
            text(
                w,
                "vcpu",
                &[("placement", "static")],
                &vm.vcpus().to_string(),
            )?;
            os(w, input)?;
            features(w, input)?;
            cpu(w, input)?;
            clock(w, input)?;
            text(w, "on_poweroff", &[], "destroy")?;
            text(w, "on_reboot", &[], "restart")?;
            text(w, "on_crash", &[], "destroy")?;
            nest(w, "devices", &[], |w| {
                devices::disks(w, input)?;
                interfaces::interfaces(w, vm)?;
                devices::others(w, input)
            })?;
            if arguments.is_empty() {
                return Ok(());
            }
            nest(w, "qemu:commandline", &[], |w| {
                arguments
                    .iter()
                    .try_for_each(|argument| empty(w, "qemu:arg", &[("value", argument)]))
            })
        })
    })
}

/// Firmware by feature, never by path: paths differ by distribution.
fn os(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    let machine = if input.arch == "x86_64" {
        "q35"
    } else {
        "virt"
    };
    let secure = match input.vm.firmware() {
        Firmware::Bios => None,
        Firmware::Uefi => Some("no"),
        Firmware::UefiSecure => Some("yes"),
    };
    let attributes: &[(&str, &str)] = if secure.is_some() {
        &[("firmware", "efi")]
    } else {
        &[]
    };
    nest(w, "os", attributes, |w| {
        text(
            w,
            "type",
            &[("arch", input.arch), ("machine", machine)],
            "hvm",
        )?;
        let Some(secure) = secure else { return Ok(()) };
        nest(w, "firmware", &[], |w| {
            empty(
                w,
                "feature",
                &[("enabled", secure), ("name", "secure-boot")],
            )?;
            if secure == "yes" {
                empty(
                    w,
                    "feature",
                    &[("enabled", "yes"), ("name", "enrolled-keys")],
                )?;
            }
            Ok(())
        })
    })
}

fn features(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    nest(w, "features", &[], |w| {
        empty(w, "acpi", &[])?;
        if input.arch == "x86_64" {
            empty(w, "apic", &[])?;
            if input.vm.firmware() == Firmware::UefiSecure {
                empty(w, "smm", &[("state", "on")])?;
            }
        }
        Ok(())
    })
}

fn cpu(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    let mode = match input.cpu_mode {
        CpuMode::HostModel => "host-model",
        CpuMode::HostPassthrough => "host-passthrough",
        CpuMode::Maximum => "maximum",
    };
    empty(w, "cpu", &[("mode", mode)])
}

fn clock(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    nest(w, "clock", &[("offset", "utc")], |w| {
        if input.arch == "x86_64" {
            empty(w, "timer", &[("name", "rtc"), ("tickpolicy", "catchup")])?;
            empty(w, "timer", &[("name", "pit"), ("tickpolicy", "delay")])?;
            empty(w, "timer", &[("name", "hpet"), ("present", "no")])?;
        }
        Ok(())
    })
}

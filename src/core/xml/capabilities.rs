//! What the hypervisor says that it can do. <https://libvirt.org/formatdomaincaps.html>

use std::collections::BTreeMap;

use super::read::{Seen, walk};

/// What a hypervisor says of each type of storage pools, by libvirt's names.
/// <https://libvirt.org/formatstoragecaps.html>
pub type PoolCapabilities = BTreeMap<String, PoolTypeCapabilities>;

/// What a hypervisor can do with pools of one type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolTypeCapabilities {
    /// Whether it can have such pools.
    pub supported: bool,
    /// The formats that volumes there may have; nothing where they have none of their own.
    pub formats: Vec<String>,
}

/// What one domain type can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainCapabilities {
    /// Whether firmware can be asked for as `efi`.
    pub efi: bool,
    /// Whether Secure Boot firmware is there.
    pub secure_boot: bool,
    /// Whether an emulated TPM is there.
    pub tpm_emulator: bool,
    /// CPU modes, by libvirt's names.
    pub cpu_modes: Vec<String>,
    /// The most vCPUs.
    pub max_vcpus: u32,
}

impl DomainCapabilities {
    /// Reads the XML of domain capabilities.
    #[must_use]
    pub fn read(xml: &str) -> Self {
        let mut caps = Self::default();
        let mut in_enum = String::new();
        let mut supported_tpm = false;
        walk(xml, |path, seen| match (path, seen) {
            (["domainCapabilities", "vcpu"], Seen::Start(tag)) => {
                caps.max_vcpus = tag
                    .attribute("max")
                    .and_then(|max| max.parse().ok())
                    .unwrap_or(0);
            }
            (["domainCapabilities", "cpu", "mode"], Seen::Start(tag))
                if tag.attribute("supported").as_deref() == Some("yes") =>
            {
                caps.cpu_modes.extend(tag.attribute("name"));
            }
            (["domainCapabilities", "devices", "tpm"], Seen::Start(tag)) => {
                supported_tpm = tag.attribute("supported").as_deref() == Some("yes");
            }
            (["domainCapabilities", .., "enum"], Seen::Start(tag)) => {
                in_enum = tag.attribute("name").unwrap_or_default();
            }
            (["domainCapabilities", "os", "enum", "value"], Seen::Text("efi"))
                if in_enum == "firmware" =>
            {
                caps.efi = true;
            }
            (["domainCapabilities", "os", "loader", "enum", "value"], Seen::Text("yes"))
                if in_enum == "secure" =>
            {
                caps.secure_boot = true;
            }
            (["domainCapabilities", "devices", "tpm", "enum", "value"], Seen::Text("emulator"))
                if in_enum == "backendModel" =>
            {
                caps.tpm_emulator = supported_tpm;
            }
            _ => {}
        });
        caps
    }
}

/// Reads the XML of storage pool capabilities.
#[must_use]
pub fn read_pool_capabilities(xml: &str) -> PoolCapabilities {
    let mut all = PoolCapabilities::new();
    let mut kind = String::new();
    let mut in_enum = String::new();
    walk(xml, |path, seen| match (path, seen) {
        (["storagepoolCapabilities", "pool"], Seen::Start(tag)) => {
            kind = tag.attribute("type").unwrap_or_default();
            let supported = tag.attribute("supported").as_deref() == Some("yes");
            let formats = Vec::new();
            all.insert(kind.clone(), PoolTypeCapabilities { supported, formats });
        }
        (["storagepoolCapabilities", "pool", "volOptions", "enum"], Seen::Start(tag)) => {
            in_enum = tag.attribute("name").unwrap_or_default();
        }
        (
            [
                "storagepoolCapabilities",
                "pool",
                "volOptions",
                "enum",
                "value",
            ],
            Seen::Text(format),
        ) if in_enum == "targetFormatType" => {
            if let Some(known) = all.get_mut(&kind) {
                known.formats.push(format.to_owned());
            }
        }
        _ => {}
    });
    all
}

/// The host's architecture, as capabilities name it.
#[must_use]
pub fn guest_arch(capabilities: &str) -> Option<String> {
    host_text(capabilities, &["cpu", "arch"])
}

/// The host's UUID.
#[must_use]
pub fn host_uuid(capabilities: &str) -> Option<String> {
    host_text(capabilities, &["uuid"])
}

fn host_text(capabilities: &str, wanted: &[&str]) -> Option<String> {
    let mut text = None;
    walk(capabilities, |path, seen| {
        if let (["capabilities", "host", rest @ ..], Seen::Text(value)) = (path, seen)
            && rest == wanted
        {
            text = Some(value.to_owned());
        }
    });
    text
}

//! What must hold before anything is made.

use std::collections::BTreeSet;

use trustnet_api::vm::{CpuMode, Firmware};

use super::{About, Refusal, storage};
use crate::observed::{DomainFacts, Observed, Owner};
use crate::pool::as_kept;
use crate::suggest::nearest;
use crate::vm::{Attachment, Vm};
use crate::xml::DomainType;

/// Bytes that stay free in a pool for what the guests write: a pool is never filled by plan.
pub(super) const POOL_RESERVE: u64 = 64 << 20;

/// A domain of the VM's name is there: is it this VM?
pub(super) fn existing(vm: &Vm, domain: &DomainFacts) -> Result<(), Refusal> {
    let name = vm.name();
    match &domain.owner {
        Owner::Ours(record) if record.digest == vm.digest() => Ok(()),
        Owner::Ours(record) => {
            let differences = crate::difference::between(&record.spec, vm.wire());
            Err(Refusal::vm(format!(
                "`{name}` exists and was made from another spec; different: {}",
                differences.join(", ")
            ))
            .hint(format!("see `trustnet-vm get {name} -o yaml`; to make it anew, `trustnet-vm destroy {name}` first")))
        }
        Owner::Unreadable(why) => Err(Refusal::vm(format!(
            "`{name}` exists, and its record cannot be read: {why}"
        ))
        .hint("it may have been made by a newer version; use that one")),
        Owner::Foundry(_) => Err(
            Refusal::vm(format!("`{name}` exists and was made by Foundry")).hint(format!(
                "choose another name, or remove it with `foundry destroy {name}`"
            )),
        ),
        Owner::Foreign => Err(Refusal::vm(format!(
            "a domain `{name}` exists that trustnet-vm did not make"
        ))
        .hint("choose another name; `trustnet-vm list` shows all domains")),
    }
}

/// Everything that stands in a VM's way, before anything is made for it. One that is there already as it is to be has
/// nothing in its way.
#[must_use]
pub fn obstacles(vm: &Vm, observed: &Observed) -> Vec<Refusal> {
    let name = vm.name().as_str();
    let mut domains = observed.domains.iter();
    if let Some(domain) = domains.find(|domain| domain.xml.name == name) {
        return existing(vm, domain).err().into_iter().collect();
    }
    let kept = as_kept(vm, observed.pools.get(vm.pool()));
    all(&kept, observed, 0)
}

/// Everything that stands in the way.
pub(super) fn all(vm: &Vm, observed: &Observed, seed_size: u64) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    host(vm, observed, &mut refusals);
    networks(vm, observed, &mut refusals);
    identities(vm, observed, &mut refusals);
    storage::image(vm, observed, &mut refusals);
    storage::pool(vm, observed, seed_size, &mut refusals);
    refusals
}

fn host(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let host = &observed.host;
    if let Some((DomainType::Qemu, reason)) = &host.domain_type
        && vm.cpu_mode() == CpuMode::HostPassthrough
    {
        refusals.push(
            Refusal::vm(format!(
                "`cpuMode: host-passthrough` needs KVM, and the domain type is `qemu`: {reason}"
            ))
            .hint("use `cpuMode: host-model` or `maximum`")
            .about(About::Kvm),
        );
    }
    if let Some(caps) = &host.capabilities {
        let missing = match vm.firmware() {
            Firmware::Uefi if !caps.efi => Some("UEFI firmware"),
            Firmware::UefiSecure if !(caps.efi && caps.secure_boot) => {
                Some("UEFI firmware with Secure Boot")
            }
            _ => None,
        };
        if let Some(missing) = missing {
            refusals.push(
                Refusal::vm(format!(
                    "the hypervisor has no {missing} for {} guests",
                    host.arch
                ))
                .hint("install the host's OVMF package (`ovmf` on Debian), or use `firmware: bios`")
                .about(About::Firmware),
            );
        }
        if vm.tpm() && !caps.tpm_emulator {
            refusals.push(
                Refusal::vm("the hypervisor has no TPM emulator")
                    .hint("install `swtpm`, or leave out `tpm: true`")
                    .about(About::Firmware),
            );
        }
        if caps.max_vcpus > 0 && vm.vcpus() > caps.max_vcpus {
            let message = format!(
                "{} vCPUs are asked for, and the hypervisor allows {}",
                vm.vcpus(),
                caps.max_vcpus
            );
            refusals.push(Refusal::vm(message).about(About::Firmware));
        }
    }
    if let Some(free) = host.free_memory_mib
        && vm.memory_mib() > free
    {
        refusals.push(
            Refusal::vm(format!(
                "{} MiB of memory are asked for, and the host has {free} MiB free",
                vm.memory_mib()
            ))
            .hint("stop another VM, or ask for less memory")
            .about(About::Memory),
        );
    }
}

fn networks(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
    for (index, interface) in vm.interfaces().iter().enumerate() {
        match &interface.attachment {
            Attachment::Bridge(bridge) => {
                if let Some(bridges) = &observed.bridges
                    && !bridges.contains(bridge)
                {
                    let known = bridges.iter().map(String::as_str);
                    let missing = missing("bridge", bridge, known, "create it on the host first");
                    refusals.push(missing.about(About::Network));
                }
            }
            Attachment::Network(network) => match observed.networks.get(network) {
                None => {
                    let known = observed.networks.keys().map(String::as_str);
                    let missing = missing("libvirt network", network, known, "define it first");
                    refusals.push(missing.about(About::Network));
                }
                Some(false) => refusals.push(
                    Refusal::vm(format!("the libvirt network `{network}` is not active"))
                        .hint(format!("start it: `virsh net-start {network}`"))
                        .about(About::Network),
                ),
                Some(true) => {}
            },
            Attachment::User { ssh_port } if !observed.free_ports.contains_key(&index) => {
                let refusal = match ssh_port {
                    Some(port) => taken_port(*port, &observed.domains)
                        .hint("choose another `sshPort`, or leave it out to get a free one"),
                    None => {
                        Refusal::vm("no port of 127.0.0.1 is free to forward to the guest's SSH")
                    }
                };
                refusals.push(refusal.about(About::Port));
            }
            Attachment::User { .. } | Attachment::Segment(_) => {}
        }
    }
}

/// By a domain where one forwards it, else by something else on the host.
fn taken_port(port: u16, domains: &[DomainFacts]) -> Refusal {
    let forwards = |domain: &&DomainFacts| domain.xml.forwarded_ports.contains(&port);
    match domains.iter().find(forwards) {
        Some(domain) => Refusal::vm(format!(
            "port {port} of 127.0.0.1 is forwarded to `{}`",
            domain.xml.name
        )),
        None => Refusal::vm(format!("port {port} of 127.0.0.1 is taken")),
    }
}

fn missing<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    otherwise: &str,
) -> Refusal {
    let refusal = Refusal::vm(format!("the host has no {what} `{name}`"));
    match nearest(name, known.clone()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => {
            let known: Vec<&str> = known.take(8).collect();
            if known.is_empty() {
                refusal.hint(otherwise)
            } else {
                refusal.hint(format!("there are: {}; or {otherwise}", known.join(", ")))
            }
        }
    }
}

/// MACs, taps, addresses and forwarded ports are free among all domains.
fn identities(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
    for domain in &observed.domains {
        let name = &domain.xml.name;
        let taken: BTreeSet<&str> = domain
            .xml
            .macs
            .iter()
            .chain(&domain.xml.taps)
            .map(String::as_str)
            .collect();
        for (index, interface) in vm.interfaces().iter().enumerate() {
            let mac = interface.mac.to_string();
            if taken.contains(mac.as_str()) {
                refusals.push(
                    Refusal::vm(format!(
                        "MAC address {mac} of interface {index} is taken by `{name}`"
                    ))
                    .hint("give the interface a `mac:` of its own"),
                );
            }
            if let Some(tap) = interface
                .tap
                .as_ref()
                .filter(|tap| taken.contains(tap.as_str()))
            {
                refusals.push(Refusal::vm(format!(
                    "tap device `{tap}` of interface {index} is taken by `{name}`"
                )));
            }
        }
        for address in recorded_addresses(&domain.owner) {
            // The same address on two segments or behind two user-mode networks is no conflict.
            let clash = |i: &&crate::vm::Interface| {
                matches!(i.attachment, Attachment::Bridge(_) | Attachment::Network(_))
                    && i.addresses.iter().any(|own| own.addr() == address)
            };
            if vm.interfaces().iter().any(|i| clash(&i)) {
                refusals.push(Refusal::vm(format!(
                    "address {address} is taken by `{name}`"
                )));
            }
        }
    }
}

fn recorded_addresses(owner: &Owner) -> Vec<std::net::IpAddr> {
    let spec = match owner {
        Owner::Ours(record) => &record.spec.spec,
        Owner::Foundry(vm) => &vm.spec,
        Owner::Foreign | Owner::Unreadable(_) => return Vec::new(),
    };
    spec.network_interfaces
        .iter()
        .filter(|interface| interface.bridge.is_some() || interface.network.is_some())
        .flat_map(|interface| interface.ip.iter().chain(&interface.ips))
        .filter_map(|text| text.split('/').next()?.parse().ok())
        .collect()
}

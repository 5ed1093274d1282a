//! From what was written to what is meant: every default filled in, every rule checked, all
//! problems at once.

mod addresses;
mod disks;
mod guest;
mod interfaces;
mod labels;
mod quantity;
mod raw_user_data;
mod report;
mod secret;
mod ssh_key;
mod text;

use trustnet_api::vm::{CpuMode, Firmware, VirtualMachine, VirtualMachineSpec};
use trustnet_api::{FOUNDRY_V1ALPHA1, TRUSTNET_V1ALPHA1, VIRTUAL_MACHINE};
use uuid::Uuid;

pub(crate) use self::labels::is_label;
use self::report::Report;
pub use self::secret::{check_reference, is_generated_name};
use super::{VM_POOL, Vm, VmName, digest};
use crate::problem::Problem;

/// The namespace of the domains' UUIDs: a fixed random value.
const UUID_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_5c2e_8b0a_4c57_9a3e_1f7b_d06c_42e8);

/// Memory that libvirt can still count in bytes.
const MAX_MEMORY_MIB: u64 = 1 << 40;

impl Vm {
    /// Fills in every default and checks every rule, and reports all problems at once.
    ///
    /// # Errors
    /// All problems of the VM, warnings among them, if at least one is an error.
    pub fn resolve(wire: &VirtualMachine) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut report = Report::new(wire.api_version == FOUNDRY_V1ALPHA1);
        envelope(wire, &mut report);
        text::sweep(wire, &mut report);

        let spec = &wire.spec;
        let name = VmName::parse(&wire.metadata.name).unwrap_or_else(|error| {
            report.error("metadata.name", error.to_string()).hint(
                "use lower-case letters, digits, `-` and `_`; first and last a letter or a digit",
            );
            VmName::placeholder()
        });
        labels::check(&wire.metadata.labels, &mut report);
        if wire.metadata.generation == Some(0) {
            report.error("metadata.generation", "a generation is at least 1");
        }
        if spec.vcpus == 0 {
            report
                .error("spec.vcpus", "a VM has at least 1 virtual CPU")
                .hint("write `vcpus: 1`");
        }
        let pool = spec.storage_pool.as_deref().unwrap_or(VM_POOL);
        text::pool("spec.storagePool", pool, &mut report);

        let mut vm = Self {
            digest: String::new(),
            uuid: Uuid::nil(),
            vcpus: spec.vcpus,
            memory_mib: memory(spec, &mut report),
            cpu_mode: cpu_mode(spec, &mut report),
            firmware: spec.firmware.unwrap_or(Firmware::Uefi),
            tpm: spec.tpm.unwrap_or(false),
            autostart: spec.autostart.unwrap_or(true),
            protected: spec.protected.unwrap_or(false),
            pool: pool.to_owned(),
            boot_disk: disks::boot(&name, &spec.boot_disk, &mut report),
            data_disks: disks::data(&name, &spec.data_disks, &mut report),
            cache_disk: disks::cache(spec.cache_disk.as_ref(), &mut report),
            interfaces: interfaces::resolve(&name, &spec.network_interfaces, &mut report),
            guest: guest::resolve(&name, spec.cloud_init.as_ref(), &mut report),
            wire: VirtualMachine {
                status: None,
                ..wire.clone()
            },
            name,
        };
        secret::agree(&vm.guest, &mut report);
        let warnings = report.finish()?;
        vm.digest = digest::of(&vm);
        vm.uuid = uuid_of(vm.name.as_str(), &vm.digest);
        Ok((vm, warnings))
    }
}

/// The UUID of the domain of a VM with that name and that digest of its spec.
pub(crate) fn uuid_of(name: &str, digest: &str) -> Uuid {
    Uuid::new_v5(&UUID_NAMESPACE, format!("{name}\0{digest}").as_bytes())
}

fn envelope(wire: &VirtualMachine, report: &mut Report) {
    if ![TRUSTNET_V1ALPHA1, FOUNDRY_V1ALPHA1].contains(&wire.api_version.as_str()) {
        report
            .error("apiVersion", format!("`{}` is not known", wire.api_version))
            .hint(format!("write `apiVersion: {TRUSTNET_V1ALPHA1}`"));
    }
    if wire.kind != VIRTUAL_MACHINE {
        report
            .error("kind", format!("`{}` is not known", wire.kind))
            .hint(format!("write `kind: {VIRTUAL_MACHINE}`"));
    }
}

/// Memory in MiB; a quantity is rounded up.
fn memory(spec: &VirtualMachineSpec, report: &mut Report) -> u64 {
    let (path, mib) = match (spec.memory_gib, &spec.memory) {
        (Some(gib), None) => ("spec.memoryGiB", gib.checked_mul(1024)),
        (None, Some(quantity)) => {
            let path = "spec.memory";
            let bytes = report.take(path, quantity::bytes(&quantity.0));
            (path, Some(bytes.map_or(1, |bytes| bytes.div_ceil(1 << 20))))
        }
        (Some(_), Some(_)) => {
            report
                .error("spec.memory", "`memory` and `memoryGiB` are both given")
                .hint("keep one of them");
            return 1;
        }
        (None, None) => {
            report
                .error("spec", "the VM has no memory")
                .hint("add `memoryGiB: 2` or `memory: 2Gi`");
            return 1;
        }
    };
    match mib {
        Some(0) => {
            report.error(path, "memory must be more than 0");
        }
        Some(mib) if mib <= MAX_MEMORY_MIB => return mib,
        _ => {
            report.error(path, "no machine has this much memory");
        }
    }
    1
}

fn cpu_mode(spec: &VirtualMachineSpec, report: &mut Report) -> CpuMode {
    if report.foundry() && spec.cpu_mode == Some(CpuMode::Maximum) {
        report
            .error(
                "spec.cpuMode",
                "Foundry's files know `host-model` and `host-passthrough` only",
            )
            .hint(format!(
                "write `apiVersion: {TRUSTNET_V1ALPHA1}` to use `maximum`"
            ));
    }
    spec.cpu_mode.unwrap_or(CpuMode::HostModel)
}

#[cfg(test)]
mod tests {
    use super::Vm;

    #[test]
    fn the_simple_example_resolves() {
        let text = include_str!("../../../../examples/simple-vm.yaml");
        let wire = serde_saphyr::from_str(text).expect("the example is YAML");
        let (vm, warnings) = Vm::resolve(&wire).expect("the example is valid");
        assert_eq!(warnings, []);
        assert_eq!((vm.name().as_str(), vm.memory_mib()), ("simple-vm", 768));
        assert_eq!(vm.boot_disk().volume, "simple-vm_boot.qcow2");
    }
}

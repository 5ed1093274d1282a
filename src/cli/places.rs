//! In which pools a VM's disks and its image are: a flag, else the spec, else the environment, the configuration, the
//! default. The spec is more particular than a default for all VMs, and a flag is said last.

use trustnet_api::vm::VirtualMachine;
use trustnet_core::record::Record;
use trustnet_core::vm::{IMAGE_POOL, VM_POOL, Vm};

use crate::settings::{Setting, Settings, Source};

/// Which pools neither the spec nor a flag names: they are settled when the VM is made, and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaid {
    pool: bool,
    image_pool: bool,
}

/// Fills in the pools of a spec.
pub fn settle(vm: &mut VirtualMachine, settings: &Settings) -> Unsaid {
    let pool = &mut vm.spec.storage_pool;
    Unsaid {
        pool: fill(pool, &settings.pool, VM_POOL),
        image_pool: vm.spec.boot_disk.image.as_deref().is_some_and(is_bare)
            && fill(
                &mut vm.spec.boot_disk.image_pool,
                &settings.image_pool,
                IMAGE_POOL,
            ),
    }
}

/// Whether an image is named without its pool, and is no path.
fn is_bare(image: &str) -> bool {
    !image.contains([':', '/'])
}

/// Puts a setting into its place, and says whether nobody has named that pool.
fn fill(place: &mut Option<String>, setting: &Setting<String>, default: &str) -> bool {
    let by_flag = matches!(setting.source, Source::Flag(_));
    let unsaid = place.is_none() && !by_flag;
    // What would be so anyhow is not written: the spec stays as it was.
    let is_default = unsaid && setting.value == default;
    if by_flag || unsaid && !is_default {
        *place = Some(setting.value.clone());
    }
    unsaid
}

impl Unsaid {
    /// The same VM in the pools in which it was made, where nobody names others: a default that has changed since makes
    /// no other VM of it.
    #[must_use]
    pub fn as_made(self, vm: &Vm, record: &Record) -> Option<Vm> {
        let mut wire = vm.wire().clone();
        if self.pool {
            wire.spec
                .storage_pool
                .clone_from(&record.spec.spec.storage_pool);
        }
        if self.image_pool {
            let made = &record.spec.spec.boot_disk.image_pool;
            wire.spec.boot_disk.image_pool.clone_from(made);
        }
        let resolved = Vm::resolve(&wire);
        resolved.ok().map(|(vm, _)| vm)
    }
}

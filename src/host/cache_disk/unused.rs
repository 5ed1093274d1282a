//! Cache disks that nobody uses any more.

use std::collections::BTreeSet;

use trustnet_core::cache_disk;
use trustnet_core::plan::{Plan, Step};
use trustnet_core::xml::{DomainXml, read_domain};

use crate::doors::{Hypervisor, VolumeRef};
use crate::error::HostError;

/// A cache disk that nobody uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedVolume {
    /// The pool.
    pub pool: String,
    /// The name of the volume.
    pub name: String,
    /// Bytes that it takes in the pool.
    pub allocation: u64,
}

/// The cache disks, whole or begun, that neither a domain nor one of these plans refers to. A volume is one
/// by its name and by what it holds. `plans` are those of the journals that are left: what they go on to
/// define is not a domain yet. To be called under the planning lock, which is held until they are deleted:
/// what another run has just found there is not deleted under it.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn unused_cache_volumes(
    hypervisor: &dyn Hypervisor,
    plans: &[Plan],
) -> Result<Vec<UnusedVolume>, HostError> {
    let mut used = Used::default();
    for domain in hypervisor.survey().domains()? {
        used.by(&domain.xml);
    }
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        match step {
            Step::DefineDomain { xml } => used.by(&read_domain(xml)),
            Step::EnsureCacheVolume { pool, volume, .. } => {
                used.named.insert((pool.clone(), volume.clone()));
            }
            _ => {}
        }
    }
    let mut unused = Vec::new();
    for (pool, name) in hypervisor.pools().contents()? {
        // Asked by its name first: most volumes are something else, and need not be read.
        if !cache_disk::is_name(&name) || used.named.contains(&(pool.clone(), name.clone())) {
            continue;
        }
        let volume = VolumeRef::Named(&pool, &name);
        let Some(facts) = hypervisor.volumes().find(volume)? else {
            continue;
        };
        if used.files.contains(&facts.path) {
            continue;
        }
        let head = hypervisor.volumes().read(volume, cache_disk::HEAD)?;
        if cache_disk::is_ours(&name, &head) {
            unused.push(UnusedVolume {
                pool,
                name,
                allocation: facts.allocation,
            });
        }
    }
    Ok(unused)
}

/// The volumes that somebody refers to.
#[derive(Default)]
struct Used {
    named: BTreeSet<(String, String)>,
    files: BTreeSet<String>,
}

impl Used {
    fn by(&mut self, domain: &DomainXml) {
        for disk in &domain.disks {
            self.named.extend(disk.volume.clone());
            self.files.extend(disk.file.clone());
            self.files.extend(disk.backing.iter().cloned());
        }
    }
}

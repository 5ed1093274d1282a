//! From a VM and a host to the steps that make it.

use std::collections::{BTreeMap, BTreeSet};

use trustnet_api::disk::ReclaimPolicy;
use trustnet_api::vm::CpuMode;

use super::volumes::Volumes;
use super::{Artifacts, Plan, Refusal, Step, Verb, cache, check};
use crate::observed::Observed;
use crate::pool;
use crate::record::{OwnVolume, Record, Role};
use crate::vm::{Attachment, BootSource, IMAGE_POOL, VM_POOL, Vm};
use crate::xml::{self, DomainInput, DomainType, Forward, Place};

/// What a create is planned from.
#[derive(Debug, Clone, Copy)]
pub struct CreateInput<'a> {
    /// The VM.
    pub vm: &'a Vm,
    /// The host.
    pub observed: &'a Observed,
    /// The keys that were made for this VM.
    pub keys: PublicKeys<'a>,
    /// The size of the seed in bytes.
    pub seed_size: u64,
    /// The folder of the spec, where relative paths in it matter later.
    pub folder: Option<&'a str>,
    /// Whether to wait until the guest is ready.
    pub wait: bool,
    /// The version of this program.
    pub version: &'a str,
    /// What the VM's services need, if they are to be brought.
    pub artifacts: Option<Artifacts<'a>>,
}

/// The public halves of a VM's own SSH keys.
#[derive(Debug, Clone, Copy)]
pub struct PublicKeys<'a> {
    /// The guest's host key.
    pub host: &'a str,
    /// The key that logs into the guest.
    pub login: &'a str,
}

/// What planning a create comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// The VM is there already, made from the same spec.
    Reached,
    /// These steps reach it.
    Steps(Box<Plan>),
}

/// Plans a create.
///
/// # Errors
/// Everything that stands in the way, at once.
pub fn create(input: &CreateInput<'_>) -> Result<Goal, Vec<Refusal>> {
    let CreateInput { vm, observed, .. } = *input;
    if let Some(domain) = observed
        .domains
        .iter()
        .find(|d| d.xml.name == vm.name().as_str())
    {
        return check::existing(vm, domain)
            .map(|()| Goal::Reached)
            .map_err(|refusal| vec![refusal]);
    }
    let kept = pool::as_kept(vm, observed.pools.get(vm.pool()));
    let vm: &Vm = &kept;
    let input = &CreateInput { vm, ..*input };
    let mut refusals = check::all(vm, observed, input.seed_size);
    let cache_disk = cache::disk(input).unwrap_or_else(|refusal| {
        refusals.push(refusal);
        None
    });
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let record = record(input, cache_disk.as_ref());
    let mut steps = Vec::new();
    for pool in missing_pools(vm, observed) {
        let path = default_pool_path(&observed.host.data_dir, pool);
        steps.push(Step::EnsurePool {
            pool: pool.to_owned(),
            xml: xml::pool(pool, &path),
        });
    }
    steps.extend(cache_disk.and_then(|disk| disk.step));
    let volumes = Volumes { vm, observed };
    steps.push(volumes.boot());
    steps.extend(vm.data_disks().iter().map(|disk| volumes.data(disk)));
    steps.push(volumes.seed(input.seed_size));
    let pool = pool::of_seed(vm, observed.pools.get(vm.pool())).to_owned();
    let seed = vm.seed_volume();
    steps.push(Step::WriteSeed {
        pool: pool.clone(),
        volume: seed.clone(),
    });
    steps.push(Step::KeepLoginKey {
        public: input.keys.login.to_owned(),
    });
    steps.push(Step::DefineDomain {
        xml: domain_xml(vm, observed, &record),
    });
    if vm.autostart() {
        steps.push(Step::SetAutostart);
    }
    steps.push(Step::StartDomain);
    if input.wait {
        steps.push(Step::AwaitReady);
        steps.push(Step::ScrubSeed { pool, volume: seed });
    }
    Ok(Goal::Steps(Box::new(Plan {
        verb: Verb::Create,
        vm: vm.name().to_string(),
        uuid: vm.uuid().to_string(),
        steps,
    })))
}

/// What libvirt would be told, without a hypervisor: the domain and its volumes (name and XML), on a
/// host that has everything.
#[must_use]
pub fn render(
    vm: &Vm,
    observed: &Observed,
    keys: PublicKeys<'_>,
    version: &str,
) -> (String, Vec<(String, String)>) {
    let kept = pool::as_kept(vm, observed.pools.get(vm.pool()));
    let vm: &Vm = &kept;
    let input = CreateInput {
        vm,
        observed,
        keys,
        seed_size: 0,
        folder: None,
        wait: false,
        version,
        artifacts: None,
    };
    let made = Volumes { vm, observed };
    let mut volumes = Vec::new();
    if let Step::CreateVolume { volume, xml, .. } | Step::CopyVolume { volume, xml, .. } =
        made.boot()
    {
        volumes.push((volume, xml));
    }
    let data = vm.data_disks().iter();
    volumes.extend(data.map(|disk| (disk.volume.clone(), made.data_xml(disk))));
    (domain_xml(vm, observed, &record(&input, None)), volumes)
}

fn record(input: &CreateInput<'_>, cache_disk: Option<&cache::Disk>) -> Record {
    let vm = input.vm;
    let seed_pool = pool::of_seed(vm, input.observed.pools.get(vm.pool()));
    let own = |name: &str, role, reclaim, size| OwnVolume {
        pool: if role == Role::Seed {
            seed_pool
        } else {
            vm.pool()
        }
        .to_owned(),
        name: name.to_owned(),
        role,
        reclaim,
        size,
    };
    let mut volumes = vec![own(
        &vm.boot_disk().volume,
        Role::Boot,
        ReclaimPolicy::Delete,
        vm.boot_disk().size,
    )];
    volumes.extend(
        vm.data_disks()
            .iter()
            .map(|disk| own(&disk.volume, Role::Data, disk.reclaim, disk.size)),
    );
    volumes.push(own(&vm.seed_volume(), Role::Seed, ReclaimPolicy::Delete, 0));
    Record {
        made_by: input.version.to_owned(),
        digest: vm.digest().to_owned(),
        spec: vm.wire().clone(),
        volumes,
        cache_volume: cache_disk.map(|disk| disk.volume.clone()),
        host_key: input.keys.host.to_owned(),
        login_key: Some(input.keys.login.to_owned()),
        forwards: forwards(vm, &input.observed.free_ports),
        services: Vec::new(),
        folder: input.folder.map(str::to_owned),
    }
}

/// SSH's port of the host for each user-mode interface.
fn forwards(vm: &Vm, free_ports: &BTreeMap<usize, u16>) -> Vec<Forward> {
    let user = |index: usize| matches!(vm.interfaces()[index].attachment, Attachment::User { .. });
    let ports = free_ports.iter().filter(|(interface, _)| user(**interface));
    ports
        .map(|(&interface, &host_port)| Forward {
            interface,
            host_port,
            guest_port: 22,
        })
        .collect()
}

fn domain_xml(vm: &Vm, observed: &Observed, record: &Record) -> String {
    let host = &observed.host;
    let kind = host
        .domain_type
        .as_ref()
        .map_or(DomainType::Kvm, |(kind, _)| *kind);
    let seed_pool = pool::of_seed(vm, observed.pools.get(vm.pool()));
    let made = |pool| default_pool_path(&host.data_dir, pool);
    let (disks_path, seed_path) = (made(vm.pool()), made(seed_pool));
    let backing = backing(observed);
    xml::domain(&DomainInput {
        vm,
        record,
        kind,
        arch: &host.arch,
        cpu_mode: cpu_mode(vm, observed),
        disks: place(vm.pool(), observed, &disks_path),
        seed: place(seed_pool, observed, &seed_path),
        backing: backing
            .as_ref()
            .map(|(path, format)| (path.as_str(), format.as_str())),
    })
}

/// Where the volumes of a pool are; of one that is still to be made, in the folder `made`.
fn place<'a>(pool: &'a str, observed: &'a Observed, made: &'a str) -> Place<'a> {
    let Some(facts) = observed.pools.get(pool) else {
        return Place::Folder(made);
    };
    let path = facts.xml.path.as_str();
    match facts.xml.kind.as_str() {
        "dir" | "fs" | "netfs" => Place::Folder(path),
        "logical" | "zfs" => Place::Devices(path),
        "rbd" => Place::Ceph(&facts.xml.source),
        _ => Place::Pool(pool),
    }
}

/// `host-model` becomes `maximum` where the domain type cannot do it (TCG on some hosts).
fn cpu_mode(vm: &Vm, observed: &Observed) -> CpuMode {
    let can = |mode: &str| {
        observed
            .host
            .capabilities
            .as_ref()
            .is_none_or(|caps| caps.cpu_modes.iter().any(|known| known == mode))
    };
    if vm.cpu_mode() == CpuMode::HostModel && !can("host-model") && can("maximum") {
        return CpuMode::Maximum;
    }
    vm.cpu_mode()
}

pub(super) fn backing(observed: &Observed) -> Option<(String, String)> {
    observed
        .image
        .as_ref()
        .map(|image| (image.volume.path.clone(), image.volume.format.clone()))
}

/// The pools that the VM needs and that are missing or not active.
fn missing_pools<'a>(vm: &'a Vm, observed: &Observed) -> Vec<&'a str> {
    let mut names = vec![vm.pool()];
    names.push(pool::of_seed(vm, observed.pools.get(vm.pool())));
    if let BootSource::Volume { pool, .. } = &vm.boot_disk().source {
        names.push(pool);
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names.retain(|name| observed.pools.get(*name).is_none_or(|pool| !pool.active));
    names
}

/// Where a default pool is made.
#[must_use]
pub fn default_pool_path(data_dir: &str, pool: &str) -> String {
    let folder = match pool {
        IMAGE_POOL => "images",
        VM_POOL => "vms",
        other => other,
    };
    format!("{}/{folder}", data_dir.trim_end_matches('/'))
}

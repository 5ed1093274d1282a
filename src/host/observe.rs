//! From the doors to the facts that a plan is made from.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};

use trustnet_core::artifact::ArtifactSet;
use trustnet_core::image::{self, ImageContent, Sample};
use trustnet_core::observed::{DomainFacts, HostFacts, ImageFacts, Observed, PoolFacts};
use trustnet_core::plan::default_pool_path;
use trustnet_core::pool::{Keeping, as_kept, keeping, of_seed};
use trustnet_core::vm::{Attachment, BootSource, Vm};
use trustnet_core::xml::{DomainType, VolumeXml};

use crate::cache_disk;
use crate::doors::{HostInfo, Hypervisor, VolumeRef};
use crate::error::{BackendErrorKind, HostError};

/// The port below which none is chosen for forwarding.
const FIRST_FORWARDED_PORT: u16 = 2201;

/// Looks at everything that a VM needs of a host.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn observe(
    hypervisor: &dyn Hypervisor,
    vm: &Vm,
    host: &HostInfo,
    domain_type: Option<(DomainType, String)>,
    data_dir: &str,
    artifacts: Option<&ArtifactSet>,
) -> Result<Observed, HostError> {
    let survey = hypervisor.survey();
    let capabilities = match &domain_type {
        Some((kind, _)) => survey.capabilities(*kind, &host.arch)?,
        None => None,
    };
    let domains = survey.domains()?;
    let attached =
        |wanted: fn(&Attachment) -> bool| vm.interfaces().iter().any(|i| wanted(&i.attachment));
    let bridges = if attached(|a| matches!(a, Attachment::Bridge(_))) {
        survey.bridges()?
    } else {
        None
    };
    let networks = if attached(|a| matches!(a, Attachment::Network(_))) {
        survey.networks()?
    } else {
        BTreeMap::new()
    };
    let pools = pools(hypervisor, vm)?;
    let files = |pool: &PoolFacts| pool.active && keeping(pool) == Keeping::Files;
    let active = pools.get(vm.pool()).is_some_and(files);
    let cache_volume = match artifacts.filter(|_| active) {
        Some(set) => cache_disk::standing(hypervisor, vm.pool(), set)?,
        None => None,
    };
    Ok(Observed {
        host: HostFacts {
            session: host.session,
            arch: host.arch.clone(),
            free_memory_mib: host.free_memory_mib,
            domain_type,
            capabilities,
            data_dir: data_dir.to_owned(),
        },
        pools,
        cache_volume,
        free_ports: free_ports(vm, &domains, host.local),
        domains,
        bridges,
        networks,
        image: image(hypervisor, vm, host, data_dir)?,
        near_image: None,
    })
}

fn pools(hypervisor: &dyn Hypervisor, vm: &Vm) -> Result<BTreeMap<String, PoolFacts>, HostError> {
    let mut pools = BTreeMap::new();
    if let BootSource::Volume { pool, .. } = &vm.boot_disk().source
        && let Some(facts) = hypervisor.pools().find(pool)?
    {
        pools.insert(pool.clone(), facts);
    }
    let Some(mut own) = hypervisor.pools().find(vm.pool())? else {
        return Ok(pools);
    };
    let vm = as_kept(vm, Some(&own));
    let of_seed = of_seed(&vm, Some(&own)).to_owned();
    let mut wanted = vec![vm.boot_disk().volume.clone()];
    wanted.extend(vm.data_disks().iter().map(|disk| disk.volume.clone()));
    let seed = vm.seed_volume();
    if of_seed == vm.pool() {
        wanted.push(seed);
    } else if let Some(mut other) = hypervisor.pools().find(&of_seed)? {
        look_up(hypervisor, &of_seed, vec![seed], &mut other)?;
        pools.insert(of_seed, other);
    }
    look_up(hypervisor, vm.pool(), wanted, &mut own)?;
    pools.insert(vm.pool().to_owned(), own);
    Ok(pools)
}

/// Looks which of these volumes a pool has.
fn look_up(
    hypervisor: &dyn Hypervisor,
    name: &str,
    wanted: Vec<String>,
    pool: &mut PoolFacts,
) -> Result<(), HostError> {
    if !pool.active {
        return Ok(());
    }
    for volume in wanted {
        let found = hypervisor.volumes().find(VolumeRef::Named(name, &volume))?;
        pool.volumes.extend(found.map(|facts| (volume, facts)));
    }
    Ok(())
}

fn image(
    hypervisor: &dyn Hypervisor,
    vm: &Vm,
    host: &HostInfo,
    data_dir: &str,
) -> Result<Option<ImageFacts>, HostError> {
    let reference = match &vm.boot_disk().source {
        BootSource::Empty => return Ok(None),
        BootSource::Volume { pool, volume } => VolumeRef::Named(pool, volume),
        BootSource::Path(path) => VolumeRef::Path(path),
    };
    if let VolumeRef::Named(pool, name) = reference {
        match hypervisor.pools().find(pool)? {
            // A pool that was stopped tells nothing of its volumes; the plan starts it.
            Some(facts) if !facts.active && host.local => {
                return Ok(local_image(&format!("{}/{name}", facts.xml.path)));
            }
            Some(_) => {}
            // Before the first VM there is no pool, only the folder that will be one.
            None if host.local => {
                let folder = default_pool_path(data_dir, pool);
                return Ok(local_image(&format!("{folder}/{name}")));
            }
            None => return Ok(None),
        }
    }
    let mut found = hypervisor.volumes().find(reference)?;
    if let (None, VolumeRef::Named(pool, _)) = (&found, reference) {
        // Someone may have put the file there since libvirt last looked.
        hypervisor.pools().refresh(pool)?;
        found = hypervisor.volumes().find(reference)?;
    } else if let (None, VolumeRef::Path(path), true) = (&found, reference, host.local) {
        return Ok(local_image(path));
    }
    let Some(volume) = found else { return Ok(None) };
    // The file's length is not known: what libvirt calls the allocation is what the file system has given it.
    match hypervisor.volumes().read(reference, image::HEAD) {
        Ok(head) => Ok(Some(image_facts(volume, Sample::head(&head)))),
        // libvirt reads nothing out of Ceph.
        Err(HostError::Storage { source, .. }) if source.kind == BackendErrorKind::Unsupported => {
            Ok(Some(ImageFacts {
                volume,
                content: None,
            }))
        }
        Err(error) => Err(error),
    }
}

/// An image that libvirt does not know yet, read as the file that it is.
fn local_image(path: &str) -> Option<ImageFacts> {
    // Before it is opened: a named pipe would wait for somebody who writes.
    let length = fs::metadata(path).ok().filter(Metadata::is_file)?.len();
    let file = File::open(path).ok()?;
    let mut head = Vec::new();
    file.take(image::HEAD).read_to_end(&mut head).ok()?;
    let volume = VolumeXml {
        path: path.to_owned(),
        format: "raw".to_owned(),
        capacity: length,
        allocation: length,
        ..VolumeXml::default()
    };
    let sample = Sample {
        length: Some(length),
        ..Sample::head(&head)
    };
    Some(image_facts(volume, sample))
}

/// What the bytes say counts, whatever the name made libvirt think.
fn image_facts(mut volume: VolumeXml, sample: Sample<'_>) -> ImageFacts {
    let content = ImageContent::of(sample);
    match &content {
        ImageContent::Qcow2(header) => {
            "qcow2".clone_into(&mut volume.format);
            volume.capacity = header.virtual_size;
        }
        ImageContent::Raw(_) => "raw".clone_into(&mut volume.format),
        _ => {}
    }
    ImageFacts {
        volume,
        content: Some(content),
    }
}

/// A port of 127.0.0.1 for each interface that needs one: the spec's, or the first of ours, if no
/// domain forwards it and it can be bound now. Of another machine's ports only the domains tell.
fn free_ports(vm: &Vm, domains: &[DomainFacts], local: bool) -> BTreeMap<usize, u16> {
    let mut taken: Vec<u16> = domains
        .iter()
        .flat_map(|domain| domain.xml.forwarded_ports.iter().copied())
        .collect();
    let mut ports = BTreeMap::new();
    for (index, interface) in vm.interfaces().iter().enumerate() {
        let Attachment::User { ssh_port } = interface.attachment else {
            continue;
        };
        let wanted = ssh_port.map_or(FIRST_FORWARDED_PORT..u16::MAX, |port| {
            port..port.saturating_add(1)
        });
        let free = |port: &u16| {
            let bound = || TcpListener::bind((Ipv4Addr::LOCALHOST, *port));
            !taken.contains(port) && (!local || bound().is_ok())
        };
        if let Some(port) = { wanted }.find(free) {
            taken.push(port);
            ports.insert(index, port);
        }
    }
    ports
}

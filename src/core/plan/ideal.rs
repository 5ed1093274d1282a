//! A host that has everything that a VM asks for: what `render` shows a VM on, and golden plans.

use crate::observed::{HostFacts, ImageFacts, Observed, PoolFacts};
use crate::plan::default_pool_path;
use crate::vm::{Attachment, BootSource, VM_POOL, Vm};
use crate::xml::{DomainType, PoolXml, VolumeXml};

/// The port that stands for the free one that a real host gives.
const PORT: u16 = 2201;

/// The host, with its default pools still to be made.
#[must_use]
pub fn ideal_host(vm: &Vm, session: bool, kind: DomainType) -> Observed {
    let data_dir = if session {
        "/home/user/.local/share/trustnet-vm"
    } else {
        "/var/lib/libvirt/images/foundry"
    };
    let interfaces = || vm.interfaces().iter().enumerate();
    let ports = interfaces().filter_map(|(index, interface)| match interface.attachment {
        Attachment::User { ssh_port } => Some((index, ssh_port.unwrap_or(PORT))),
        _ => None,
    });
    let networks = interfaces().filter_map(|(_, interface)| match &interface.attachment {
        Attachment::Network(network) => Some((network.clone(), true)),
        _ => None,
    });
    let mut observed = Observed {
        host: HostFacts {
            session,
            arch: "x86_64".to_owned(),
            domain_type: Some((kind, "rendered".to_owned())),
            data_dir: data_dir.to_owned(),
            ..HostFacts::default()
        },
        free_ports: ports.collect(),
        networks: networks.collect(),
        image: image_path(vm, data_dir).map(|path| ImageFacts {
            volume: VolumeXml {
                path,
                format: "qcow2".to_owned(),
                ..VolumeXml::default()
            },
            content: None,
        }),
        ..Observed::default()
    };
    if vm.pool() != VM_POOL {
        let pool = ideal_pool(data_dir, vm.pool());
        observed.pools.insert(vm.pool().to_owned(), pool);
    }
    if let BootSource::Volume { pool, .. } = &vm.boot_disk().source {
        let facts = ideal_pool(data_dir, pool);
        observed.pools.insert(pool.clone(), facts);
    }
    observed
}

fn ideal_pool(data_dir: &str, name: &str) -> PoolFacts {
    PoolFacts {
        xml: PoolXml {
            kind: "dir".to_owned(),
            path: default_pool_path(data_dir, name),
            ..PoolXml::default()
        },
        active: true,
        available: u64::MAX,
        ..PoolFacts::default()
    }
}

fn image_path(vm: &Vm, data_dir: &str) -> Option<String> {
    match &vm.boot_disk().source {
        BootSource::Empty => None,
        BootSource::Volume { pool, volume } => {
            Some(format!("{}/{volume}", default_pool_path(data_dir, pool)))
        }
        BootSource::Path(path) => Some(path.clone()),
    }
}

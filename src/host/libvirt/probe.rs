//! The experiment that proves that a domain type works: a guest of two kilobytes.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use trustnet_core::xml::{self, DomainType, probe_domain, probe_name, probe_volume, read_volume};
use uuid::Uuid;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;

use super::Libvirt;
use crate::doors::{Guests, Probes, Proof, Signal, VolumeRef, Volumes};
use crate::error::{BackendError, HostError};
use crate::kvm::{PROBE, WORD};

impl Probes for Libvirt {
    fn boot(&self, kind: DomainType, folder: &str, deadline: Duration) -> Result<Proof, HostError> {
        let id = Uuid::new_v4().simple().to_string();
        let name = probe_name(&id[..12]);
        let begun = Instant::now();
        let domain = {
            // The disk is gone before the probe has run: QEMU holds it open, and if we are killed
            // from here on, the domain goes with the connection and nothing is left.
            let disk = Disk::make(self, &name, folder)?;
            let xml = probe_domain(&name, kind, &disk.path);
            match self
                .connection()
                .create_domain_xml(&xml, virt_sys::VIR_DOMAIN_START_AUTODESTROY)
            {
                Ok(domain) => Running(domain),
                Err(error) => return Ok(Proof::Refused(error.message().to_owned())),
            }
        };
        let uuid = domain
            .0
            .uuid_string()
            .map_err(HostError::vm("look at the probe"))?;
        let console = self.console(&uuid)?;
        let mut said = Vec::new();
        while let Some(left) = deadline.checked_sub(begun.elapsed()) {
            match console.output.recv_timeout(left) {
                Ok(Signal::Bytes(bytes)) => said.extend(bytes),
                Ok(Signal::Closed(_))
                | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => break,
            }
            if said
                .windows(WORD.len())
                .any(|window| window == WORD.as_bytes())
            {
                return Ok(Proof::Passed);
            }
        }
        Ok(Proof::Silent)
    }
}

/// The probe while it runs.
struct Running(Domain);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; if this fails, it ends with the connection.
        let _ = self.0.destroy();
    }
}

/// The probe's disk, in a pool of its own: the first probe of a host runs before there is any other.
struct Disk {
    pool: StoragePool,
    volume: Option<StorageVol>,
    path: String,
}

impl Disk {
    fn make(libvirt: &Libvirt, name: &str, folder: &str) -> Result<Self, HostError> {
        let make = || -> Result<Self, BackendError> {
            let pool = xml::pool(name, folder);
            let pool = libvirt.connection().define_storage_pool_xml(&pool, 0)?;
            let mut disk = Self {
                pool,
                volume: None,
                path: String::new(),
            };
            disk.pool.build(0)?;
            disk.pool.create(virt_sys::VIR_STORAGE_POOL_CREATE_NORMAL)?;
            let volume =
                disk.volume
                    .insert(StorageVol::create_xml(&disk.pool, &probe_volume(name), 0)?);
            disk.path = read_volume(&volume.xml_desc(0)?).path;
            Ok(disk)
        };
        let disk = make().map_err(HostError::storage("make the disk of a probe"))?;
        libvirt.write(VolumeRef::Named(name, name), PROBE)?;
        Ok(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Each may never have come to be; what cannot be removed holds two kilobytes.
        if let Some(volume) = &self.volume {
            let _ = volume.delete(0);
        }
        let _ = self.pool.destroy();
        let _ = self.pool.delete(virt_sys::VIR_STORAGE_POOL_DELETE_NORMAL);
        let _ = self.pool.undefine();
    }
}

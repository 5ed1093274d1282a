//! The choice between KVM and QEMU's own translator.
//!
//! That `/dev/kvm` exists and that QEMU starts with it proves little: there are hosts where KVM
//! emulates each instruction of a guest's kernel, so that a stock guest never comes up. So a probe is
//! booted (`images/probe/probe.S`), once for as long as the host is up.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trustnet_core::xml::DomainType;
use uuid::Uuid;

use crate::doors::{HostInfo, Hypervisor, Proof};
use crate::error::HostError;
use crate::journal::connection_name;
use crate::paths::{Paths, private_dir, write_private};

/// The probe: boot sector and three more.
pub const PROBE: &[u8] = include_bytes!("../../images/probe/probe.bin");

/// What the probe says at its end, again and again.
pub const WORD: &str = "trustnet-vm probe: passed";

/// How long the probe may take; half a second is enough where KVM works.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long an answer counts for another machine, of which we do not see when it starts anew.
const REMOTE_AGE: Duration = Duration::from_secs(24 * 3600);

/// Where a system daemon's QEMU can read.
const SYSTEM_FOLDER: &str = "/var/lib/libvirt/images";

/// Chooses the domain type, and says why.
///
/// # Errors
/// The hypervisor does not answer.
pub fn choose(
    hypervisor: &dyn Hypervisor,
    info: &HostInfo,
    paths: &Paths,
) -> Result<(DomainType, String), HostError> {
    if info.arch != "x86_64" {
        let why = format!(
            "no probe of KVM is made for `{}`; `--virt-type kvm` takes it unproved",
            info.arch
        );
        return Ok((DomainType::Qemu, why));
    }
    if !matches!(
        hypervisor
            .survey()
            .capabilities(DomainType::Kvm, &info.arch),
        Ok(Some(_))
    ) {
        let why = "the hypervisor offers no KVM (no /dev/kvm, or no permission)";
        return Ok((DomainType::Qemu, why.to_owned()));
    }
    let memory = Memory::of(info, paths);
    if let Some(works) = memory.recall() {
        let (kind, why) = verdict(works);
        return Ok((kind, format!("{why} (cached)")));
    }
    let id = Uuid::new_v4().simple().to_string();
    let folder = match info.session {
        true => paths
            .cache
            .join(format!("probe-{id}"))
            .to_string_lossy()
            .into_owned(),
        false => format!("{SYSTEM_FOLDER}/trustnet-vm-probe-{id}"),
    };
    let works = match hypervisor
        .probes()
        .boot(DomainType::Kvm, &folder, DEADLINE)?
    {
        Proof::Passed => true,
        Proof::Silent => false,
        // Quick to find again, and perhaps mended by then: not remembered.
        Proof::Refused(why) => {
            return Ok((
                DomainType::Qemu,
                format!("KVM did not start a probe: {why}"),
            ));
        }
    };
    memory.keep(works);
    let (kind, why) = verdict(works);
    Ok((kind, why))
}

fn verdict(works: bool) -> (DomainType, String) {
    if works {
        return (DomainType::Kvm, "KVM ran the probe".to_owned());
    }
    let seconds = DEADLINE.as_secs();
    (
        DomainType::Qemu,
        format!("KVM started a probe that did not come to its end within {seconds} s"),
    )
}

/// What an earlier probe of this host told. May be thrown away at any time.
struct Memory {
    path: PathBuf,
    /// What the answer holds for.
    host: String,
    age: Option<Duration>,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Remembered {
    host: String,
    works: bool,
}

impl Memory {
    fn of(info: &HostInfo, paths: &Paths) -> Self {
        let probe = Sha256::digest(PROBE);
        let mut host = format!(
            "{} {} {:02x}{:02x}{:02x}{:02x}",
            info.uri, info.identity, probe[0], probe[1], probe[2], probe[3]
        );
        if info.local {
            // A start of the machine, a reload of KVM or other permissions: look anew.
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let device = fs::metadata("/dev/kvm").map_or(0, |facts| facts.ctime());
            host = format!("{host} {} {device}", boot.trim());
        }
        Self {
            path: paths
                .cache
                .join(connection_name(&info.uri))
                .join("kvm.json"),
            host,
            age: (!info.local).then_some(REMOTE_AGE),
        }
    }

    fn recall(&self) -> Option<bool> {
        let written = fs::metadata(&self.path)
            .and_then(|facts| facts.modified())
            .ok()?;
        let age = SystemTime::now().duration_since(written).ok()?;
        if self.age.is_some_and(|most| age > most) {
            return None;
        }
        let remembered: Remembered = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        (remembered.host == self.host).then_some(remembered.works)
    }

    /// Without it the next run asks again, and that is all.
    fn keep(&self, works: bool) {
        let Some(folder) = self.path.parent() else {
            return;
        };
        let Ok(json) = serde_json::to_vec(&Remembered {
            host: self.host.clone(),
            works,
        }) else {
            return;
        };
        if private_dir(folder).is_ok() {
            let _ = write_private(&self.path, &json);
        }
    }
}

#[cfg(test)]
mod tests;

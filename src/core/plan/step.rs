//! The steps of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactSet;

/// What is to be done to one VM, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What for.
    pub verb: Verb,
    /// The VM.
    pub vm: String,
    /// The UUID of its domain.
    pub uuid: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// To make a VM.
    Create,
    /// To remove one.
    Destroy,
}

/// One step: one change of the world that is either done or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "do")]
pub enum Step {
    /// Makes a directory pool, or starts one that is there. Pools are shared: nothing undoes this.
    EnsurePool {
        /// Its name.
        pool: String,
        /// Its XML, for the case that it is missing.
        xml: String,
    },
    /// Makes a volume.
    CreateVolume {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
        /// Size in bytes.
        size: u64,
        /// Its XML.
        xml: String,
    },
    /// Makes a volume with all that an image holds, converted by the hypervisor.
    CopyVolume {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
        /// Size in bytes.
        size: u64,
        /// Its XML.
        xml: String,
        /// The image's pool.
        image_pool: String,
        /// The image.
        image: String,
    },
    /// Makes sure that the volume of a set of artifacts is there, whole: made and written where it is not.
    /// VMs share it: nothing undoes this.
    EnsureCacheVolume {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
        /// Size in bytes.
        size: u64,
        /// Its XML.
        xml: String,
        /// What it holds.
        artifacts: ArtifactSet,
    },
    /// Takes up a volume that an earlier VM of the same name left. Nothing undoes this.
    AdoptVolume {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
    },
    /// Writes the seed's bytes into its volume.
    WriteSeed {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
    },
    /// Keeps the private half of the VM's login key, of which its guest and its record have the public one.
    KeepLoginKey {
        /// The public half, as a line for `authorized_keys`.
        public: String,
    },
    /// Defines the domain, with its record.
    DefineDomain {
        /// Its XML.
        xml: String,
    },
    /// Has libvirt start the domain with the host.
    SetAutostart,
    /// Starts the domain.
    StartDomain,
    /// Waits for the guest.
    AwaitReady,
    /// Overwrites the private host key in the seed's volume.
    ScrubSeed {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
    },
    /// Asks the guest to shut down, and waits.
    ShutDown {
        /// How long, in seconds, before power is cut.
        deadline_s: u64,
    },
    /// Undefines the domain, with its NVRAM, TPM state, managed save and snapshots.
    UndefineDomain,
    /// Deletes a volume that the record names.
    DeleteVolume {
        /// The pool.
        pool: String,
        /// The name.
        volume: String,
    },
    /// Removes the private half of the login key that the record names.
    RemoveLoginKey {
        /// The public half, as a line for `authorized_keys`.
        public: String,
    },
}

impl Plan {
    /// The pools in which something is made, kept or deleted.
    #[must_use]
    pub fn pools(&self) -> Vec<&str> {
        fn pool(step: &Step) -> Option<&str> {
            match step {
                Step::EnsurePool { pool, .. }
                | Step::CreateVolume { pool, .. }
                | Step::CopyVolume { pool, .. }
                | Step::EnsureCacheVolume { pool, .. }
                | Step::AdoptVolume { pool, .. }
                | Step::WriteSeed { pool, .. }
                | Step::ScrubSeed { pool, .. }
                | Step::DeleteVolume { pool, .. } => Some(pool.as_str()),
                Step::KeepLoginKey { .. }
                | Step::DefineDomain { .. }
                | Step::SetAutostart
                | Step::StartDomain
                | Step::AwaitReady
                | Step::ShutDown { .. }
                | Step::UndefineDomain
                | Step::RemoveLoginKey { .. } => None,
            }
        }
        self.steps.iter().filter_map(pool).collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsurePool { pool, .. } => write!(f, "make sure that pool `{pool}` is there"),
            Self::CreateVolume {
                pool, volume, size, ..
            } => {
                write!(
                    f,
                    "create volume `{pool}/{volume}` ({})",
                    crate::units::bytes(*size)
                )
            }
            Self::CopyVolume {
                pool,
                volume,
                size,
                image_pool,
                image,
                ..
            } => write!(
                f,
                "copy image `{image_pool}/{image}` to volume `{pool}/{volume}` ({})",
                crate::units::bytes(*size)
            ),
            Self::EnsureCacheVolume {
                pool,
                volume,
                artifacts,
                ..
            } => write!(
                f,
                "make sure that the cache disk `{pool}/{volume}` holds {} artifacts ({})",
                artifacts.len(),
                crate::units::bytes(artifacts.bytes())
            ),
            Self::AdoptVolume { pool, volume } => {
                write!(f, "take up volume `{pool}/{volume}` as it is")
            }
            Self::WriteSeed { pool, volume } => {
                write!(f, "write the cloud-init seed to `{pool}/{volume}`")
            }
            Self::KeepLoginKey { .. } => f.write_str("keep the VM's login key"),
            Self::DefineDomain { .. } => f.write_str("define the domain"),
            Self::SetAutostart => f.write_str("set the domain to start with the host"),
            Self::StartDomain => f.write_str("start the domain"),
            Self::AwaitReady => f.write_str("wait until the guest is ready"),
            Self::ScrubSeed { pool, volume } => {
                write!(f, "scrub the private host key from `{pool}/{volume}`")
            }
            Self::ShutDown { deadline_s } => {
                write!(f, "shut the guest down (power is cut after {deadline_s} s)")
            }
            Self::UndefineDomain => f.write_str("undefine the domain"),
            Self::DeleteVolume { pool, volume } => write!(f, "delete volume `{pool}/{volume}`"),
            Self::RemoveLoginKey { .. } => f.write_str("remove the VM's login key"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Create => "create",
            Verb::Destroy => "destroy",
        };
        writeln!(f, "{verb} `{}`:", self.vm)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {step}", number + 1)?;
        }
        Ok(())
    }
}

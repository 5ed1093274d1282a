//! The seed: what cloud-init's NoCloud data source reads at boot, and the ISO image that carries it.
//!
//! user-data is the user's, written or generated; vendor-data is ours and works beside any user-data.

mod config;
mod meta;
mod network;
mod scrub;
mod shell;
#[cfg(test)]
mod tests;
mod user_data;
mod vendor;
mod yaml;

use std::fmt;

use crate::iso;
use crate::vm::{SecretMap, SecretValue, Vm};

pub use scrub::scrub;

/// What cloud-init knows a seed by.
const VOLUME_ID: &str = "cidata";
/// A seed that is larger is no seed.
const MAX_DOCUMENT: usize = 16 << 20;

/// What a seed is made from.
#[derive(Debug, Clone, Copy)]
pub struct SeedInput<'a> {
    /// The VM.
    pub vm: &'a Vm,
    /// The secrets that its spec refers to.
    pub secrets: &'a SecretMap,
    /// The guest's SSH host key; without one the guest makes its own.
    pub host_key: Option<HostKey<'a>>,
    /// A line for root's `authorized_keys`: the program's own login.
    pub login_key: Option<&'a str>,
}

/// An Ed25519 SSH host key.
#[derive(Clone, Copy)]
pub struct HostKey<'a> {
    /// The private half in OpenSSH's format.
    pub private_openssh: &'a str,
    /// The public half as one line.
    pub public_openssh: &'a str,
}

/// The four documents of a seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// The user's part.
    pub user_data: String,
    /// Our part: host key, readiness, login, data disks.
    pub vendor_data: String,
    /// Who the instance is.
    pub meta_data: String,
    /// Interfaces, addresses and routes.
    pub network_config: String,
}

/// Why a seed cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A secret that was not read, or is only known by its digest.
    #[error("the value of {what} is not known: it is given by reference or redacted")]
    Secret {
        /// What the secret is for.
        what: String,
    },
    /// A key that is more than one line.
    #[error("the {what} is not one line of text")]
    Key {
        /// Which key.
        what: &'static str,
    },
    /// A document that no guest would want.
    #[error("the {what} has {size} bytes, more than {MAX_DOCUMENT}")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Its size.
        size: usize,
    },
}

impl Seed {
    /// Makes the four documents.
    ///
    /// # Errors
    /// Says which secret is missing or what is too large.
    pub fn render(input: &SeedInput<'_>) -> Result<Self, SeedError> {
        let vm = input.vm;
        let seed = Self {
            user_data: user_data::render(vm.guest(), input.secrets)?,
            vendor_data: vendor::render(vm.data_disks(), input.host_key, input.login_key)?,
            meta_data: meta::render(&vm.instance_id(), vm.guest()),
            network_config: network::render(vm.interfaces()),
        };
        for (what, document) in seed.documents() {
            if document.len() > MAX_DOCUMENT {
                return Err(SeedError::TooLarge {
                    what,
                    size: document.len(),
                });
            }
        }
        Ok(seed)
    }

    /// The documents by the names that cloud-init knows them by.
    #[must_use]
    pub fn documents(&self) -> [(&'static str, &str); 4] {
        [
            ("user-data", &self.user_data),
            ("vendor-data", &self.vendor_data),
            ("meta-data", &self.meta_data),
            ("network-config", &self.network_config),
        ]
    }

    /// One user-data for where there is no vendor-data: our part, and the user's behind it, whose words replace ours.
    #[must_use]
    pub fn single_user_data(&self) -> String {
        vendor::with_user_data(&self.vendor_data, &self.user_data)
    }

    /// The image that the guest mounts. The same seed is the same bytes.
    #[must_use]
    pub fn to_iso(&self) -> Vec<u8> {
        let files = self
            .documents()
            .map(|(name, document)| (name, document.as_bytes()));
        iso::write(VOLUME_ID, &files).expect("fixed names, and sizes that `render` has checked")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

impl fmt::Debug for HostKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKey")
            .field("public_openssh", &self.public_openssh)
            .finish_non_exhaustive()
    }
}

fn reveal<'a>(
    secrets: &'a SecretMap,
    secret: &'a SecretValue,
    what: impl FnOnce() -> String,
) -> Result<&'a str, SeedError> {
    secrets
        .reveal(secret)
        .ok_or_else(|| SeedError::Secret { what: what() })
}

//! The login keys of VMs: `keys/<UUID>.<digest>/id_ed25519` below the user's data, 0600 in a folder 0700. The
//! digest is of the public half that the VM's record names: so VMs of one name and spec on two connections have
//! their own, a copy of a domain has none, and what is removed with a VM is the key of its record and no other.
//!
//! VMs of before there were such know the user's one key, `id_ed25519` below the user's data. It is used where it
//! is, and not made any more.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use trustnet_core::artifact::Digest;
use trustnet_core::record::Record;

use crate::error::HostError;
use crate::journal::{remove_file, sync_dir, write_synced};
use crate::paths::{Paths, private_dir};

/// The name of a private key's file, as ssh(1) has it.
const FILE: &str = "id_ed25519";
/// The same while it is written.
const STAGING: &str = ".id_ed25519.new";

/// A private key to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its file, in OpenSSH's form.
    pub file: PathBuf,
    /// Whether the guest was made to know it.
    pub known: bool,
}

/// What there is on this machine to log into a VM with: its own key, else the user's one key of before. None where
/// there is neither; the user's agent may then have one.
#[must_use]
pub fn identity(paths: &Paths, uuid: &str, record: &Record) -> Option<Identity> {
    let own = record.login_key.as_deref();
    let own = own.map(|public| folder(paths, uuid, public).join(FILE));
    let of_the_user = Identity {
        file: paths.data.join(FILE),
        known: own.is_none(),
    };
    let own = own.map(|file| Identity { file, known: true });
    let all = own.into_iter().chain([of_the_user]);
    all.into_iter().find(|identity| identity.file.is_file())
}

/// Keeps the private half of a VM's login key, whole and durably; one that is there is replaced. Only for who holds
/// the VM's lock.
///
/// # Errors
/// It cannot be written.
pub fn keep(paths: &Paths, uuid: &str, public: &str, pem: &str) -> Result<(), HostError> {
    let folder = folder(paths, uuid, public);
    private_dir(&folder)?;
    let (staging, file) = (folder.join(STAGING), folder.join(FILE));
    remove_file(&staging)?;
    write_synced(&staging, pem.as_bytes())?;
    fs::rename(&staging, &file).map_err(HostError::file("write", &file))?;
    for folder in [&folder, &keys(paths), &paths.data] {
        sync_dir(folder)?;
    }
    Ok(())
}

/// Removes what [`keep`] has left, in whole or in part. Files that the user put beside it stay.
///
/// # Errors
/// It cannot be removed.
pub fn remove(paths: &Paths, uuid: &str, public: &str) -> Result<(), HostError> {
    let folder = folder(paths, uuid, public);
    for name in [STAGING, FILE] {
        remove_file(&folder.join(name))?;
    }
    match fs::remove_dir(&folder) {
        Ok(()) => sync_dir(&keys(paths)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(HostError::file("remove", folder)(error)),
        },
    }
}

fn keys(paths: &Paths) -> PathBuf {
    paths.data.join("keys")
}

fn folder(paths: &Paths, uuid: &str, public: &str) -> PathBuf {
    let digest = Digest::of(public.as_bytes()).short();
    keys(paths).join(format!("{uuid}.{digest}"))
}

#[cfg(test)]
mod tests;

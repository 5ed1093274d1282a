//! Files and folders of the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256, Sha512};
use trustnet_core::artifact::{Checksum, Digest};

use crate::error::HostError;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The digest and the length of what can be read.
///
/// # Errors
/// It cannot be read.
pub fn hash(mut from: impl Read) -> io::Result<(Digest, u64)> {
    pass_on(&mut from, &mut io::sink())
}

/// Copies, and gives the digest and the length of what went through.
pub(in crate::cache) fn pass_on(
    from: &mut dyn Read,
    to: &mut dyn Write,
) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_bytes(hasher.finalize().into()), length)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        length += read as u64;
    }
}

/// Makes a file anew, whatever was there.
pub(in crate::cache) fn create(path: &Path) -> Result<File, HostError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .map_err(HostError::file("create", path))
}

/// Makes a folder that everybody may look into.
pub(in crate::cache) fn open_dir(path: &Path) -> Result<(), HostError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(HostError::file("create folder", path))
}

pub(in crate::cache) fn sync_dir(path: &Path) -> Result<(), HostError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(HostError::file("sync", path))
}

pub(super) fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |facts| facts.len())
}

/// All files below a folder, in the order of their paths.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in read_dir(&folder)? {
            if entry.1 {
                folders.push(entry.0);
            } else {
                found.push(entry.0);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, HostError> {
    let entries = read_dir(folder)?;
    Ok(entries
        .into_iter()
        .filter_map(|(path, is_dir)| is_dir.then_some(path))
        .collect())
}

/// What is in a folder, and which of it are folders; one that has just gone is empty.
fn read_dir(folder: &Path) -> Result<Vec<(PathBuf, bool)>, HostError> {
    let failed = |error| HostError::file("read folder", folder)(error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            Ok((entry.path(), is_dir))
        })
        .collect()
}

/// The checksum of a file, of the same kind as another.
pub(crate) fn checksum_of(path: &Path, like: &Checksum) -> io::Result<Checksum> {
    let mut file = File::open(path)?;
    match like {
        Checksum::Sha256(_) => hash(file).map(|(digest, _)| digest.into()),
        Checksum::Sha512(_) => {
            let mut hasher = Sha512::new();
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(Checksum::Sha512(hasher.finalize().into())),
                    read => hasher.update(&buffer[..read]),
                }
            }
        }
    }
}

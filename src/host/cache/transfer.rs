//! One archive that carries artifacts to a machine without a network.
//!
//! A tar: first `artifacts.json`, which names everything that follows, then `sha256/<digest>` in the order of the
//! digests. The same artifacts give the same bytes, but for what the entries say of when. Of a stranger's archive
//! nothing is believed: a member that is not announced, not a plain file, not of its size or not of its digest
//! refuses the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use trustnet_core::artifact::{Digest, Entry};

use super::error::CacheError;
use super::store::Store;
use super::store::disk::{create, open_dir, pass_on};
use crate::error::HostError;

/// The name of the first member.
const CONTENTS: &str = "artifacts.json";

/// The longest table of contents.
const LONGEST: u64 = 64 << 20;

const KIND: &str = "ArtifactArchive";
const API_VERSION: &str = "trustnet.io/v1alpha1";

/// What is in the archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    api_version: String,
    kind: String,
    artifacts: Vec<Entry>,
}

/// Writes the artifacts with these digests, each hashed again before, into one archive.
///
/// # Errors
/// One is not there or no longer what it was, or the archive cannot be written.
pub fn export(
    store: &Store,
    digests: &BTreeSet<Digest>,
    out: &mut dyn Write,
) -> Result<Vec<Entry>, CacheError> {
    let mut artifacts = store.entries()?;
    artifacts.retain(|entry| digests.contains(&entry.sha256));
    for digest in digests {
        if !artifacts.iter().any(|entry| entry.sha256 == *digest) {
            return Err(CacheError::Missing(*digest));
        }
        store.verify_one(digest)?;
    }
    let failed = |error: io::Error| CacheError::Export(error.to_string());
    let contents = Contents {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        artifacts,
    };
    let json = serde_json::to_vec_pretty(&contents)
        .map_err(|error| CacheError::Export(error.to_string()))?;
    let mut tar = tar::Builder::new(out);
    append(&mut tar, CONTENTS, json.len() as u64, json.as_slice()).map_err(failed)?;
    for digest in digests {
        let path = store.path(digest);
        let blob = File::open(&path).map_err(HostError::file("read", path))?;
        let size = store.size(digest)?;
        append(&mut tar, &format!("sha256/{digest}"), size, blob).map_err(failed)?;
    }
    tar.into_inner().and_then(Write::flush).map_err(failed)?;
    Ok(contents.artifacts)
}

/// A member of which nothing depends on when and by whom it was written.
fn append(
    tar: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    tar.append(&header, content)
}

/// Takes all artifacts of an archive into the store, or none.
///
/// # Errors
/// It is no such archive, or not all in it is what it says.
pub fn import(store: &Store, from: &mut dyn Read) -> Result<Vec<Entry>, CacheError> {
    // Who imports at the same time waits.
    let key = Digest::of(CONTENTS.as_bytes());
    let Some(_lock) = store.lock(&key, &())? else {
        return Err(CacheError::Stopped);
    };
    let staging = store.partial(&key).with_extension("import");
    sweep(&staging)?;
    open_dir(&staging)?;
    let taken = unpack(from, &staging).and_then(|entries| settle(store, entries, &staging));
    let swept = sweep(&staging);
    let entries = taken?;
    swept?;
    Ok(entries)
}

/// Everything is there and verified: gives it its place.
fn settle(store: &Store, entries: Vec<Entry>, staging: &Path) -> Result<Vec<Entry>, CacheError> {
    let digests: BTreeSet<Digest> = entries.iter().map(|entry| entry.sha256).collect();
    for digest in &digests {
        store.adopt(&staging.join(digest.to_string()), digest)?;
    }
    for entry in &entries {
        store.put_entry(entry)?;
    }
    Ok(entries)
}

fn unpack(from: &mut dyn Read, staging: &Path) -> Result<Vec<Entry>, CacheError> {
    let refused = |why: String| CacheError::Import(why);
    let broken = |error: io::Error| CacheError::Import(error.to_string());
    let mut archive = tar::Archive::new(from);
    // As they stand: no extension of the format says anything about a name or a size.
    let mut members = archive.entries().map_err(broken)?.raw(true);
    let mut first = match members.next() {
        Some(first) => first.map_err(broken)?,
        None => return Err(refused("it is empty".to_owned())),
    };
    let entries = contents(&mut first)?;
    let mut awaited: BTreeMap<String, (Digest, u64)> = BTreeMap::new();
    for entry in &entries {
        let announced = (entry.sha256, entry.size);
        let known = awaited.insert(format!("sha256/{}", entry.sha256), announced);
        if known.is_some_and(|known| known != announced) {
            return Err(refused(format!("it names {} with two sizes", entry.sha256)));
        }
    }
    for member in members {
        let mut member = member.map_err(broken)?;
        let name = plain_name(&member)?;
        let Some((digest, size)) = awaited.remove(&name) else {
            return Err(refused(format!("`{name}` is in it, unannounced or twice")));
        };
        let path = staging.join(digest.to_string());
        let mut file = create(&path)?;
        let (found, length) = pass_on(&mut member, &mut file).map_err(broken)?;
        if (found, length) != (digest, size) {
            return Err(refused(format!(
                "`{name}` has {length} bytes that hash to {found}, not {size} that hash to its name"
            )));
        }
        file.sync_all().map_err(HostError::file("sync", path))?;
    }
    match awaited.into_keys().next() {
        Some(name) => Err(refused(format!("`{name}` is not in it"))),
        None => Ok(entries),
    }
}

/// The table of contents.
fn contents(first: &mut tar::Entry<'_, &mut dyn Read>) -> Result<Vec<Entry>, CacheError> {
    let refused = |why: &str| CacheError::Import(why.to_owned());
    if plain_name(first)? != CONTENTS {
        return Err(refused("it does not begin with a table of contents"));
    }
    if first.size() > LONGEST {
        return Err(refused("its table of contents is too long"));
    }
    let mut json = Vec::new();
    first
        .read_to_end(&mut json)
        .map_err(|error| CacheError::Import(error.to_string()))?;
    if json.len() as u64 != first.size() {
        return Err(refused("it ends in its table of contents"));
    }
    let contents: Contents = serde_json::from_slice(&json)
        .map_err(|error| CacheError::Import(format!("its table of contents: {error}")))?;
    if contents.kind != KIND || contents.api_version != API_VERSION {
        return Err(refused(
            "its table of contents is of a kind that this program does not know",
        ));
    }
    let mut named = BTreeSet::new();
    let mut entries = contents.artifacts;
    for entry in &mut entries {
        entry.imported = true;
        if !named.insert(entry.artifact.clone()) {
            return Err(CacheError::Import(format!(
                "it names {} twice",
                entry.artifact
            )));
        }
    }
    Ok(entries)
}

/// The name of a member that is a plain file.
fn plain_name(member: &tar::Entry<'_, &mut dyn Read>) -> Result<String, CacheError> {
    let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
    if member.header().entry_type() != tar::EntryType::Regular {
        return Err(CacheError::Import(format!("`{name}` is no plain file")));
    }
    Ok(name)
}

/// Removes what an import left.
fn sweep(staging: &Path) -> Result<(), HostError> {
    match fs::remove_dir_all(staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HostError::file("remove", staging)(error))
        }
        _ => Ok(()),
    }
}

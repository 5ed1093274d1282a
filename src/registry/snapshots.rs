//! The directory as a file: written, pruned, and put in place of a lost database.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use tracing::{info, warn};
use trustnet_api::network::{NodeRecord, Snapshot};
use trustnet_core::network::{Node, Now, Refusal};

use crate::registrar::Registrar;
use crate::sqlite::{self, StoreError};
use crate::store::{Store, VERSION_JUMP};

const PREFIX: &str = "directory-";
const SUFFIX: &str = ".json";

/// A directory at a moment, which is written record by record.
#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    #[serde(serialize_with = "records")]
    nodes: (&'a [Arc<Node>], Now),
}

fn records<S: Serializer>(
    (nodes, now): &(&[Arc<Node>], Now),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(nodes.len()))?;
    for node in *nodes {
        list.serialize_element(&node.record(now))?;
    }
    list.end()
}

/// Writes the directory into a folder (made, 0700, if it is not there), beside and then renamed; where it is.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(registrar: &Registrar, folder: &Path) -> Result<PathBuf, StoreError> {
    let now = registrar.now();
    let (version, nodes) = registrar.read(|directory| {
        let nodes: Vec<_> = directory.after(None).cloned().collect();
        (directory.version(), nodes)
    });
    sqlite::make_folder(folder)?;
    let time = Timestamp::from_millisecond(now.wall).unwrap_or_default();
    let name = format!(
        "{PREFIX}{version:012}-{}{SUFFIX}",
        time.strftime("%Y%m%dT%H%M%SZ")
    );
    let path = folder.join(name);
    let new = sqlite::beside(&path, "new");
    let failed = || StoreError::file("write the snapshot", &new);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed())?;
    let mut out = BufWriter::new(file);
    let snapshot = Written {
        version,
        nodes: (&nodes, now),
    };
    serde_json::to_writer(&mut out, &snapshot)
        .map_err(io::Error::from)
        .and_then(|()| out.flush())
        .map_err(failed())?;
    sqlite::put(&new, &path)?;
    Ok(path)
}

/// Removes all snapshots of a folder but so many: this one, and those of the latest versions, which lead the names. If a
/// directory began anew by mistake, its small versions do not push out what it was before.
///
/// # Errors
/// The folder cannot be read, or a file not be removed.
pub fn prune(folder: &Path, keep: usize, this: &Path) -> Result<(), StoreError> {
    let failed = || StoreError::file("prune the snapshots in", folder);
    let mut others = all(folder).map_err(failed())?;
    others.retain(|path| path != this);
    let old = (others.len() + 1).saturating_sub(keep);
    for path in others.into_iter().take(old) {
        fs::remove_file(path).map_err(failed())?;
    }
    Ok(())
}

/// The snapshots of a folder.
fn all(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(ours) {
            paths.insert(entry.path());
        }
    }
    Ok(paths)
}

/// How long ago the last snapshot of a folder was written.
fn age(folder: &Path) -> Option<Duration> {
    let paths = all(folder).ok()?;
    let ages = paths
        .iter()
        .filter_map(|path| fs::metadata(path).ok()?.modified().ok()?.elapsed().ok());
    ages.min()
}

/// Writes a snapshot every so often, and keeps so many, for as long as it is polled. A service that is started often
/// writes none for that.
pub async fn keep_writing(registrar: Registrar, folder: PathBuf, every: Duration, keep: usize) {
    let mut rest = age(&folder).map_or(Duration::ZERO, |age| every.saturating_sub(age));
    loop {
        tokio::time::sleep(rest).await;
        let done = registrar.snapshot_file(&folder).await;
        match done.and_then(|path| prune(&folder, keep, &path).map(|()| path)) {
            Ok(path) => info!("wrote the snapshot `{}`", path.display()),
            Err(error) => warn!("no snapshot: {error}"),
        }
        rest = every;
    }
}

/// Makes a root's database of a snapshot, in the place of another. That one is set aside, not deleted. Versions jump, so
/// that they do not go back for anyone who was told of later ones; followers take a snapshot then.
///
/// # Errors
/// The file is no snapshot; the registry runs; the disk took it not.
pub fn restore(database: &Path, snapshot: &Path, now: &Now) -> Result<Restored, StoreError> {
    let (version, nodes) = read(snapshot, now)?;
    let before = Store::last_version(database)?;
    let restored = Restored {
        version: version.max(before.unwrap_or(0)) + VERSION_JUMP,
        nodes: nodes.len(),
        set_aside: set_aside_name(database, now)?,
    };
    let new = sqlite::beside(database, "restoring");
    Store::make(&new, restored.version, &nodes, now)?;
    if let Some(aside) = &restored.set_aside {
        set_aside(database, aside).map_err(StoreError::file("set aside", database))?;
    }
    sqlite::put(&new, database)?;
    Ok(restored)
}

/// What a restored database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its version.
    pub version: u64,
    /// How many nodes are in it.
    pub nodes: usize,
    /// Where the database is that was there before.
    pub set_aside: Option<PathBuf>,
}

/// A name beside the database that is free.
fn set_aside_name(database: &Path, now: &Now) -> Result<Option<PathBuf>, StoreError> {
    let there = |path: &Path| {
        path.try_exists()
            .map_err(StoreError::file("look for", path))
    };
    if !there(database)? {
        return Ok(None);
    }
    let time = Timestamp::from_millisecond(now.wall).unwrap_or_default();
    let time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut path = sqlite::beside(database, &format!("before-{time}"));
    while there(&path)? {
        path = sqlite::beside(&path, "again");
    }
    Ok(Some(path))
}

/// The database stays in its place under a second name, until the new one replaces the first; its log must not, since
/// SQLite would take it for the new one's.
fn set_aside(database: &Path, aside: &Path) -> io::Result<()> {
    fs::hard_link(database, aside)?;
    let log = sqlite::beside(database, "-wal");
    match fs::rename(&log, sqlite::beside(aside, "-wal")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::open(sqlite::folder(database))?.sync_all(),
    }
}

/// Reads a snapshot.
fn read(path: &Path, now: &Now) -> Result<(u64, Vec<Node>), StoreError> {
    let bad = |reason: String| StoreError::Snapshot {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(StoreError::file("open the snapshot", path))?;
    let snapshot: Snapshot =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| bad(error.to_string()))?;
    let nodes = nodes(snapshot.nodes, now).map_err(|refusal| bad(refusal.to_string()))?;
    Ok((snapshot.version, nodes))
}

/// The nodes of records, with one copy of each domain.
pub(crate) fn nodes(records: Vec<NodeRecord>, now: &Now) -> Result<Vec<Node>, Refusal> {
    let mut domains: BTreeSet<Arc<str>> = BTreeSet::new();
    let told = |record: NodeRecord| {
        let domain = match domains.get(record.domain.as_str()) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = record.domain.as_str().into();
                domains.insert(Arc::clone(&new));
                new
            }
        };
        Node::told(&record, domain, now)
    };
    records.into_iter().map(told).collect()
}

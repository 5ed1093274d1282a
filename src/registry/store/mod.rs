//! The directory in SQLite: what was acknowledged is in it.

mod load;
mod row;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};
use trustnet_api::network::{ChangeType, RegistryRole};
use trustnet_core::network::{LogEntry, Node, NodeId, Now, Signed};

pub(crate) use row::BeatRow;
use row::{NodeRow, SignedRow, Sum, change_word, id_column};

use crate::sqlite::{self, StoreError};

/// The schemas, each from the one before it. One that was released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("001.sql")];
/// How far versions jump when a registry becomes a root, or its directory comes from a snapshot: further than any
/// version that was told before and is not known here.
pub const VERSION_JUMP: u64 = 1_000_000;

const PUT_NODE: &str = "INSERT INTO nodes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
    ON CONFLICT (id) DO UPDATE SET key = ?2, name = ?3, address = ?4, port = ?5, domain = ?6, registry = ?7,
        state = ?8, reputation = ?9, first_seen = ?10, active_for = ?11, active_since = ?12, signed_at = ?13,
        signed_seen = ?14, checksum = ?15";
const PUT_BEAT: &str = "INSERT INTO beats VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (id) DO UPDATE SET sequence = ?2, heard = ?3, checksum = ?4";
const NOTE_BEAT: &str = "UPDATE beats SET sequence = ?2, heard = ?3, checksum = ?4 WHERE id = ?1";
const TAKE_NODE: &str = "DELETE FROM nodes WHERE id = ?1";
const PUT_DEPARTED: &str = "INSERT OR REPLACE INTO departed VALUES (?1, ?2, ?3, ?4, ?5)";
const PUT_ADMINISTERED: &str = "INSERT OR REPLACE INTO administered VALUES (?1, ?2, ?3, ?4)";
const FORGET_DEPARTED: &str = "DELETE FROM departed WHERE max(left_at, signed_at) < ?1";
const FORGET_ADMINISTERED: &str = "DELETE FROM administered WHERE signed_at < ?1";
const TAKE_DEPARTED: &str = "DELETE FROM departed WHERE id = ?1";
const PUT_CHANGE: &str =
    "INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
    ?15, ?16, ?17, ?18, ?19)";
const PUT_DIRECTORY: &str = "INSERT OR REPLACE INTO directory VALUES (1, ?1, ?2, ?3, ?4)";
const PUT_FOLLOWED: &str = "INSERT OR REPLACE INTO followed VALUES (1, ?1, ?2)";
const TAKE_FOLLOWED: &str = "DELETE FROM followed";
const PUT_ROOT_SINCE: &str = "INSERT OR REPLACE INTO root_since VALUES (1, ?1, ?2)";
const TAKE_ROOT_SINCE: &str = "DELETE FROM root_since";

/// A directory's database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
    role: RegistryRole,
}

impl Store {
    /// Opens a directory's database, or makes an empty one.
    ///
    /// # Errors
    /// See [`sqlite::open`]; also, a secondary's database is not opened as a root's.
    pub(crate) fn open(path: &Path, role: RegistryRole) -> Result<Self, StoreError> {
        let connection = sqlite::open(path, MIGRATIONS)?;
        let mut store = Self {
            connection,
            path: path.to_owned(),
            role,
        };
        let (version, log_from) = match store.head()? {
            None => (0, 0),
            Some(head) if head.role == role => return Ok(store),
            Some(head) if role == RegistryRole::Secondary => (head.version, head.log_from),
            Some(_) => {
                return Err(StoreError::Secondary {
                    path: path.to_owned(),
                });
            }
        };
        store.transact("mark", |step| {
            step.execute(TAKE_FOLLOWED, [])?;
            step.execute(TAKE_ROOT_SINCE, [])?;
            put_head(step, version, log_from, role)
        })?;
        Ok(store)
    }

    /// Makes the database a root's from now on: versions jump, and followers take a snapshot.
    ///
    /// # Errors
    /// There is none, or it cannot be opened or written; the registry that has it runs.
    pub(crate) fn promote(path: &Path, now: &Now) -> Result<u64, StoreError> {
        fs::metadata(path).map_err(StoreError::file("open the database", path))?;
        let mut store = Self {
            connection: sqlite::open(path, MIGRATIONS)?,
            path: path.to_owned(),
            role: RegistryRole::Root,
        };
        let version = store.head()?.map_or(0, |head| head.version) + VERSION_JUMP;
        store.transact("promote", |step| {
            step.execute("DELETE FROM changes", [])?;
            step.execute(TAKE_FOLLOWED, [])?;
            put_root_since(step, now)?;
            put_head(step, version, version, RegistryRole::Root)
        })?;
        store.close()?;
        Ok(version)
    }

    /// Makes a root's database with these nodes in it, in place of what a killed process left.
    ///
    /// # Errors
    /// The disk took it not.
    pub(crate) fn make(
        path: &Path,
        version: u64,
        nodes: &[Node],
        now: &Now,
    ) -> Result<(), StoreError> {
        let role = RegistryRole::Root;
        let mut store = Self {
            connection: sqlite::make_at(path, MIGRATIONS)?,
            path: path.to_owned(),
            role,
        };
        store.replace(version, nodes, None, now)?;
        store.close()
    }

    /// The version of a database, as far as it can be told: it may be damaged, or not there.
    ///
    /// # Errors
    /// Another process has it.
    pub(crate) fn last_version(path: &Path) -> Result<Option<u64>, StoreError> {
        // SQLite would make a database of an empty file.
        let opened = sqlite::is_database(path).and_then(|()| sqlite::connect(path));
        let connection = match opened {
            Ok(connection) => connection,
            Err(StoreError::InUse { path }) => return Err(StoreError::InUse { path }),
            Err(_) => return Ok(None),
        };
        let store = Self {
            connection,
            path: path.to_owned(),
            role: RegistryRole::Root,
        };
        Ok(store.head().ok().flatten().map(|head| head.version))
    }

    /// Lets the database grow to so many pages only.
    ///
    /// # Errors
    /// SQLite would not.
    pub(crate) fn limit(&self, pages: u32) -> Result<(), StoreError> {
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .map_err(StoreError::sql("limit", &self.path))
    }

    /// Writes changes, and what the administrator signed of nodes that did not change, all or none. `log_from` is the
    /// version before the first change that is kept.
    ///
    /// # Errors
    /// The disk took it not; nothing is written then.
    pub(crate) fn commit(
        &mut self,
        entries: &[LogEntry],
        noted: &[(NodeId, Signed)],
        log_from: u64,
        now: &Now,
    ) -> Result<(), StoreError> {
        let role = self.role;
        self.transact("write into", |step| {
            for (id, signed) in noted {
                put_administered(step, *id, signed)?;
            }
            for entry in entries {
                put_entry(step, entry, now)?;
            }
            let Some(version) = entries.last().map(|last| last.version) else {
                return Ok(());
            };
            let old = log_from.cast_signed();
            step.prepare_cached("DELETE FROM changes WHERE version <= ?1")?
                .execute([old])?;
            put_head(step, version, log_from, role)
        })
    }

    /// Writes the last beats of nodes, all or none; of those that are still there.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn beats(&mut self, beats: &[BeatRow]) -> Result<(), StoreError> {
        self.transact("write heartbeats into", |step| {
            let mut note = step.prepare_cached(NOTE_BEAT)?;
            for beat in beats {
                note.execute(beat_columns(beat))?;
            }
            Ok(())
        })
    }

    /// Puts other nodes in place of all, and forgets the changes and what was signed of other nodes. `root`: whose directory
    /// that is, if a secondary takes it; else this is a root's from now on.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn replace<'a>(
        &mut self,
        version: u64,
        nodes: impl IntoIterator<Item = &'a Node>,
        root: Option<NodeId>,
        now: &Now,
    ) -> Result<(), StoreError> {
        let role = self.role;
        self.transact("replace what is in", |step| {
            for table in [
                "beats",
                "nodes",
                "changes",
                "departed",
                "administered",
                "followed",
                "root_since",
            ] {
                step.execute(&format!("DELETE FROM {table}"), [])?;
            }
            for node in nodes {
                put_node(step, node, now)?;
            }
            match root.map(id_column) {
                Some(root) => {
                    let sum = Sum::new().number(root).column();
                    step.execute(PUT_FOLLOWED, [root, sum])?;
                }
                None => put_root_since(step, now)?,
            }
            put_head(step, version, version, role)
        })
    }

    /// Forgets the nodes that left, and what the administrator had signed, before a moment, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn forget_signed(&mut self, before: u64) -> Result<(), StoreError> {
        self.transact("tidy", |step| {
            let before = [before.cast_signed()];
            step.execute(FORGET_DEPARTED, before)?;
            step.execute(FORGET_ADMINISTERED, before).map(drop)
        })
    }

    /// Lets the database go: everything is in its one file then.
    ///
    /// # Errors
    /// The disk took it not. Nothing is lost: it is in the log beside the database.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let failed = StoreError::sql("close", &self.path);
        self.connection.close().map_err(|(_, error)| failed(error))
    }

    fn transact(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let failed = || StoreError::sql(doing, &self.path);
        let step = self.connection.transaction().map_err(failed())?;
        work(&step).map_err(failed())?;
        step.commit().map_err(failed())
    }
}

fn put_head(
    step: &Transaction<'_>,
    version: u64,
    log_from: u64,
    role: RegistryRole,
) -> rusqlite::Result<()> {
    let (version, log_from) = (version.cast_signed(), log_from.cast_signed());
    let role = role_word(role);
    let sum = Sum::new().number(version).number(log_from).text(role);
    step.prepare_cached(PUT_DIRECTORY)?
        .execute(params![version, log_from, role, sum.column()])
        .map(drop)
}

fn put_root_since(step: &Transaction<'_>, now: &Now) -> rusqlite::Result<()> {
    let at = now.seconds().cast_signed();
    let sum = Sum::new().number(at).column();
    step.execute(PUT_ROOT_SINCE, [at, sum]).map(drop)
}

fn put_entry(step: &Transaction<'_>, entry: &LogEntry, now: &Now) -> rusqlite::Result<()> {
    let node = &entry.node;
    if entry.change == ChangeType::NodeRemoved {
        step.prepare_cached(TAKE_NODE)?
            .execute([id_column(node.id)])?;
        put_departed(step, node, now)?;
    } else {
        put_node(step, node, now)?;
        step.prepare_cached(TAKE_DEPARTED)?
            .execute([id_column(node.id)])?;
    }
    if let Some(signed) = &entry.administered {
        put_administered(step, node.id, signed)?;
    }
    put_change(step, entry, now)
}

fn put_departed(step: &Transaction<'_>, node: &Node, now: &Now) -> rusqlite::Result<()> {
    let (id, at) = (id_column(node.id), now.seconds().cast_signed());
    let signed = SignedRow::new(&node.signed);
    let sum = signed.sum(Sum::new().number(id).number(at)).column();
    step.prepare_cached(PUT_DEPARTED)?
        .execute(params![id, at, signed.at(), signed.seen(), sum])
        .map(drop)
}

fn put_administered(step: &Transaction<'_>, id: NodeId, signed: &Signed) -> rusqlite::Result<()> {
    let id = id_column(id);
    let signed = SignedRow::new(signed);
    let sum = signed.sum(Sum::new().number(id)).column();
    step.prepare_cached(PUT_ADMINISTERED)?
        .execute(params![id, signed.at(), signed.seen(), sum])
        .map(drop)
}

fn put_node(step: &Transaction<'_>, node: &Node, now: &Now) -> rusqlite::Result<()> {
    let row = NodeRow::new(node, now);
    let mut put = step.prepare_cached(PUT_NODE)?;
    bind(&mut put, 1, &row)?;
    put.raw_bind_parameter(row::COLUMNS + 1, row.sum(Sum::new()).column())?;
    put.raw_execute()?;
    step.prepare_cached(PUT_BEAT)?
        .execute(beat_columns(&BeatRow::of(node)))
        .map(drop)
}

fn put_change(step: &Transaction<'_>, entry: &LogEntry, now: &Now) -> rusqlite::Result<()> {
    let row = NodeRow::new(&entry.node, now);
    let beat = BeatRow::of(&entry.node);
    let version = entry.version.cast_signed();
    let change = change_word(entry.change);
    let sum = change_sum(version, change, &beat, &row).column();
    let mut put = step.prepare_cached(PUT_CHANGE)?;
    put.raw_bind_parameter(1, version)?;
    put.raw_bind_parameter(2, change)?;
    put.raw_bind_parameter(3, beat.sequence.cast_signed())?;
    put.raw_bind_parameter(4, beat.heard)?;
    bind(&mut put, 5, &row)?;
    put.raw_bind_parameter(5 + row::COLUMNS, sum)?;
    put.raw_execute().map(drop)
}

fn bind(
    statement: &mut rusqlite::Statement<'_>,
    from: usize,
    row: &NodeRow<'_>,
) -> rusqlite::Result<()> {
    for (place, column) in row.columns().into_iter().enumerate() {
        statement
            .raw_bind_parameter(from + place, rusqlite::types::ToSqlOutput::Borrowed(column))?;
    }
    Ok(())
}

fn beat_columns(beat: &BeatRow) -> [i64; 4] {
    let id = id_column(beat.id);
    let sum = beat.sum(Sum::new().number(id)).column();
    [id, beat.sequence.cast_signed(), beat.heard, sum]
}

/// The sum of a row of `changes`.
fn change_sum(version: i64, change: &str, beat: &BeatRow, row: &NodeRow<'_>) -> Sum {
    row.sum(beat.sum(Sum::new().number(version).text(change)))
}

fn role_word(role: RegistryRole) -> &'static str {
    match role {
        RegistryRole::Root => "root",
        RegistryRole::Secondary => "secondary",
    }
}

/// The beats that are to be written, of nodes.
pub(crate) fn beats_of<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<BeatRow> {
    nodes.map(BeatRow::of).collect()
}

//! What is in a database, read and compared with its sums.

use rusqlite::{OptionalExtension, Row};
use trustnet_api::network::RegistryRole;
use trustnet_core::network::{Directory, Left, LogEntry, Node, NodeId, Now, Signed};

use super::row::{self, Domains, NodeRow, Odd, SignedRow, Sum, integer, node_id, odd, text};
use super::{BeatRow, Store, change_sum, role_word};
use crate::sqlite::StoreError;

const NODES: &str = "SELECT n.*, b.sequence, b.heard, b.checksum
    FROM nodes n LEFT JOIN beats b ON b.id = n.id ORDER BY n.id";
const CHANGES: &str = "SELECT * FROM changes WHERE version > ?1 ORDER BY version";

/// The one row of the table `directory`.
pub(super) struct Head {
    pub(super) version: u64,
    pub(super) log_from: u64,
    pub(super) role: RegistryRole,
}

impl Store {
    /// Reads the directory.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for anything that was not written so.
    pub(crate) fn load(&self, log_capacity: usize, now: &Now) -> Result<Directory, StoreError> {
        let head = self
            .head()?
            .ok_or_else(|| StoreError::damaged(&self.path, "it has no version"))?;
        let mut domains = Domains::default();
        let mut directory = Directory::new(log_capacity);
        let nodes: Vec<Node> = self.rows(NODES, [], |row| node(row, &mut domains, now))?;
        directory.replace(head.version, nodes);
        let log_from = head.log_from.cast_signed();
        let log = self.rows(CHANGES, [log_from], |row| entry(row, &mut domains, now))?;
        self.unbroken(&head, &log)?;
        directory.remember(head.log_from, log);
        directory.remember_departed(self.rows("SELECT * FROM departed", [], departed)?);
        for (id, signed) in self.rows("SELECT * FROM administered", [], administered)? {
            directory.remember_administered(id, signed);
        }
        if let Some(at) = self.single("SELECT at, checksum FROM root_since")? {
            directory.remember_root_since(at.cast_unsigned());
        }
        Ok(directory)
    }

    /// What the database says of itself; nothing, if it is new.
    pub(super) fn head(&self) -> Result<Option<Head>, StoreError> {
        let query = "SELECT version, log_from, role, checksum FROM directory";
        self.connection
            .query_row(query, [], |row| Ok(head(row)?))
            .optional()
            .map_err(|error| self.odd(error))
    }

    /// The root whose directory this is, as far as that is known.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn followed(&self) -> Result<Option<NodeId>, StoreError> {
        let root = self.single("SELECT root, checksum FROM followed")?;
        Ok(root.map(node_id))
    }

    /// The number of a table that has one row at most.
    fn single(&self, query: &str) -> Result<Option<i64>, StoreError> {
        let rows = self.rows(query, [], |row| {
            let number = integer(row, 0)?;
            Sum::new().number(number).check(row, 1)?;
            Ok(number)
        });
        Ok(rows?.pop())
    }

    fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Odd>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare(query)?;
            statement
                .query_map(parameters, |row| Ok(read(row)?))?
                .collect()
        };
        rows().map_err(|error| self.odd(error))
    }

    fn odd(&self, error: rusqlite::Error) -> StoreError {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..) => {
                StoreError::damaged(&self.path, error.to_string())
            }
            error => StoreError::sql("read", &self.path)(error),
        }
    }

    fn unbroken(&self, head: &Head, log: &[LogEntry]) -> Result<(), StoreError> {
        let versions = (head.log_from..head.version).map(|before| before + 1);
        if log.iter().map(|entry| entry.version).eq(versions) {
            Ok(())
        } else {
            Err(StoreError::damaged(&self.path, "a change is missing"))
        }
    }
}

fn head(row: &Row<'_>) -> Result<Head, Odd> {
    let (version, log_from, role) = (integer(row, 0)?, integer(row, 1)?, text(row, 2)?);
    Sum::new()
        .number(version)
        .number(log_from)
        .text(role)
        .check(row, 3)?;
    Ok(Head {
        version: version.cast_unsigned(),
        log_from: log_from.cast_unsigned(),
        role: [RegistryRole::Root, RegistryRole::Secondary]
            .into_iter()
            .find(|one| role_word(*one) == role)
            .ok_or_else(|| odd("a role is none"))?,
    })
}

fn node(row: &Row<'_>, domains: &mut Domains, now: &Now) -> Result<Node, Odd> {
    let columns = NodeRow::read(row, 0)?;
    columns.sum(Sum::new()).check(row, row::COLUMNS)?;
    let beat = BeatRow::read(row, 0, row::COLUMNS + 1)?;
    beat.sum(Sum::new().number(row::id_column(beat.id)))
        .check(row, row::COLUMNS + 3)?;
    columns.node(&beat, domains, now)
}

fn entry(row: &Row<'_>, domains: &mut Domains, now: &Now) -> Result<LogEntry, Odd> {
    let (version, word) = (integer(row, 0)?, text(row, 1)?);
    let beat = BeatRow::read(row, 4, 2)?;
    let columns = NodeRow::read(row, 4)?;
    change_sum(version, word, &beat, &columns).check(row, 4 + row::COLUMNS)?;
    Ok(LogEntry {
        version: version.cast_unsigned(),
        change: row::change(word)?,
        node: columns.node(&beat, domains, now)?.into(),
        administered: None,
    })
}

fn departed(row: &Row<'_>) -> Result<(NodeId, Left), Odd> {
    let (id, at) = (integer(row, 0)?, integer(row, 1)?);
    let signed = SignedRow::read(row, 2)?;
    signed.sum(Sum::new().number(id).number(at)).check(row, 4)?;
    let left = Left {
        at: at.cast_unsigned(),
        signed: signed.signed(),
    };
    Ok((node_id(id), left))
}

fn administered(row: &Row<'_>) -> Result<(NodeId, Signed), Odd> {
    let id = integer(row, 0)?;
    let signed = SignedRow::read(row, 1)?;
    signed.sum(Sum::new().number(id)).check(row, 3)?;
    Ok((node_id(id), signed.signed()))
}

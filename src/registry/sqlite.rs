//! SQLite databases that survive a kill and a power cut, and say so when they are damaged.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// How long another process may take to let the database go.
const BUSY: Duration = Duration::from_secs(5);
/// Databases over this size are not checked whole when they are opened: it would take seconds. What is read is checked
/// all the same.
const CHECKED_WHOLE: u64 = 512 * 1024 * 1024;
/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why something is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("{doing} `{path}`: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The database took something not, for now.
    #[error("{doing} `{path}`: {source}")]
    Sql {
        /// What was tried.
        doing: &'static str,
        /// In which database.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// What is in the database is not what was written.
    #[error(
        "the database `{path}` is damaged ({what}): restore a snapshot in its place, with \
         `trustnet-registry --config FILE --restore SNAPSHOT`; the damaged one is kept beside it"
    )]
    Damaged {
        /// Which database.
        path: PathBuf,
        /// How that was found.
        what: String,
    },
    /// What is in the queue of writes is not what was written.
    #[error(
        "the queue `{path}` is damaged ({what}): move it away and start again; the writes that waited in it are lost, \
         and their nodes register anew"
    )]
    DamagedQueue {
        /// Which file.
        path: PathBuf,
        /// How that was found.
        what: String,
    },
    /// A database of something else.
    #[error("`{path}` is a database of another program: choose another `database.path`")]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// A database of a newer program.
    #[error(
        "the database `{path}` is of a newer version (its schema is {found}, this program knows up to {known}): \
         use that version, or restore a snapshot with this one"
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// Another process has it.
    #[error("the database `{path}` is in use by another process: stop that one first")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// A secondary's database under a root.
    #[error(
        "the database `{path}` is a secondary's, and this registry is to be a root: make it one with \
         `trustnet-registry --config FILE --promote`"
    )]
    Secondary {
        /// Which.
        path: PathBuf,
    },
    /// A file that is no snapshot.
    #[error("`{path}` is no snapshot of a directory: {reason}")]
    Snapshot {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Too much waits to be written.
    #[error("{waiting} writes wait for the disk: try again later")]
    Behind {
        /// How many.
        waiting: usize,
    },
    /// The service ends.
    #[error("the registry is shutting down")]
    Closed,
}

impl StoreError {
    /// Makes an error of a file's.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// Makes an error of SQLite's.
    pub(crate) fn sql(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged {
                path,
                what: source.to_string(),
            },
            _ => Self::Sql {
                doing,
                path,
                source,
            },
        }
    }

    /// The database is damaged.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// Opens a database, or makes it: nobody else may read it (0600, in a folder of 0700), and no other process may open it
/// while this one has it. `migrations` lead from nothing to the newest schema; more are added at the end, ever.
///
/// A database appears whole: one that is there without a schema, or short, was not left so by a kill.
///
/// # Errors
/// See [`StoreError`]; a damaged database is left as it is.
pub fn open(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    let there = path
        .try_exists()
        .map_err(StoreError::file("open the database", path))?;
    if !there {
        make(path, migrations)?;
    }
    is_database(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(StoreError::file("close others out of", path))?;
    let mut connection = connect(path)?;
    match schema(&connection, path)? {
        0 => {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
            });
        }
        _ => migrate(&mut connection, path, migrations)?,
    }
    check(&connection, path)?;
    Ok(connection)
}

/// Makes a database beside its place, and then puts it there.
fn make(path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let new = beside(path, "new");
    make_at(&new, migrations)?
        .close()
        .map_err(|(_, error)| StoreError::sql("close", &new)(error))?;
    put(&new, path)
}

/// Makes a database at a place where a killed process may have left one half-done.
pub(crate) fn make_at(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    make_folder(folder(path))?;
    blank(path)?;
    let mut connection = connect(path)?;
    migrate(&mut connection, path, migrations)?;
    Ok(connection)
}

/// Makes a folder that nobody else may look into, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(StoreError::file("make the folder", folder))
}

/// An empty file that nobody else may read.
fn blank(path: &Path) -> Result<(), StoreError> {
    for old in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::file("clear away", &old)(error));
            }
            _ => {}
        }
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(StoreError::file("make", path))
}

/// Puts a finished file in the place of another, durably.
pub(crate) fn put(new: &Path, path: &Path) -> Result<(), StoreError> {
    File::open(new)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(new, path))
        .and_then(|()| File::open(folder(path))?.sync_all())
        .map_err(StoreError::file("put in place", path))
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file of the same name with more at its end: `-wal` as SQLite does, `.new` for any other word.
pub(crate) fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if !word.starts_with('-') {
        name.push(".");
    }
    name.push(word);
    PathBuf::from(name)
}

/// SQLite takes an empty file for an empty database: here, nothing makes such a file but a damage.
pub(crate) fn is_database(path: &Path) -> Result<(), StoreError> {
    use std::io::Read as _;
    let mut first = Vec::with_capacity(MAGIC.len());
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut first))
        .map_err(StoreError::file("read the database", path))?;
    match first.as_slice() {
        [] => Err(StoreError::damaged(path, "it is empty")),
        first if first == MAGIC => Ok(()),
        _ => Err(StoreError::damaged(path, "it is no SQLite database")),
    }
}

/// Opens a file that is there, alone.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = || StoreError::sql("open the database", path);
    let connection = Connection::open_with_flags(path, flags).map_err(failed())?;
    connection.busy_timeout(BUSY).map_err(failed())?;
    connection.set_prepared_statement_cache_capacity(64);
    // In this order: a database that is held alone from the first access on needs no shared memory for its log.
    for (name, value) in [
        ("locking_mode", "EXCLUSIVE"),
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("journal_size_limit", "67108864"),
    ] {
        connection
            .pragma_update(None, name, value)
            .map_err(failed())?;
    }
    // Takes the lock now, not at the first write.
    connection
        .execute_batch("BEGIN EXCLUSIVE; COMMIT")
        .map_err(failed())?;
    Ok(connection)
}

fn schema(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(StoreError::sql("read the schema's number of", path))
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let failed = || StoreError::sql("bring up to date", path);
    let found = schema(connection, path)?;
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let done = usize::try_from(found)
        .map_err(|_| StoreError::damaged(path, format!("its schema is {found}")))?;
    for (number, migration) in migrations.iter().enumerate().skip(done) {
        let step = connection.transaction().map_err(failed())?;
        step.execute_batch(migration).map_err(failed())?;
        let number = i64::try_from(number + 1).unwrap_or(i64::MAX);
        step.pragma_update(None, "user_version", number)
            .map_err(failed())?;
        step.commit().map_err(failed())?;
    }
    Ok(())
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let size = fs::metadata(path)
        .map_err(StoreError::file("measure", path))?
        .len();
    if size > CHECKED_WHOLE {
        return Ok(());
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(StoreError::sql("check", path))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        _ => Err(StoreError::damaged(path, verdict)),
    }
}

#[cfg(test)]
mod tests;

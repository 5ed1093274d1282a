//! A plan on disk, with how far it has come. It is written and synced before the first step, and
//! each step is marked before and after; what `kill -9` leaves is enough to finish or to undo.
//!
//! One folder a VM and connection: `plan.json`, `log` (a line a mark), and, 0600, `seed.iso` with the guest's
//! private host key and `login_key` with the private half of the VM's login key. The folder appears whole and goes whole: while it is made it has
//! another name, and so while it is removed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trustnet_core::plan::Plan;

use crate::error::HostError;
use crate::paths::{Paths, private_dir};

/// The journal of one VM's plan.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    plan: Plan,
    /// Open from the first mark on: who only looks changes nothing.
    log: Option<File>,
    /// Bytes of whole lines in the log; what stands behind them was cut off.
    whole: u64,
    marks: Vec<Mark>,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// Not touched.
    #[default]
    Pending,
    /// Begun, and perhaps done.
    Begun,
    /// Done.
    Done,
}

/// What a create puts where its plan says. The plan itself holds no private key.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The seed's bytes.
    pub seed: &'a [u8],
    /// The private half of the VM's login key, in PEM.
    pub login_key: &'a str,
}

/// The files with private keys in a journal's folder.
const SEED: &str = "seed.iso";
const LOGIN_KEY: &str = "login_key";

/// What stands in `plan.json`.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    plan: Plan,
}

/// The version of the journal's form that this program writes and reads.
const VERSION: u32 = 1;

/// The folder for everything about one connection.
#[must_use]
pub fn connection_dir(paths: &Paths, uri: &str) -> PathBuf {
    paths.state.join(connection_name(uri))
}

/// A connection as the name of a folder.
pub(crate) fn connection_name(uri: &str) -> String {
    let digest = Sha256::digest(uri.as_bytes());
    let readable: String = uri
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    format!(
        "{readable}-{:02x}{:02x}{:02x}{:02x}",
        digest[0], digest[1], digest[2], digest[3]
    )
}

/// The folder of a VM's journal.
#[must_use]
pub fn journal_dir(paths: &Paths, uri: &str, vm: &str) -> PathBuf {
    connection_dir(paths, uri).join("journal").join(vm)
}

/// The VMs with a journal on this connection, sorted.
#[must_use]
pub fn leftovers(paths: &Paths, uri: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(connection_dir(paths, uri).join("journal")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("plan.json").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        // Half made or half removed; the name of a VM has no dot.
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

/// Removes what a killed run has left of a journal's folder that it was making or removing. Only
/// for who holds the VM's lock.
///
/// # Errors
/// It cannot be removed.
pub fn sweep(folder: &Path) -> Result<(), HostError> {
    for name in [staging(folder), closing(folder)] {
        match fs::remove_dir_all(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(HostError::file("remove", name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The folder while it is made.
fn staging(folder: &Path) -> PathBuf {
    folder.with_extension("new")
}

/// The folder while it is removed.
fn closing(folder: &Path) -> PathBuf {
    folder.with_extension("old")
}

/// A moment at which tests end the process.
#[cfg(feature = "fake")]
fn moment(name: &str) {
    crate::fake::at(name);
}

#[cfg(not(feature = "fake"))]
fn moment(_name: &str) {}

impl Journal {
    /// Begins the journal of a plan. The folder appears with everything in it, or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(
        folder: &Path,
        plan: Plan,
        payload: Option<Payload<'_>>,
    ) -> Result<Self, HostError> {
        sweep(folder)?;
        let staging = staging(folder);
        private_dir(&staging)?;
        let stored = Stored {
            version: VERSION,
            plan,
        };
        let json = serde_json::to_vec_pretty(&stored).map_err(|error| HostError::Journal {
            path: folder.to_owned(),
            why: error.to_string(),
        })?;
        write_synced(&staging.join("plan.json"), &json)?;
        if let Some(payload) = payload {
            write_synced(&staging.join(SEED), payload.seed)?;
            write_synced(&staging.join(LOGIN_KEY), payload.login_key.as_bytes())?;
        }
        write_synced(&staging.join("log"), b"")?;
        sync_dir(&staging)?;
        moment("staged");
        fs::rename(&staging, folder).map_err(HostError::file("write", folder))?;
        if let Some(parent) = folder.parent() {
            sync_dir(parent)?;
        }
        moment("written");
        let marks = vec![Mark::Pending; stored.plan.steps.len()];
        Ok(Self {
            folder: folder.to_owned(),
            plan: stored.plan,
            log: None,
            whole: 0,
            marks,
        })
    }

    /// Opens a journal that was left.
    ///
    /// # Errors
    /// It cannot be read, or a newer version wrote it.
    pub fn open(folder: &Path) -> Result<Option<Self>, HostError> {
        let path = folder.join("plan.json");
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HostError::file("read", path)(error)),
        };
        let bad = |why: String| HostError::Journal {
            path: folder.to_owned(),
            why,
        };
        let stored: Stored =
            serde_json::from_slice(&json).map_err(|error| bad(error.to_string()))?;
        if stored.version != VERSION {
            return Err(bad(format!(
                "its form is version {}, and this program knows {VERSION}",
                stored.version
            )));
        }
        let log_path = folder.join("log");
        let text = fs::read_to_string(&log_path).map_err(HostError::file("read", &log_path))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let marks = read_marks(&text[..whole], stored.plan.steps.len());
        Ok(Some(Self {
            folder: folder.to_owned(),
            plan: stored.plan,
            log: None,
            whole: whole as u64,
            marks,
        }))
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far each step has come.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The seed's bytes.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn seed(&self) -> Result<Vec<u8>, HostError> {
        let path = self.folder.join(SEED);
        fs::read(&path).map_err(HostError::file("read", path))
    }

    /// The private half of the VM's login key, in PEM.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn login_key(&self) -> Result<String, HostError> {
        let path = self.folder.join(LOGIN_KEY);
        fs::read_to_string(&path).map_err(HostError::file("read", path))
    }

    /// Marks a step, durably.
    ///
    /// # Errors
    /// The mark cannot be written; the step is then not to be taken.
    pub fn mark(&mut self, step: usize, mark: Mark) -> Result<(), HostError> {
        let word = match mark {
            Mark::Pending => "undone",
            Mark::Begun => "begun",
            Mark::Done => "done",
        };
        let line = format!("{word} {step}\n");
        self.append(&line)
            .map_err(HostError::file("write", self.folder.join("log")))?;
        moment(&format!("{word}:{step}"));
        if let Some(place) = self.marks.get_mut(step) {
            *place = mark;
        }
        Ok(())
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        if self.log.is_none() {
            let log = OpenOptions::new()
                .append(true)
                .open(self.folder.join("log"))?;
            log.set_len(self.whole)?;
            self.log = Some(log);
        }
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        log.write_all(line.as_bytes())?;
        log.sync_data()
    }

    /// Removes the journal: nothing remains to be done.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn finish(self) -> Result<(), HostError> {
        // The private keys first: nothing needs them here any more.
        for name in [SEED, LOGIN_KEY] {
            remove_file(&self.folder.join(name))?;
        }
        moment("finished");
        let closing = closing(&self.folder);
        fs::rename(&self.folder, &closing).map_err(HostError::file("remove", &self.folder))?;
        if let Some(parent) = self.folder.parent() {
            sync_dir(parent)?;
        }
        moment("closing");
        fs::remove_dir_all(&closing).map_err(HostError::file("remove", &closing))
    }
}

/// Reads the marks.
fn read_marks(text: &str, steps: usize) -> Vec<Mark> {
    let mut marks = vec![Mark::Pending; steps];
    for line in text.lines() {
        let Some((word, step)) = line.split_once(' ') else {
            continue;
        };
        let Some(place) = step
            .parse()
            .ok()
            .and_then(|step: usize| marks.get_mut(step))
        else {
            continue;
        };
        *place = match word {
            "begun" => Mark::Begun,
            "done" => Mark::Done,
            "undone" => Mark::Pending,
            _ => continue,
        };
    }
    marks
}

/// Writes a file that only the user may read, durably.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(HostError::file("write", path))
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<(), HostError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), NotFound | NotADirectory) => {
            Err(HostError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes what was put into a folder, and taken from it, durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), HostError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(HostError::file("sync", path))
}

//! The directory, read from memory and written durably.

mod job;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use tokio::sync::{oneshot, watch};
use trustnet_api::network::{Changes, NodeState, RegistryRole, Snapshot};
use trustnet_core::network::{
    Directory, Gap, Liveness, LogEntry, NodeId, Now, Proof, Refusal, Write,
};

use crate::clock::Clock;
use crate::snapshots;
use crate::sqlite::StoreError;
use crate::store::Store;
use job::Job;
use writer::Writer;

/// How many writes may wait for the disk.
const MAX_WAITING: usize = 16_384;

/// How a directory is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether this registry decides who is silent (the root does), or is told.
    pub role: RegistryRole,
    /// When a node counts as what.
    pub liveness: Liveness,
    /// How many changes followers may lag behind before they need a snapshot.
    pub log_capacity: usize,
    /// The most pages of 4 KiB that the database may have; as many as the disk holds, if it is not said.
    pub max_pages: Option<u32>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            role: RegistryRole::Root,
            liveness: Liveness::default(),
            log_capacity: 20_000,
            max_pages: None,
        }
    }
}

/// A directory that many read at once, and one thread writes. What a write answers is durable; nothing is seen by
/// readers before it is.
#[derive(Debug, Clone)]
pub struct Registrar {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// It is done, and durable, as this change.
    Changed(LogEntry),
    /// It was so already.
    Unchanged,
}

/// Why something was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Told changes do not follow what is known: a snapshot is needed.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// It could not be stored, and may be later.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// What readers, beats and the writer share.
#[derive(Debug)]
struct Shared {
    directory: RwLock<Directory>,
    /// Whose last beat is not stored yet.
    heard: Mutex<BTreeSet<NodeId>>,
    /// How many writes wait for the disk.
    waiting: AtomicUsize,
    version: watch::Sender<u64>,
    followed: Option<NodeId>,
    clock: Clock,
}

impl Shared {
    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        // No method of a directory leaves it half-done but by a bug of its own; to serve on is better than not to.
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registrar {
    /// Opens a directory's database, or makes an empty one, and starts the thread that writes it.
    ///
    /// # Errors
    /// The database is damaged, of a newer program, in use, or a secondary's that is opened as a root's: see
    /// [`StoreError`], which says what to do.
    pub fn open(path: &Path, options: StoreOptions, clock: Clock) -> Result<Self, StoreError> {
        let store = Store::open(path, options.role)?;
        if let Some(pages) = options.max_pages {
            store.limit(pages)?;
        }
        let directory = store.load(options.log_capacity, &clock.now())?;
        let shared = Arc::new(Shared {
            version: watch::Sender::new(directory.version()),
            followed: store.followed()?,
            directory: RwLock::new(directory),
            heard: Mutex::default(),
            waiting: AtomicUsize::new(0),
            clock,
        });
        let (jobs, queue) = mpsc::channel();
        let writer = Writer::new(store, options, Arc::clone(&shared), queue);
        thread::Builder::new()
            .name("directory".to_owned())
            .spawn(move || writer.run())
            .map_err(StoreError::file("start the thread that writes", path))?;
        Ok(Self { shared, jobs })
    }

    /// Looks at the directory. Beats wait meanwhile: look briefly, and take with you what needs more time.
    pub fn read<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.shared.directory())
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.shared.clock.now()
    }

    /// The directory's version, as it changes.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// Writes. It is durable when this returns.
    ///
    /// # Errors
    /// It is refused, or cannot be stored; then nothing is changed. If the caller stops waiting, it is written all the
    /// same.
    pub async fn write(&self, write: Write) -> Result<Written, WriteError> {
        self.ask(|answer| Job::Write { write, answer }).await?
    }

    /// Takes a heartbeat: in memory, stored within a second or so. One that brings a node back is durable when this
    /// returns.
    ///
    /// # Errors
    /// It is refused; or the node is back, and that cannot be stored.
    pub async fn beat(
        &self,
        id: NodeId,
        sequence: u64,
        proof: Proof,
    ) -> Result<NodeState, WriteError> {
        let now = self.now();
        let beaten = self
            .shared
            .directory_mut()
            .beat(id, sequence, &proof, &now)?;
        self.shared.heard().insert(id);
        if beaten.revive {
            self.write(Write::Revive { id }).await?;
        }
        Ok(NodeState::Active)
    }

    /// The root whose directory this was when it was opened, as far as that is known.
    #[must_use]
    pub fn followed(&self) -> Option<NodeId> {
        self.shared.followed
    }

    /// Puts a snapshot of the root with this id in place of the directory.
    ///
    /// # Errors
    /// A record is none, or it cannot be stored; then nothing is changed.
    pub async fn replace(&self, snapshot: Snapshot, root: NodeId) -> Result<(), WriteError> {
        self.ask(|answer| Job::Replace {
            snapshot,
            root,
            answer,
        })
        .await?
    }

    /// Takes in changes that the root told.
    ///
    /// # Errors
    /// They do not follow what is known, a record is none, or they cannot be stored; then nothing is changed.
    pub async fn follow(&self, changes: Changes) -> Result<(), WriteError> {
        self.ask(|answer| Job::Follow { changes, answer }).await?
    }

    /// Writes the directory into a folder as a file, `directory-<version>-<time>.json`: an [`api
    /// Snapshot`](Snapshot), readable by this user only.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn snapshot_file(&self, folder: &Path) -> Result<PathBuf, StoreError> {
        let (registrar, folder) = (self.clone(), folder.to_owned());
        tokio::task::spawn_blocking(move || snapshots::write(&registrar, &folder))
            .await
            .map_err(|_| StoreError::Closed)?
    }

    /// Writes what waits, and the last beats, and lets the database go. Other handles answer
    /// [`StoreError::Closed`] from then on to what they are to write.
    pub async fn close(self) {
        let (answer, closed) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.send(Job::Close { answer }).is_ok() {
            // An answer that does not come means that the thread is gone.
            let _ = closed.await;
        }
    }

    /// Makes a secondary's database a root's from now on, while no registry has it. Versions jump; its new version.
    ///
    /// # Errors
    /// The registry runs; the database is damaged; the disk took it not.
    pub fn promote(path: &Path, now: &Now) -> Result<u64, StoreError> {
        Store::promote(path, now)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        if waiting >= MAX_WAITING {
            return Err(StoreError::Behind { waiting });
        }
        let (answer, answered) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs
            .send(job(answer))
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)
    }
}

//! The one thread that writes.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, warn};
use trustnet_api::network::{Change, Changes, NodeState, RegistryRole, Snapshot};
use trustnet_core::network::{Batch, Directory, LogEntry, Node, NodeId, Now, Offer, Signed, Write};

use super::job::{Answer, Job};
use super::{Shared, StoreOptions, WriteError, Written};
use crate::snapshots;
use crate::sqlite::StoreError;
use crate::store::{Store, beats_of};

/// The most writes of a commit.
const MAX_BATCH: usize = 1024;
/// The most beats of a commit: writes wait for no more than these.
const MAX_BEATS: usize = 8192;
/// How often beats are stored.
const STORE_BEATS: Duration = Duration::from_secs(1);
/// How often nodes that left long ago, and what the administrator signed then, are forgotten.
const TIDY: Duration = Duration::from_secs(600);
/// How old a signature may be, in seconds, that is still taken: a day in a secondary's queue, and what a signature is
/// good for besides.
const OLDEST_SIGNATURE: u64 = 86_400 + 300;

/// The one thread that writes. Nobody else changes the directory but by a beat.
pub(super) struct Writer {
    store: Store,
    options: StoreOptions,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    /// Writes that met a write of the same node or name in their batch: they are first in the next one.
    later: VecDeque<Pending>,
    /// What a sweep found, and nobody waits for.
    declines: VecDeque<Write>,
    store_beats: Instant,
    sweep: Option<Instant>,
    tidy: Instant,
    /// Whether the disk took the last thing.
    failing: bool,
}

/// How late a sweep is that comes after a stop of the process, and not of a busy disk.
const STOPPED: Duration = Duration::from_secs(10);

/// Everybody who could ask is gone.
struct Left;

/// A write, and who waits for it.
struct Pending {
    write: Write,
    answer: Option<Answer<Written>>,
}

/// A write in a batch: the change, if it is one, and who waits for it.
type Taken = (Option<LogEntry>, Option<Answer<Written>>);

impl Writer {
    pub(super) fn new(
        store: Store,
        options: StoreOptions,
        shared: Arc<Shared>,
        jobs: Receiver<Job>,
    ) -> Self {
        let now = Instant::now();
        Self {
            store,
            options,
            shared,
            jobs,
            later: VecDeque::new(),
            declines: VecDeque::new(),
            store_beats: now + STORE_BEATS,
            sweep: (options.role == RegistryRole::Root).then(|| now + rest(&options)),
            tidy: now,
            failing: false,
        }
    }

    /// Writes until nobody is left to ask, or it is told to close.
    pub(super) fn run(mut self) {
        let closed = loop {
            match self.turn() {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(closed) => break closed,
            }
        };
        while !self.later.is_empty() {
            self.write_batch(VecDeque::new());
        }
        while self.store_beats() {}
        if let Err(error) = self.store.close() {
            warn!("{error}");
        }
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    /// Gathers what is asked, up to a batch, and writes it.
    fn turn(&mut self) -> ControlFlow<Option<oneshot::Sender<()>>> {
        let mut writes = VecDeque::new();
        let mut end = None;
        let mut next = self.first();
        while let Some(job) = next {
            match job {
                Ok(Job::Write { write, answer }) => {
                    let answer = Some(answer);
                    writes.push_back(Pending { write, answer });
                }
                // These stand alone, after what came before them.
                Ok(Job::Replace {
                    snapshot,
                    root,
                    answer,
                }) => {
                    self.write_batch(std::mem::take(&mut writes));
                    let done = self.replace(snapshot, root);
                    let _ = answer.send(done);
                }
                Ok(Job::Follow { changes, answer }) => {
                    self.write_batch(std::mem::take(&mut writes));
                    let done = self.follow(&changes);
                    let _ = answer.send(done);
                }
                Ok(Job::Close { answer }) => end = Some(Some(answer)),
                Err(Left) => end = Some(None),
            }
            next = if end.is_none() && writes.len() < MAX_BATCH {
                self.jobs.try_recv().ok().map(|job| Ok(self.taken(job)))
            } else {
                None
            };
        }
        self.write_batch(writes);
        self.ticks();
        end.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    /// The first thing that is asked, as soon as there is one; nothing, if something else is due before.
    fn first(&self) -> Option<Result<Job, Left>> {
        let busy = !self.later.is_empty() || !self.declines.is_empty();
        let due = match self.sweep {
            Some(sweep) => sweep.min(self.store_beats),
            None => self.store_beats,
        };
        let wait = if busy {
            Duration::ZERO
        } else {
            due.saturating_duration_since(Instant::now())
        };
        match self.jobs.recv_timeout(wait) {
            Ok(job) => Some(Ok(self.taken(job))),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Left)),
        }
    }

    /// A job that waits no more.
    fn taken(&self, job: Job) -> Job {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        job
    }

    /// Writes what waits, as one commit; then it is seen, and answered.
    fn write_batch(&mut self, writes: VecDeque<Pending>) {
        let mut offered = std::mem::take(&mut self.later);
        offered.extend(writes);
        while offered.len() < MAX_BATCH
            && let Some(write) = self.declines.pop_front()
        {
            offered.push_back(Pending {
                write,
                answer: None,
            });
        }
        if offered.is_empty() {
            return;
        }
        let now = self.shared.clock.now();
        let (batch, taken) = self.decide(offered, &now);
        let noted = batch.noted().to_vec();
        let done = self.commit(batch.from(), batch.into_entries(), noted, &now);
        for (entry, answer) in taken {
            if let Some(answer) = answer {
                let _ = answer.send(match &done {
                    Ok(()) => Ok(entry.map_or(Written::Unchanged, Written::Changed)),
                    Err(error) => Err(error.clone()),
                });
            } else if let (Some(entry), Ok(())) = (entry, &done) {
                self.revive(&entry);
            }
        }
    }

    /// Answers what is refused, or nothing to be done; the others are the batch, or come later.
    fn decide(&mut self, offered: VecDeque<Pending>, now: &Now) -> (Batch, Vec<Taken>) {
        let directory = self.shared.directory();
        let mut batch = Batch::new(&directory);
        let mut taken = Vec::with_capacity(offered.len());
        for Pending { write, answer } in offered {
            let answered = match batch.offer(&directory, &write, now) {
                Offer::Taken(entry) => {
                    taken.push((Some(entry), answer));
                    continue;
                }
                Offer::Noted => {
                    taken.push((None, answer));
                    continue;
                }
                Offer::Later => {
                    self.later.push_back(Pending { write, answer });
                    continue;
                }
                Offer::Unchanged => Ok(Written::Unchanged),
                Offer::Refused(refusal) => Err(refusal.into()),
            };
            if let Some(answer) = answer {
                let _ = answer.send(answered);
            }
        }
        (batch, taken)
    }

    /// A node that beat while it was written down as silent is back.
    fn revive(&mut self, entry: &LogEntry) {
        let directory = self.shared.directory();
        let beaten = directory
            .get(entry.node.id)
            .is_some_and(|node| node.beat_at > entry.node.beat_at);
        if beaten && entry.node.state != NodeState::Active {
            let write = Write::Revive { id: entry.node.id };
            self.later.push_back(Pending {
                write,
                answer: None,
            });
        }
    }

    /// Makes changes durable, and then seen; and what the administrator signed of nodes that did not change.
    fn commit(
        &mut self,
        from: u64,
        entries: Vec<LogEntry>,
        noted: Vec<(NodeId, Signed)>,
        now: &Now,
    ) -> Result<(), WriteError> {
        if entries.is_empty() && noted.is_empty() {
            return Ok(());
        }
        let log_from = self.shared.directory().log_from(&entries);
        let stored = self.store.commit(&entries, &noted, log_from, now);
        self.stored(stored)?;
        let mut directory = self.shared.directory_mut();
        for (id, signed) in noted {
            directory.remember_administered(id, signed);
        }
        let applied = directory.apply(from, entries, now);
        let version = directory.version();
        drop(directory);
        self.shared.version.send_replace(version);
        Ok(applied?)
    }

    fn follow(&mut self, changes: &Changes) -> Result<(), WriteError> {
        let now = self.shared.clock.now();
        let directory = self.shared.directory();
        let told = |change: &Change| -> Result<LogEntry, WriteError> {
            let domain = directory.domain(&change.node.domain);
            Ok(LogEntry {
                version: change.version,
                change: change.change,
                node: Node::told(&change.node, domain, &now)?.into(),
                administered: None,
            })
        };
        let entries: Vec<LogEntry> = changes.changes.iter().map(told).collect::<Result<_, _>>()?;
        directory.follows(changes.from_version, &entries)?;
        drop(directory);
        self.commit(changes.from_version, entries, Vec::new(), &now)
    }

    fn replace(&mut self, snapshot: Snapshot, root: NodeId) -> Result<(), WriteError> {
        let now = self.shared.clock.now();
        let nodes = snapshots::nodes(snapshot.nodes, &now)?;
        let stored = self
            .store
            .replace(snapshot.version, &nodes, Some(root), &now);
        self.stored(stored)?;
        let mut directory = Directory::new(self.options.log_capacity);
        directory.replace(snapshot.version, nodes);
        self.shared.heard().clear();
        let before = std::mem::replace(&mut *self.shared.directory_mut(), directory);
        self.shared.version.send_replace(snapshot.version);
        drop(before);
        Ok(())
    }

    /// Says once that the disk takes nothing, and once that it does again.
    fn stored(&mut self, stored: Result<(), StoreError>) -> Result<(), StoreError> {
        match &stored {
            Err(error) if !self.failing => error!("nothing can be stored: {error}"),
            Ok(()) if self.failing => warn!("what is written is stored again"),
            _ => {}
        }
        self.failing = stored.is_err();
        stored
    }

    /// What the clock makes due.
    fn ticks(&mut self) {
        let now = Instant::now();
        if self.store_beats <= now {
            let more = self.store_beats();
            self.store_beats = if more { now } else { now + STORE_BEATS };
        }
        if let Some(due) = self.sweep
            && due <= now
            && self.declines.is_empty()
        {
            self.sweep = Some(self.sweep(now, due));
        }
        if self.tidy <= now {
            self.tidy = now + TIDY;
            self.forget_signed();
        }
    }

    /// Stores beats, at most so many as a commit takes; whether there are more.
    fn store_beats(&mut self) -> bool {
        let ids: BTreeSet<_> = {
            let mut heard = self.shared.heard();
            std::iter::from_fn(|| heard.pop_first())
                .take(MAX_BEATS)
                .collect()
        };
        if ids.is_empty() {
            return false;
        }
        let beats = {
            let directory = self.shared.directory();
            beats_of(
                ids.iter()
                    .filter_map(|id| directory.get(*id).map(AsRef::as_ref)),
            )
        };
        let stored = self.store.beats(&beats);
        let mut heard = self.shared.heard();
        if stored.is_err() {
            heard.extend(ids);
        }
        let more = !heard.is_empty();
        drop(heard);
        self.stored(stored).is_ok() && more
    }

    /// Finds who is silent; when to look next. A process that was stopped itself heard nobody, and lets them speak first.
    fn sweep(&mut self, now: Instant, due: Instant) -> Instant {
        if now.saturating_duration_since(due) > STOPPED {
            return now + Duration::from_millis(self.options.liveness.interval);
        }
        let clock = self.shared.clock.now();
        let declines = self
            .shared
            .directory()
            .sweep(&self.options.liveness, &clock);
        self.declines.extend(declines);
        now + rest(&self.options)
    }

    fn forget_signed(&mut self) {
        let before = self
            .shared
            .clock
            .now()
            .seconds()
            .saturating_sub(OLDEST_SIGNATURE);
        let stored = self.store.forget_signed(before);
        if self.stored(stored).is_ok() {
            self.shared.directory_mut().forget_signed(before);
        }
    }
}

/// How long between two sweeps: a third of a beat's interval, so that nobody is found later than that.
fn rest(options: &StoreOptions) -> Duration {
    Duration::from_millis(options.liveness.interval / 3)
        .clamp(Duration::from_millis(10), Duration::from_secs(10))
}

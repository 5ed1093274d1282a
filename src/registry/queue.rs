//! The writes that a secondary keeps for its root: durable, in order, each once.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use axum::body::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use tokio::sync::oneshot;
use tracing::error;
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SignatureHeaders;

use crate::forward::SignedRequest;
use crate::sqlite::{self, StoreError};

/// From nothing to the newest schema; more are added at the end.
const MIGRATIONS: [&str; 1] = [include_str!("queue/001.sql")];
/// The most jobs of one commit.
const MAX_BATCH: usize = 256;
/// The most writes of one key that were signed in one second: a root takes no more.
const MAX_A_SECOND: i64 = 8;

/// A write that waits for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its place: later ones have higher numbers.
    pub number: i64,
    /// When it was taken, by the wall clock, in milliseconds since 1970.
    pub received: i64,
    /// The write, whole.
    pub request: SignedRequest,
}

/// What becomes of a write that is put into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    New,
    /// It was in already: the same signature.
    Known,
    /// Its key has signed too much in that second.
    TooMany,
}

/// The answer to a job, when it comes.
pub type Coming<T> = oneshot::Receiver<Result<T, StoreError>>;

enum Job {
    Put(
        i64,
        Box<SignedRequest>,
        oneshot::Sender<Result<Put, StoreError>>,
    ),
    First(oneshot::Sender<Result<Option<Queued>, StoreError>>),
    Remove(i64, oneshot::Sender<Result<(), StoreError>>),
}

/// The queue. One thread has its database; it ends when nobody can ask any more.
#[derive(Debug, Clone)]
pub struct Queue {
    jobs: Sender<Job>,
}

impl Queue {
    /// Opens a queue, or makes one; and says how many writes wait in it.
    ///
    /// # Errors
    /// The database cannot be opened: see [`StoreError`].
    pub fn open(path: &Path) -> Result<(Self, u64), StoreError> {
        let connection = sqlite::open(path, &MIGRATIONS).map_err(|error| match error {
            StoreError::Damaged { path, what } => StoreError::DamagedQueue { path, what },
            error => error,
        })?;
        let waiting: i64 = connection
            .query_row("SELECT count(*) FROM queued", [], |row| row.get(0))
            .map_err(StoreError::sql("count the writes in", path))?;
        let (jobs, inbox) = mpsc::channel();
        let keeper = Keeper {
            connection,
            path: path.to_owned(),
        };
        thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || keeper.run(&inbox))
            .map_err(StoreError::file("start the thread that keeps", path))?;
        Ok((Self { jobs }, u64::try_from(waiting).unwrap_or(0)))
    }

    /// Puts a write at the end. It is durable when the answer comes; writes are in the order of these calls.
    pub fn put(&self, received: i64, request: SignedRequest) -> Coming<Put> {
        self.ask(|answer| Job::Put(received, Box::new(request), answer))
    }

    /// The first write.
    pub fn first(&self) -> Coming<Option<Queued>> {
        self.ask(Job::First)
    }

    /// Takes a write out.
    pub fn remove(&self, number: i64) -> Coming<()> {
        self.ask(|answer| Job::Remove(number, answer))
    }

    fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Coming<T> {
        let (answer, coming) = oneshot::channel();
        if let Err(refused) = self.jobs.send(job(answer)) {
            // The thread is gone; the answer says so, as it is dropped.
            drop(refused);
        }
        coming
    }
}

struct Keeper {
    connection: Connection,
    path: PathBuf,
}

/// What is answered once the commit is durable.
type Answer = Box<dyn FnOnce(bool)>;

impl Keeper {
    fn run(mut self, inbox: &Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let mut jobs = vec![first];
            jobs.extend(inbox.try_iter().take(MAX_BATCH - 1));
            self.work(jobs);
        }
        if let Err((_, error)) = self.connection.close() {
            error!(%error, "the queue's database was not closed");
        }
    }

    /// Does jobs in one transaction; a job that fails alone undoes nothing of the others.
    fn work(&mut self, jobs: Vec<Job>) {
        let path = self.path.clone();
        let begun = self.connection.transaction();
        let transaction = match begun {
            Ok(transaction) => transaction,
            Err(error) => {
                error!(%error, "the queue of writes cannot be written");
                return;
            }
        };
        let answers: Vec<Answer> = jobs
            .into_iter()
            .map(|job| job.work(&transaction, &path))
            .collect();
        let durable = transaction.commit();
        if let Err(error) = &durable {
            error!(%error, "the queue of writes cannot be written");
        }
        for answer in answers {
            answer(durable.is_ok());
        }
    }
}

impl Job {
    fn work(self, connection: &Connection, path: &Path) -> Answer {
        match self {
            Self::Put(received, request, answer) => {
                let done = put(connection, received, &request);
                later(done, "keep a write in", path, answer)
            }
            Self::First(answer) => later(first(connection), "read", path, answer),
            Self::Remove(number, answer) => {
                let done = connection
                    .prepare_cached("DELETE FROM queued WHERE number = ?1")
                    .and_then(|mut statement| statement.execute([number]))
                    .map(drop);
                later(done, "take a write out of", path, answer)
            }
        }
    }
}

/// Answers when it is known whether the commit is durable; if it is not, the answer is dropped, which says so.
fn later<T: 'static>(
    done: rusqlite::Result<T>,
    doing: &'static str,
    path: &Path,
    answer: oneshot::Sender<Result<T, StoreError>>,
) -> Answer {
    let done = done.map_err(StoreError::sql(doing, path));
    Box::new(move |durable| {
        if durable || done.is_err() {
            // Whoever asked may have left.
            let _ = answer.send(done);
        }
    })
}

fn put(connection: &Connection, received: i64, request: &SignedRequest) -> rusqlite::Result<Put> {
    let created = i64::try_from(request.created).unwrap_or(i64::MAX);
    let mut known = connection.prepare_cached("SELECT 1 FROM queued WHERE signature = ?1")?;
    if known.exists([&request.signature.signature])? {
        return Ok(Put::Known);
    }
    let mut count = connection
        .prepare_cached("SELECT count(*) FROM queued WHERE node = ?1 AND created = ?2")?;
    let count: i64 = count.query_row((request.node.as_bytes(), created), |row| row.get(0))?;
    if count >= MAX_A_SECOND {
        return Ok(Put::TooMany);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO queued (received, node, created, method, path, content_digest, signature_input, signature, authorization, body)
         VALUES (:received, :node, :created, :method, :path, :content_digest, :signature_input, :signature, :authorization, :body)",
    )?;
    insert.execute(named_params! {
        ":received": received,
        ":node": request.node.as_bytes(),
        ":created": created,
        ":method": request.method,
        ":path": request.path,
        ":content_digest": request.signature.content_digest,
        ":signature_input": request.signature.signature_input,
        ":signature": request.signature.signature,
        ":authorization": request.authorization,
        ":body": &request.body[..],
    })?;
    Ok(Put::New)
}

fn first(connection: &Connection) -> rusqlite::Result<Option<Queued>> {
    let mut first = connection.prepare_cached("SELECT * FROM queued ORDER BY number LIMIT 1")?;
    first.query_row([], queued).optional()
}

fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let created: i64 = row.get("created")?;
    Ok(Queued {
        number: row.get("number")?,
        received: row.get("received")?,
        request: SignedRequest {
            node: NodeId::new(row.get("node")?),
            method: row.get("method")?,
            path: row.get("path")?,
            signature: SignatureHeaders {
                content_digest: row.get("content_digest")?,
                signature_input: row.get("signature_input")?,
                signature: row.get("signature")?,
            },
            created: u64::try_from(created).unwrap_or(0),
            authorization: row.get("authorization")?,
            body: Bytes::from(row.get::<_, Vec<u8>>("body")?),
        },
    })
}

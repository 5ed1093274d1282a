//! The writes that a secondary keeps for its root: durable, in order, each once; and of a node's registrations the newest.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use axum::body::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use tokio::sync::oneshot;
use tracing::error;
use trustnet_core::network::NodeId;
use trustnet_core::network::queued::{Place, Waiting, place};
use trustnet_core::network::signature::SignatureHeaders;

use crate::forward::SignedRequest;
use crate::sqlite::{self, StoreError};

/// From nothing to the newest schema; more are added at the end.
const MIGRATIONS: [&str; 2] = [include_str!("queue/001.sql"), include_str!("queue/002.sql")];
/// The most jobs of one commit.
const MAX_BATCH: usize = 256;

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
    New {
        /// How many earlier ones of its node went for it.
        replaced: u64,
    },
    /// It was in already, or one is that was signed later and stands for it.
    Known,
    /// Too much of its key waits, or was signed in that second.
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
            sent: None,
        };
        thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || keeper.run(&inbox))
            .map_err(StoreError::file("start the thread that keeps", path))?;
        Ok((Self { jobs }, u64::try_from(waiting).unwrap_or(0)))
    }

    /// Puts a write at the end, or in the place of one that it stands for. It is durable when the answer comes; writes are
    /// in the order of these calls.
    pub fn put(&self, received: i64, request: SignedRequest) -> Coming<Put> {
        self.ask(|answer| Job::Put(received, Box::new(request), answer))
    }

    /// The first write. It is not replaced from now on: the root may get it.
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
    /// The write that was given out last.
    sent: Option<i64>,
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
            .map(|job| job.work(&transaction, &path, &mut self.sent))
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
    fn work(self, connection: &Connection, path: &Path, sent: &mut Option<i64>) -> Answer {
        match self {
            Self::Put(received, request, answer) => {
                let done = put(connection, *sent, received, &request);
                later(done, "keep a write in", path, answer)
            }
            Self::First(answer) => {
                let first = first(connection);
                if let Ok(first) = &first {
                    *sent = first.as_ref().map(|first| first.number);
                }
                later(first, "read", path, answer)
            }
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

fn put(
    connection: &Connection,
    sent: Option<i64>,
    received: i64,
    request: &SignedRequest,
) -> rusqlite::Result<Put> {
    let mut known = connection.prepare_cached("SELECT 1 FROM queued WHERE signature = ?1")?;
    if known.exists([&request.signature.signature])? {
        return Ok(Put::Known);
    }
    let others = of_node(connection, request.node)?;
    let before = others
        .iter()
        .map(|other| waiting(&other.request, sent == Some(other.number)));
    let before: Vec<Waiting<'_>> = before.collect();
    let (gone, number) = match place(&before, &waiting(request, false)) {
        Place::Nowhere => return Ok(Put::Known),
        Place::OfLast(gone) => (gone, others.last().map(|last| last.number)),
        Place::End(gone) => (gone, None),
        Place::TooMany => return Ok(Put::TooMany),
    };
    let mut delete = connection.prepare_cached("DELETE FROM queued WHERE number = ?1")?;
    for other in others.iter().rev().take(gone) {
        delete.execute([other.number])?;
    }
    insert(connection, number, received, request)?;
    let replaced = u64::try_from(gone).unwrap_or(0);
    Ok(Put::New { replaced })
}

/// The writes of a node, in order.
fn of_node(connection: &Connection, node: NodeId) -> rusqlite::Result<Vec<Queued>> {
    let mut all =
        connection.prepare_cached("SELECT * FROM queued WHERE node = ?1 ORDER BY number")?;
    all.query_map([node.as_bytes()], queued)?.collect()
}

fn waiting(request: &SignedRequest, sent: bool) -> Waiting<'_> {
    Waiting {
        registration: request.method == "POST" && request.path == "/api/register",
        signer: request.signer,
        created: request.created,
        authorization: request.authorization.as_deref(),
        body: &request.body,
        sent,
    }
}

/// Writes a row; without a number it is the last.
fn insert(
    connection: &Connection,
    number: Option<i64>,
    received: i64,
    request: &SignedRequest,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO queued (number, received, node, signer, created, method, path, content_digest, signature_input, signature, authorization, body)
         VALUES (:number, :received, :node, :signer, :created, :method, :path, :content_digest, :signature_input, :signature, :authorization, :body)",
    )?;
    insert.execute(named_params! {
        ":number": number,
        ":received": received,
        ":node": request.node.as_bytes(),
        ":signer": request.signer.as_bytes(),
        ":created": i64::try_from(request.created).unwrap_or(i64::MAX),
        ":method": request.method,
        ":path": request.path,
        ":content_digest": request.signature.content_digest,
        ":signature_input": request.signature.signature_input,
        ":signature": request.signature.signature,
        ":authorization": request.authorization,
        ":body": &request.body[..],
    })?;
    Ok(())
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
            signer: NodeId::new(row.get("signer")?),
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

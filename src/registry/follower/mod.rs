//! What a secondary has more than a root: a root that it follows, and a queue for when that is away.

mod answers;
mod driver;
pub mod inherited;
mod search;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use trustnet_api::network::ReplicationHealth;
use trustnet_core::network::{
    Backoff, Directory, Endpoint, Kind, NodeId, RegistrySettings, Replica, ReplicaCounts,
    ReplicaEvent, ReplicaSettings,
};

use crate::client::{Client, ClientError};
use crate::discovery::DiscoveryError;
use crate::forward::{Coming, NotKept, SignedRequest, Submitted, Upstream};
use crate::queue::Queue;
use crate::registrar::Registrar;
use crate::sqlite::StoreError;
use crate::transport::Transport;
use driver::Driver;

/// The queue's file, beside the database.
pub const QUEUE: &str = "queue.db";
/// The longest that the root is asked to hold a question, in milliseconds.
const HOLD: u64 = 10_000;
/// How many events may wait: those who hand in more wait with them.
const EVENTS: usize = 1024;

/// What comes of looking the registries of a domain up: they, in the order of the answer.
type Found = Result<Vec<Endpoint>, DiscoveryError>;
/// Looks the registries of the domain up.
pub type Lookup = Arc<dyn Fn() -> Coming<'static, Found> + Send + Sync>;

/// What a follower goes by. Times are milliseconds.
#[derive(Clone)]
pub struct FollowerSettings {
    /// What is decided by.
    pub replica: ReplicaSettings,
    /// How long an answer may take.
    pub timeout: u64,
    /// The queue's file.
    pub queue: PathBuf,
    /// The network's join token.
    pub token: Option<String>,
    /// How the root is called.
    pub transport: Transport,
    /// How registries are looked up.
    pub lookup: Option<Lookup>,
}

impl FollowerSettings {
    /// What a registry's configuration says of it. `own` is the registry's id.
    #[must_use]
    pub fn new(
        settings: &RegistrySettings,
        own: NodeId,
        token: Option<String>,
        transport: Transport,
        lookup: Option<Lookup>,
    ) -> Self {
        let replication = &settings.replication;
        let backoff = Backoff::new(
            replication.backoff_initial,
            replication.backoff_max,
            replication.backoff_multiplier,
        );
        let folder = settings.database.parent().unwrap_or(Path::new("."));
        Self {
            replica: ReplicaSettings {
                own,
                root: settings.root.address,
                lookup: lookup.is_some(),
                hold: HOLD.min(replication.refresh),
                refresh: replication.refresh,
                backoff,
                max_queued: u64::try_from(replication.max_queued_writes).unwrap_or(u64::MAX),
                beat_life: settings.liveness.offline_after,
            },
            timeout: replication.timeout,
            queue: folder.join(QUEUE),
            token,
            transport,
            lookup,
        }
    }
}

/// Why there is no follower.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The queue.
    #[error("the queue of writes for the root: {0}")]
    Queue(#[source] StoreError),
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A write that was handed in, and who waits for what becomes of it.
struct Handed {
    request: SignedRequest,
    /// When, by the wall clock, in milliseconds since 1970.
    received: i64,
    answer: Mutex<Option<oneshot::Sender<Submitted>>>,
}

impl Handed {
    fn answer(&self, submitted: Submitted) {
        let answer = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(answer) = answer {
            // Whoever asked may have left.
            let _ = answer.send(submitted);
        }
    }
}

type Event = ReplicaEvent<Arc<Handed>>;
type Shared = Arc<Mutex<Replica<Arc<Handed>>>>;

/// Follows the root, and brings it what is written here.
pub struct Follower {
    registrar: Registrar,
    replica: Shared,
    events: mpsc::Sender<Event>,
    driving: JoinHandle<()>,
}

impl Follower {
    /// Starts to follow. The root need not be there.
    ///
    /// # Errors
    /// The queue cannot be opened, or the token is none.
    pub fn start(registrar: Registrar, settings: FollowerSettings) -> Result<Self, FollowerError> {
        let timeout = Duration::from_millis(settings.timeout);
        let client = Client::new(timeout, settings.token.as_deref(), settings.transport)?;
        let (queue, queued) = Queue::open(&settings.queue).map_err(FollowerError::Queue)?;
        let known = (registrar.read(Directory::version), registrar.followed());
        if queued > 0 {
            tracing::info!(queued, "writes of before wait for the root");
        }
        let own = settings.replica.own;
        let replica = Replica::new(settings.replica, known, queued, &registrar.now());
        let replica = Arc::new(Mutex::new(replica));
        let (events, inbox) = mpsc::channel(EVENTS);
        let driver = Driver {
            registrar: registrar.clone(),
            replica: Arc::clone(&replica),
            search: Arc::default(),
            queue,
            client,
            own,
            lookup: settings.lookup,
            token: settings.token,
        };
        let driving = tokio::spawn(driver.run(inbox));
        Ok(Self {
            registrar,
            replica,
            events,
            driving,
        })
    }

    /// Hands a verified write on: to the root, or into the queue.
    pub async fn submit(&self, request: SignedRequest) -> Submitted {
        let kind = match request.path.as_str() {
            "/api/heartbeat" => Kind::Beat(request.node),
            _ => Kind::Write,
        };
        let (answer, answered) = oneshot::channel();
        let handed = Handed {
            request,
            received: self.registrar.now().wall,
            answer: Mutex::new(Some(answer)),
        };
        let event = ReplicaEvent::Submitted(kind, Arc::new(handed));
        let ended = Submitted::NotKept {
            why: NotKept::Ending,
            retry_after: 1,
        };
        if self.events.send(event).await.is_err() {
            return ended;
        }
        answered.await.unwrap_or(ended)
    }

    /// How it stands with the root.
    #[must_use]
    pub fn state(&self) -> ReplicationHealth {
        lock(&self.replica).health(&self.registrar.now())
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> ReplicaCounts {
        lock(&self.replica).counts()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

impl Upstream for Follower {
    fn submit(&self, request: SignedRequest) -> Coming<'_, Submitted> {
        Box::pin(Self::submit(self, request))
    }

    fn state(&self) -> ReplicationHealth {
        Self::state(self)
    }

    fn counts(&self) -> ReplicaCounts {
        Self::counts(self)
    }

    fn end(&self) {
        self.driving.abort();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A replica that panicked in the middle of an event is as good as one that missed it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What the replica says is to be done, done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rand_core::{OsRng, RngCore as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};
use trustnet_api::network::{Changes, RegistryRole};
use trustnet_core::network::{
    Asked, Directory, Endpoint, NodeId, Probe, ReplicaAction, ReplicaEvent, Sent,
};

use super::search::Search;
use super::{Event, Handed, Lookup, Shared, answers, lock};
use crate::client::{CallError, Client, MAX_CHANGES};
use crate::forward::{NotKept, SignedRequest, Submitted};
use crate::queue::{Put, Queue, Queued};
use crate::registrar::{Registrar, WriteError};

/// When to try again, in seconds, where the queue takes no more, or its disk nothing.
const RETRY_AFTER: u64 = 30;

type Action = ReplicaAction<Arc<Handed>>;

#[derive(Clone)]
pub(super) struct Driver {
    pub registrar: Registrar,
    pub replica: Shared,
    pub search: Arc<Mutex<Search>>,
    pub queue: Queue,
    pub client: Client,
    pub own: NodeId,
    pub lookup: Option<Lookup>,
    pub token: Option<String>,
}

/// What is under way. It ends with this.
type Tasks = JoinSet<Event>;

impl Driver {
    /// Tells the replica what happens, and does what it says, while anyone may hand something in.
    pub async fn run(self, mut inbox: mpsc::Receiver<Event>) {
        let mut tasks = Tasks::new();
        self.tell(ReplicaEvent::Woke, &mut tasks);
        loop {
            let wake = lock(&self.replica).wake();
            let wait = wake.map(|at| at.saturating_sub(self.registrar.now().steady));
            let woken = async {
                match wait {
                    Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
                Some(done) = tasks.join_next() => match done {
                    Ok(event) => event,
                    Err(error) => {
                        error!(%error, "a task of the follower came to no end");
                        continue;
                    }
                },
                () = woken => ReplicaEvent::Woke,
            };
            self.tell(event, &mut tasks);
        }
    }

    fn tell(&self, event: Event, tasks: &mut Tasks) {
        let (before, actions, after) = {
            let mut replica = lock(&self.replica);
            let before = (replica.root(), replica.searching());
            let actions = replica.on(event, &self.registrar.now(), OsRng.next_u64());
            (before, actions, (replica.root(), replica.searching()))
        };
        match (before, after) {
            ((None, _), (Some(root), _)) => {
                lock(&self.search).found();
                info!(%root, "the root answers");
            }
            ((None, true), (None, false)) => {
                if let Some(why) = lock(&self.search).ended() {
                    warn!(why, "no root is found: it is looked for again");
                }
            }
            ((Some(root), _), (None, _)) => warn!(%root, "the root is lost: it is tried again"),
            _ => {}
        }
        for action in actions {
            self.act(action, tasks);
        }
    }

    /// Begins what is to be done; what comes of it is an event.
    fn act(&self, action: Action, tasks: &mut Tasks) {
        match action {
            Action::Resolve => self.begin(tasks, |driver| async move {
                ReplicaEvent::Resolved(driver.look_up().await)
            }),
            Action::Probe(link, at) => self.begin(tasks, move |driver| async move {
                ReplicaEvent::Probed(link, driver.probe(at).await)
            }),
            Action::Load(link, root, id) => self.begin(tasks, move |driver| async move {
                ReplicaEvent::Loaded(link, driver.load(root, id).await)
            }),
            Action::Ask {
                link,
                root,
                since,
                hold,
            } => self.begin(tasks, move |driver| async move {
                ReplicaEvent::Asked(link, driver.ask(root, since, hold).await)
            }),
            Action::Forward(link, root, kind, handed) => {
                self.begin(tasks, move |driver| async move {
                    let sent = driver.forward(root, &handed).await;
                    ReplicaEvent::Forwarded(link, kind, handed, sent)
                })
            }
            Action::Queue(handed) => self.queue(handed, tasks),
            Action::Keep(handed) => handed.answer(Submitted::Kept),
            Action::Full(handed) => handed.answer(Submitted::NotKept {
                why: NotKept::Full,
                retry_after: RETRY_AFTER,
            }),
            Action::Deliver(link, root) => self.begin(tasks, move |driver| async move {
                ReplicaEvent::Delivered(link, driver.deliver(root).await)
            }),
            Action::Tell(link, root, handed) => self.begin(tasks, move |driver| async move {
                let answered = driver.client.forward(root, &handed.request, None).await;
                ReplicaEvent::Told(link, answers::live(&answered))
            }),
        }
    }

    fn begin<F>(&self, tasks: &mut Tasks, task: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Event> + Send + 'static,
    {
        tasks.spawn(task(self.clone()));
    }

    async fn look_up(&self) -> Vec<Endpoint> {
        let Some(lookup) = &self.lookup else {
            return Vec::new();
        };
        lookup().await.unwrap_or_else(|error| {
            debug!(%error, "the root is not to be found by name");
            lock(&self.search).missed("by name", error);
            Vec::new()
        })
    }

    async fn probe(&self, at: Endpoint) -> Option<Probe> {
        match self.client.probe(at).await {
            Ok(probe) => {
                let version = lock(&self.replica).version();
                let missed = |why| lock(&self.search).missed(at, why);
                if probe.id == self.own {
                    missed(
                        "what answers there has this registry's own key: it is itself, or a copy",
                    );
                } else if probe.role == RegistryRole::Secondary {
                    missed("the registry there is no root");
                } else if probe.version < version {
                    missed("the root there is behind this registry");
                }
                Some(probe)
            }
            Err(error) => {
                debug!(%at, %error, "no root answers");
                let tls = match error.is_of_tls() {
                    true => "no TLS comes about: ",
                    false => "",
                };
                lock(&self.search).missed(at, format_args!("{tls}{error}"));
                None
            }
        }
    }

    async fn load(&self, root: Endpoint, id: NodeId) -> Option<u64> {
        let snapshot = match self.client.snapshot(root).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                warn!(%root, %error, "the root's snapshot could not be taken");
                return None;
            }
        };
        // Another one may have come in its place while it was asked.
        if !matches!(self.client.probe(root).await, Ok(probe) if probe.id == id) {
            warn!(%root, "the root is another one than its snapshot was asked of");
            return None;
        }
        let (version, nodes) = (snapshot.version, snapshot.nodes.len());
        match self.registrar.replace(snapshot, id).await {
            Ok(()) => {
                info!(%root, version, nodes, "the root's snapshot is taken in");
                Some(version)
            }
            Err(error) => {
                warn!(%root, %error, "the root's snapshot could not be taken in");
                None
            }
        }
    }

    async fn ask(&self, root: Endpoint, since: u64, hold: u64) -> Asked {
        let hold = Duration::from_millis(hold);
        match self.client.changes(root, since, hold).await {
            Ok(changes) => self.follow(root, changes).await,
            Err(CallError::Gone) => Asked::Gap,
            Err(error) => {
                warn!(%root, %error, "the root's changes could not be asked for");
                Asked::Failed
            }
        }
    }

    async fn follow(&self, root: Endpoint, changes: Changes) -> Asked {
        let to = changes.to_version;
        let full = changes.changes.len() >= MAX_CHANGES;
        let followed = if changes.changes.is_empty() && changes.from_version == to {
            Ok(())
        } else {
            self.registrar.follow(changes).await
        };
        match followed {
            Ok(()) => {
                let version = self.registrar.read(Directory::version);
                if version == to {
                    Asked::Followed { version, full }
                } else {
                    Asked::Gap
                }
            }
            Err(WriteError::Gap(gap)) => {
                info!(%root, %gap, "a snapshot is due");
                Asked::Gap
            }
            Err(error) => {
                warn!(%root, %error, "the root's changes could not be taken in");
                Asked::Failed
            }
        }
    }

    async fn forward(&self, root: Endpoint, handed: &Handed) -> Sent {
        let answered = self.client.forward(root, &handed.request, None).await;
        let sent = answers::live(&answered);
        match (sent, answered) {
            (Sent::Done | Sent::Refused, Ok(answer)) => handed.answer(Submitted::Answer {
                status: answer.status,
                retry_after: answer.retry_after,
                body: answer.body,
            }),
            (_, Ok(answer)) => debug!(%root, status = answer.status, "a write is kept for later"),
            (_, Err(error)) => debug!(%root, %error, "a write is kept for later"),
        }
        sent
    }

    /// Puts a write into the queue. That is asked for here and now, so that the order is the replica's.
    fn queue(&self, handed: Arc<Handed>, tasks: &mut Tasks) {
        let mut request = handed.request.clone();
        // This registry has the join token itself: it is not written anywhere else.
        if let (Some(shown), Some(token)) = (&request.authorization, &self.token)
            && shown.strip_prefix("Bearer ") == Some(token)
        {
            request.authorization = Some(String::new());
        }
        let coming = self.queue.put(handed.received, request);
        self.begin(tasks, |_| async move {
            let put = match coming.await {
                Ok(Ok(put)) => Some(put),
                Ok(Err(error)) => {
                    warn!(%error, "a write could not be kept for the root");
                    None
                }
                Err(_) => None,
            };
            handed.answer(match put {
                Some(Put::New { .. }) => Submitted::Queued,
                Some(Put::Known) => Submitted::Kept,
                Some(Put::TooMany) => Submitted::NotKept {
                    why: NotKept::TooMany,
                    retry_after: RETRY_AFTER,
                },
                None => Submitted::NotKept {
                    why: NotKept::Disk,
                    retry_after: RETRY_AFTER,
                },
            });
            let (added, replaced) = match put {
                Some(Put::New { replaced }) => (true, replaced),
                _ => (false, 0),
            };
            ReplicaEvent::Queued { added, replaced }
        });
    }

    /// Brings the root the first write of the queue.
    async fn deliver(&self, root: Endpoint) -> Sent {
        let mut first = match self.queue.first().await {
            Ok(Ok(Some(first))) => first,
            // Nothing waits, whatever was counted.
            Ok(Ok(None)) => return Sent::Done,
            Ok(Err(error)) => {
                warn!(%error, "the queue of writes could not be read");
                return Sent::Busy;
            }
            Err(_) => return Sent::Busy,
        };
        complete(&mut first.request, self.token.as_deref());
        let at = Timestamp::from_millisecond(first.received).ok();
        let answered = self.client.forward(root, &first.request, at).await;
        let sent = answers::queued(&answered, &first, self.registrar.now().wall);
        match sent {
            Sent::Done => {}
            Sent::Refused => {
                let refusal = answered.ok().and_then(|answer| answer.refusal());
                dropped(
                    &first,
                    &refusal.map_or_else(String::new, |refusal| refusal.message),
                );
            }
            Sent::Busy | Sent::Lost => return sent,
        }
        match self.queue.remove(first.number).await {
            Ok(Ok(())) => sent,
            // It is sent again: the root knows that it was.
            Ok(Err(error)) => {
                warn!(%error, "a delivered write stays in the queue");
                Sent::Busy
            }
            Err(_) => Sent::Busy,
        }
    }
}

/// Shows the join token again, which was left out when a write was queued.
pub(super) fn complete(request: &mut SignedRequest, token: Option<&str>) {
    if request.authorization.as_deref() == Some("") {
        request.authorization = token.map(|token| format!("Bearer {token}"));
    }
}

/// Says that a write is refused for good.
pub(super) fn dropped(write: &Queued, why: &str) {
    let request = &write.request;
    warn!(
        node = %request.node, method = request.method, path = request.path, why,
        "the root refuses a write that had waited: it is dropped"
    );
}

//! How a secondary finds the root, follows it, and brings it what was written here.

use std::collections::VecDeque;

use trustnet_api::network::{RegistryRole, ReplicationHealth};

use super::outbox::Outbox;
use super::{Backoff, Endpoint, NodeId, Now};

/// A root that lies so far behind is one from before a promotion, whose step in the version is a million.
const BEFORE_PROMOTION: u64 = 500_000;
/// After so many held questions in a row that failed, or that were answered with nothing new and too soon, the root is
/// asked at intervals for a while.
const MAX_HELD_FAILURES: u32 = 3;
/// How long is waited after an answer with nothing new that came too soon, in milliseconds: a root that is about to
/// stop answers so, and is there again the sooner it is looked for.
const AFTER_EARLY: u64 = 1_000;
/// How many times it is asked so, before holding is tried again.
const POLLS: u32 = 10;

/// What a secondary goes by. Times are milliseconds.
#[derive(Debug, Clone)]
pub struct ReplicaSettings {
    /// The registry's own id: it never follows itself.
    pub own: NodeId,
    /// Where the root is, as configured.
    pub root: Option<Endpoint>,
    /// Whether there is a name to look up when that is nothing, or does not answer.
    pub lookup: bool,
    /// How long the root may hold a question for changes; 0 to ask at intervals only.
    pub hold: u64,
    /// The interval of questions, where they are not held.
    pub refresh: u64,
    /// How failures are waited out.
    pub backoff: Backoff,
    /// The most writes that wait for the root.
    pub max_queued: u64,
    /// How old a heartbeat may be to be told to the root.
    pub beat_life: u64,
}

/// What a registry says of itself when it is asked whether it is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Its id.
    pub id: NodeId,
    /// What it is.
    pub role: RegistryRole,
    /// The version of its directory.
    pub version: u64,
}

/// What came of a question for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The directory is at this version now, durably. `full`: as many came as may, there may be more.
    Followed {
        /// The version.
        version: u64,
        /// Whether there may be more.
        full: bool,
    },
    /// They do not lead on from the directory's version: a snapshot is due.
    Gap,
    /// No answer, or none that could be taken in.
    Failed,
}

/// What came of a write that the root was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is done, or was done before, or a later one of its key was.
    Done,
    /// The root will never take it.
    Refused,
    /// The root answers, but cannot take it now.
    Busy,
    /// No answer: it may be done or not.
    Lost,
}

/// What is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A write: never lost once it is acknowledged.
    Write,
    /// A node's heartbeat: of these, the newest counts.
    Beat(NodeId),
}

/// What a [`Replica`] is told. `P` is what was handed in.
#[derive(Debug, Clone)]
pub enum Event<P> {
    /// It is time, as [`Replica::wake`] says.
    Woke,
    /// What the name stands for, in order; nothing, if that could not be learnt.
    Resolved(Vec<Endpoint>),
    /// What answers there; `None`, if nothing does.
    Probed(u64, Option<Probe>),
    /// A snapshot was taken in, durably, and this is its version; `None`, if that failed.
    Loaded(u64, Option<u64>),
    /// What came of a question for changes.
    Asked(u64, Asked),
    /// Something was handed in.
    Submitted(Kind, P),
    /// What came of handing it on; [`Sent::Done`] and [`Sent::Refused`] if the root's answer was passed back.
    Forwarded(u64, Kind, P, Sent),
    /// What became of a write that was to go into the durable queue.
    Queued {
        /// Whether it is in, and was not before.
        added: bool,
        /// How many it replaced.
        replaced: u64,
    },
    /// What came of the first of the queue; it is out of the queue if it was done or refused.
    Delivered(u64, Sent),
    /// What came of a heartbeat that was kept.
    Told(u64, Sent),
}

/// What is to be done. The first number is given back with the event that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<P> {
    /// Look the registries' name up.
    Resolve,
    /// Ask what answers there.
    Probe(u64, Endpoint),
    /// Take a snapshot of the root, and remember, with the directory, that it is the one with this id.
    Load(u64, Endpoint, NodeId),
    /// Ask the root what changed.
    Ask {
        /// To be given back.
        link: u64,
        /// Whom.
        root: Endpoint,
        /// Since which version.
        since: u64,
        /// How long it may hold the question, in milliseconds.
        hold: u64,
    },
    /// Hand it on, and pass the answer back.
    Forward(u64, Endpoint, Kind, P),
    /// Put it into the durable queue; then answer that it is queued.
    Queue(P),
    /// Answer that it is queued; nothing else.
    Keep(P),
    /// Answer that the queue is full.
    Full(P),
    /// Send the root the first of the queue, and take it out if that is done or refused.
    Deliver(u64, Endpoint),
    /// Send the root a heartbeat that was kept.
    Tell(u64, Endpoint, P),
}

#[derive(Debug)]
enum Link {
    /// Nothing is tried until then.
    Away { until: u64 },
    /// The root is looked for: these are still to be asked.
    Finding {
        left: VecDeque<Endpoint>,
        lookup: Lookup,
        asking: Option<Endpoint>,
    },
    /// The root answers.
    Up {
        root: Endpoint,
        id: NodeId,
        follow: Follow,
    },
}

#[derive(Debug, PartialEq)]
enum Lookup {
    Due,
    Begun,
    Done,
}

#[derive(Debug)]
enum Follow {
    /// It is asked who it is, for it may have been replaced since it was found; a snapshot is due.
    Verifying,
    Loading,
    Asking {
        since: u64,
        hold: u64,
        at: u64,
    },
    Resting {
        until: u64,
    },
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// How often the root was found.
    pub connected: u64,
    /// How often it was lost.
    pub lost: u64,
    /// How many snapshots were taken.
    pub loaded: u64,
    /// How many queued writes were done.
    pub delivered: u64,
    /// How many queued writes the root refused for good.
    pub dropped: u64,
}

/// A secondary, without its sockets, its clock and its disk: it is told what happened, and says what to do.
#[derive(Debug)]
pub struct Replica<P> {
    settings: ReplicaSettings,
    link: Link,
    /// Counts the roots that were found; what comes of earlier ones is of no more interest.
    number: u64,
    backoff: Backoff,
    version: u64,
    /// The root whose directory this is.
    followed: Option<NodeId>,
    known_at: u64,
    held_failures: u32,
    /// Held questions in a row that were answered with nothing new, and too soon.
    early: u32,
    polls: u32,
    /// A snapshot was taken in, and nothing that follows on it yet.
    fresh: bool,
    outbox: Outbox<P>,
    counts: ReplicaCounts,
}

impl<P: Clone> Replica<P> {
    /// A secondary whose directory is at a version, taken from a root, if that is known; and with so many writes in its
    /// durable queue. It begins with [`Event::Woke`].
    #[must_use]
    pub fn new(
        settings: ReplicaSettings,
        (version, followed): (u64, Option<NodeId>),
        queued: u64,
        now: &Now,
    ) -> Self {
        let outbox = Outbox::new(&settings, queued);
        Self {
            link: Link::Away { until: now.steady },
            number: 0,
            backoff: settings.backoff.clone(),
            version,
            followed,
            known_at: now.steady,
            held_failures: 0,
            early: 0,
            polls: 0,
            fresh: false,
            outbox,
            counts: ReplicaCounts::default(),
            settings,
        }
    }

    /// What is to be done about an event. `drawn` is any random number.
    pub fn on(&mut self, event: Event<P>, now: &Now, drawn: u64) -> Vec<Action<P>> {
        let mut actions = Vec::new();
        match event {
            Event::Woke => {}
            Event::Resolved(found) => self.resolved(found),
            Event::Probed(link, probe) if link == self.number => {
                self.probed(probe, now, drawn, &mut actions);
            }
            Event::Loaded(link, version) if link == self.number => {
                self.loaded(version, now, drawn);
            }
            Event::Asked(link, asked) if link == self.number => {
                self.asked(asked, now, drawn, &mut actions);
            }
            Event::Submitted(kind, payload) => {
                let root = self.root_link();
                self.outbox.submit(kind, payload, root, now, &mut actions);
            }
            Event::Forwarded(link, kind, payload, sent) => {
                self.outbox
                    .forwarded(kind, payload, sent, now, drawn, &mut actions);
                self.lost(link, sent, now, drawn);
            }
            Event::Queued { added, replaced } => self.outbox.queued(added, replaced),
            Event::Delivered(link, sent) => {
                self.outbox.delivered(sent, now, drawn);
                match sent {
                    Sent::Done => self.counts.delivered += 1,
                    Sent::Refused => self.counts.dropped += 1,
                    Sent::Busy | Sent::Lost => {}
                }
                self.lost(link, sent, now, drawn);
            }
            Event::Told(link, sent) => {
                self.outbox.told(sent, now, drawn);
                self.lost(link, sent, now, drawn);
            }
            Event::Probed(..) | Event::Loaded(..) | Event::Asked(..) => {}
        }
        self.go_on(now, drawn, &mut actions);
        let root = self.root_link();
        self.outbox.send(root, now, &mut actions);
        actions
    }

    /// When [`Event::Woke`] is due, by the steady clock, if no other event comes before.
    #[must_use]
    pub fn wake(&self) -> Option<u64> {
        let link = match &self.link {
            Link::Away { until }
            | Link::Up {
                follow: Follow::Resting { until },
                ..
            } => Some(*until),
            _ => None,
        };
        let sending = self.root_link().and_then(|_| self.outbox.wake());
        link.into_iter().chain(sending).min()
    }

    /// Where the root is, while it answers.
    #[must_use]
    pub fn root(&self) -> Option<Endpoint> {
        self.root_link().map(|(_, root)| root)
    }

    /// Whether it is looking for the root: a round of it ends with a root, or with waiting for the next one.
    #[must_use]
    pub fn searching(&self) -> bool {
        matches!(self.link, Link::Finding { .. })
    }

    /// The directory's version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> ReplicaCounts {
        self.counts
    }

    /// How it stands with the root. It does not lag while the root holds a question: a change would be told at once.
    #[must_use]
    pub fn health(&self, now: &Now) -> ReplicationHealth {
        let held = matches!(
            self.link,
            Link::Up {
                follow: Follow::Asking { hold: 1.., .. },
                ..
            }
        );
        let lag = if held {
            0
        } else {
            now.steady.saturating_sub(self.known_at)
        };
        #[expect(clippy::cast_precision_loss, reason = "of years, a millisecond")]
        let lag_seconds = lag as f64 / 1000.0;
        let root = self.root().or(self.settings.root);
        ReplicationHealth {
            version: self.version,
            root: root.map(|root| root.to_string()),
            lag_seconds,
            queued_writes: self.outbox.len(),
            connected: self.root().is_some(),
        }
    }

    fn root_link(&self) -> Option<(u64, Endpoint)> {
        match &self.link {
            Link::Up { root, .. } => Some((self.number, *root)),
            _ => None,
        }
    }

    /// The root is there no more: what comes of its last tasks is of no more interest.
    fn away(&mut self, now: &Now, drawn: u64) {
        if matches!(self.link, Link::Up { .. }) {
            self.counts.lost += 1;
        }
        self.number += 1;
        self.fresh = false;
        let until = now.steady + self.backoff.failed(drawn);
        self.link = Link::Away { until };
    }

    fn lost(&mut self, link: u64, sent: Sent, now: &Now, drawn: u64) {
        if sent == Sent::Lost && link == self.number {
            self.away(now, drawn);
        }
    }

    fn resolved(&mut self, found: Vec<Endpoint>) {
        if let Link::Finding { left, lookup, .. } = &mut self.link
            && *lookup == Lookup::Begun
        {
            let configured = self.settings.root;
            left.extend(found.into_iter().filter(|root| Some(*root) != configured));
            *lookup = Lookup::Done;
        }
    }

    fn probed(
        &mut self,
        probe: Option<Probe>,
        now: &Now,
        drawn: u64,
        actions: &mut Vec<Action<P>>,
    ) {
        let (root, verified) = match &mut self.link {
            Link::Finding { asking, .. } => (asking.take(), false),
            Link::Up {
                root,
                follow: Follow::Verifying,
                ..
            } => (Some(*root), true),
            _ => (None, false),
        };
        let Some(root) = root else { return };
        let is_root = |probe: &Probe| {
            probe.role == RegistryRole::Root
                && probe.id != self.settings.own
                && probe.version.saturating_add(BEFORE_PROMOTION) >= self.version
        };
        let Some(probe) = probe.filter(is_root) else {
            if verified {
                self.away(now, drawn);
            }
            return;
        };
        self.counts.connected += u64::from(!verified);
        let id = probe.id;
        // Never seen, another one, whose versions are its own; or it has lost what it had. Only a snapshot says what it
        // has now.
        let other = self.followed != Some(id);
        let ahead = self.version > probe.version;
        let follow = if verified || other || ahead || (self.version == 0 && probe.version > 0) {
            actions.push(Action::Load(self.number, root, id));
            Follow::Loading
        } else {
            Follow::Resting { until: now.steady }
        };
        self.link = Link::Up { root, id, follow };
    }

    fn loaded(&mut self, version: Option<u64>, now: &Now, drawn: u64) {
        let Link::Up {
            follow: follow @ Follow::Loading,
            id,
            ..
        } = &mut self.link
        else {
            return;
        };
        let Some(version) = version else {
            return self.away(now, drawn);
        };
        *follow = Follow::Resting { until: now.steady };
        self.counts.loaded += 1;
        self.followed = Some(*id);
        self.version = version;
        self.known_at = now.steady;
        self.fresh = true;
    }

    fn asked(&mut self, asked: Asked, now: &Now, drawn: u64, actions: &mut Vec<Action<P>>) {
        let Link::Up { root, follow, .. } = &mut self.link else {
            return;
        };
        let Follow::Asking { since, hold, at } = *follow else {
            return;
        };
        match asked {
            Asked::Followed { version, full } => {
                let spent = now.steady.saturating_sub(at);
                let early = hold > 0 && version == since && spent < hold / 2;
                self.early = if early { self.early + 1 } else { 0 };
                // Again and again: it does not hold questions.
                if self.early >= MAX_HELD_FAILURES {
                    self.early = 0;
                    self.polls = POLLS;
                }
                let polling = self.polls > 0 || self.settings.hold == 0;
                let rest = if polling && !full {
                    self.polls = self.polls.saturating_sub(1);
                    self.settings.refresh
                } else if early {
                    AFTER_EARLY
                } else {
                    0
                };
                *follow = Follow::Resting {
                    until: now.steady + rest,
                };
                self.version = version;
                self.known_at = now.steady;
                self.fresh = false;
                self.held_failures = 0;
                self.backoff.succeeded();
            }
            // What follows on a snapshot just taken is gone already: not again at once.
            Asked::Gap if self.fresh => self.away(now, drawn),
            Asked::Gap => {
                actions.push(Action::Probe(self.number, *root));
                *follow = Follow::Verifying;
            }
            Asked::Failed => {
                self.held_failures += u32::from(hold > 0);
                if self.held_failures >= MAX_HELD_FAILURES {
                    self.held_failures = 0;
                    self.polls = POLLS;
                }
                self.away(now, drawn);
            }
        }
    }

    /// What is due by the time, and by what is known.
    fn go_on(&mut self, now: &Now, drawn: u64, actions: &mut Vec<Action<P>>) {
        if matches!(self.link, Link::Away { until } if until <= now.steady) {
            self.link = Link::Finding {
                left: self.settings.root.into_iter().collect(),
                lookup: if self.settings.lookup {
                    Lookup::Due
                } else {
                    Lookup::Done
                },
                asking: None,
            };
        }
        match &self.link {
            Link::Finding { asking: None, .. } => self.find(now, drawn, actions),
            Link::Up {
                follow: Follow::Resting { until },
                ..
            } if *until <= now.steady => self.ask(now, actions),
            _ => {}
        }
    }

    fn find(&mut self, now: &Now, drawn: u64, actions: &mut Vec<Action<P>>) {
        let Link::Finding {
            left,
            lookup,
            asking,
        } = &mut self.link
        else {
            return;
        };
        if let Some(next) = left.pop_front() {
            *asking = Some(next);
            actions.push(Action::Probe(self.number, next));
            return;
        }
        match lookup {
            Lookup::Due => {
                *lookup = Lookup::Begun;
                actions.push(Action::Resolve);
            }
            Lookup::Begun => {}
            Lookup::Done => self.away(now, drawn),
        }
    }

    fn ask(&mut self, now: &Now, actions: &mut Vec<Action<P>>) {
        let hold = if self.polls > 0 {
            0
        } else {
            self.settings.hold
        };
        let Link::Up { root, follow, .. } = &mut self.link else {
            return;
        };
        actions.push(Action::Ask {
            link: self.number,
            root: *root,
            since: self.version,
            hold,
        });
        *follow = Follow::Asking {
            since: self.version,
            hold,
            at: now.steady,
        };
    }
}

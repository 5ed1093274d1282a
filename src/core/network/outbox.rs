//! What was written at a secondary and is not at the root yet.

use std::collections::BTreeMap;

use super::replica::{Action, Kind, ReplicaSettings, Sent};
use super::{Backoff, Endpoint, NodeId, Now};

/// The most kept heartbeats on their way at once.
const MAX_TELLING: usize = 16;

/// A heartbeat that is kept.
#[derive(Debug)]
struct Kept<P> {
    payload: P,
    at: u64,
}

/// The writes that wait for the root, by number: they themselves are on disk. And the newest heartbeat of each node,
/// in memory.
#[derive(Debug)]
pub(super) struct Outbox<P> {
    /// In the durable queue.
    queued: u64,
    /// On their way into it.
    entering: u64,
    max_queued: u64,
    /// The first of the queue is on its way to the root.
    delivering: bool,
    telling: usize,
    beats: BTreeMap<NodeId, Kept<P>>,
    /// How old a kept heartbeat may be to be news.
    beat_life: u64,
    backoff: Backoff,
    paused_until: u64,
}

impl<P: Clone> Outbox<P> {
    pub(super) fn new(settings: &ReplicaSettings, queued: u64) -> Self {
        Self {
            queued,
            entering: 0,
            max_queued: settings.max_queued,
            delivering: false,
            telling: 0,
            beats: BTreeMap::new(),
            beat_life: settings.beat_life,
            backoff: settings.backoff.clone(),
            paused_until: 0,
        }
    }

    /// How many writes wait.
    pub(super) fn len(&self) -> u64 {
        self.queued + self.entering
    }

    /// Hands on what nothing waits before; keeps the rest, in order.
    pub(super) fn submit(
        &mut self,
        kind: Kind,
        payload: P,
        root: Option<(u64, Endpoint)>,
        now: &Now,
        actions: &mut Vec<Action<P>>,
    ) {
        match root {
            Some((link, root)) if self.len() == 0 && self.paused_until <= now.steady => {
                actions.push(Action::Forward(link, root, kind, payload));
            }
            _ => {
                if let Kind::Beat(node) = kind {
                    self.beats.remove(&node);
                }
                self.keep(kind, payload, now, actions);
            }
        }
    }

    /// A heartbeat is kept, unless a newer one is.
    fn keep(&mut self, kind: Kind, payload: P, now: &Now, actions: &mut Vec<Action<P>>) {
        match kind {
            Kind::Write if self.len() >= self.max_queued => actions.push(Action::Full(payload)),
            Kind::Write => {
                self.entering += 1;
                actions.push(Action::Queue(payload));
            }
            Kind::Beat(node) => {
                let at = now.steady;
                let kept = Kept {
                    payload: payload.clone(),
                    at,
                };
                self.beats.entry(node).or_insert(kept);
                actions.push(Action::Keep(payload));
            }
        }
    }

    pub(super) fn forwarded(
        &mut self,
        kind: Kind,
        payload: P,
        sent: Sent,
        now: &Now,
        drawn: u64,
        actions: &mut Vec<Action<P>>,
    ) {
        match sent {
            Sent::Done | Sent::Refused => {}
            Sent::Busy | Sent::Lost => {
                self.pause(now, drawn);
                self.keep(kind, payload, now, actions);
            }
        }
    }

    pub(super) fn queued(&mut self, added: bool, replaced: u64) {
        self.entering = self.entering.saturating_sub(1);
        self.queued = (self.queued + u64::from(added)).saturating_sub(replaced);
    }

    pub(super) fn delivered(&mut self, sent: Sent, now: &Now, drawn: u64) {
        self.delivering = false;
        match sent {
            Sent::Done | Sent::Refused => {
                self.queued = self.queued.saturating_sub(1);
                self.backoff.succeeded();
            }
            Sent::Busy | Sent::Lost => self.pause(now, drawn),
        }
    }

    pub(super) fn told(&mut self, sent: Sent, now: &Now, drawn: u64) {
        self.telling = self.telling.saturating_sub(1);
        if matches!(sent, Sent::Busy | Sent::Lost) {
            self.pause(now, drawn);
        }
    }

    /// The root cannot take it now. Of several that failed together only the first counts.
    fn pause(&mut self, now: &Now, drawn: u64) {
        if self.paused_until <= now.steady {
            self.paused_until = now.steady + self.backoff.failed(drawn);
        }
    }

    /// When sending goes on, if it pauses.
    pub(super) fn wake(&self) -> Option<u64> {
        (self.paused_until > 0).then_some(self.paused_until)
    }

    /// Sends what is due: the queue one by one, and when that is empty the heartbeats.
    pub(super) fn send(
        &mut self,
        root: Option<(u64, Endpoint)>,
        now: &Now,
        actions: &mut Vec<Action<P>>,
    ) {
        let Some((link, root)) = root else { return };
        if self.paused_until > now.steady {
            return;
        }
        self.paused_until = 0;
        if self.delivering {
            return;
        }
        if self.queued > 0 {
            self.delivering = true;
            actions.push(Action::Deliver(link, root));
            return;
        }
        if self.entering > 0 {
            return;
        }
        while self.telling < MAX_TELLING
            && let Some((_, kept)) = self.beats.pop_first()
        {
            // Long ago it lived: that is no news.
            if now.steady.saturating_sub(kept.at) <= self.beat_life {
                self.telling += 1;
                actions.push(Action::Tell(link, root, kept.payload));
            }
        }
    }
}

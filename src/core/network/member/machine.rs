//! What a node does when.

use std::collections::VecDeque;

use super::candidates::{Candidates, Step};
use super::{Action, Answer, Event, MemberSettings, Standing};
use crate::network::{Backoff, Endpoint, Now};

/// After so many heartbeats elsewhere the first choice is tried again.
const BEATS_AWAY: u64 = 10;
/// So long a queued registration is looked for before it is made anew. Milliseconds.
const QUEUE_PATIENCE: u64 = 600_000;
/// The longest that is waited because a registry asks for it, and before one is asked that has banned the node.
/// Milliseconds.
pub(super) const MAX_WAIT: u64 = 60_000;
/// The shortest interval that a registry is believed. Milliseconds.
pub(super) const MIN_INTERVAL: u64 = 1000;

/// A node as the directory sees it come, stay and come again.
#[derive(Debug)]
pub struct Member {
    pub(super) settings: MemberSettings,
    pub(super) candidates: Candidates,
    pub(super) phase: Phase,
    call: Option<Call>,
    ticket: u64,
    pub(super) sequence: u64,
    pub(super) interval: u64,
    /// The pauses between rounds.
    pub(super) pauses: Backoff,
    pub(super) peers_at: u64,
    pub(super) registry: Option<Endpoint>,
    pub(super) registered: bool,
    pub(super) heard_at: Option<i64>,
    pub(super) trouble: Option<String>,
}

/// What is waited for. Times are steady milliseconds.
#[derive(Debug)]
pub(super) enum Phase {
    /// For the next round.
    Resting { until: u64 },
    /// For the answers of a round.
    Searching(Round),
    /// For the root to get a registration from this registry.
    Queued {
        at: Endpoint,
        since: u64,
        pauses: Backoff,
        next: u64,
    },
    /// For the next heartbeat.
    Home {
        at: Endpoint,
        next: u64,
        misses: u32,
        away: u64,
    },
}

#[derive(Debug)]
pub(super) struct Round {
    pub steps: VecDeque<Step>,
    pub asked: Vec<Endpoint>,
    /// The first registry that took the registration for the root.
    pub queued: Option<Endpoint>,
    /// The longest that a registry asked to wait.
    pub wait: u64,
}

#[derive(Debug)]
struct Call {
    ticket: u64,
    what: What,
    deadline: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Resolve,
    Register(Endpoint),
    /// To the first choice, while another registry has the node.
    Return(Endpoint),
    Find(Endpoint),
    Beat(Endpoint),
}

impl Member {
    /// A member that has done nothing yet: it begins with the first event.
    #[must_use]
    pub fn new(settings: MemberSettings) -> Self {
        Self {
            candidates: Candidates::new(&settings),
            phase: Phase::Resting { until: 0 },
            call: None,
            ticket: 0,
            sequence: 0,
            interval: settings.interval.max(MIN_INTERVAL),
            pauses: settings.backoff.clone(),
            peers_at: 0,
            registry: None,
            registered: false,
            heard_at: None,
            trouble: None,
            settings,
        }
    }

    /// Takes in what happened, and says what is to be done.
    pub fn on(&mut self, event: Event, now: &Now) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Resolved { ticket, registries } => {
                if self.take(ticket, true).is_some() {
                    self.resolved(registries, now, &mut actions);
                }
            }
            Event::Answered { ticket, answer } => {
                if let Some(what) = self.take(ticket, false) {
                    self.answered(what, &answer, now, &mut actions);
                }
            }
            Event::Heard { registries } => self.candidates.told(&registries),
        }
        self.due(now, &mut actions);
        actions
    }

    /// When [`Event::Tick`] is due at the latest, by the steady clock.
    #[must_use]
    pub fn wake_at(&self) -> u64 {
        let next = match (&self.call, &self.phase) {
            (Some(call), _) => call.deadline,
            (None, Phase::Resting { until }) => *until,
            (None, Phase::Searching(_)) => 0,
            (None, Phase::Queued { next, .. } | Phase::Home { next, .. }) => *next,
        };
        match self.phase {
            Phase::Home { .. } => next.min(self.peers_at),
            _ => next,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            registry: self.registry,
            registered: self.registered,
            queued: matches!(self.phase, Phase::Queued { .. }),
            heard_at: self.heard_at,
            well: self.registered && matches!(self.phase, Phase::Home { misses: 0, .. }),
            trouble: self.trouble.clone(),
        }
    }

    /// What was asked under a ticket, if its answer is still waited for.
    fn take(&mut self, ticket: u64, resolved: bool) -> Option<What> {
        self.call
            .take_if(|call| call.ticket == ticket && (call.what == What::Resolve) == resolved)
            .map(|call| call.what)
    }

    fn call(&mut self, what: What, now: &Now) -> Action {
        self.ticket += 1;
        let ticket = self.ticket;
        let deadline = now.steady.saturating_add(self.settings.timeout);
        self.call = Some(Call {
            ticket,
            what,
            deadline,
        });
        match what {
            What::Resolve => Action::Resolve { ticket },
            What::Register(at) | What::Return(at) => Action::Register { ticket, at },
            What::Find(at) => Action::Find { ticket, at },
            What::Beat(at) => {
                self.sequence += 1;
                let sequence = self.sequence;
                Action::Beat {
                    ticket,
                    at,
                    sequence,
                }
            }
        }
    }

    /// Does what the time asks for.
    fn due(&mut self, now: &Now, actions: &mut Vec<Action>) {
        if let Some(late) = self.call.take_if(|call| call.deadline <= now.steady) {
            let seconds = self.settings.timeout / 1000;
            let answer = Answer::Failed(format!("no answer within {seconds} s"));
            self.answered(late.what, &answer, now, actions);
        }
        if let Phase::Home { at, .. } = self.phase
            && self.peers_at <= now.steady
        {
            self.peers_at = now.steady.saturating_add(self.settings.peers_interval);
            actions.push(Action::FetchPeers { at });
        }
        if self.call.is_some() {
            return;
        }
        match self.phase {
            Phase::Resting { until } if until <= now.steady => self.search(now, actions),
            Phase::Queued {
                at, since, next, ..
            } if next <= now.steady => {
                if now.steady.saturating_sub(since) > QUEUE_PATIENCE {
                    self.search(now, actions);
                } else {
                    actions.push(self.call(What::Find(at), now));
                }
            }
            Phase::Home { at, next, away, .. } if next <= now.steady => {
                let what = match self.candidates.home() {
                    Some(home) if home != at && away >= BEATS_AWAY => What::Return(home),
                    _ => What::Beat(at),
                };
                actions.push(self.call(what, now));
            }
            _ => {}
        }
    }

    pub(super) fn search(&mut self, now: &Now, actions: &mut Vec<Action>) {
        self.phase = Phase::Searching(Round {
            steps: self.candidates.first(),
            asked: Vec::new(),
            queued: None,
            wait: 0,
        });
        self.step(now, actions);
    }

    /// The next step of a round, or its end.
    pub(super) fn step(&mut self, now: &Now, actions: &mut Vec<Action>) {
        let Phase::Searching(round) = &mut self.phase else {
            return;
        };
        let what = loop {
            match round.steps.pop_front() {
                Some(Step::Ask(at)) if round.asked.contains(&at) => {}
                Some(Step::Ask(at)) => {
                    round.asked.push(at);
                    break Some(What::Register(at));
                }
                Some(Step::LookUp) => break Some(What::Resolve),
                None => break None,
            }
        };
        if let Some(what) = what {
            actions.push(self.call(what, now));
            return;
        }
        let (queued, asked, wait) = (round.queued, round.asked.len(), round.wait);
        match queued {
            Some(at) => self.wait_for_root(at, now),
            None => self.rest(asked, wait, now),
        }
    }

    fn wait_for_root(&mut self, at: Endpoint, now: &Now) {
        self.registry = Some(at);
        self.pauses.succeeded();
        self.trouble = Some(format!(
            "the registration waits at {at} until the root registry answers"
        ));
        let mut pauses = self.settings.backoff.clone();
        let pause = pauses.failed(self.draw());
        self.phase = Phase::Queued {
            at,
            since: now.steady,
            pauses,
            next: now.steady + pause,
        };
    }

    pub(super) fn rest(&mut self, asked: usize, wait: u64, now: &Now) {
        if asked == 0 {
            self.trouble = Some("no registry is known: none is configured, the look-up of `tnr.<domain>` found none, and no peer told of one".to_owned());
        }
        let drawn = self.draw();
        let delay = self.pauses.failed(drawn).max(wait);
        self.phase = Phase::Resting {
            until: now.steady.saturating_add(delay),
        };
    }

    /// Another number each time, and on each node: those who lost a registry together come back one by one.
    pub(super) fn draw(&self) -> u64 {
        let mixed = (self.settings.spread ^ self.ticket.rotate_left(32))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_right(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed >> 16
    }

    pub(super) fn resolved(
        &mut self,
        registries: Vec<Endpoint>,
        now: &Now,
        actions: &mut Vec<Action>,
    ) {
        if !registries.is_empty() {
            self.candidates.resolved(registries);
        }
        if let Phase::Searching(round) = &mut self.phase {
            round.steps.extend(self.candidates.rest());
        }
        self.step(now, actions);
    }
}

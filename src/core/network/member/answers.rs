//! What the answers of registries lead to.

use trustnet_api::network::ErrorCode;

use super::candidates::Step;
use super::machine::{MAX_WAIT, MIN_INTERVAL, Phase, Round, What};
use super::{Action, Answer, Member};
use crate::network::{Endpoint, Now};

/// So many heartbeats in a row go unanswered before another registry is looked for.
const MISSES: u32 = 2;
/// So long after one that went unanswered the next one is sent. Milliseconds.
const AGAIN: u64 = 1000;

impl Member {
    pub(super) fn answered(
        &mut self,
        what: What,
        answer: &Answer,
        now: &Now,
        actions: &mut Vec<Action>,
    ) {
        match what {
            What::Resolve => self.resolved(Vec::new(), now, actions),
            What::Register(at) => self.offered(at, answer, now, actions),
            What::Return(home) => self.returned(home, answer, now, actions),
            What::Find(at) => self.found(at, answer, now, actions),
            What::Beat(at) => self.beaten(at, answer, now, actions),
        }
    }

    /// The answer of a registry of a round.
    fn offered(&mut self, at: Endpoint, answer: &Answer, now: &Now, actions: &mut Vec<Action>) {
        if let Answer::Registered { interval } = answer {
            self.settle(at, *interval, now, actions);
            return;
        }
        let asks = match answer {
            Answer::Refused { retry_after, .. } => retry_after.unwrap_or(0),
            _ => 0,
        };
        if let Phase::Searching(round) = &mut self.phase {
            round.wait = round.wait.max(asks.min(MAX_WAIT));
            if *answer == Answer::Queued {
                round.queued.get_or_insert(at);
            }
        }
        self.blame(at, answer);
        self.step(now, actions);
    }

    /// A registry has the node in the directory.
    fn settle(&mut self, at: Endpoint, interval: u64, now: &Now, actions: &mut Vec<Action>) {
        self.registry = Some(at);
        self.registered = true;
        self.heard_at = Some(now.wall);
        self.pauses.succeeded();
        self.trouble = None;
        self.interval = self.settings.interval.min(interval).max(MIN_INTERVAL);
        self.peers_at = now.steady;
        // A registration counts as heard of, so the first heartbeat may come anywhere in the interval.
        let half = self.interval / 2;
        self.phase = Phase::Home {
            at,
            next: now.steady + half + self.draw() % half,
            misses: 0,
            away: 0,
        };
        let kept = self.candidates.worked(at);
        actions.extend(kept.map(|registries| Action::Remember { registries }));
    }

    fn returned(&mut self, home: Endpoint, answer: &Answer, now: &Now, actions: &mut Vec<Action>) {
        match answer {
            Answer::Registered { interval } => self.settle(home, *interval, now, actions),
            // It is no better than where the node is.
            _ => {
                if let Phase::Home { away, .. } = &mut self.phase {
                    *away = 0;
                }
            }
        }
    }

    /// Whether the directory shows a registration that was queued.
    fn found(&mut self, at: Endpoint, answer: &Answer, now: &Now, actions: &mut Vec<Action>) {
        match answer {
            Answer::Present => self.settle(at, self.settings.interval, now, actions),
            Answer::Absent => {
                let drawn = self.draw();
                if let Phase::Queued { pauses, next, .. } = &mut self.phase {
                    *next = now.steady + pauses.failed(drawn);
                }
            }
            other => {
                self.blame(at, other);
                self.search(now, actions);
            }
        }
    }

    fn beaten(&mut self, at: Endpoint, answer: &Answer, now: &Now, actions: &mut Vec<Action>) {
        let Phase::Home {
            next, misses, away, ..
        } = &mut self.phase
        else {
            return;
        };
        match answer {
            Answer::Beaten | Answer::Queued => {
                self.heard_at = Some(now.wall);
                *misses = 0;
                *away += 1;
                // In step with the last one, unless the machine slept.
                *next = next
                    .saturating_add(self.interval)
                    .max(now.steady + self.interval / 2);
                self.trouble = None;
            }
            // The registry has forgotten the node, or has heard more of it than this process sent.
            Answer::Refused {
                code: ErrorCode::NotFound | ErrorCode::StaleSequence,
                ..
            } => {
                self.registered = false;
                self.blame(at, answer);
                self.again(at, now, actions);
            }
            Answer::Refused {
                code: ErrorCode::Banned,
                ..
            } => {
                self.registered = false;
                self.blame(at, answer);
                self.rest(1, MAX_WAIT, now);
            }
            other => {
                *misses += 1;
                *next = now.steady + AGAIN;
                let enough = *misses >= MISSES;
                self.blame(at, other);
                if enough {
                    self.search(now, actions);
                }
            }
        }
    }

    /// A round that begins with the registry that the node had.
    fn again(&mut self, at: Endpoint, now: &Now, actions: &mut Vec<Action>) {
        let mut steps = self.candidates.first();
        steps.push_front(Step::Ask(at));
        self.phase = Phase::Searching(Round {
            steps,
            asked: Vec::new(),
            queued: None,
            wait: 0,
        });
        self.step(now, actions);
    }

    fn blame(&mut self, at: Endpoint, answer: &Answer) {
        match answer {
            Answer::Refused { code, message, .. } => {
                if *code == ErrorCode::Banned {
                    self.registered = false;
                }
                self.trouble = Some(format!("registry {at} refuses: {message}"));
            }
            Answer::Failed(why) => {
                self.trouble = Some(format!("registry {at} does not answer: {why}"));
            }
            _ => {}
        }
    }
}

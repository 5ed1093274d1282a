//! A node: it registers where it can, and says that it lives.

use sha2::{Digest as _, Sha256};
use trustnet_api::network::{ErrorCode, RegisterRequest, SIGNATURE_LIFE};
use trustnet_core::network::{
    Action, Answer as Said, Backoff, Endpoint, Event, Member, MemberSettings, NodeId, Proof,
    PublicKey, Registration,
};

use super::words::{Answer, Request, Signed, Timer, What};
use super::world::{Actor, Packet};
use super::{Ledger, Net, ROOT, Switches, actor, endpoint};

/// What a node is to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lives,
    /// It is gone without a word.
    Dies,
    /// It takes itself out.
    Leaves,
}

pub struct Node {
    of: Actor,
    key: PublicKey,
    registries: Vec<Endpoint>,
    pub fate: Fate,
    pub port: u16,
    // In memory.
    member: Member,
    /// The number of the call, what it is, and the member's ticket.
    calls: Vec<(u64, Call, u64)>,
    signed_at: u64,
    at: usize,
    /// Since when it is not registered though it could be, by the world's time.
    pub lost_since: Option<u64>,
    /// Since when the root does not have it though it could, by the world's time.
    pub queued_since: Option<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Register,
    Find,
    Beat,
    Remove,
}

impl Node {
    pub fn new(of: Actor, secondaries: usize, net: &mut Net) -> Self {
        let digest = Sha256::digest(of.to_le_bytes());
        let mut registries: Vec<Endpoint> = (0..=secondaries).map(endpoint).collect();
        for place in 1..registries.len() {
            let other = net.chance.between(0, place as u64);
            registries.swap(place, usize::try_from(other).expect("it fits"));
        }
        Self {
            of,
            key: PublicKey::new(digest.into()),
            member: member(of, &registries),
            registries,
            fate: Fate::Lives,
            port: 9000,
            calls: Vec::new(),
            signed_at: 0,
            at: 0,
            lost_since: None,
            queued_since: None,
        }
    }

    pub fn id(&self) -> NodeId {
        self.key.node_id()
    }

    /// Whether the root has it, as far as it knows.
    pub fn is_registered(&self) -> bool {
        self.member.standing().registered
    }

    /// Whether it waits in the queue of a registry, as far as it knows.
    pub fn is_queued(&self) -> bool {
        self.member.standing().queued
    }

    pub fn start(&mut self, net: &mut Net, ledger: &mut Ledger) {
        self.member = member(self.of, &self.registries);
        self.calls.clear();
        self.signed_at = 0;
        self.lost_since = None;
        self.queued_since = None;
        self.tell(net, ledger, Event::Tick);
    }

    pub fn timer(&mut self, net: &mut Net, ledger: &mut Ledger, switches: Switches) {
        match self.fate {
            Fate::Lives if switches.try_once => {}
            Fate::Lives => {
                let now = net.now(self.of);
                if self.member.wake_at() <= now.steady {
                    self.tell(net, ledger, Event::Tick);
                }
            }
            Fate::Dies => {}
            Fate::Leaves => {
                self.at += 1;
                let to = self.registries[self.at % self.registries.len()];
                let remove = What::Remove(self.id());
                self.sign(net, ledger, actor(to), remove, Call::Remove, 0);
                net.timer(self.of, 8_000, Timer::Act);
            }
        }
    }

    fn tell(&mut self, net: &mut Net, ledger: &mut Ledger, event: Event) {
        let now = net.now(self.of);
        for action in self.member.on(event, &now) {
            self.act(net, ledger, &action);
        }
        let delay = self.member.wake_at().saturating_sub(now.steady);
        net.timer(self.of, delay.max(1), Timer::Act);
    }

    fn act(&mut self, net: &mut Net, ledger: &mut Ledger, action: &Action) {
        match *action {
            Action::Resolve { ticket } => {
                let registries = self.registries.clone();
                self.tell(net, ledger, Event::Resolved { ticket, registries });
            }
            Action::Register { ticket, at } => {
                let register = What::Register(self.registration());
                self.sign(net, ledger, actor(at), register, Call::Register, ticket);
            }
            Action::Beat {
                ticket,
                at,
                sequence,
            } => {
                let beat = What::Beat(self.id(), sequence);
                self.sign(net, ledger, actor(at), beat, Call::Beat, ticket);
            }
            Action::Find { ticket, at } => {
                let request = Request::Find(self.id(), self.port);
                self.call(net, actor(at), request, Call::Find, ticket);
            }
            Action::FetchPeers { .. } | Action::Remember { .. } => {}
        }
    }

    fn sign(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        to: Actor,
        what: What,
        call: Call,
        ticket: u64,
    ) {
        // Not before what it signed last, unless that was by a clock that was far off.
        let seconds = net.now(self.of).seconds();
        if self.signed_at > seconds + SIGNATURE_LIFE {
            self.signed_at = 0;
        }
        self.signed_at = self.signed_at.max(seconds);
        let proof = Proof {
            created: self.signed_at,
            signature: net.chance.draw(),
        };
        if to == ROOT {
            ledger.direct(proof);
        }
        let signed = Signed { proof, what };
        self.call(net, to, Request::Signed(signed, None), call, ticket);
    }

    fn call(&mut self, net: &mut Net, to: Actor, request: Request, call: Call, ticket: u64) {
        let number = net.number();
        // The member waits for one answer at a time.
        self.calls = vec![(number, call, ticket)];
        net.send(self.of, to, Packet::Request(number, request));
    }

    pub fn answered(&mut self, net: &mut Net, ledger: &mut Ledger, number: u64, answer: &Answer) {
        let Some(place) = self.calls.iter().position(|(call, ..)| *call == number) else {
            return;
        };
        let (_, call, ticket) = self.calls.remove(place);
        if call == Call::Remove {
            if matches!(answer, Answer::Done | Answer::Queued | Answer::Unknown) {
                self.fate = Fate::Dies;
            }
        } else if self.fate == Fate::Lives {
            let answer = said(call, answer);
            self.tell(net, ledger, Event::Answered { ticket, answer });
        }
    }

    fn registration(&self) -> Registration {
        let request = RegisterRequest {
            node_name: format!("node-{}", self.of),
            ipv6_address: format!("2001:db8::{:x}", self.of),
            port: self.port,
            domain: "example.org".to_owned(),
            registry_address: "[2001:db8::1]:8000".to_owned(),
            public_key: self.key.to_string(),
        };
        Registration::check(&request).expect("a valid registration")
    }
}

fn member(of: Actor, registries: &[Endpoint]) -> Member {
    Member::new(MemberSettings {
        integrated: None,
        configured: registries.first().copied(),
        lookup: true,
        remembered: Vec::new(),
        interval: 30_000,
        timeout: 8_000,
        peers_interval: 3_600_000,
        backoff: Backoff::default(),
        spread: of as u64,
    })
}

fn said(call: Call, answer: &Answer) -> Said {
    let refused = |code| Said::Refused {
        code,
        message: String::new(),
        retry_after: None,
    };
    match (answer, call) {
        (Answer::Done, Call::Register) => Said::Registered { interval: 30_000 },
        (Answer::Done, Call::Find) => Said::Present,
        (Answer::Done, _) => Said::Beaten,
        (Answer::Queued, _) => Said::Queued,
        (Answer::Unknown, Call::Find) => Said::Absent,
        (Answer::Unknown, _) => refused(ErrorCode::NotFound),
        (Answer::Expired, _) => refused(ErrorCode::Expired),
        (Answer::Replayed, _) => refused(ErrorCode::Replayed),
        (Answer::Stale, _) => refused(ErrorCode::StaleSequence),
        _ => refused(ErrorCode::Unavailable),
    }
}

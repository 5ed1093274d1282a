//! The root: the directory in memory, a disk beneath it, and one writer between the two.

use std::collections::BTreeMap;

use trustnet_api::network::RegistryRole;
use trustnet_core::network;
use trustnet_core::network::{
    Batch, Directory, Liveness, LogEntry, Node, NodeId, Now, Offer, Probe, Proof, Refusal, Write,
};

use super::words::{Answer, Request, Signed, Timer, What};
use super::world::{Actor, Packet};
use super::{Ledger, Net, ROOT, Switches};

const LOG: usize = 400;
const WINDOW: u64 = 300;

/// What outlives a crash.
struct Disk {
    version: u64,
    nodes: BTreeMap<NodeId, Node>,
    departed: BTreeMap<NodeId, network::Left>,
    administered: BTreeMap<NodeId, network::Signed>,
    log: Vec<LogEntry>,
}

type Reply = (Actor, u64);

/// What waits for the writer: whom to answer what, when it is durable.
struct Waiting {
    write: Write,
    proof: Option<Proof>,
    reply: Option<Reply>,
}

pub struct Root {
    pub directory: Directory,
    disk: Disk,
    waiting: Vec<Waiting>,
    writing: Option<(Batch, Vec<Waiting>)>,
    held: BTreeMap<u64, (Reply, u64)>,
}

pub const LIVENESS: Liveness = Liveness {
    interval: 30_000,
    offline_after: 90_000,
    inactive_after: 240_000,
    removed_after: 600_000,
};

pub fn id() -> NodeId {
    NodeId::new([0xff; 8])
}

impl Root {
    pub fn new() -> Self {
        let disk = Disk {
            version: 0,
            nodes: BTreeMap::new(),
            departed: BTreeMap::new(),
            administered: BTreeMap::new(),
            log: Vec::new(),
        };
        Self {
            directory: Directory::new(LOG),
            disk,
            waiting: Vec::new(),
            writing: None,
            held: BTreeMap::new(),
        }
    }

    pub fn start(&mut self, net: &mut Net) {
        let now = net.now(ROOT);
        self.waiting.clear();
        self.writing = None;
        self.held.clear();
        self.directory = Directory::new(LOG);
        let nodes = self.disk.nodes.values().map(|node| {
            let mut node = node.clone();
            node.beat_at = now.steady;
            node.active_since = now.steady;
            node
        });
        self.directory.replace(self.disk.version, nodes);
        let from = self
            .disk
            .log
            .first()
            .map_or(self.disk.version, |entry| entry.version - 1);
        self.directory.remember(from, self.disk.log.iter().cloned());
        self.directory.remember_departed(self.disk.departed.clone());
        for (id, signed) in &self.disk.administered {
            self.directory.remember_administered(*id, signed.clone());
        }
        net.timer(ROOT, 1_000, Timer::Store);
        net.timer(ROOT, 5_000, Timer::Sweep);
    }

    pub fn hears(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        (from, number, request): (Actor, u64, Request),
    ) {
        let now = net.now(ROOT);
        let reply = (from, number);
        match request {
            Request::Probe => {
                let probe = Probe {
                    id: id(),
                    role: RegistryRole::Root,
                    version: self.directory.version(),
                };
                answer(net, reply, Answer::Probe(probe));
            }
            Request::Snapshot => {
                let nodes = self.directory.after(None).map(|node| node.record(&now));
                let snapshot = Answer::Snapshot(self.directory.version(), nodes.collect());
                answer(net, reply, snapshot);
            }
            Request::Find(id, port) => {
                answer(net, reply, found(&self.directory, id, port));
            }
            Request::Changes { since, hold } => self.changes(net, since, hold, reply),
            Request::Signed(signed, queued_at) => {
                if !in_window(&signed.proof, queued_at, &now) {
                    return answer(net, reply, Answer::Expired);
                }
                self.signed(net, signed, reply);
                self.write(net, ledger, switches);
            }
        }
    }

    fn signed(&mut self, net: &mut Net, signed: Signed, reply: Reply) {
        let now = net.now(ROOT);
        let proof = signed.proof;
        let write = match signed.what {
            What::Register(registration) => Write::Register {
                registration,
                proof,
                admitted: true,
            },
            What::Remove(id) => Write::Remove {
                id,
                proof,
                by_administrator: false,
            },
            What::Beat(id, sequence) => {
                match self.directory.beat(id, sequence, &proof, &now) {
                    Err(refusal) => return answer(net, reply, refused(&refusal)),
                    Ok(beaten) if !beaten.revive => return answer(net, reply, Answer::Done),
                    Ok(_) => {}
                }
                self.waiting.push(Waiting {
                    write: Write::Revive { id },
                    proof: None,
                    reply: Some(reply),
                });
                return;
            }
        };
        self.waiting.push(Waiting {
            write,
            proof: Some(proof),
            reply: Some(reply),
        });
    }

    fn changes(&mut self, net: &mut Net, since: u64, hold: u64, reply: Reply) {
        let now = net.now(ROOT);
        match self.directory.changes(since, 50) {
            None => answer(net, reply, Answer::Gone),
            Some(changes) if changes.is_empty() && hold > 0 => {
                let number = net.number();
                self.held.insert(number, (reply, since));
                net.timer(ROOT, hold, Timer::Held(number));
            }
            Some(changes) => {
                let changes = changes.iter().map(|entry| entry.wire(&now)).collect();
                answer(net, reply, Answer::Changes(changes));
            }
        }
    }

    /// Begins a batch, if none is under way.
    fn write(&mut self, net: &mut Net, ledger: &mut Ledger, switches: Switches) {
        if self.writing.is_some() || self.waiting.is_empty() {
            return;
        }
        let now = net.now(ROOT);
        let mut batch = Batch::new(&self.directory);
        let mut taken = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let reply = waiting.reply;
            match batch.offer(&self.directory, &waiting.write, &now) {
                Offer::Taken(_) | Offer::Noted => taken.push(waiting),
                Offer::Later => self.waiting.push(waiting),
                Offer::Unchanged => {
                    if let Some(reply) = reply {
                        answer(net, reply, Answer::Done);
                    }
                }
                Offer::Refused(refusal) => {
                    if let Some(reply) = reply {
                        answer(net, reply, refused(&refusal));
                    }
                }
            }
        }
        if switches.answer_before_commit {
            acknowledge(net, ledger, &taken);
        }
        let delay = net.chance.between(1, 10);
        net.timer(ROOT, delay, Timer::Commit);
        self.writing = Some((batch, taken));
    }

    /// The batch is on the disk. `crash`: and there it ends.
    fn commit(&mut self, net: &mut Net, ledger: &mut Ledger, switches: Switches, crash: bool) {
        let Some((batch, taken)) = self.writing.take() else {
            return;
        };
        let now = net.now(ROOT);
        for waiting in &taken {
            if let Some(proof) = waiting.proof {
                ledger.done(waiting.write.id(), proof, net.true_seconds());
            }
        }
        for entry in batch.entries() {
            self.disk.take(entry, &now);
        }
        // One by one, for the sake of the ledger: a follower may see what is between.
        for entry in batch.into_entries() {
            let from = self.directory.version();
            self.directory
                .apply(from, vec![entry], &now)
                .expect("it follows");
            ledger.root_at(&self.directory);
        }
        if crash {
            return;
        }
        if !switches.answer_before_commit {
            acknowledge(net, ledger, &taken);
        }
        for (reply, since) in std::mem::take(&mut self.held).into_values() {
            self.changes(net, since, 0, reply);
        }
        self.write(net, ledger, switches);
    }

    /// Returns whether it crashes.
    pub fn timer(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        timer: &Timer,
    ) -> bool {
        let now = net.now(ROOT);
        match timer {
            Timer::Commit => {
                // Before the disk has it, or after, and nobody was told.
                let crash = net.lossy && net.chance.permille(6);
                if crash && net.chance.permille(500) {
                    return true;
                }
                self.commit(net, ledger, switches, crash);
                return crash;
            }
            Timer::Store => {
                for node in self.directory.after(None) {
                    if let Some(stored) = self.disk.nodes.get_mut(&node.id) {
                        stored.sequence = node.sequence;
                        stored.last_heartbeat = node.last_heartbeat;
                    }
                }
                net.timer(ROOT, 1_000, Timer::Store);
            }
            Timer::Sweep if switches.no_sweep => {}
            Timer::Sweep => {
                let due = self.directory.sweep(&LIVENESS, &now);
                self.waiting.extend(due.into_iter().map(|write| Waiting {
                    write,
                    proof: None,
                    reply: None,
                }));
                self.write(net, ledger, switches);
                net.timer(ROOT, 5_000, Timer::Sweep);
            }
            Timer::Held(number) => {
                if let Some((reply, since)) = self.held.remove(number) {
                    self.changes(net, since, 0, reply);
                }
            }
            _ => {}
        }
        false
    }
}

impl Disk {
    fn take(&mut self, entry: &LogEntry, now: &Now) {
        let node = &entry.node;
        if entry.change == trustnet_api::network::ChangeType::NodeRemoved {
            self.nodes.remove(&node.id);
            let left = network::Left {
                at: now.seconds(),
                signed: node.signed.clone(),
            };
            self.departed.insert(node.id, left);
        } else {
            self.nodes.insert(node.id, Node::clone(node));
            self.departed.remove(&node.id);
        }
        if let Some(signed) = &entry.administered {
            self.administered.insert(node.id, signed.clone());
        }
        self.version = entry.version;
        self.log.push(LogEntry {
            administered: None,
            ..entry.clone()
        });
        let more = self.log.len().saturating_sub(LOG);
        self.log.drain(..more);
    }
}

fn acknowledge(net: &mut Net, ledger: &mut Ledger, taken: &[Waiting]) {
    for waiting in taken {
        let Some(reply) = waiting.reply else { continue };
        if let Some(proof) = waiting.proof {
            ledger.promise(waiting.write.id(), proof);
        }
        answer(net, reply, Answer::Done);
    }
}

fn answer(net: &mut Net, (to, number): Reply, answer: Answer) {
    net.send(ROOT, to, Packet::Answer(number, answer));
}

pub fn found(directory: &Directory, id: NodeId, port: u16) -> Answer {
    let node = directory.get(id).filter(|node| node.port == port);
    node.map_or(Answer::Unknown, |_| Answer::Done)
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Unknown(_) => Answer::Unknown,
        Refusal::Replayed => Answer::Replayed,
        Refusal::StaleSequence { .. } => Answer::Stale,
        _ => Answer::Refused,
    }
}

/// Whether a signature is no older than it may be; and if a secondary took it, whether it was so then.
pub fn in_window(proof: &Proof, queued_at: Option<i64>, now: &Now) -> bool {
    let at = queued_at.unwrap_or(now.wall);
    at <= now.wall + 300_000
        && now.wall - at <= 86_400_000
        && at.unsigned_abs().abs_diff(proof.created * 1000) <= WINDOW * 1000
}

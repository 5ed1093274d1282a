//! A secondary: the machine of `core`, a directory, and a disk with a queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use trustnet_api::network::{Change, NodeRecord, QUEUE_LIFE, RegistryRole};
use trustnet_core::network::queued::{Place, Waiting, place};
use trustnet_core::network::{
    Asked, Backoff, Directory, Kind, LogEntry, Node, NodeId, Probe, Replica, ReplicaAction,
    ReplicaEvent, ReplicaSettings, Sent,
};

use super::root::{found, in_window};
use super::words::{Answer, Request, Signed, Timer, What};
use super::world::{Actor, Packet};
use super::{Ledger, Net, ROOT, Switches, actor, endpoint};

const HOLD: u64 = 10_000;
const PATIENCE: u64 = 5_000;

/// What was handed in, and who waits for the answer.
#[derive(Debug, Clone)]
pub struct Handed {
    signed: Signed,
    /// When, by the wall clock by which its signature was found fresh.
    at: i64,
    reply: (Actor, u64),
}

/// What the root is asked.
enum Call {
    Probe,
    Snapshot(NodeId),
    Changes(u64),
    Forward(Kind, Handed),
    Deliver(u64),
    Tell,
}

struct Queued {
    number: u64,
    signed: Signed,
    at: i64,
}

pub struct Secondary {
    of: Actor,
    max_queued: u64,
    hold: u64,
    // On disk.
    pub directory: Directory,
    followed: Option<NodeId>,
    /// Kept only to be taken in wrongly.
    first_snapshot: Option<(u64, Vec<NodeRecord>)>,
    queue: VecDeque<Queued>,
    entered: u64,
    // In memory.
    /// What of the queue may be on its way to the root.
    sent: Option<u64>,
    pub replica: Replica<Handed>,
    entering: VecDeque<Handed>,
    calls: BTreeMap<u64, (u64, Call)>,
    wake: u64,
}

impl Secondary {
    pub fn new(of: Actor, net: &mut Net) -> Self {
        let max_queued = if net.chance.permille(300) { 30 } else { 5_000 };
        let hold = if net.chance.permille(200) { 0 } else { HOLD };
        let now = net.now(of);
        Self {
            of,
            max_queued,
            hold,
            directory: Directory::new(50),
            followed: None,
            first_snapshot: None,
            queue: VecDeque::new(),
            entered: 0,
            sent: None,
            replica: Replica::new(settings(of, max_queued, hold), (0, None), 0, &now),
            entering: VecDeque::new(),
            calls: BTreeMap::new(),
            wake: u64::MAX,
        }
    }

    pub fn start(&mut self, net: &mut Net, ledger: &mut Ledger, switches: Switches) {
        if switches.forget_queue {
            self.queue.clear();
        }
        let found = self
            .queue
            .iter()
            .map(|queued| queued.signed.proof.signature);
        ledger.finds(self.of, &found.collect());
        let now = net.now(self.of);
        let settings = settings(self.of, self.max_queued, self.hold);
        let queued = self.queue.len() as u64;
        self.replica = Replica::new(
            settings,
            (self.directory.version(), self.followed),
            queued,
            &now,
        );
        self.entering.clear();
        self.sent = None;
        self.calls.clear();
        self.wake = u64::MAX;
        self.tell(net, ledger, switches, ReplicaEvent::Woke);
    }

    pub fn queued(&self) -> usize {
        self.queue.len() + self.entering.len()
    }

    /// Whether a new write would be taken.
    pub fn has_room(&self) -> bool {
        (self.queued() as u64) < self.max_queued
    }

    fn tell(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        event: ReplicaEvent<Handed>,
    ) {
        let (now, drawn) = (net.now(self.of), net.chance.draw());
        for action in self.replica.on(event, &now, drawn) {
            self.act(net, ledger, switches, action);
        }
        let now = net.now(self.of);
        match self.replica.wake() {
            Some(at) if at < self.wake || self.wake <= now.steady => {
                self.wake = at;
                net.timer(self.of, at.saturating_sub(now.steady), Timer::Wake);
            }
            _ => {}
        }
    }

    fn act(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        action: ReplicaAction<Handed>,
    ) {
        match action {
            ReplicaAction::Resolve => {
                // All registries, and what is none.
                let found = vec![endpoint(self.of), endpoint(2), endpoint(1), endpoint(ROOT)];
                self.tell(net, ledger, switches, ReplicaEvent::Resolved(found));
            }
            ReplicaAction::Probe(link, at) => {
                self.call(net, actor(at), PATIENCE, link, Call::Probe, Request::Probe);
            }
            ReplicaAction::Load(link, _, root) => {
                self.call(
                    net,
                    ROOT,
                    PATIENCE,
                    link,
                    Call::Snapshot(root),
                    Request::Snapshot,
                );
            }
            ReplicaAction::Ask {
                link, since, hold, ..
            } => {
                let patience = PATIENCE + hold;
                let request = Request::Changes { since, hold };
                self.call(net, ROOT, patience, link, Call::Changes(since), request);
            }
            ReplicaAction::Forward(link, _, kind, handed) => {
                if kind == Kind::Write {
                    ledger.direct(handed.signed.proof);
                }
                let request = Request::Signed(handed.signed.clone(), None);
                let call = Call::Forward(kind, handed);
                self.call(net, ROOT, PATIENCE, link, call, request);
            }
            ReplicaAction::Queue(handed) => {
                if switches.answer_before_queued {
                    self.promise(net, ledger, &handed);
                }
                self.entering.push_back(handed);
                let delay = net.chance.between(1, 10);
                net.timer(self.of, delay, Timer::Entered);
            }
            ReplicaAction::Keep(handed) => self.answer(net, &handed, Answer::Queued),
            ReplicaAction::Full(handed) => self.answer(net, &handed, Answer::Unavailable),
            ReplicaAction::Deliver(link, _) => {
                let first = self
                    .queue
                    .front()
                    .expect("the queue is as long as was told");
                let number = first.number;
                self.sent = Some(number);
                let request = Request::Signed(first.signed.clone(), Some(first.at));
                self.call(net, ROOT, PATIENCE, link, Call::Deliver(number), request);
            }
            ReplicaAction::Tell(link, _, handed) => {
                let request = Request::Signed(handed.signed, None);
                self.call(net, ROOT, PATIENCE, link, Call::Tell, request);
            }
        }
    }

    fn call(
        &mut self,
        net: &mut Net,
        to: Actor,
        patience: u64,
        link: u64,
        call: Call,
        request: Request,
    ) {
        let number = net.number();
        self.calls.insert(number, (link, call));
        net.timer(self.of, patience, Timer::TimedOut(number));
        net.send(self.of, to, Packet::Request(number, request));
    }

    fn answer(&self, net: &mut Net, handed: &Handed, answer: Answer) {
        let (to, number) = handed.reply;
        net.send(self.of, to, Packet::Answer(number, answer));
    }

    fn promise(&self, net: &mut Net, ledger: &mut Ledger, handed: &Handed) {
        ledger.queue(self.of, handed.signed.id(), handed.signed.proof);
        self.answer(net, handed, Answer::Queued);
    }

    /// Returns whether it crashes.
    pub fn timer(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        timer: &Timer,
    ) -> bool {
        match timer {
            Timer::Wake => {
                let now = net.now(self.of);
                if self.wake <= now.steady {
                    self.tell(net, ledger, switches, ReplicaEvent::Woke);
                }
            }
            Timer::Entered => {
                let Some(handed) = self.entering.pop_front() else {
                    return false;
                };
                // Before the disk has it, or after, and nobody was told.
                let crash = net.lossy && net.chance.permille(6);
                if crash && net.chance.permille(500) {
                    return true;
                }
                let known = |queued: &Queued| {
                    queued.signed.proof.signature == handed.signed.proof.signature
                };
                let known = self.queue.iter().any(known);
                let place = if known {
                    Place::Nowhere
                } else {
                    self.place(&handed)
                };
                let added = !matches!(place, Place::Nowhere | Place::TooMany);
                let mut replaced = 0;
                if added {
                    replaced = self.enter(ledger, &handed, place);
                    if crash {
                        return true;
                    }
                    if !switches.answer_before_queued {
                        self.promise(net, ledger, &handed);
                    }
                } else if place == Place::TooMany {
                    self.answer(net, &handed, Answer::Unavailable);
                } else {
                    self.answer(net, &handed, Answer::Queued);
                }
                let event = ReplicaEvent::Queued { added, replaced };
                self.tell(net, ledger, switches, event);
            }
            Timer::TimedOut(number) => self.answered(net, ledger, switches, *number, None),
            _ => {}
        }
        false
    }

    /// Where the queue takes a write.
    fn place(&self, handed: &Handed) -> Place {
        let body = |signed: &Signed| match &signed.what {
            What::Register(registration) => format!("{registration:?}"),
            _ => String::new(),
        };
        let id = handed.signed.id();
        let of_node = self.queue.iter().filter(|queued| queued.signed.id() == id);
        let of_node: Vec<&Queued> = of_node.collect();
        let bodies: Vec<String> = of_node.iter().map(|queued| body(&queued.signed)).collect();
        let waiting = |signed: &Signed, sent: bool| Waiting {
            registration: matches!(signed.what, What::Register(_)),
            signer: signed.id(),
            created: signed.proof.created,
            authorization: None,
            body: b"",
            sent,
        };
        let before = of_node.iter().zip(&bodies).map(|(queued, body)| Waiting {
            body: body.as_bytes(),
            ..waiting(&queued.signed, self.sent == Some(queued.number))
        });
        let before: Vec<Waiting<'_>> = before.collect();
        let own = body(&handed.signed);
        let new = Waiting {
            body: own.as_bytes(),
            ..waiting(&handed.signed, false)
        };
        place(&before, &new)
    }

    /// Puts a write into the queue; gives how many it replaced.
    fn enter(&mut self, ledger: &mut Ledger, handed: &Handed, place: Place) -> u64 {
        let id = handed.signed.id();
        let (gone, keeps) = match place {
            Place::OfLast(gone) => (gone, true),
            Place::End(gone) => (gone, false),
            Place::Nowhere | Place::TooMany => return 0,
        };
        let mut at = self.queue.len();
        for number in 0..gone {
            let last = self
                .queue
                .iter()
                .rposition(|queued| queued.signed.id() == id);
            let last = last.expect("it was counted");
            let old = self.queue.remove(last).expect("it was found");
            let keeps = keeps && number == 0;
            let by = (id, handed.signed.proof);
            ledger.replaced(self.of, old.signed.proof, by, keeps);
            at = if keeps { last } else { at - 1 };
        }
        self.entered += 1;
        let queued = Queued {
            number: self.entered,
            signed: handed.signed.clone(),
            at: handed.at,
        };
        self.queue.insert(at.min(self.queue.len()), queued);
        gone as u64
    }

    pub fn hears(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        (from, number, request): (Actor, u64, Request),
    ) {
        let now = net.now(self.of);
        match request {
            Request::Probe => {
                let probe = Probe {
                    id: own(self.of),
                    role: RegistryRole::Secondary,
                    version: self.directory.version(),
                };
                net.send(self.of, from, Packet::Answer(number, Answer::Probe(probe)));
            }
            Request::Find(id, port) => {
                let answer = found(&self.directory, id, port);
                net.send(self.of, from, Packet::Answer(number, answer));
            }
            Request::Signed(signed, _) => {
                let reply = (from, number);
                let kind = match signed.what {
                    What::Beat(id, _) => Kind::Beat(id),
                    _ => Kind::Write,
                };
                let known = |id| self.directory.get(id).is_some() || self.waits(id);
                let at = now.wall;
                let handed = Handed { signed, at, reply };
                if !in_window(&handed.signed.proof, None, &now) {
                    return self.answer(net, &handed, Answer::Expired);
                }
                if matches!(kind, Kind::Beat(id) if !known(id)) {
                    return self.answer(net, &handed, Answer::Unknown);
                }
                self.tell(net, ledger, switches, ReplicaEvent::Submitted(kind, handed));
            }
            _ => {}
        }
    }

    /// Whether a registration of the node waits: that is where its key is known from.
    fn waits(&self, id: NodeId) -> bool {
        let entering = self.entering.iter().map(|handed| &handed.signed);
        let queued = self.queue.iter().map(|queued| &queued.signed);
        entering.chain(queued).any(|signed| signed.id() == id)
    }

    /// An answer came, or none in time.
    pub fn answered(
        &mut self,
        net: &mut Net,
        ledger: &mut Ledger,
        switches: Switches,
        number: u64,
        answer: Option<Answer>,
    ) {
        let Some((link, call)) = self.calls.remove(&number) else {
            return;
        };
        let event = match call {
            Call::Probe => ReplicaEvent::Probed(
                link,
                match answer {
                    Some(Answer::Probe(probe)) => Some(probe),
                    _ => None,
                },
            ),
            Call::Snapshot(root) => {
                ReplicaEvent::Loaded(link, self.load(net, switches, root, answer))
            }
            Call::Changes(since) => ReplicaEvent::Asked(link, self.follow(net, since, answer)),
            Call::Forward(kind, handed) => {
                let sent = sent(answer.as_ref(), true);
                if let (Sent::Done | Sent::Refused, Some(answer)) = (sent, answer) {
                    self.answer(net, &handed, answer);
                }
                ReplicaEvent::Forwarded(link, kind, handed, sent)
            }
            Call::Deliver(number) => {
                let mut sent = sent(answer.as_ref(), false);
                let now = net.now(self.of).wall;
                let first = self.queue.front();
                let off = |at: i64| now < at - 300_000 || now.abs_diff(at) >= QUEUE_LIFE * 1000;
                let off = first.is_some_and(|first| off(first.at));
                if off && matches!(answer, Some(Answer::Expired)) {
                    // Taken by a clock that was ahead, or a day off: it can be good nowhere.
                    sent = Sent::Refused;
                    first
                        .iter()
                        .for_each(|first| ledger.give_up(first.signed.proof));
                }
                if matches!(sent, Sent::Done | Sent::Refused) {
                    let first = self
                        .queue
                        .pop_front()
                        .filter(|first| first.number == number);
                    let first = first.expect("the first stays until it is delivered");
                    ledger.delivered(self.of, first.signed.proof);
                }
                ReplicaEvent::Delivered(link, sent)
            }
            Call::Tell => ReplicaEvent::Told(link, sent(answer.as_ref(), true)),
        };
        self.tell(net, ledger, switches, event);
    }

    fn load(
        &mut self,
        net: &mut Net,
        switches: Switches,
        root: NodeId,
        answer: Option<Answer>,
    ) -> Option<u64> {
        let Some(Answer::Snapshot(version, records)) = answer else {
            return None;
        };
        let (version, records) = match &self.first_snapshot {
            Some(first) if switches.old_snapshot => first.clone(),
            _ => (version, records),
        };
        if switches.old_snapshot {
            self.first_snapshot = Some((version, records.clone()));
        }
        let now = net.now(self.of);
        let told = |record: &NodeRecord| Node::told(record, record.domain.as_str().into(), &now);
        let nodes: Vec<Node> = records
            .iter()
            .map(|record| told(record).expect("a record"))
            .collect();
        self.directory.replace(version, nodes);
        self.followed = Some(root);
        Some(version)
    }

    fn follow(&mut self, net: &mut Net, since: u64, answer: Option<Answer>) -> Asked {
        let now = net.now(self.of);
        let changes = match answer {
            Some(Answer::Changes(changes)) => changes,
            Some(Answer::Gone) => return Asked::Gap,
            _ => return Asked::Failed,
        };
        let full = changes.len() == 50;
        let entry = |change: &Change| LogEntry {
            version: change.version,
            change: change.change,
            node: Arc::new(
                Node::told(&change.node, change.node.domain.as_str().into(), &now)
                    .expect("it fits"),
            ),
            administered: None,
        };
        match self
            .directory
            .apply(since, changes.iter().map(entry).collect(), &now)
        {
            Ok(()) => Asked::Followed {
                version: self.directory.version(),
                full,
            },
            Err(_) => Asked::Gap,
        }
    }
}

fn sent(answer: Option<&Answer>, live: bool) -> Sent {
    match answer {
        None => Sent::Lost,
        Some(Answer::Unavailable) => Sent::Busy,
        // Taken within its time: one of the two clocks is wrong, and will be mended.
        Some(Answer::Expired) if !live => Sent::Busy,
        Some(Answer::Done | Answer::Replayed) => Sent::Done,
        Some(_) => Sent::Refused,
    }
}

fn own(of: Actor) -> NodeId {
    NodeId::new([0xf0 | u8::try_from(of).expect("it fits"); 8])
}

fn settings(of: Actor, max_queued: u64, hold: u64) -> ReplicaSettings {
    let configured = of.is_multiple_of(2);
    ReplicaSettings {
        own: own(of),
        root: configured.then(|| endpoint(ROOT)),
        lookup: !configured,
        hold,
        refresh: 20_000,
        backoff: Backoff::default(),
        max_queued,
        beat_life: 90_000,
    }
}

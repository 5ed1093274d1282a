//! One run: troubles for a while, then peace, then the checks.

use std::collections::BTreeSet;

use trustnet_api::network::NodeState;
use trustnet_core::network::NodeId;

use super::node::{Fate, Node};
use super::root::{LIVENESS, Root};
use super::secondary::Secondary;
use super::words::Timer;
use super::world::{Actor, Happening, Packet};
use super::{Ledger, Net, ROOT, Switches};

const NODES: usize = 100;
/// How long there are troubles, and how long peace. Milliseconds.
const TROUBLES: u64 = 1_500_000;
const PEACE: u64 = LIVENESS.removed_after + 300_000;
/// How long a node may be without registration while it could reach a registry that takes it.
const MAX_LOST: u64 = 300_000;

/// How long the root may not have a node that could reach it: one that waits in the queue of a registry asks there for
/// ten minutes whether it came to something, up to a minute apart, before it registers anew.
const MAX_QUEUED: u64 = 750_000;

/// What a run saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub events: u64,
    pub done: u64,
    pub queued: u64,
    pub delivered: u64,
    pub replaced: u64,
    pub dropped: u64,
    pub crashes: u64,
    pub loaded: u64,
}

impl Seen {
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.done += other.done;
        self.queued += other.queued;
        self.delivered += other.delivered;
        self.replaced += other.replaced;
        self.dropped += other.dropped;
        self.crashes += other.crashes;
        self.loaded += other.loaded;
    }
}

struct Run {
    net: Net,
    ledger: Ledger,
    switches: Switches,
    root: Root,
    secondaries: Vec<Secondary>,
    nodes: Vec<Node>,
    seen: Seen,
    /// Whether the clocks of all jump by a day: what such a key signed is not checked for order.
    far: bool,
}

/// Runs a seed.
///
/// # Errors
/// What is not as it must be, and when that was seen.
pub fn run(seed: u64, switches: Switches) -> Result<Seen, String> {
    let mut net = Net::new(seed, 0);
    let count = usize::try_from(net.chance.between(2, 4)).expect("it fits");
    let mut net = Net::new(net.chance.draw(), 1 + count + NODES);
    let secondaries = (1..=count).map(|of| Secondary::new(of, &mut net)).collect();
    let nodes = (0..NODES)
        .map(|of| Node::new(1 + count + of, count, &mut net))
        .collect();
    let mut run = Run {
        net,
        ledger: Ledger::default(),
        switches,
        root: Root::new(),
        secondaries,
        nodes,
        seen: Seen::default(),
        far: seed.is_multiple_of(4),
    };
    run.all()
        .map_err(|why| format!("at {} ms: {why}", run.net.time))?;
    Ok(run.seen)
}

impl Run {
    fn all(&mut self) -> Result<(), String> {
        for of in 0..=self.secondaries.len() + NODES {
            let late = self.net.chance.between(0, 60_000);
            self.net.stop(of);
            self.start_later(of, late);
        }
        self.net.later(1_000, Happening::Fault);
        self.until(TROUBLES)?;
        self.net.heal();
        self.until(TROUBLES + PEACE)?;
        self.settle()
    }

    fn until(&mut self, end: u64) -> Result<(), String> {
        while self.net.time < end {
            let Some(happening) = self.net.next() else {
                return Err("nothing happens any more".to_owned());
            };
            self.seen.events += 1;
            match happening {
                Happening::Arrives { from, to, packet } => {
                    if self.net.is_up(to) && !self.net.is_cut(from, to) {
                        self.arrives(from, to, packet);
                    }
                }
                Happening::Timer { of, run, timer } if run == self.net.runs(of) => {
                    if self.net.is_up(of) {
                        self.timer(of, &timer);
                    } else {
                        self.start(of);
                    }
                }
                Happening::Timer { .. } => {}
                Happening::Fault => {
                    self.look()?;
                    if self.net.lossy {
                        self.fault();
                    }
                    self.net.later(1_000, Happening::Fault);
                }
            }
            self.versions()?;
        }
        Ok(())
    }

    fn arrives(&mut self, from: Actor, to: Actor, packet: Packet<super::Request, super::Answer>) {
        let Self {
            net,
            ledger,
            switches,
            root,
            secondaries,
            nodes,
            ..
        } = self;
        let registries = secondaries.len();
        match packet {
            Packet::Request(number, request) => {
                let heard = (from, number, request);
                match to {
                    ROOT => root.hears(net, ledger, *switches, heard),
                    of if of <= registries => {
                        secondaries[of - 1].hears(net, ledger, *switches, heard);
                    }
                    _ => {}
                }
            }
            Packet::Answer(number, answer) if to <= registries && to != ROOT => {
                secondaries[to - 1].answered(net, ledger, *switches, number, Some(answer));
            }
            Packet::Answer(number, answer) if to != ROOT => {
                nodes[to - 1 - registries].answered(net, ledger, number, &answer);
            }
            Packet::Answer(..) => {}
        }
    }

    fn timer(&mut self, of: Actor, timer: &Timer) {
        let registries = self.secondaries.len();
        let (net, ledger) = (&mut self.net, &mut self.ledger);
        if of == ROOT {
            if self.root.timer(net, ledger, self.switches, timer) {
                self.crash(ROOT);
            }
        } else if of <= registries {
            if self.secondaries[of - 1].timer(net, ledger, self.switches, timer) {
                self.crash(of);
            }
        } else {
            self.nodes[of - 1 - registries].timer(net, ledger, self.switches);
        }
    }

    fn start(&mut self, of: Actor) {
        self.net.start(of);
        let registries = self.secondaries.len();
        let net = &mut self.net;
        if of == ROOT {
            self.root.start(net);
        } else if of <= registries {
            self.secondaries[of - 1].start(net, &mut self.ledger, self.switches);
        } else {
            self.nodes[of - 1 - registries].start(net, &mut self.ledger);
        }
    }

    /// It starts again by the first timer of its next run.
    fn start_later(&mut self, of: Actor, delay: u64) {
        self.net.timer(of, delay, Timer::Act);
    }

    fn crash(&mut self, of: Actor) {
        if self.net.is_up(of) {
            self.seen.crashes += 1;
            self.net.stop(of);
            let down = self.net.chance.between(100, 120_000);
            self.start_later(of, down);
        }
    }

    /// One second's troubles.
    fn fault(&mut self) {
        let registries = self.secondaries.len() as u64;
        let anyone = registries + NODES as u64;
        let pick = |of: u64| usize::try_from(of).expect("it fits");
        let now = self.net.time;
        let chance = &mut self.net.chance;
        match chance.between(0, 199) {
            0..2 => self.crash(ROOT),
            2..5 => {
                let of = pick(chance.between(1, registries));
                self.crash(of);
            }
            5..15 => {
                let of = pick(chance.between(registries + 1, anyone));
                self.crash(of);
            }
            15..18 => {
                let (of, until) = (
                    pick(chance.between(1, registries)),
                    now + chance.between(5_000, 300_000),
                );
                self.net.cut(ROOT, of, until);
            }
            18..19 => {
                // The root alone.
                let until = now + chance.between(5_000, 400_000);
                for of in 1..=pick(anyone) {
                    self.net.cut(ROOT, of, until);
                }
            }
            19..25 => {
                let one = pick(chance.between(0, registries));
                let until = now + chance.between(5_000, 200_000);
                for _ in 0..20 {
                    let other = pick(self.net.chance.between(registries + 1, anyone));
                    self.net.cut(one, other, until);
                }
            }
            25..35 => {
                let of = pick(chance.between(0, anyone));
                let skew = chance.between(0, 120_000);
                self.net.skews[of] = i64::try_from(skew).expect("it fits") - 60_000;
            }
            35..36 => {
                // Far off, and soon right again.
                let of = pick(chance.between(0, anyone));
                self.net.skews[of] = if chance.permille(500) {
                    90_000_000
                } else {
                    -90_000_000
                };
            }
            36..46 => {
                self.net
                    .skews
                    .iter_mut()
                    .filter(|skew| skew.abs() > 60_000)
                    .for_each(|skew| *skew = 0);
            }
            46..47 if self.far => {
                let day = 86_400_000;
                self.net.skews.iter_mut().for_each(|skew| *skew = day);
            }
            47..60 => {
                let of = pick(chance.between(0, NODES as u64 - 1));
                self.nodes[of].port += 1;
                self.crash(1 + self.secondaries.len() + of);
            }
            60..62 => {
                let of = pick(chance.between(0, NODES as u64 - 1));
                self.nodes[of].fate = if chance.permille(500) {
                    Fate::Dies
                } else {
                    Fate::Leaves
                };
            }
            _ => {}
        }
    }

    /// No node stays unregistered while a registry that would take it is reachable.
    fn look(&mut self) -> Result<(), String> {
        let registries = self.secondaries.len();
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let of = 1 + registries + place;
            let takes = |registry: usize| {
                self.net.is_up(registry)
                    && !self.net.is_cut(registry, of)
                    && self.net.skews[registry].abs_diff(self.net.skews[of]) <= 120_000
                    && (registry == ROOT || self.secondaries[registry - 1].has_room())
            };
            let lives = self.net.is_up(of) && node.fate == Fate::Lives;
            let lost = lives && !node.is_registered();
            let (could, root) = ((0..=registries).any(takes), takes(ROOT));
            let (id, queued) = (node.id(), node.is_queued());
            for (since, so, limit, how) in [
                (
                    &mut node.lost_since,
                    lost && could && !queued,
                    MAX_LOST,
                    "registered",
                ),
                (
                    &mut node.queued_since,
                    lost && root,
                    MAX_QUEUED,
                    "known to the root",
                ),
            ] {
                if !so {
                    *since = None;
                    continue;
                }
                let since = *since.get_or_insert(self.net.time);
                if self.net.time - since > limit {
                    return Err(format!(
                        "{id} is not {how} since {since} ms, though it could be"
                    ));
                }
            }
        }
        Ok(())
    }

    fn versions(&mut self) -> Result<(), String> {
        if self.net.is_up(ROOT) {
            self.ledger.look(ROOT, &self.root.directory)?;
        }
        for (place, secondary) in self.secondaries.iter().enumerate() {
            self.ledger.look(place + 1, &secondary.directory)?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), String> {
        self.ledger.settle(&self.root.directory)?;
        let mut living = BTreeSet::new();
        for node in self.nodes.iter().filter(|node| node.fate == Fate::Lives) {
            living.insert(node.id());
        }
        let active = |directory: &trustnet_core::network::Directory| -> BTreeSet<NodeId> {
            let all = directory.after(None);
            all.filter(|node| node.state == NodeState::Active)
                .map(|node| node.id)
                .collect()
        };
        let version = self.root.directory.version();
        let all = std::iter::once(&self.root.directory);
        for (registry, directory) in all
            .chain(
                self.secondaries
                    .iter()
                    .map(|secondary| &secondary.directory),
            )
            .enumerate()
        {
            if active(directory) != living || directory.len() != living.len() {
                return Err(format!(
                    "registry {registry} knows {} nodes, {} of them active; {} live",
                    directory.len(),
                    active(directory).len(),
                    living.len()
                ));
            }
            if directory.version() != version {
                return Err(format!(
                    "registry {registry} is at version {}, the root at {version}",
                    directory.version()
                ));
            }
        }
        for (place, secondary) in self.secondaries.iter().enumerate() {
            let health = secondary.replica.health(&self.net.now(place + 1));
            if !health.connected || health.queued_writes != 0 || secondary.queued() != 0 {
                return Err(format!(
                    "registry {}: {health:?}, {} in the queue",
                    place + 1,
                    secondary.queued()
                ));
            }
            self.seen.loaded += secondary.replica.counts().loaded;
            self.seen.dropped += secondary.replica.counts().dropped;
        }
        self.seen.done = self.ledger.done_len() as u64;
        self.seen.queued = self.ledger.queued_len() as u64;
        self.seen.delivered = self.ledger.delivered_len() as u64;
        self.seen.replaced = self.ledger.replaced_len() as u64;
        Ok(())
    }
}

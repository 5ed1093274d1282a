//! Time, chance and the network that lies between all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use trustnet_core::network::Now;

/// When the simulated time begins, by a right wall clock: milliseconds since 1970.
pub const EPOCH: i64 = 1_800_000_000_000;

/// Random numbers of a seed (SplitMix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` to `to`, both in.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.draw() % (to - from + 1)
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, share: u64) -> bool {
        self.draw() % 1000 < share
    }
}

/// Who takes part: 0 is the root, then the secondaries, then the nodes.
pub type Actor = usize;

/// What goes over the network.
#[derive(Debug, Clone)]
pub enum Packet<Q, A> {
    Request(u64, Q),
    Answer(u64, A),
}

/// What happens next.
#[derive(Debug, Clone)]
pub enum Happening<Q, A, T> {
    Arrives {
        from: Actor,
        to: Actor,
        packet: Packet<Q, A>,
    },
    /// A timer of an actor that was started so many times.
    Timer { of: Actor, run: u64, timer: T },
    /// The next of the faults.
    Fault,
}

struct Due<E> {
    at: u64,
    order: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl<E> Eq for Due<E> {}
impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The network and the clocks.
pub struct World<Q, A, T> {
    pub time: u64,
    pub chance: Chance,
    /// How many packets in a thousand are lost, come twice, come late.
    pub lossy: bool,
    due: BinaryHeap<Reverse<Due<Happening<Q, A, T>>>>,
    order: u64,
    /// Which pairs hear nothing of one another, until when.
    cuts: BTreeMap<(Actor, Actor), u64>,
    down: Vec<Option<u64>>,
    runs: Vec<u64>,
    booted: Vec<u64>,
    pub skews: Vec<i64>,
    calls: u64,
}

impl<Q: Clone, A: Clone, T> World<Q, A, T> {
    pub fn new(seed: u64, actors: usize) -> Self {
        Self {
            time: 0,
            chance: Chance::new(seed),
            lossy: true,
            due: BinaryHeap::new(),
            order: 0,
            cuts: BTreeMap::new(),
            down: vec![None; actors],
            runs: vec![0; actors],
            booted: vec![0; actors],
            skews: vec![0; actors],
            calls: 0,
        }
    }

    pub fn now(&self, of: Actor) -> Now {
        let time = i64::try_from(self.time).expect("it fits");
        Now {
            wall: EPOCH + time + self.skews[of],
            steady: self.time - self.booted[of],
        }
    }

    /// By a right clock.
    pub fn true_seconds(&self) -> u64 {
        EPOCH.unsigned_abs() / 1000 + self.time / 1000
    }

    pub fn next(&mut self) -> Option<Happening<Q, A, T>> {
        let Reverse(due) = self.due.pop()?;
        self.time = due.at;
        Some(due.event)
    }

    pub fn later(&mut self, delay: u64, event: Happening<Q, A, T>) {
        self.order += 1;
        self.due.push(Reverse(Due {
            at: self.time + delay,
            order: self.order,
            event,
        }));
    }

    pub fn timer(&mut self, of: Actor, delay: u64, timer: T) {
        let run = self.runs[of];
        self.later(delay, Happening::Timer { of, run, timer });
    }

    pub fn number(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    pub fn send(&mut self, from: Actor, to: Actor, packet: Packet<Q, A>) {
        let copies = if self.lossy {
            match self.chance.between(0, 999) {
                0..20 => 0,
                20..40 => 2,
                _ => 1,
            }
        } else {
            1
        };
        for packet in vec![packet; copies] {
            let delay = if self.lossy && self.chance.permille(20) {
                self.chance.between(50, 15_000)
            } else {
                self.chance.between(1, 40)
            };
            self.later(delay, Happening::Arrives { from, to, packet });
        }
    }

    pub fn cut(&mut self, one: Actor, other: Actor, until: u64) {
        self.cuts.insert((one.min(other), one.max(other)), until);
    }

    pub fn is_cut(&self, one: Actor, other: Actor) -> bool {
        self.cuts
            .get(&(one.min(other), one.max(other)))
            .is_some_and(|until| *until > self.time)
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
        self.lossy = false;
        self.skews.iter_mut().for_each(|skew| *skew = 0);
    }

    pub fn is_up(&self, actor: Actor) -> bool {
        self.down[actor].is_none()
    }

    /// What an actor had in memory, its timers with it, is gone.
    pub fn stop(&mut self, actor: Actor) {
        self.down[actor] = Some(self.time);
        self.runs[actor] += 1;
    }

    pub fn start(&mut self, actor: Actor) {
        self.down[actor] = None;
        self.booted[actor] = self.time;
    }

    pub fn runs(&self, actor: Actor) -> u64 {
        self.runs[actor]
    }
}

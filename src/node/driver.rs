//! What makes a node go: one task that owns all that the node knows, and is told what happens.

mod calls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use trustnet_api::network::{Peer, RegisterRequest};
use trustnet_core::network::{Event, Member, NodeId};
use trustnet_registry::clock::Clock;
use trustnet_registry::discovery::Discovery;

use crate::bans::{BanList, Bans};
use crate::client::Client;
use crate::gossip::{Gossip, Notice};
use crate::memory::Memory;
use crate::peers::{PeerBook, Remembered};
use crate::view::View;

/// The longest that is slept. Milliseconds.
const MAX_SLEEP: u64 = 60_000;
/// So many datagrams are taken before anything else has its turn.
const BATCH: usize = 64;
/// So many peers are called at the start.
const FIRST_CALLS: usize = 32;
/// The least time between two writings of what is remembered. Milliseconds.
const SAVE_EVERY: u64 = 10_000;

/// All that a node needs to go.
pub(crate) struct Driver {
    pub clock: Clock,
    pub member: Member,
    pub book: PeerBook,
    pub bans: Bans,
    pub gossip: Option<(Gossip, UdpSocket)>,
    pub gossip_interval: u64,
    pub peers_per_batch: usize,
    pub client: Arc<Client>,
    pub discovery: Discovery,
    pub lookup_domain: String,
    pub request: RegisterRequest,
    pub data: PathBuf,
    pub memory: Memory,
    /// Whether registries are remembered that are not written yet.
    pub learnt: bool,
    pub random: StdRng,
    pub view: watch::Sender<Arc<View>>,
}

/// What a call came to.
enum Report {
    Event(Event),
    Peers(Vec<Peer>),
    Banned(BanList),
    Absent(NodeId),
}

/// What is between two turns of the driver.
struct Turns {
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    /// When silent peers are called again.
    call_at: u64,
    /// When to write what is remembered, if it changed.
    save_at: Option<u64>,
    saved_at: u64,
}

impl Driver {
    /// Goes until the end is asked for.
    pub async fn run(mut self, mut end: watch::Receiver<bool>) {
        let (reporter, reports) = mpsc::channel(64);
        let mut turns = Turns {
            reports,
            reporter,
            call_at: 0,
            save_at: Some(0),
            saved_at: 0,
        };
        let mut buffer = vec![0; 2048];
        self.keep_out();
        self.call_silent(FIRST_CALLS);
        loop {
            self.turn(&mut turns).await;
            let sleep = Duration::from_millis(self.sleep(&turns));
            tokio::select! {
                _ = end.wait_for(|end| *end) => break,
                Some(report) = turns.reports.recv() => self.reported(report, &mut turns),
                received = receive(self.gossip.as_ref(), &mut buffer) => {
                    self.received(received, &mut buffer);
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.goodbye().await;
    }

    fn now(&self) -> u64 {
        self.clock.now().steady
    }

    /// Does what is due, and tells of it.
    async fn turn(&mut self, turns: &mut Turns) {
        self.on(Event::Tick, turns);
        let now = self.now();
        if turns.call_at <= now {
            turns.call_at = now + self.gossip_interval;
            self.book.forget(now);
            self.call_silent(self.peers_per_batch);
        }
        self.hear_gossip(turns);
        self.tell();
        if std::mem::take(&mut self.learnt) && turns.save_at.is_none() {
            turns.save_at = Some((turns.saved_at + SAVE_EVERY).max(now));
        }
        if turns.save_at.is_some_and(|at| at <= now) {
            turns.save_at = None;
            turns.saved_at = now;
            self.save().await;
        }
    }

    fn sleep(&self, turns: &Turns) -> u64 {
        let gossip = self
            .gossip
            .as_ref()
            .and_then(|(gossip, _)| gossip.wake_at());
        let next = [gossip, turns.save_at].into_iter().flatten();
        let next = next.chain([self.member.wake_at(), turns.call_at]).min();
        let left = next.unwrap_or(0).saturating_sub(self.now());
        left.min(MAX_SLEEP)
    }

    fn on(&mut self, event: Event, turns: &Turns) {
        let before = self.member.standing();
        let actions = self.member.on(event, &self.clock.now());
        let after = self.member.standing();
        if before.trouble != after.trouble
            && let Some(trouble) = &after.trouble
        {
            tracing::warn!("{trouble}");
        }
        if after.well && (!before.well || before.registry != after.registry) {
            let registry = after.registry.map(|at| at.to_string());
            tracing::info!(registry, "the node is registered");
        }
        for action in actions {
            self.act(action, turns);
        }
    }

    fn reported(&mut self, came: Report, turns: &mut Turns) {
        match came {
            Report::Event(event) => self.on(event, turns),
            Report::Peers(peers) => {
                let told: Vec<Remembered> = peers.into_iter().map(Remembered::of).collect();
                let registries = told.iter().filter_map(Remembered::registry).collect();
                self.book.told(told, self.now());
                self.on(Event::Heard { registries }, turns);
                self.call_silent(self.peers_per_batch);
            }
            Report::Banned(list) => {
                if self.bans.told(&list, self.now()) {
                    let banned = self.bans.nodes().len();
                    tracing::info!(
                        banned,
                        "the administrator keeps other nodes out than before"
                    );
                    self.keep_out();
                    turns.save_at = Some(0);
                }
            }
            Report::Absent(id) => self.book.absent(id),
        }
    }

    /// Nobody hears of those whom the administrator keeps out, and they hear of nobody.
    fn keep_out(&mut self) {
        let now = self.now();
        self.book.keep_out(self.bans.nodes());
        if let Some((gossip, _)) = &mut self.gossip {
            gossip.keep_out(self.bans.nodes(), now);
        }
    }

    /// Calls some of whom gossip does not say that they live.
    fn call_silent(&mut self, count: usize) {
        let (now, drawn) = (self.now(), self.random.next_u64());
        if let Some((gossip, _)) = &mut self.gossip {
            for (id, address) in self.book.silent(count, drawn) {
                gossip.introduce(id, address, now);
            }
        }
    }

    fn received(&mut self, first: Option<(SocketAddr, usize)>, buffer: &mut [u8]) {
        let now = self.now();
        let Some((gossip, socket)) = &mut self.gossip else {
            return;
        };
        let mut received = first;
        for _ in 0..BATCH {
            let Some((from, length)) = received else {
                return;
            };
            if let Err(dropped) = gossip.receive(from, &buffer[..length], now) {
                tracing::debug!(%from, ?dropped, "a datagram was dropped");
            }
            received = socket
                .try_recv_from(buffer)
                .ok()
                .map(|(length, from)| (from, length));
        }
    }

    /// Takes in what gossip came to know, and sends what it has to say.
    fn hear_gossip(&mut self, turns: &mut Turns) {
        let now = self.now();
        let standing = self.member.standing();
        let Some((gossip, socket)) = &mut self.gossip else {
            return;
        };
        gossip.tick(now);
        if let Some(registry) = standing.registry.filter(|_| standing.well) {
            gossip.tell_registry(registry, now);
        }
        let mut registries = Vec::new();
        let mut changed = false;
        for notice in gossip.notices() {
            changed = true;
            match notice {
                Notice::Up(card) => {
                    tracing::info!(peer = %card.id(), name = card.claim().name, "a peer is there");
                    registries.extend(card.registry());
                    self.book.up(&card, now);
                }
                Notice::Down(card) => {
                    tracing::info!(peer = %card.id(), name = card.claim().name, "a peer is gone");
                    self.book.down(card.id());
                }
                Notice::Refuted => {
                    tracing::warn!("this node was taken for dead, and has said that it lives");
                }
            }
        }
        for (to, datagram) in gossip.outgoing() {
            if let Err(error) = socket.try_send_to(&datagram, to) {
                tracing::debug!(%error, %to, "a datagram was not sent");
            }
        }
        self.memory.edition = gossip.card().claim().edition;
        if changed && turns.save_at.is_none() {
            turns.save_at = Some((turns.saved_at + SAVE_EVERY).max(now));
        }
        if !registries.is_empty() {
            self.on(Event::Heard { registries }, turns);
        }
    }

    fn tell(&mut self) {
        let old = Arc::clone(&self.view.borrow());
        let same = old.edition == self.book.edition();
        let (counts, peers) = if same {
            (old.counts, Arc::clone(&old.peers))
        } else {
            (self.book.counts(), Arc::new(self.book.list()))
        };
        let view = View {
            edition: self.book.edition(),
            standing: self.member.standing(),
            counts,
            peers,
            gossip: self.gossip.as_ref().map(|(gossip, _)| gossip.counts()),
        };
        self.view.send_replace(Arc::new(view));
    }

    async fn save(&mut self) {
        self.memory.peers = self.book.remember();
        self.memory.bans = self.bans.list();
        let (memory, data) = (self.memory.clone(), self.data.clone());
        let saved = tokio::task::spawn_blocking(move || memory.save(&data)).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "what is known cannot be written: the next start knows less");
            }
            Err(error) => tracing::error!(%error, "what is known was not written"),
        }
    }

    async fn goodbye(&mut self) {
        let now = self.now();
        if let Some((gossip, socket)) = &mut self.gossip {
            gossip.leave(now);
            for (to, datagram) in gossip.outgoing() {
                // Whoever does not hear of it finds out.
                let _ = socket.send_to(&datagram, to).await;
            }
        }
        self.save().await;
    }
}

/// The next datagram: who sent it, and how long it is.
async fn receive(
    gossip: Option<&(Gossip, UdpSocket)>,
    buffer: &mut [u8],
) -> Option<(SocketAddr, usize)> {
    let Some((_, socket)) = gossip else {
        return std::future::pending().await;
    };
    match socket.recv_from(buffer).await {
        Ok((length, from)) => Some((from, length)),
        Err(error) => {
            tracing::debug!(%error, "a datagram was not received");
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

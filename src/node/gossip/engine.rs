//! The gossip of a node, without a socket or a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use foca::{
    Config, Foca, Member, NoCustomBroadcast, Notification, PeriodicParams, Runtime, State, Timer,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use trustnet_core::network::signature::SigningKey;
use trustnet_core::network::{Endpoint, NodeId};

use super::card::{Card, CardError, Claim};
use super::codec::{Banned, Cards, Codec, CodecError};
use super::identity::{Author, Identity};
use super::limit::Limit;
use super::seal::{MAX_DATAGRAM, MAX_PAYLOAD, Seal};

/// How gossip is done. Times are milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct GossipSettings {
    /// How often others are asked for whom they know.
    pub interval: u64,
    /// How many are asked at a time.
    pub peers_per_batch: usize,
}

/// What came to be known.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A node is there, or says something new of itself.
    Up(Arc<Card>),
    /// A node is not there any more.
    Down(Arc<Card>),
    /// This node was taken for dead, and has said that it lives.
    Refuted,
}

/// Why a datagram was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Too many came.
    Limited,
    /// It is too long, or not of this network.
    Sealed,
    /// It says what no member writes.
    Malformed,
    /// A card in it is not signed by its key.
    Forged,
    /// The administrator keeps its sender out.
    Banned,
}

/// How many datagrams there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent.
    pub sent: u64,
    /// Received and taken.
    pub received: u64,
    /// Received and dropped, because there were too many.
    pub limited: u64,
    /// Received and dropped, because they are of another network.
    pub sealed: u64,
    /// Received and dropped, because nobody can read them.
    pub malformed: u64,
    /// Received and dropped, because a card was forged.
    pub forged: u64,
    /// Received and dropped, because the administrator keeps the sender out.
    pub banned: u64,
}

/// The gossip of a node. Times are steady milliseconds.
pub struct Gossip {
    foca: Foca<Identity, Codec, StdRng, NoCustomBroadcast>,
    cards: Cards,
    banned: Banned,
    author: Arc<Author>,
    seal: Seal,
    limit: Limit,
    world: World,
    counts: Counts,
}

/// What foca asks of the world: done by and by.
#[derive(Debug, Default)]
struct World {
    now: u64,
    started: u64,
    timers: BTreeMap<(u64, u64), Timer<Identity>>,
    outgoing: Vec<(SocketAddr, Vec<u8>)>,
    banned: Banned,
    notices: Vec<Notice>,
}

impl Gossip {
    /// The gossip of a node that knows nobody yet. `seed` is any random number.
    ///
    /// # Errors
    /// The claim is none that others would believe.
    pub fn new(
        settings: &GossipSettings,
        claim: Claim,
        key: SigningKey,
        domain: &str,
        seal: Seal,
        seed: u64,
    ) -> Result<Self, CardError> {
        let card = Arc::new(Card::sign(claim, &key, domain)?);
        let author = Arc::new(Author {
            key,
            domain: domain.to_owned(),
        });
        let (cards, banned) = (Cards::default(), Banned::default());
        let foca = Foca::new(
            Identity::own(card, Arc::clone(&author)),
            config(settings),
            StdRng::seed_from_u64(seed),
            Codec::new(domain.to_owned(), cards.clone(), banned.clone()),
        );
        Ok(Self {
            foca,
            cards,
            author,
            seal,
            limit: Limit::new(0),
            world: World {
                banned: banned.clone(),
                ..World::default()
            },
            banned,
            counts: Counts::default(),
        })
    }

    /// A datagram came.
    ///
    /// # Errors
    /// It is dropped, and why.
    pub fn receive(
        &mut self,
        sender: SocketAddr,
        datagram: &[u8],
        now: u64,
    ) -> Result<(), Dropped> {
        self.world.now = now;
        let taken = self.take(sender, datagram);
        *match taken {
            Ok(()) => &mut self.counts.received,
            Err(Dropped::Limited) => &mut self.counts.limited,
            Err(Dropped::Sealed) => &mut self.counts.sealed,
            Err(Dropped::Malformed) => &mut self.counts.malformed,
            Err(Dropped::Forged) => &mut self.counts.forged,
            Err(Dropped::Banned) => &mut self.counts.banned,
        } += 1;
        self.forget();
        taken
    }

    fn take(&mut self, sender: SocketAddr, datagram: &[u8]) -> Result<(), Dropped> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Dropped::Sealed);
        }
        // First: that costs microseconds, and who cannot seal takes nothing of the others' share.
        let payload = self.seal.open(datagram).ok_or(Dropped::Sealed)?;
        if !self.limit.admits(sender.ip(), self.world.now) {
            return Err(Dropped::Limited);
        }
        match self.foca.handle_data(payload, &mut self.world) {
            Ok(()) => Ok(()),
            Err(foca::Error::Decode(why)) => match why.downcast_ref::<CodecError>() {
                Some(CodecError::Card(_)) => Err(Dropped::Forged),
                Some(CodecError::Full) => Err(Dropped::Limited),
                Some(CodecError::Banned) => Err(Dropped::Banned),
                _ => Err(Dropped::Malformed),
            },
            Err(_) => Err(Dropped::Malformed),
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64) {
        self.world.now = now;
        while let Some(entry) = self.world.timers.first_entry()
            && entry.key().0 <= now
        {
            let timer = entry.remove();
            if let Err(error) = self.foca.handle_timer(timer, &mut self.world) {
                tracing::debug!(%error, "gossip: a timer came to nothing");
            }
        }
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        self.world.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Calls a node that is known from elsewhere, unless gossip says that it lives.
    pub fn introduce(&mut self, id: NodeId, address: SocketAddr, now: u64) {
        self.world.now = now;
        let own = self.foca.identity().id == id;
        if own
            || self.banned.contains(id)
            || self.foca.iter_members().any(|member| member.id().id == id)
        {
            return;
        }
        let called = self
            .foca
            .announce(Identity::at(id, address), &mut self.world);
        if let Err(error) = called {
            tracing::debug!(%error, %id, "gossip: a node cannot be called");
        }
    }

    /// Keeps these nodes out, and no others: they are no members, nothing that they send is looked at, and nothing is
    /// sent to them.
    pub fn keep_out(&mut self, banned: &BTreeSet<NodeId>, now: u64) {
        self.world.now = now;
        self.banned.set(banned);
        let members = self.foca.iter_members();
        let members = members.filter(|member| banned.contains(&member.id().id));
        let down = |member: &Member<Identity>| {
            Member::new(member.id().clone(), member.incarnation(), State::Down)
        };
        let down: Vec<_> = members.map(down).collect();
        // Others are told by their own registry.
        if let Err(error) = self
            .foca
            .apply_many(down.into_iter(), false, &mut self.world)
        {
            tracing::debug!(%error, "gossip: a banned node cannot be taken out");
        }
    }

    /// Tells the others where this node's registry is, if they do not know that yet.
    pub fn tell_registry(&mut self, registry: Endpoint, now: u64) {
        self.world.now = now;
        let registry = Some(registry.socket());
        let card = self.card();
        if card.claim().registry == registry {
            return;
        }
        let Some(card) = self.author.renew(&card, |claim| claim.registry = registry) else {
            return;
        };
        let identity = Identity::own(card, Arc::clone(&self.author));
        if let Err(error) = self.foca.change_identity(identity, &mut self.world) {
            tracing::debug!(%error, "gossip: the new card cannot be told");
        }
    }

    /// Says goodbye.
    pub fn leave(&mut self, now: u64) {
        self.world.now = now;
        if let Err(error) = self.foca.leave_cluster(&mut self.world) {
            tracing::debug!(%error, "gossip: no goodbye");
        }
    }

    /// This node's card.
    #[must_use]
    pub fn card(&self) -> Arc<Card> {
        let own = self.foca.identity().card();
        Arc::clone(own.expect("this node's identity was made with its card"))
    }

    /// Everyone who was heard of in the last day, and whether they live.
    pub fn members(&self) -> impl Iterator<Item = (&Arc<Card>, bool)> {
        self.foca.iter_membership_state().filter_map(|member| {
            let card = member.id().card()?;
            Some((card, member.state() != State::Down))
        })
    }

    /// What is to be sent, and where to.
    pub fn outgoing(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut outgoing = std::mem::take(&mut self.world.outgoing);
        for (_, bytes) in &mut outgoing {
            *bytes = self.seal.close(bytes);
        }
        self.counts.sent += outgoing.len() as u64;
        outgoing
    }

    /// What came to be known since the last time.
    pub fn notices(&mut self) -> Vec<Notice> {
        let notices = std::mem::take(&mut self.world.notices);
        if notices.is_empty() {
            return notices;
        }
        // A new card is told of as if its node lived: whether it does is known only now.
        let live: BTreeSet<NodeId> = self
            .foca
            .iter_members()
            .map(|member| member.id().id)
            .collect();
        let true_now = notices.into_iter().map(|notice| match notice {
            Notice::Up(card) if !live.contains(&card.id()) => Notice::Down(card),
            notice => notice,
        });
        true_now.collect()
    }

    /// How many datagrams there were.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Cards of those who are no members any more go, before they fill the memory.
    fn forget(&mut self) {
        let members = self.foca.iter_membership_state();
        if self.cards.len() > 2 * members.len() + 64 {
            let members: BTreeSet<NodeId> = members.map(|member| member.id().id).collect();
            self.cards.retain(|id| members.contains(&id));
        }
    }
}

impl Runtime<Identity> for &mut World {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        let notice = match notification {
            Notification::MemberUp(member) | Notification::Rename(_, member) => {
                member.card().cloned().map(Notice::Up)
            }
            Notification::MemberDown(member) => member.card().cloned().map(Notice::Down),
            Notification::Rejoin(_) => Some(Notice::Refuted),
            _ => None,
        };
        self.notices.extend(notice);
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        if let Some(address) = to.socket()
            && !self.banned.contains(to.id)
        {
            self.outgoing.push((address, data.to_vec()));
        }
    }

    fn submit_after(&mut self, event: Timer<Identity>, after: Duration) {
        self.started += 1;
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let due = self.now.saturating_add(after);
        self.timers.insert((due, self.started), event);
    }
}

fn config(settings: &GossipSettings) -> Config {
    let some = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let every = Duration::from_millis(settings.interval.max(1000));
    let batch = PeriodicParams {
        frequency: every,
        num_members: some(settings.peers_per_batch.min(64)),
    };
    Config {
        probe_period: Duration::from_secs(3),
        probe_rtt: Duration::from_secs(1),
        num_indirect_probes: some(3),
        max_transmissions: NonZeroU8::new(12).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: Duration::from_secs(12),
        remove_down_after: Some(Duration::from_secs(24 * 60 * 60)),
        max_packet_size: some(MAX_PAYLOAD),
        notify_down_members: true,
        periodic_announce: Some(batch.clone()),
        periodic_announce_to_down_members: Some(batch),
        periodic_gossip: Some(PeriodicParams {
            frequency: Duration::from_secs(1),
            num_members: some(3),
        }),
    }
}

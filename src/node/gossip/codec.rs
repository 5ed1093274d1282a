//! What members write to one another, in bytes; and that no card is believed unchecked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, PostcardCodec, State};
use trustnet_core::network::NodeId;

use super::card::{Card, CardError};
use super::identity::{Identity, Known};

/// The most members that are known at a time. Those beyond are not listened to.
pub(super) const MAX_MEMBERS: usize = 10_000;

/// Writes members as postcard does, and reads them with their signatures checked.
#[derive(Debug)]
pub(super) struct Codec {
    domain: String,
    cards: Cards,
    banned: Banned,
    /// Who sent what is being read, as it was read: it lives.
    sender: Option<Member<Identity>>,
}

/// Whom the administrator keeps out.
#[derive(Debug, Clone, Default)]
pub(super) struct Banned(Arc<Mutex<BTreeSet<NodeId>>>);

impl Banned {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node is kept out.
    pub fn contains(&self, id: NodeId) -> bool {
        self.lock().contains(&id)
    }

    /// Keeps these out, and no others.
    pub fn set(&self, banned: &BTreeSet<NodeId>) {
        self.lock().clone_from(banned);
    }
}

/// The cards that were checked: the newest of each node.
#[derive(Debug, Clone, Default)]
pub(super) struct Cards(Arc<Mutex<BTreeMap<NodeId, Arc<Card>>>>);

impl Cards {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Card>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Forgets the cards of all but these.
    pub fn retain(&self, keep: impl Fn(NodeId) -> bool) {
        self.lock().retain(|id, _| keep(*id));
    }
}

/// A datagram that is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    #[error("a member cannot be read or written")]
    Form(#[from] <PostcardCodec as foca::Codec<Identity>>::Error),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error("a member without a card stands where one with it belongs")]
    NoCard,
    #[error("more members than {MAX_MEMBERS}")]
    Full,
    #[error("a member sends it that the administrator keeps out")]
    Banned,
}

impl Codec {
    pub fn new(domain: String, cards: Cards, banned: Banned) -> Self {
        Self {
            domain,
            cards,
            banned,
            sender: None,
        }
    }

    fn check(&self, identity: Identity) -> Result<Identity, CodecError> {
        let Known::Claimed(claim, signature) = identity.known else {
            return Err(CodecError::NoCard);
        };
        let mut cards = self.cards.lock();
        let known = cards.get(&identity.id);
        if let Some(card) = known
            && *card.claim() == *claim
            && *card.signature() == signature
        {
            return Ok(Identity::of(Arc::clone(card)));
        }
        if known.is_none() && cards.len() >= MAX_MEMBERS {
            return Err(CodecError::Full);
        }
        let newer = known.is_none_or(|card| card.claim().edition < claim.edition);
        let card = Arc::new(Card::check(*claim, signature, &self.domain)?);
        if newer {
            cards.insert(card.id(), Arc::clone(&card));
        }
        Ok(Identity::of(card))
    }

    fn check_message(&self, message: Message<Identity>) -> Result<Message<Identity>, CodecError> {
        Ok(match message {
            Message::PingReq {
                target,
                probe_number,
            } => Message::PingReq {
                target: self.check(target)?,
                probe_number,
            },
            Message::IndirectPing {
                origin,
                probe_number,
            } => Message::IndirectPing {
                origin: self.check(origin)?,
                probe_number,
            },
            Message::IndirectAck {
                target,
                probe_number,
            } => Message::IndirectAck {
                target: self.check(target)?,
                probe_number,
            },
            Message::ForwardedAck {
                origin,
                probe_number,
            } => Message::ForwardedAck {
                origin: self.check(origin)?,
                probe_number,
            },
            plain => plain,
        })
    }
}

impl foca::Codec<Identity> for Codec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        let mut header = header.clone();
        header.dst = header.dst.name();
        Ok(PostcardCodec.encode_header(&header, buf)?)
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Identity>, CodecError> {
        let header: Header<Identity> = PostcardCodec.decode_header(buf)?;
        if self.banned.contains(header.src.id) {
            return Err(CodecError::Banned);
        }
        let src = self.check(header.src)?;
        self.sender = Some(Member::new(
            src.clone(),
            header.src_incarnation,
            State::Alive,
        ));
        Ok(Header {
            src,
            src_incarnation: header.src_incarnation,
            dst: header.dst.name(),
            message: self.check_message(header.message)?,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        Ok(PostcardCodec.encode_member(member, buf)?)
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<Identity>, CodecError> {
        let member: Member<Identity> = PostcardCodec.decode_member(buf)?;
        // What others say of one who is kept out is read as what is known already: that who says it lives.
        if self.banned.contains(member.id().id)
            && let Some(sender) = &self.sender
        {
            return Ok(sender.clone());
        }
        let identity = self.check(member.id().clone())?;
        Ok(Member::new(identity, member.incarnation(), member.state()))
    }
}

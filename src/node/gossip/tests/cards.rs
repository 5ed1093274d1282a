//! What a node takes of what it is sent: cards that their own keys have signed, in its own network's seal.

use std::net::Ipv6Addr;

use proptest::prelude::*;
use trustnet_core::network::PublicKey;

use super::super::{Card, CardError, Claim, Dropped, Gossip, Seal};
use super::{DOMAIN, SETTINGS, address, claim, id, key};

/// What the first node sends to the second one.
fn announcement(domain: &str, seal: &Seal) -> Vec<u8> {
    let gossip = Gossip::new(&SETTINGS, claim(1, 1), key(1), domain, seal.clone(), 1);
    let mut gossip = gossip.unwrap();
    gossip.introduce(id(2), address(2), 0);
    gossip.outgoing().remove(0).1
}

fn second(seal: &Seal) -> Gossip {
    Gossip::new(&SETTINGS, claim(2, 1), key(2), DOMAIN, seal.clone(), 2).unwrap()
}

#[test]
fn forged_cards_and_those_of_other_networks_are_refused() {
    let open = Seal::open_network();
    let right = announcement(DOMAIN, &open);
    assert_eq!(second(&open).receive(address(1), &right, 0), Ok(()));

    let other = announcement("example.org", &open);
    assert_eq!(
        second(&open).receive(address(1), &other, 0),
        Err(Dropped::Forged)
    );
    // The name in the card is changed by who carries it.
    let place = right
        .windows(6)
        .position(|bytes| bytes == b"node-1")
        .unwrap();
    let mut forged = right.clone();
    forged[place] = b'm';
    let mut node = second(&open);
    assert_eq!(node.receive(address(1), &forged, 0), Err(Dropped::Forged));
    assert_eq!(node.members().count(), 0);
    assert!(node.outgoing().is_empty(), "who forges gets no answer");

    let token = Seal::of_token(b"a token", DOMAIN);
    assert_eq!(
        second(&token).receive(address(1), &right, 0),
        Err(Dropped::Sealed)
    );
}

#[test]
fn a_card_holds_what_its_own_key_says_and_only_that() {
    let card = Card::sign(claim(1, 1), &key(1), DOMAIN).unwrap();
    let signature = *card.signature();
    assert!(Card::check(claim(1, 1), signature, DOMAIN).is_ok());
    let changes: [fn(&mut Claim); 7] = [
        |claim| claim.key = *key(2).public().as_bytes(),
        |claim| claim.name = "other".to_owned(),
        |claim| claim.address = Ipv6Addr::LOCALHOST,
        |claim| claim.port = 1,
        |claim| claim.gossip_port = 1,
        |claim| claim.registry = None,
        |claim| claim.edition = 2,
    ];
    for change in changes {
        let mut other = claim(1, 1);
        change(&mut other);
        assert_eq!(
            Card::check(other, signature, DOMAIN),
            Err(CardError::Forged)
        );
    }
    let taken = Card::sign(claim(1, 1), &key(2), DOMAIN);
    assert_eq!(taken, Err(CardError::Field("key")));
    assert_eq!(card.id(), PublicKey::new(claim(1, 1).key).node_id());
}

#[test]
fn a_registry_that_only_its_node_can_reach_is_told_to_nobody() {
    let registry = |address: Ipv6Addr, registry: &str| {
        let mut claim = claim(1, 1);
        claim.address = address;
        claim.registry = Some(registry.parse().unwrap());
        Card::sign(claim, &key(1), DOMAIN).unwrap().registry()
    };
    let global = "2001:db8::1".parse().unwrap();
    assert_eq!(registry(global, "127.0.0.1:8000"), None);
    assert_eq!(registry(global, "[::1]:8000"), None);
    assert_eq!(registry(global, "[::]:8000"), None);
    assert!(registry(global, "[2001:db8::1]:8000").is_some());
    assert!(registry(Ipv6Addr::LOCALHOST, "[::1]:8000").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing that comes makes a node panic, whoever closed the envelope.
    #[test]
    fn any_bytes_are_taken_or_dropped(bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
        let token = Seal::of_token(b"a token", DOMAIN);
        let mut node = second(&token);
        let _ = node.receive(address(1), &bytes, 0);
        let _ = node.receive(address(1), &token.close(&bytes), 0);
        let mut open = second(&Seal::open_network());
        let _ = open.receive(address(1), &Seal::open_network().close(&bytes), 0);
    }

    /// Nor does a datagram that was right before some of its bytes were changed.
    #[test]
    fn broken_datagrams_are_taken_or_dropped(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
    ) {
        let open = Seal::open_network();
        let mut bytes = announcement(DOMAIN, &open);
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let mut node = second(&open);
        let _ = node.receive(address(1), &bytes, 0);
        node.tick(60_000);
    }
}

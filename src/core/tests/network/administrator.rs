//! What the administrator decides, and what cannot undo it.

use trustnet_api::network::{ChangeType, NodeState};
use trustnet_core::network::{Batch, Directory, Node, Offer, Refusal, Write};

use crate::directory::{directory, state, sweep};
use crate::nodes::{at, ban, expel, id, proof, register, remove, write};

#[test]
fn a_banned_node_stays_out_until_it_is_let_in() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    write(&mut directory, &ban(1, true, 12), &at(1)).expect("known");
    let banned = Err(Refusal::Banned(id(1)));
    assert_eq!(
        write(&mut directory, &register(1, "ada", 11), &at(2)),
        banned
    );
    assert_eq!(
        write(&mut directory, &Write::Revive { id: id(1) }, &at(2)),
        banned
    );
    assert_eq!(
        write(&mut directory, &remove(1, 13), &at(2)),
        banned,
        "it would come back as new"
    );
    assert!(directory.beat(id(1), 1, &proof(12, 1), &at(3)).is_err());
    assert_eq!(sweep(&mut directory, 1_000_000), 0, "nor is it forgotten");
    assert_eq!(write(&mut directory, &ban(1, true, 14), &at(4)), Ok(None));
    write(&mut directory, &ban(1, false, 15), &at(5)).expect("known");
    assert_eq!(state(&directory, 1), Some(NodeState::Offline));
    let again = write(&mut directory, &ban(1, true, 12), &at(6));
    assert_eq!(
        again,
        Err(Refusal::Replayed),
        "it was decided otherwise since"
    );
    let beaten = directory
        .beat(id(1), 1, &proof(16, 1), &at(1_000_001))
        .expect("let in");
    assert!(beaten.revive);
}

#[test]
fn a_decision_that_changes_nothing_makes_older_ones_old() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    assert_eq!(write(&mut directory, &ban(1, false, 12), &at(1)), Ok(None));
    let older = write(&mut directory, &ban(1, true, 11), &at(2));
    assert_eq!(older, Err(Refusal::Replayed));
    write(&mut directory, &ban(1, true, 13), &at(3)).expect("known");
    for (created, kept) in [(15, 15), (14, 15)] {
        let again = write(&mut directory, &ban(1, true, created), &at(4));
        assert_eq!(again, Ok(None), "it is so already");
        let last: Vec<_> = directory.administered().map(|(_, last)| last.at).collect();
        assert_eq!(last, [kept]);
    }
    let older = write(&mut directory, &ban(1, false, 14), &at(5));
    assert_eq!(older, Err(Refusal::Replayed));
    assert_eq!(directory.version(), 2);
    // What is written of the node at once waits for it.
    let mut batch = Batch::new(&directory);
    let offers =
        [ban(1, true, 17), ban(1, false, 16)].map(|write| batch.offer(&directory, &write, &at(6)));
    assert_eq!(offers, [Offer::Noted, Offer::Later]);
}

#[test]
fn what_a_node_signed_before_the_administrator_took_it_out_brings_it_not_back() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    write(&mut directory, &expel(1, 20), &at(1)).expect("known");
    let queued = write(&mut directory, &register(1, "ada", 19), &at(2));
    assert_eq!(queued, Err(Refusal::Replayed));
    write(&mut directory, &register(1, "ada", 20), &at(3)).expect("it comes back");
}

#[test]
fn a_new_root_lets_nobody_in_by_what_was_signed_before_it_was_one() {
    let start = at(0).seconds();
    let let_in = |number, created, inherited| Write::Ban {
        id: id(number),
        banned: false,
        proof: proof(created, created),
        inherited,
    };
    let heir = |since| {
        let mut directory = directory();
        for (number, name) in [(1, "ada"), (2, "bob")] {
            write(&mut directory, &register(number, name, 10), &at(0)).expect("new");
        }
        write(&mut directory, &ban(1, true, 10), &at(0)).expect("known");
        let nodes: Vec<_> = directory
            .after(None)
            .map(|node| Node::clone(node))
            .collect();
        let mut heir = Directory::new(100);
        heir.replace(1_000_000, nodes);
        heir.remember_root_since(since);
        heir
    };
    let before = Err(Refusal::BeforeRoot(id(1)));
    let mut directory = heir(start);
    // It may be sent again by whoever heard it once, and with it the ban that it undid.
    for old in [
        let_in(1, start - 5, false),
        ban(1, true, start - 9),
        let_in(1, start - 8, false),
    ] {
        let done = write(&mut directory, &old, &at(0));
        assert!(done == before || done == Ok(None), "{old:?}: {done:?}");
        assert_eq!(state(&directory, 1), Some(NodeState::Banned));
    }
    write(&mut directory, &let_in(1, start, false), &at(0)).expect("it is signed anew");
    write(&mut heir(start), &let_in(1, start - 5, true), &at(0)).expect("it was taken here");
    // Its clock was wrong then.
    write(&mut heir(start + 601), &let_in(1, start, false), &at(0)).expect("it is no measure");
    // Of a node that was not kept out, and of those that are new, all is done that another secondary had taken meanwhile.
    let mut directory = heir(start);
    for queued in [
        register(3, "eve", start - 9),
        register(2, "bob", start - 9),
        ban(2, true, start - 8),
        let_in(2, start - 7, false),
        expel(3, start - 6),
    ] {
        let done = write(&mut directory, &queued, &at(0));
        assert!(matches!(done, Ok(Some(_))), "{queued:?}: {done:?}");
    }
}

#[test]
fn a_node_that_left_is_banned_and_told_of_by_its_id() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    write(&mut directory, &remove(1, 11), &at(0)).expect("known");
    write(&mut directory, &register(2, "ada", 12), &at(0)).expect("free");
    let let_in = write(&mut directory, &ban(1, false, 13), &at(1));
    assert_eq!(let_in, Err(Refusal::Unknown(id(1))), "it is not kept out");
    // Nor does it get round that by another node of its name.
    let own = id(1).to_string();
    let mut batch = Batch::new(&directory);
    let offers = [register(3, &own, 14), ban(1, true, 15)]
        .map(|write| batch.offer(&directory, &write, &at(1)));
    assert_eq!(offers[1], Offer::Later);
    directory
        .apply(batch.from(), batch.into_entries(), &at(1))
        .expect("it follows");
    let out = write(&mut directory, &ban(1, true, 15), &at(1));
    let out = out.expect("it was known").expect("a change");
    assert_eq!(out.change, ChangeType::NodeState);
    let banned: Vec<_> = directory.banned_after(None).map(|node| node.id).collect();
    assert_eq!(banned, [id(1)]);
    let named = |name: &str| directory.named(name).map(|node| node.id);
    assert_eq!(named("ada"), Some(id(2)));
    assert_eq!(named(&own), Some(id(3)));
    assert_eq!(named(&format!("{own}-1")), Some(id(1)));
    let back = write(&mut directory, &register(1, "eve", 16), &at(2));
    assert_eq!(back, Err(Refusal::Banned(id(1))));
    write(&mut directory, &ban(1, false, 17), &at(3)).expect("known");
    let old = write(&mut directory, &register(1, "eve", 11), &at(4));
    assert_eq!(
        old,
        Err(Refusal::Replayed),
        "what it signed is not forgotten"
    );
    write(&mut directory, &register(1, "eve", 18), &at(4)).expect("it is let in");
}

#[test]
fn a_node_that_was_banned_for_long_has_time_to_beat_when_it_is_let_in() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    write(&mut directory, &ban(1, true, 11), &at(1)).expect("known");
    write(&mut directory, &ban(1, false, 12), &at(1_000_000)).expect("known");
    assert_eq!(sweep(&mut directory, 1_003_600), 0);
    assert_eq!(state(&directory, 1), Some(NodeState::Offline));
    let heard = directory.get(id(1)).map(|node| node.last_heartbeat);
    assert_eq!(heard, Some(at(0).wall), "it has not said anything yet");
    assert_eq!(sweep(&mut directory, 1_086_401), 1);
    assert_eq!(state(&directory, 1), None);
}

#[test]
fn nothing_that_a_node_signs_makes_what_the_administrator_decides_old() {
    let mut directory = directory();
    for (out, back) in [
        (ban(1, true, 11), ban(1, false, 12)),
        (expel(1, 13), register(1, "ada", 405)),
    ] {
        let ahead = 400 + directory.version();
        write(&mut directory, &register(1, "ada", ahead), &at(0)).expect("a clock ahead");
        write(&mut directory, &out, &at(1)).expect("it was decided now");
        assert_ne!(state(&directory, 1), Some(NodeState::Active), "{out:?}");
        write(&mut directory, &back, &at(2)).expect("it is let in");
        let again = write(&mut directory, &out, &at(3));
        assert_eq!(again, Err(Refusal::Replayed), "nor is it done twice");
    }
    // What it signed before it was taken out brings it not back.
    write(&mut directory, &expel(1, 14), &at(4)).expect("known");
    let old = write(&mut directory, &register(1, "ada", 405), &at(5));
    assert_eq!(old, Err(Refusal::Replayed));
}

#[test]
fn what_the_administrator_signed_is_forgotten_when_it_is_too_old_to_come_again() {
    let mut directory = directory();
    for (number, name, created) in [(1, "ada", 10), (2, "bob", 20)] {
        write(&mut directory, &register(number, name, created), &at(0)).expect("new");
        write(&mut directory, &ban(number, true, created), &at(0)).expect("known");
    }
    directory.forget_signed(20);
    let left: Vec<_> = directory.administered().map(|(id, _)| id).collect();
    assert_eq!(left, [id(2)]);
}

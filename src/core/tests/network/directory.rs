//! The directory's rules, one by one.

use std::collections::BTreeMap;

use trustnet_api::network::{ChangeType, NodeState};
use trustnet_core::network::{Batch, Directory, Gap, Liveness, LogEntry, Offer, Refusal, Write};

use crate::nodes::{at, ban, expel, id, proof, register, registration, remove, write};

const LIVENESS: Liveness = Liveness {
    interval: 30,
    offline_after: 90,
    inactive_after: 3600,
    removed_after: 86_400,
};

pub fn directory() -> Directory {
    Directory::new(100)
}

pub fn state(directory: &Directory, number: u8) -> Option<NodeState> {
    directory.get(id(number)).map(|node| node.state)
}

/// Sweeps, and writes what was found.
pub fn sweep(directory: &mut Directory, now: u64) -> usize {
    let writes = directory.sweep(&LIVENESS, &at(now));
    let changed = writes.iter().filter(|one| {
        let done = write(directory, one, &at(now));
        done.expect("nobody is refused").is_some()
    });
    changed.count()
}

#[test]
fn a_key_registers_registers_again_and_leaves() {
    let mut directory = directory();
    let first = write(&mut directory, &register(1, "ada", 10), &at(0));
    assert_eq!(
        first.expect("new").expect("a change").change,
        ChangeType::NodeRegistered
    );
    let again = write(&mut directory, &register(1, "bob", 11), &at(5));
    assert_eq!(
        again.expect("known").expect("a change").change,
        ChangeType::NodeUpdated
    );
    assert!(directory.named("ada").is_none());
    assert_eq!(directory.named("bob").map(|node| node.id), Some(id(1)));
    let first_seen = directory.get(id(1)).map(|node| node.first_seen);
    assert_eq!(first_seen, Some(at(0).wall));
    let left = write(&mut directory, &remove(1, 12), &at(6));
    assert_eq!(
        left.expect("known").expect("a change").change,
        ChangeType::NodeRemoved
    );
    assert!(directory.is_empty());
    assert_eq!(directory.version(), 3);
    assert_eq!(
        write(&mut directory, &remove(1, 13), &at(7)),
        Err(Refusal::Unknown(id(1)))
    );
}

#[test]
fn a_name_is_one_nodes_until_it_is_free() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let taken = Err(Refusal::NameTaken("ada".to_owned()));
    assert_eq!(
        write(&mut directory, &register(2, "ada", 11), &at(1)),
        taken
    );
    write(&mut directory, &register(1, "bob", 12), &at(2)).expect("known");
    write(&mut directory, &register(2, "ada", 13), &at(3)).expect("free");
    write(&mut directory, &remove(1, 14), &at(4)).expect("known");
    write(&mut directory, &register(2, "bob", 15), &at(5)).expect("free");
}

#[test]
fn a_new_key_is_admitted_and_a_known_one_needs_no_more() {
    let mut directory = directory();
    let knock = |created| Write::Register {
        registration: registration(1, "ada", 9000),
        proof: proof(created, created),
        admitted: false,
    };
    assert_eq!(
        write(&mut directory, &knock(10), &at(0)),
        Err(Refusal::JoinToken)
    );
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("admitted");
    write(&mut directory, &knock(11), &at(1)).expect("known");
}

#[test]
fn no_write_is_taken_twice_nor_after_a_later_one() {
    let mut directory = directory();
    for (created, taken) in [
        (10, true),
        (10, false),
        (12, true),
        (11, false),
        (12, false),
        (13, true),
    ] {
        let done = write(&mut directory, &register(1, "ada", created), &at(0));
        assert_eq!(done.is_ok(), taken, "{created}: {done:?}");
    }
    // Two signatures of one second are two writes.
    let second = Write::Register {
        registration: registration(1, "bob", 9000),
        proof: proof(13, 99),
        admitted: true,
    };
    write(&mut directory, &second, &at(0)).expect("another signature");
    assert_eq!(
        write(&mut directory, &second, &at(0)),
        Err(Refusal::Replayed)
    );
    // Nor does it bring a node back that left.
    write(&mut directory, &remove(1, 14), &at(1)).expect("known");
    assert_eq!(
        write(&mut directory, &second, &at(2)),
        Err(Refusal::Replayed)
    );
    assert_eq!(
        write(&mut directory, &remove(1, 14), &at(2)),
        Err(Refusal::Unknown(id(1)))
    );
    write(&mut directory, &register(1, "ada", 15), &at(3)).expect("it comes back");
    assert_eq!(directory.departed().count(), 0);
}

#[test]
fn nodes_that_left_are_forgotten_when_that_is_long_ago_and_nothing_they_signed_can_come_again() {
    let mut directory = directory();
    let start = at(0).seconds();
    for (number, created, left) in [(1, start, 0), (2, start + 200, 0), (3, 10, 100_000)] {
        write(&mut directory, &register(number, "ada", created), &at(0)).expect("new");
        write(&mut directory, &expel(number, start), &at(left)).expect("known");
    }
    directory.forget_signed(start + 100);
    let left: BTreeMap<_, _> = directory
        .departed()
        .map(|(id, left)| (id, (left.at, left.signed.at)))
        .collect();
    // One may send again what it had signed ahead of time; the other left just now, and may be somebody's peer.
    let wanted = [(id(2), (start, start + 200)), (id(3), (start + 100, 10))];
    assert_eq!(left, BTreeMap::from(wanted));
    write(&mut directory, &ban(3, true, start + 1), &at(100_001)).expect("it is remembered");
}

#[test]
fn what_is_signed_as_far_ahead_as_is_taken_is_taken_once_and_by_a_wrong_clock_says_nothing() {
    let start = at(0).seconds();
    // 300 s ahead of when it was queued, and that 300 s ahead of now.
    for (ahead, then) in [(600, Err(Refusal::Replayed)), (601, Ok(()))] {
        let mut directory = directory();
        let far = register(1, "ada", start + ahead);
        write(&mut directory, &far, &at(0)).expect("new");
        let near = write(&mut directory, &register(1, "ada", start + 1), &at(0));
        assert_eq!(near.map(drop), then, "{ahead}");
    }
}

#[test]
fn a_silent_node_declines_step_by_step_and_a_beat_brings_it_back() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    for (now, changed, then) in [
        (90, 0, Some(NodeState::Active)),
        (91, 1, Some(NodeState::Offline)),
        (92, 0, Some(NodeState::Offline)),
        (3600, 0, Some(NodeState::Offline)),
        (3601, 1, Some(NodeState::Inactive)),
        (86_400, 0, Some(NodeState::Inactive)),
    ] {
        assert_eq!(sweep(&mut directory, now), changed, "at {now}");
        assert_eq!(state(&directory, 1), then, "at {now}");
    }
    let beaten = directory
        .beat(id(1), 1, &proof(11, 1), &at(86_401))
        .expect("known");
    assert!(beaten.revive);
    write(&mut directory, &Write::Revive { id: id(1) }, &at(86_401)).expect("known");
    assert_eq!(state(&directory, 1), Some(NodeState::Active));
    assert_eq!(sweep(&mut directory, 86_401 + 86_401), 1);
    assert_eq!(state(&directory, 1), None);
}

#[test]
fn uptime_is_the_share_of_the_time_since_the_registration_in_which_the_node_was_active() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let uptime = |directory: &Directory, now| {
        let node = directory.get(id(1)).expect("it is there");
        node.record(&at(now)).uptime_pct.to_string()
    };
    assert_eq!(uptime(&directory, 0), "100");
    assert_eq!(uptime(&directory, 91), "100");
    assert_eq!(sweep(&mut directory, 91), 1);
    assert_eq!(uptime(&directory, 182), "50");
    assert_eq!(uptime(&directory, 364), "25");
    // Heard of again, it makes up for it.
    directory
        .beat(id(1), 1, &proof(11, 1), &at(364))
        .expect("known");
    write(&mut directory, &Write::Revive { id: id(1) }, &at(364)).expect("known");
    assert_eq!(uptime(&directory, 546), "50");
}

#[test]
fn a_jump_of_the_wall_clock_loses_nobody() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let mut now = at(50);
    for wall in [0, -1_000_000, i64::MAX, 4_000_000_000_000] {
        now.wall = wall;
        assert_eq!(directory.sweep(&LIVENESS, &now), []);
        let record = directory.get(id(1)).expect("it is there").record(&now);
        assert!(
            (0.0..=100.0).contains(&record.uptime_pct),
            "{}",
            record.uptime_pct
        );
    }
}

#[test]
fn a_beat_that_comes_after_a_sweep_makes_it_void() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let found = directory.sweep(&LIVENESS, &at(91));
    directory
        .beat(id(1), 1, &proof(11, 1), &at(92))
        .expect("known");
    assert_eq!(write(&mut directory, &found[0], &at(92)), Ok(None));
    assert_eq!(state(&directory, 1), Some(NodeState::Active));
}

#[test]
fn a_beat_that_comes_while_a_change_is_written_is_not_lost() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let mut batch = Batch::new(&directory);
    let offer = batch.offer(&directory, &register(1, "bob", 11), &at(10));
    assert!(matches!(offer, Offer::Taken(_)));
    directory
        .beat(id(1), 5, &proof(11, 1), &at(20))
        .expect("known");
    directory
        .apply(batch.from(), batch.into_entries(), &at(20))
        .expect("it follows");
    let node = directory.get(id(1)).expect("it is there");
    assert_eq!((&*node.name, node.beat_at, node.sequence), ("bob", 20, 5));
    assert_eq!(node.last_heartbeat, at(20).wall);
}

#[test]
fn beats_ascend_and_begin_anew_with_a_registration() {
    let mut directory = directory();
    let unknown = directory.beat(id(1), 1, &proof(10, 1), &at(0));
    assert_eq!(unknown, Err(Refusal::Unknown(id(1))));
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    directory
        .beat(id(1), 7, &proof(11, 1), &at(1))
        .expect("known");
    let stale = Err(Refusal::StaleSequence { last: 7 });
    assert_eq!(directory.beat(id(1), 7, &proof(12, 1), &at(2)), stale);
    assert_eq!(directory.beat(id(1), 3, &proof(12, 1), &at(2)), stale);
    write(&mut directory, &register(1, "ada", 13), &at(3)).expect("known");
    let old = directory.beat(id(1), 8, &proof(12, 1), &at(4));
    assert_eq!(old, Err(Refusal::Replayed), "a beat of its life before");
    directory
        .beat(id(1), 1, &proof(13, 1), &at(5))
        .expect("a new life");
    assert_eq!(directory.version(), 2, "a beat is no change");
}

#[test]
fn changes_are_known_as_far_back_as_the_log_goes() {
    let mut directory = Directory::new(3);
    for number in 1..=5 {
        let name = format!("node-{number}");
        write(&mut directory, &register(number, &name, 10), &at(0)).expect("new");
    }
    let versions = |since, limit| -> Option<Vec<u64>> {
        let changes = directory.changes(since, limit)?;
        Some(changes.iter().map(|entry| entry.version).collect())
    };
    assert_eq!(versions(1, 9), None);
    assert_eq!(versions(2, 9), Some(vec![3, 4, 5]));
    assert_eq!(versions(2, 2), Some(vec![3, 4]));
    assert_eq!(versions(5, 9), Some(vec![]));
    assert_eq!(versions(6, 9), None, "a version that was never told here");
    directory.replace(40, []);
    assert_eq!(directory.changes(5, 9), None);
    assert_eq!(directory.changes(40, 9), Some(vec![]));
}

#[test]
fn changes_that_leave_a_version_out_are_not_taken_in() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let node = directory.get(id(1)).expect("it is there").clone();
    let entry = |version| LogEntry {
        version,
        change: ChangeType::NodeRemoved,
        node: node.clone(),
        administered: None,
    };
    for (from, versions) in [
        (0, vec![1]),
        (2, vec![3]),
        (1, vec![3]),
        (1, vec![2, 4]),
        (1, vec![2, 2]),
    ] {
        let entries = versions.into_iter().map(entry).collect();
        assert_eq!(
            directory.apply(from, entries, &at(1)),
            Err(Gap { from, version: 1 })
        );
        assert_eq!((directory.version(), directory.len()), (1, 1));
    }
    directory
        .apply(1, vec![entry(2)], &at(1))
        .expect("it follows");
    assert!(directory.is_empty());
}

#[test]
fn a_batch_holds_one_write_of_a_node_and_of_a_name() {
    let mut directory = directory();
    write(&mut directory, &register(1, "ada", 10), &at(0)).expect("new");
    let mut batch = Batch::new(&directory);
    let mut offer = |write: &Write| batch.offer(&directory, write, &at(1));
    assert!(matches!(offer(&register(2, "bob", 10)), Offer::Taken(_)));
    assert_eq!(offer(&register(3, "bob", 10)), Offer::Later);
    assert_eq!(offer(&remove(2, 11)), Offer::Later);
    assert!(matches!(offer(&remove(1, 11)), Offer::Taken(_)));
    assert_eq!(
        offer(&register(3, "ada", 10)),
        Offer::Later,
        "the name of one who leaves"
    );
    let versions: Vec<_> = batch.entries().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [2, 3]);
}

#[test]
fn peers_are_active_and_never_the_asker() {
    let mut directory = directory();
    for number in 1..=9 {
        let name = format!("node-{number}");
        write(&mut directory, &register(number, &name, 10), &at(0)).expect("new");
    }
    write(&mut directory, &ban(9, true, 12), &at(1)).expect("known");
    for drawn in [0, 1 << 63, u64::MAX, 12_345 << 40] {
        let peers = directory.peers(id(1), 5, drawn);
        assert_eq!(peers.len(), 5);
        let all = directory.peers(id(1), 50, drawn);
        let mut ids: Vec<_> = all.iter().map(|peer| peer.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 7);
        assert!(!ids.contains(&id(1)) && !ids.contains(&id(9)));
    }
    // What is drawn says who comes first: each of them may.
    for number in 2..=8 {
        let drawn = u64::from_be_bytes(*id(number).as_bytes());
        assert_eq!(directory.peers(id(1), 1, drawn)[0].id, id(number));
    }
}

#[test]
fn domains_that_nobody_has_any_more_are_not_kept() {
    let mut directory = Directory::new(1);
    for number in 0..1000 {
        let request = trustnet_api::network::RegisterRequest {
            node_name: "ada".to_owned(),
            ipv6_address: "2001:db8::7".to_owned(),
            port: 9000,
            domain: format!("d{number}.example.org"),
            registry_address: "[2001:db8::1]:8000".to_owned(),
            public_key: trustnet_core::network::PublicKey::new([1; 32]).to_string(),
        };
        let again = Write::Register {
            registration: trustnet_core::network::Registration::check(&request).expect("valid"),
            proof: proof(number, number),
            admitted: true,
        };
        write(&mut directory, &again, &at(number)).expect("known");
    }
    let text = format!("{directory:?}");
    assert!(text.contains("d999.example.org"));
    assert!(!text.contains("d500.example.org"));
}

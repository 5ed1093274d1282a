//! A secondary without its sockets: what it is told, and what it does.

use trustnet_api::network::RegistryRole;
use trustnet_core::network::{
    Asked, Backoff, Endpoint, Kind, NodeId, Now, Probe, Replica, ReplicaAction as Action,
    ReplicaEvent as Event, ReplicaSettings, Sent,
};

const OWN: [u8; 8] = [9; 8];

fn at(port: u16) -> Endpoint {
    Endpoint::new(std::net::Ipv6Addr::LOCALHOST.into(), port)
}

fn now(steady: u64) -> Now {
    Now { wall: 0, steady }
}

fn settings() -> ReplicaSettings {
    ReplicaSettings {
        own: NodeId::new(OWN),
        root: Some(at(1)),
        lookup: true,
        hold: 10_000,
        refresh: 60_000,
        backoff: Backoff::default(),
        max_queued: 2,
        beat_life: 90_000,
    }
}

fn probe(id: u8, role: RegistryRole, version: u64) -> Option<Probe> {
    Some(Probe {
        id: NodeId::new([id; 8]),
        role,
        version,
    })
}

fn replica(version: u64) -> Replica<u32> {
    let followed = Some(NodeId::new([1; 8]));
    Replica::new(settings(), (version, followed), 0, &now(0))
}

/// One that has found its root at the configured address.
fn connected(version: u64) -> Replica<u32> {
    let mut replica = replica(version);
    replica.on(Event::Woke, &now(0), 0);
    let found = probe(1, RegistryRole::Root, version);
    let actions = replica.on(Event::Probed(0, found), &now(0), 0);
    assert_eq!(actions, [ask(0, version, 10_000)]);
    replica
}

fn ask(link: u64, since: u64, hold: u64) -> Action<u32> {
    Action::Ask {
        link,
        root: at(1),
        since,
        hold,
    }
}

fn load(link: u64, root: u8) -> Action<u32> {
    Action::Load(link, at(1), NodeId::new([root; 8]))
}

/// What is done when changes do not lead on, and this root says that it is there.
fn gap(
    replica: &mut Replica<u32>,
    link: u64,
    root: u8,
    version: u64,
    time: u64,
) -> Vec<Action<u32>> {
    let actions = replica.on(Event::Asked(link, Asked::Gap), &now(time), 0);
    assert_eq!(actions, [Action::Probe(link, at(1))]);
    let found = probe(root, RegistryRole::Root, version);
    replica.on(Event::Probed(link, found), &now(time), 0)
}

fn followed(version: u64) -> Asked {
    Asked::Followed {
        version,
        full: false,
    }
}

#[test]
fn the_configured_address_comes_first_and_then_those_of_the_name_but_never_itself_nor_a_secondary()
{
    let mut replica = replica(5);
    assert_eq!(
        replica.on(Event::Woke, &now(0), 0),
        [Action::Probe(0, at(1))]
    );
    assert_eq!(
        replica.on(Event::Probed(0, None), &now(1), 0),
        [Action::Resolve]
    );
    let names = vec![at(2), at(1), at(3), at(4)];
    let actions = replica.on(Event::Resolved(names), &now(2), 0);
    assert_eq!(actions, [Action::Probe(0, at(2))]);
    let itself = probe(9, RegistryRole::Root, 5);
    let actions = replica.on(Event::Probed(0, itself), &now(3), 0);
    assert_eq!(actions, [Action::Probe(0, at(3))]);
    let secondary = probe(3, RegistryRole::Secondary, 5);
    let actions = replica.on(Event::Probed(0, secondary), &now(4), 0);
    assert_eq!(actions, [Action::Probe(0, at(4))]);
    replica.on(
        Event::Probed(0, probe(4, RegistryRole::Root, 5)),
        &now(5),
        0,
    );
    assert_eq!(replica.root(), Some(at(4)));
}

#[test]
fn rounds_without_a_root_come_ever_more_seldom() {
    let mut replica = replica(5);
    let mut time = 0;
    let mut waits = Vec::new();
    for round in 0..8 {
        replica.on(Event::Woke, &now(time), 0);
        replica.on(Event::Probed(round, None), &now(time), 0);
        replica.on(Event::Resolved(Vec::new()), &now(time), 0);
        let wake = replica.wake().expect("it tries again");
        waits.push((wake - time) / 1000);
        time = wake;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_snapshot_is_taken_where_nothing_is_known_and_where_changes_do_not_lead_on() {
    for (own, root) in [(0, 7), (9, 7), (600_000, 100_001)] {
        let mut replica = replica(own);
        replica.on(Event::Woke, &now(0), 0);
        let actions = replica.on(
            Event::Probed(0, probe(1, RegistryRole::Root, root)),
            &now(0),
            0,
        );
        assert_eq!(actions, [load(0, 1)], "{own} {root}");
    }
    let mut replica = connected(5);
    assert_eq!(gap(&mut replica, 0, 1, 8, 1), [load(0, 1)]);
    let actions = replica.on(Event::Loaded(0, Some(8)), &now(2), 0);
    assert_eq!(actions, [ask(0, 8, 10_000)]);
    // Twice in a row is a root that is not to be hurried.
    assert_eq!(replica.on(Event::Asked(0, Asked::Gap), &now(3), 0), []);
    assert_eq!(replica.root(), None);
    // But at the next one a gap is a gap.
    replica.on(Event::Woke, &now(5_000), 0);
    replica.on(
        Event::Probed(1, probe(1, RegistryRole::Root, 8)),
        &now(5_000),
        0,
    );
    assert_eq!(gap(&mut replica, 1, 1, 8, 5_001), [load(1, 1)]);
}

#[test]
fn before_a_snapshot_after_a_gap_the_root_is_asked_who_it_is() {
    // Another one has come in its place: its snapshot is not loaded as the dead one's.
    let mut replica = connected(5);
    assert_eq!(gap(&mut replica, 0, 2, 5, 1), [load(0, 2)]);
    replica.on(Event::Loaded(0, Some(5)), &now(2), 0);
    let counts = replica.counts();
    assert_eq!((counts.connected, counts.loaded, counts.lost), (1, 1, 0));
    // From then on the other one is the one that is known.
    replica.on(Event::Asked(0, Asked::Failed), &now(10_000), 0);
    replica.on(Event::Woke, &now(15_000), 0);
    let found = probe(2, RegistryRole::Root, 5);
    let actions = replica.on(Event::Probed(1, found), &now(15_000), 0);
    assert_eq!(actions, [ask(1, 5, 10_000)]);
    // Nothing, a secondary, and a root from before a promotion are no root.
    for found in [
        None,
        probe(2, RegistryRole::Secondary, 600_000),
        probe(2, RegistryRole::Root, 3),
    ] {
        let mut replica = connected(600_000);
        replica.on(Event::Asked(0, Asked::Gap), &now(1), 0);
        assert_eq!(replica.on(Event::Probed(0, found), &now(2), 0), []);
        assert_eq!((replica.root(), replica.counts().lost), (None, 1));
        let actions = replica.on(Event::Woke, &now(5_000), 0);
        assert_eq!(actions, [Action::Probe(1, at(1))]);
    }
}

#[test]
fn another_root_is_followed_from_a_snapshot_whatever_its_version() {
    for version in [5, 6, 1_000_005] {
        let mut replica = connected(5);
        let find = |replica: &mut Replica<u32>, link, id, time| {
            replica.on(Event::Asked(link, Asked::Failed), &now(time), 0);
            replica.on(Event::Woke, &now(time + 5_000), 0);
            let found = probe(id, RegistryRole::Root, version);
            replica.on(Event::Probed(link + 1, found), &now(time + 5_000), 0)
        };
        // The one that is known goes on.
        let actions = find(&mut replica, 0, 1, 10_000);
        assert_eq!(actions, [ask(1, 5, 10_000)], "{version}");
        // A snapshot that does not come is no snapshot.
        assert_eq!(find(&mut replica, 1, 2, 20_000), [load(2, 2)], "{version}");
        replica.on(Event::Loaded(2, None), &now(25_001), 0);
        replica.on(Event::Woke, &now(60_000), 0);
        let found = probe(2, RegistryRole::Root, version);
        let actions = replica.on(Event::Probed(3, found), &now(60_000), 0);
        assert_eq!(actions, [load(3, 2)], "{version}");
        let actions = replica.on(Event::Loaded(3, Some(version)), &now(60_001), 0);
        assert_eq!(actions, [ask(3, version, 10_000)]);
        replica.on(Event::Asked(3, followed(version)), &now(68_000), 0);
        // From then on it is the one that is known.
        let actions = find(&mut replica, 3, 2, 70_000);
        assert_eq!(actions, [ask(4, version, 10_000)], "{version}");
    }
}

#[test]
fn a_root_from_before_a_promotion_is_not_followed() {
    let mut replica = replica(1_000_003);
    replica.on(Event::Woke, &now(0), 0);
    let actions = replica.on(
        Event::Probed(0, probe(1, RegistryRole::Root, 3)),
        &now(0),
        0,
    );
    assert_eq!(actions, [Action::Resolve]);
}

#[test]
fn a_root_that_does_not_hold_questions_is_asked_at_intervals() {
    let mut replica = connected(5);
    // Once or twice is one that stops, and is back as soon as it is looked for.
    for time in [10, 1_020] {
        assert_eq!(replica.on(Event::Asked(0, followed(5)), &now(time), 0), []);
        assert_eq!(replica.wake(), Some(time + 1_000));
        let actions = replica.on(Event::Woke, &now(time + 1_000), 0);
        assert_eq!(actions, [ask(0, 5, 10_000)]);
    }
    assert_eq!(replica.on(Event::Asked(0, followed(5)), &now(2_030), 0), []);
    assert_eq!(replica.wake(), Some(62_030));
    assert_eq!(replica.on(Event::Woke, &now(62_030), 0), [ask(0, 5, 0)]);
    // What was held in between begins the count anew.
    let mut replica = connected(5);
    let mut time = 10;
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(replica.on(Event::Asked(0, followed(5)), &now(time), 0), []);
            time += 1_000;
            replica.on(Event::Woke, &now(time), 0);
        }
        time += 10_000;
        let actions = replica.on(Event::Asked(0, followed(5)), &now(time), 0);
        assert_eq!(actions, [ask(0, 5, 10_000)]);
    }
    // A question that is held to its end says that it does, and so does one that is answered by news.
    let mut replica = connected(5);
    let actions = replica.on(Event::Asked(0, followed(5)), &now(10_000), 0);
    assert_eq!(actions, [ask(0, 5, 10_000)]);
    let actions = replica.on(Event::Asked(0, followed(6)), &now(10_001), 0);
    assert_eq!(actions, [ask(0, 6, 10_000)]);
}

#[test]
fn writes_are_forwarded_or_queued_and_never_overtake_the_queue() {
    let mut replica = connected(5);
    let submit = |write| Event::Submitted(Kind::Write, write);
    let actions = replica.on(submit(1), &now(1), 0);
    assert_eq!(actions, [Action::Forward(0, at(1), Kind::Write, 1)]);
    let lost = Event::Forwarded(0, Kind::Write, 1, Sent::Lost);
    assert_eq!(replica.on(lost, &now(2), 0), [Action::Queue(1)]);
    assert_eq!(replica.on(submit(2), &now(3), 0), [Action::Queue(2)]);
    assert_eq!(replica.on(submit(3), &now(4), 0), [Action::Full(3)]);
    replica.on(
        Event::Queued {
            added: true,
            replaced: 0,
        },
        &now(5),
        0,
    );
    replica.on(
        Event::Queued {
            added: true,
            replaced: 0,
        },
        &now(6),
        0,
    );
    assert_eq!(replica.health(&now(7)).queued_writes, 2);
    replica.on(Event::Woke, &now(5_000), 0);
    let actions = replica.on(
        Event::Probed(1, probe(1, RegistryRole::Root, 5)),
        &now(5_000),
        0,
    );
    assert_eq!(actions, [ask(1, 5, 10_000), Action::Deliver(1, at(1))]);
    let actions = replica.on(Event::Delivered(1, Sent::Done), &now(5_001), 0);
    assert_eq!(actions, [Action::Deliver(1, at(1))]);
    assert_eq!(replica.on(submit(4), &now(5_002), 0), [Action::Queue(4)]);
    replica.on(
        Event::Queued {
            added: true,
            replaced: 0,
        },
        &now(5_003),
        0,
    );
    // Busy: it waits, and the root is not lost.
    assert_eq!(
        replica.on(Event::Delivered(1, Sent::Busy), &now(5_004), 0),
        []
    );
    assert_eq!(replica.root(), Some(at(1)));
    let wake = replica.wake().expect("it tries again");
    assert_eq!(
        replica.on(Event::Woke, &now(wake), 0),
        [Action::Deliver(1, at(1))]
    );
    replica.on(Event::Delivered(1, Sent::Refused), &now(wake), 0);
    replica.on(Event::Delivered(1, Sent::Done), &now(wake), 0);
    let counts = replica.counts();
    assert_eq!((counts.delivered, counts.dropped), (2, 1));
    let actions = replica.on(submit(5), &now(wake), 0);
    assert_eq!(actions, [Action::Forward(1, at(1), Kind::Write, 5)]);
}

#[test]
fn of_heartbeats_the_newest_is_kept_and_told_once_the_root_is_back_unless_it_is_old() {
    let node = NodeId::new([4; 8]);
    let beat = |payload| Event::Submitted(Kind::Beat(node), payload);
    for (back, told) in [(60_000, true), (200_000, false)] {
        let mut replica = replica(5);
        replica.on(Event::Woke, &now(0), 0);
        assert_eq!(replica.on(beat(1), &now(1), 0), [Action::Keep(1)]);
        assert_eq!(replica.on(beat(2), &now(2), 0), [Action::Keep(2)]);
        let found = probe(1, RegistryRole::Root, 5);
        let actions = replica.on(Event::Probed(0, found), &now(back), 0);
        let wanted = told.then_some(Action::Tell(0, at(1), 2));
        assert_eq!(
            actions,
            [ask(0, 5, 10_000)]
                .into_iter()
                .chain(wanted)
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn it_lags_while_the_root_says_nothing_and_not_while_it_holds_a_question() {
    let mut replica = connected(5);
    assert!(replica.health(&now(9_000)).lag_seconds.abs() < f64::EPSILON);
    replica.on(Event::Asked(0, followed(6)), &now(9_000), 0);
    replica.on(Event::Asked(0, Asked::Failed), &now(12_000), 0);
    let health = replica.health(&now(13_000));
    assert!(
        (health.lag_seconds - 4.0).abs() < f64::EPSILON,
        "{health:?}"
    );
    assert!(!health.connected);
    assert_eq!(health.version, 6);
}

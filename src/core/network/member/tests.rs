//! Members of a world that answers as the test says.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use proptest::prelude::*;
use trustnet_api::network::ErrorCode;

use super::{Action, Answer, Event, Member, MemberSettings};
use crate::network::{Backoff, Endpoint, Now};

const OWN: &str = "[::1]:8000";
const CONFIGURED: &str = "[2001:db8::1]:8000";
const RESOLVED: &str = "[2001:db8::2]:8000";
const REMEMBERED: &str = "[2001:db8::3]:8000";
const TOLD: &str = "[2001:db8::4]:8000";

fn at(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn settings() -> MemberSettings {
    MemberSettings {
        integrated: Some(at(OWN)),
        configured: Some(at(CONFIGURED)),
        lookup: true,
        remembered: vec![at(REMEMBERED)],
        interval: 30_000,
        timeout: 5000,
        peers_interval: 30_000,
        backoff: Backoff::default(),
        spread: 7,
    }
}

/// Settings that name one registry only, the node's own.
fn alone() -> MemberSettings {
    MemberSettings {
        configured: None,
        lookup: false,
        remembered: Vec::new(),
        ..settings()
    }
}

fn refused(code: ErrorCode) -> Answer {
    Answer::Refused {
        code,
        message: "no".to_owned(),
        retry_after: None,
    }
}

/// A member on a clock of its own.
struct World {
    member: Member,
    now: Now,
}

impl World {
    fn new(settings: MemberSettings) -> Self {
        Self {
            member: Member::new(settings),
            now: Now { wall: 0, steady: 0 },
        }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.member.on(event, &self.now)
    }

    /// Goes to the moment at which the member wants to be woken.
    fn sleep(&mut self) -> Vec<Action> {
        self.now.steady = self.member.wake_at();
        self.on(Event::Tick)
    }

    fn answer(&mut self, ticket: u64, answer: Answer) -> Vec<Action> {
        self.on(Event::Answered { ticket, answer })
    }

    /// Registers with the first registry that is asked.
    fn settle(&mut self) -> Vec<Action> {
        let actions = self.on(Event::Tick);
        let ticket = ticket(&actions);
        self.answer(ticket, Answer::Registered { interval: 30_000 })
    }

    /// What follows on so many heartbeats that were answered.
    fn registration_after_beats(&mut self, beats: u32) -> Vec<Action> {
        for _ in 0..beats {
            let (ticket, _) = self.beat();
            self.answer(ticket, Answer::Beaten);
        }
        loop {
            let actions = self.sleep();
            if registers(&actions).is_some() {
                return actions;
            }
        }
    }

    /// The next heartbeat: its ticket and its sequence.
    fn beat(&mut self) -> (u64, u64) {
        loop {
            for action in self.sleep() {
                if let Action::Beat {
                    ticket, sequence, ..
                } = action
                {
                    return (ticket, sequence);
                }
            }
        }
    }
}

fn ticket(actions: &[Action]) -> u64 {
    let ticket = actions.iter().find_map(|action| match action {
        Action::Resolve { ticket }
        | Action::Register { ticket, .. }
        | Action::Find { ticket, .. }
        | Action::Beat { ticket, .. } => Some(*ticket),
        Action::FetchPeers { .. } | Action::Remember { .. } => None,
    });
    ticket.unwrap()
}

fn registers(actions: &[Action]) -> Option<Endpoint> {
    actions.iter().find_map(|action| match action {
        Action::Register { at, .. } => Some(*at),
        _ => None,
    })
}

#[test]
fn registries_are_asked_in_their_order_and_then_with_growing_pauses() {
    let mut world = World::new(settings());
    let mut asked = Vec::new();
    let mut pauses = Vec::new();
    let mut actions = world.on(Event::Heard {
        registries: vec![at(TOLD), at(OWN)],
    });
    while pauses.len() < 9 {
        let Some(action) = actions.first().cloned() else {
            let before = world.now.steady;
            actions = world.sleep();
            pauses.push(world.now.steady - before);
            continue;
        };
        actions = match action {
            Action::Resolve { ticket } => {
                asked.push("tnr".to_owned());
                world.on(Event::Resolved {
                    ticket,
                    registries: vec![at(RESOLVED)],
                })
            }
            Action::Register { ticket, at } => {
                asked.push(at.to_string());
                world.answer(ticket, Answer::Failed("refused".to_owned()))
            }
            other => panic!("{other:?} before a registration"),
        };
    }
    let round = [OWN, CONFIGURED, "tnr", RESOLVED, REMEMBERED, TOLD];
    assert_eq!(asked, round.repeat(9));
    for (pause, most) in pauses
        .iter()
        .zip([1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| seconds * 1000))
    {
        assert!((most / 2..=most).contains(pause), "{pause} {most}");
    }
}

#[test]
fn the_first_registry_that_takes_the_node_ends_the_round_and_is_remembered_if_it_is_no_own_one() {
    let mut world = World::new(settings());
    let actions = world.settle();
    assert_eq!(actions, [Action::FetchPeers { at: at(OWN) }]);
    assert!(world.member.standing().well);

    let mut world = World::new(MemberSettings {
        integrated: None,
        configured: None,
        ..settings()
    });
    let actions = world.on(Event::Tick);
    let actions = world.on(Event::Resolved {
        ticket: ticket(&actions),
        registries: vec![at(RESOLVED)],
    });
    assert_eq!(registers(&actions), Some(at(RESOLVED)));
    let actions = world.answer(ticket(&actions), Answer::Registered { interval: 30_000 });
    let kept = Action::Remember {
        registries: vec![at(RESOLVED), at(REMEMBERED)],
    };
    assert_eq!(actions, [kept, Action::FetchPeers { at: at(RESOLVED) }]);
}

#[test]
fn heartbeats_come_in_their_interval_with_ascending_sequences() {
    let mut world = World::new(settings());
    world.settle();
    let mut last = world.now.steady;
    for expected in 1..20 {
        let (ticket, sequence) = world.beat();
        assert_eq!(sequence, expected);
        let pause = world.now.steady - last;
        let most = if expected == 1 {
            15_000..30_000
        } else {
            30_000..30_001
        };
        assert!(most.contains(&pause), "{pause}");
        last = world.now.steady;
        world.now.steady += 200;
        world.answer(ticket, Answer::Beaten);
    }
}

#[test]
fn a_registry_may_ask_for_heartbeats_more_often_but_not_without_end() {
    for (asked, interval) in [(10_000, 10_000), (90_000, 30_000), (0, 1000)] {
        let mut world = World::new(settings());
        let actions = world.on(Event::Tick);
        world.answer(ticket(&actions), Answer::Registered { interval: asked });
        let (ticket, _) = world.beat();
        let last = world.now.steady;
        world.answer(ticket, Answer::Beaten);
        world.beat();
        assert_eq!(world.now.steady - last, interval);
    }
}

#[test]
fn a_node_that_is_not_known_any_more_registers_again_where_it_was() {
    for code in [ErrorCode::NotFound, ErrorCode::StaleSequence] {
        let mut world = World::new(settings());
        world.settle();
        let (ticket, sequence) = world.beat();
        let actions = world.answer(ticket, refused(code));
        assert_eq!(registers(&actions), Some(at(OWN)));
        assert!(!world.member.standing().registered);
        world.answer(
            self::ticket(&actions),
            Answer::Registered { interval: 30_000 },
        );
        assert!(world.member.standing().well);
        assert!(world.beat().1 > sequence);
    }
}

#[test]
fn a_registry_that_does_not_answer_gets_a_second_chance_and_then_another_one_has_the_node() {
    let mut world = World::new(settings());
    world.settle();
    let (ticket, _) = world.beat();
    assert_eq!(world.answer(ticket, Answer::Failed("reset".to_owned())), []);
    assert!(!world.member.standing().well);
    let (_, _) = world.beat();
    // This time nothing comes at all.
    let actions = world.sleep();
    assert_eq!(registers(&actions), Some(at(OWN)));
    let actions = world.answer(self::ticket(&actions), refused(ErrorCode::Unavailable));
    assert_eq!(registers(&actions), Some(at(CONFIGURED)));
    world.answer(
        self::ticket(&actions),
        Answer::Registered { interval: 30_000 },
    );
    assert_eq!(world.member.standing().registry, Some(at(CONFIGURED)));
    assert!(world.member.standing().well);
}

#[test]
fn the_first_choice_is_tried_again_while_another_registry_has_the_node() {
    let mut world = World::new(settings());
    let actions = world.on(Event::Tick);
    let actions = world.answer(ticket(&actions), Answer::Failed("refused".to_owned()));
    world.answer(ticket(&actions), Answer::Registered { interval: 30_000 });

    let actions = world.registration_after_beats(10);
    assert_eq!(registers(&actions), Some(at(OWN)));
    // In vain: the heartbeat goes where the node is, at once.
    let actions = world.answer(ticket(&actions), Answer::Failed("refused".to_owned()));
    assert!(matches!(actions[..], [Action::Beat { at, .. }] if at == self::at(CONFIGURED)));
    assert_eq!(world.member.standing().registry, Some(at(CONFIGURED)));
    world.answer(ticket(&actions), Answer::Beaten);

    let actions = world.registration_after_beats(9);
    world.answer(ticket(&actions), Answer::Registered { interval: 30_000 });
    assert_eq!(world.member.standing().registry, Some(at(OWN)));
}

#[test]
fn a_queued_registration_is_looked_for_until_the_directory_shows_it() {
    let mut world = World::new(alone());
    let actions = world.on(Event::Tick);
    assert_eq!(world.answer(ticket(&actions), Answer::Queued), []);
    let standing = world.member.standing();
    assert!(standing.queued && !standing.registered && !standing.well);
    assert!(standing.trouble.is_some());
    for _ in 0..5 {
        let actions = world.sleep();
        assert!(matches!(actions[..], [Action::Find { .. }]));
        world.answer(ticket(&actions), Answer::Absent);
    }
    let actions = world.sleep();
    world.answer(ticket(&actions), Answer::Present);
    let standing = world.member.standing();
    assert!(standing.well && !standing.queued);
    assert_eq!(standing.trouble, None);
}

#[test]
fn a_queued_registration_that_never_comes_is_made_anew() {
    let mut world = World::new(alone());
    let actions = world.on(Event::Tick);
    world.answer(ticket(&actions), Answer::Queued);
    let mut actions = world.sleep();
    while registers(&actions).is_none() {
        world.answer(ticket(&actions), Answer::Absent);
        actions = world.sleep();
    }
    assert!(
        (600_000..700_000).contains(&world.now.steady),
        "{}",
        world.now.steady
    );
}

#[test]
fn a_registry_that_reaches_the_root_is_better_than_a_queue() {
    let mut world = World::new(settings());
    let actions = world.on(Event::Tick);
    let actions = world.answer(ticket(&actions), Answer::Queued);
    assert_eq!(registers(&actions), Some(at(CONFIGURED)));
    world.answer(ticket(&actions), Answer::Registered { interval: 30_000 });
    assert!(world.member.standing().well);
}

#[test]
fn a_banned_node_stays_out_and_says_so() {
    let mut world = World::new(settings());
    world.settle();
    let (ticket, _) = world.beat();
    world.answer(ticket, refused(ErrorCode::Banned));
    let standing = world.member.standing();
    assert!(!standing.registered && !standing.well);
    assert_eq!(standing.trouble.unwrap(), "registry [::1]:8000 refuses: no");
    let before = world.now.steady;
    let actions = world.sleep();
    assert_eq!(registers(&actions), Some(at(OWN)));
    assert!(world.now.steady - before >= 60_000);
}

#[test]
fn a_registry_that_asks_for_time_gets_it() {
    let mut world = World::new(alone());
    let actions = world.on(Event::Tick);
    let busy = Answer::Refused {
        code: ErrorCode::RateLimited,
        message: "slower".to_owned(),
        retry_after: Some(40_000),
    };
    world.answer(ticket(&actions), busy);
    world.sleep();
    assert_eq!(world.now.steady, 40_000);
}

#[test]
fn a_late_answer_changes_nothing() {
    let mut world = World::new(settings());
    let actions = world.on(Event::Tick);
    let late = ticket(&actions);
    let actions = world.sleep();
    assert_eq!(registers(&actions), Some(at(CONFIGURED)));
    assert_eq!(
        world.answer(late, Answer::Registered { interval: 30_000 }),
        []
    );
    assert!(!world.member.standing().registered);
}

#[test]
fn without_any_registry_it_says_so_and_one_that_is_told_later_is_found() {
    let mut world = World::new(MemberSettings {
        integrated: None,
        configured: None,
        lookup: false,
        remembered: Vec::new(),
        ..settings()
    });
    assert_eq!(world.on(Event::Tick), []);
    assert!(
        world
            .member
            .standing()
            .trouble
            .unwrap()
            .starts_with("no registry is known")
    );
    world.on(Event::Heard {
        registries: vec![at(TOLD)],
    });
    assert_eq!(registers(&world.sleep()), Some(at(TOLD)));
}

fn answers() -> impl Strategy<Value = Answer> {
    let codes = [
        ErrorCode::NotFound,
        ErrorCode::StaleSequence,
        ErrorCode::Replayed,
        ErrorCode::Banned,
        ErrorCode::JoinToken,
        ErrorCode::Unavailable,
    ];
    prop_oneof![
        Just(Answer::Registered { interval: 30_000 }),
        Just(Answer::Queued),
        Just(Answer::Beaten),
        Just(Answer::Present),
        Just(Answer::Absent),
        Just(Answer::Failed("lost".to_owned())),
        proptest::sample::select(codes.to_vec()).prop_map(refused),
    ]
}

fn events() -> impl Strategy<Value = (u64, bool, Answer, u64)> {
    (0..40_000_u64, any::<bool>(), answers(), 0..3_u64)
}

proptest! {
    /// Whatever a world says, in whatever order: one call at a time, sequences ascend, the clock of the machine does
    /// not spin, and once registries answer as they should the node is registered within two minutes.
    #[test]
    fn a_member_comes_home_from_anywhere(story in proptest::collection::vec(events(), 0..60)) {
        let mut world = World::new(settings());
        let mut sequence = 0;
        let mut open: Option<u64> = None;
        let mut seen = |actions: &[Action], open: &mut Option<u64>| {
            for action in actions {
                if let Action::Beat { sequence: now, .. } = action {
                    assert!(*now > sequence);
                    sequence = *now;
                }
                if let Action::Resolve { ticket } | Action::Register { ticket, .. }
                    | Action::Find { ticket, .. } | Action::Beat { ticket, .. } = action {
                    *open = Some(*ticket);
                }
            }
            let calls = actions.iter().filter(|action| !matches!(action, Action::FetchPeers { .. } | Action::Remember { .. }));
            assert!(calls.count() <= 1);
        };
        for (pass, resolve, answer, off) in story {
            world.now.steady += pass;
            let actions = world.on(Event::Tick);
            seen(&actions, &mut open);
            prop_assert!(world.member.wake_at() > world.now.steady);
            let ticket = open.unwrap_or(0).saturating_sub(off);
            let actions = if resolve {
                world.on(Event::Resolved { ticket, registries: vec![at(RESOLVED)] })
            } else {
                world.answer(ticket, answer)
            };
            seen(&actions, &mut open);
            prop_assert!(world.member.wake_at() > world.now.steady);
        }
        let well = world.now.steady + 120_000;
        while !world.member.standing().well && world.now.steady < well {
            let mut actions = world.sleep();
            while let Some(action) = actions.iter().find(|action| !matches!(action, Action::FetchPeers { .. } | Action::Remember { .. })).cloned() {
                world.now.steady += 1;
                actions = match action {
                    Action::Resolve { ticket } => world.on(Event::Resolved { ticket, registries: Vec::new() }),
                    Action::Register { ticket, .. } => world.answer(ticket, Answer::Registered { interval: 30_000 }),
                    Action::Find { ticket, .. } => world.answer(ticket, Answer::Present),
                    Action::Beat { ticket, .. } => world.answer(ticket, Answer::Beaten),
                    Action::FetchPeers { .. } | Action::Remember { .. } => Vec::new(),
                };
            }
        }
        prop_assert!(world.member.standing().well);
    }
}

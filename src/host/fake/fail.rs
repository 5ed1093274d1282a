//! Calls that fail as they are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a call is told to do, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fail {
    /// The door and its method, such as `volumes.create`; `*` for any.
    pub call: String,
    /// Which of these calls, from 1; 0 for every one.
    pub nth: u32,
    /// What happens.
    pub effect: Effect,
    /// How many there have been.
    #[serde(default)]
    pub seen: u32,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is refused.
    Before,
    /// It is done, and reported as failed.
    After,
    /// The process is killed before it is done.
    KillBefore,
    /// The process is killed after it is done.
    KillAfter,
    /// It takes this many milliseconds more.
    Slow(u64),
}

impl Fail {
    /// Tells the `nth` call to do something.
    #[must_use]
    pub fn new(call: &str, nth: u32, effect: Effect) -> Self {
        Self {
            call: call.to_owned(),
            nth,
            effect,
            seen: 0,
        }
    }

    /// Whether the call came.
    #[must_use]
    pub fn came(&self) -> bool {
        self.seen >= self.nth.max(1)
    }
}

/// What the next call does, beside itself, and how long it takes.
pub(super) fn next(fails: &mut [Fail], call: &str) -> (Option<Effect>, Option<Duration>) {
    let (mut injected, mut slow) = (None, None);
    for fail in fails
        .iter_mut()
        .filter(|fail| fail.call == "*" || fail.call == call)
    {
        fail.seen += 1;
        if fail.nth != 0 && fail.seen != fail.nth {
            continue;
        }
        match fail.effect {
            Effect::Slow(milliseconds) => slow = Some(Duration::from_millis(milliseconds)),
            effect => injected = Some(effect),
        }
    }
    (injected, slow)
}

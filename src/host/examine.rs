//! Looking at a guest over its connection: what it has, how its units are, what commands say, and logs; and
//! mending something small. All of it is one script, and every value is a quoted word of its command line.

use std::io;
use std::time::{Duration, Instant};

use trustnet_core::diagnosis::{GuestFacts, UnitState};
use trustnet_core::masks::Masks;
use trustnet_core::readiness::clean;

use crate::shell::{Exit, Shell, ShellError, Stream, quote};

/// `images/guest/examine.sh`.
const SCRIPT: &str = include_str!("../../images/guest/examine.sh");
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(30);
/// How much longer is waited here than the guest is given: it stops what takes too long, and says so.
const GRACE: Duration = Duration::from_secs(5);
/// How many of a command's last lines are kept.
const LAST_LINES: usize = 20;
/// The longest line that is kept.
const LONGEST: usize = 1000;
/// How much of a command's output is searched.
const MOST: usize = 4 << 20;
/// How long a mount, or the restart of a unit, may take.
const REPAIR: Duration = Duration::from_secs(300);

/// The names of a unit, under systemd and under OpenRC.
pub type UnitNames = (String, String);

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended; none where its time was up.
    pub exit: Option<Exit>,
    /// What it said on standard output and standard error, up to a limit.
    pub output: String,
}

impl Ended {
    /// Whether it ended with 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.exit.as_ref().is_some_and(Exit::is_success)
    }

    /// Why that is not well, for people.
    #[must_use]
    pub fn why(&self, limit: Duration) -> String {
        match &self.exit {
            Some(Exit::Code(127)) => "the command is not there (exit code 127)".to_owned(),
            Some(exit) => exit.to_string(),
            None => format!("not done within {} s", limit.as_secs_f32()),
        }
    }

    /// Its last lines, harmless for a terminal, and without secrets.
    #[must_use]
    pub fn last_lines(&self, masks: &Masks) -> Vec<String> {
        let cut = |line: &str| {
            let end = line.char_indices().nth(LONGEST);
            clean(end.map_or(line, |(at, _)| &line[..at]))
        };
        // Before anything is cut: half a secret is not known any more.
        let output = masks.mask(&self.output);
        let lines = output.lines().map(cut);
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }
}

/// What the guest has: one exchange. None where it does not say.
///
/// # Errors
/// The connection is gone, or time is up.
pub fn facts(shell: &mut dyn Shell) -> Result<Option<GuestFacts>, ShellError> {
    let ended = run(shell, &["facts"], LOOK)?;
    Ok(GuestFacts::parse(&ended.output))
}

/// How units are, in their order: one exchange.
///
/// # Errors
/// The connection is gone, or time is up.
pub fn units(
    shell: &mut dyn Shell,
    names: &[UnitNames],
) -> Result<Vec<Option<UnitState>>, ShellError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut words = vec!["units"];
    for (unit, openrc) in names {
        words.extend([unit.as_str(), openrc.as_str()]);
    }
    let ended = run(shell, &words, LOOK)?;
    let mut said = ended.output.lines();
    let mut next = || said.next().and_then(UnitState::parse);
    Ok(names.iter().map(|_| next()).collect())
}

/// Whether a text is in a unit's log since its start.
///
/// # Errors
/// The connection is gone, or time is up.
pub fn in_journal(
    shell: &mut dyn Shell,
    (unit, openrc): &UnitNames,
    text: &str,
) -> Result<bool, ShellError> {
    Ok(run(shell, &["journal", unit, openrc, text], LOOK)?.is_success())
}

/// Runs a command, and stops it in the guest when its time is up. It gets no input.
///
/// # Errors
/// The connection is gone.
pub fn command(
    shell: &mut dyn Shell,
    command: &[String],
    limit: Duration,
) -> Result<Ended, ShellError> {
    let seconds = limit.as_secs().max(1).to_string();
    let mut words = vec!["limited", seconds.as_str()];
    words.extend(command.iter().map(String::as_str));
    let begun = Instant::now();
    let mut ended = run(shell, &words, limit + GRACE)?;
    let by_timeout = matches!(ended.exit, Some(Exit::Code(124 | 137 | 143)));
    if by_timeout && begun.elapsed() >= limit {
        ended.exit = None;
    }
    Ok(ended)
}

/// Restarts a unit.
///
/// # Errors
/// The connection is gone.
pub fn restart(shell: &mut dyn Shell, (unit, openrc): (&str, &str)) -> Result<Ended, ShellError> {
    run(shell, &["restart", unit, openrc], REPAIR)
}

/// What is done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitVerb {
    /// It is started.
    Start,
    /// It is stopped; the guest's next start starts it again.
    Stop,
    /// The guest's next start does not start it.
    Disable,
}

/// Starts, stops or disables a unit, under systemd or OpenRC.
///
/// # Errors
/// The connection is gone.
pub fn unit(
    shell: &mut dyn Shell,
    verb: UnitVerb,
    (unit, openrc): (&str, &str),
) -> Result<Ended, ShellError> {
    let verb = match verb {
        UnitVerb::Start => "start",
        UnitVerb::Stop => "stop",
        UnitVerb::Disable => "disable",
    };
    run(shell, &["unit", verb, unit, openrc], REPAIR)
}

/// Mounts what fstab has for a path.
///
/// # Errors
/// The connection is gone.
pub fn mount(shell: &mut dyn Shell, path: &str) -> Result<Ended, ShellError> {
    run(shell, &["mount", path], REPAIR)
}

/// A unit's log: its last lines, and with `limit` what comes in that time. `each` gets every piece.
///
/// # Errors
/// The connection is gone.
pub fn log(
    shell: &mut dyn Shell,
    (unit, openrc): &UnitNames,
    lines: u64,
    follow: Option<Duration>,
    each: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, ShellError> {
    let lines = lines.to_string();
    let mut words = vec!["log", unit.as_str(), openrc.as_str(), lines.as_str()];
    if follow.is_some() {
        words.push("-f");
    }
    let limit = follow.unwrap_or(REPAIR);
    shell.run(&line(&words), &mut io::empty(), limit, each)
}

/// The command line of a call of the script.
fn line(words: &[&str]) -> String {
    let mut line = format!("sh -c {} sh", quote(SCRIPT));
    for word in words {
        line.push(' ');
        line.push_str(&quote(word));
    }
    line
}

/// Calls the script; a call whose time is up has said what it has said.
fn run(shell: &mut dyn Shell, words: &[&str], limit: Duration) -> Result<Ended, ShellError> {
    let mut output = Vec::new();
    let mut take = |_: Stream, bytes: &[u8]| {
        let room = MOST.saturating_sub(output.len());
        output.extend_from_slice(&bytes[..bytes.len().min(room)]);
    };
    let exit = match shell.run(&line(words), &mut io::empty(), limit, &mut take) {
        Ok(exit) => Some(exit),
        Err(ShellError::TimedOut { .. }) if words[0] == "limited" => None,
        Err(error) => return Err(error),
    };
    Ok(Ended {
        exit,
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

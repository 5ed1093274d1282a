//! What runs both ways while a command runs: neither side can block the other.

use std::io::{ErrorKind, Read, Write};

use ssh2::Channel;

use super::link::{Limit, Link, code, number};
use super::{Exit, ShellError, Stream};

/// How much is read and written at once.
pub const PIECE: usize = 256 * 1024;

/// What takes a piece of output.
pub type Take<'a> = dyn FnMut(Stream, &[u8]) -> Result<(), ShellError> + 'a;

/// Runs a command to its end.
pub fn run(
    link: &mut Link,
    command: &str,
    input: &mut dyn Read,
    limit: &mut Limit,
    take: &mut Take<'_>,
) -> Result<Exit, ShellError> {
    let mut channel = open(link, limit, |session| session.channel_session())?;
    let ended = link
        .until(limit, "start a command", |_| channel.exec(command))
        .and_then(|()| carry(link, &mut channel, input, limit, take))
        .and_then(|()| end(link, &mut channel, limit));
    if ended.is_err() {
        // So that the guest's side learns that nobody listens any more; it is not waited for.
        let _ = channel.close();
    }
    ended
}

/// Opens a channel. One that is left half open would be taken for the next.
pub fn open(
    link: &mut Link,
    limit: &Limit,
    mut ask: impl FnMut(&mut ssh2::Session) -> Result<Channel, ssh2::Error>,
) -> Result<Channel, ShellError> {
    let opened = link.until(limit, "open a channel", &mut ask);
    if matches!(opened, Err(ShellError::TimedOut { .. })) {
        link.give_up("a channel was left half open");
    }
    opened
}

fn end(link: &mut Link, channel: &mut Channel, limit: &Limit) -> Result<Exit, ShellError> {
    const DOING: &str = "learn how a command ended";
    link.until(limit, DOING, |_| channel.close())?;
    link.until(limit, DOING, |_| channel.wait_close())?;
    let signal = link.until(limit, DOING, |_| channel.exit_signal())?;
    match signal.exit_signal {
        Some(name) => Ok(Exit::Signal(name)),
        None => link
            .until(limit, DOING, |_| channel.exit_status())
            .map(Exit::Code),
    }
}

/// Carries bytes both ways until the guest has no more.
fn carry(
    link: &mut Link,
    channel: &mut Channel,
    input: &mut dyn Read,
    limit: &mut Limit,
    take: &mut Take<'_>,
) -> Result<(), ShellError> {
    let mut buffer = vec![0; PIECE];
    let mut inward = Inward::new(input);
    loop {
        let came = outward(link, channel, &mut buffer, take)?;
        if channel.eof() {
            return Ok(());
        }
        let went = inward.go_on(link, channel)?;
        if came || went {
            limit.moved();
        }
        // Whoever reads one stream or writes takes in what has come for the others: the network does not
        // tell of that any more.
        else if channel.read_window().available == 0 && !channel.eof() {
            link.wait(limit, "run a command")?;
        }
    }
}

/// Takes what has come out of the guest; false if there is nothing.
fn outward(
    link: &mut Link,
    channel: &mut Channel,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> Result<bool, ShellError> {
    let mut some = false;
    for (stream, id) in [(Stream::Out, 0), (Stream::Err, ssh2::EXTENDED_DATA_STDERR)] {
        match channel.stream(id).read(buffer) {
            Ok(0) => {}
            Ok(count) => {
                some = true;
                take(stream, &buffer[..count])?;
            }
            Err(error) => {
                if let Some(error) = link.stream_error("read a command's output", &error) {
                    return Err(error);
                }
            }
        }
    }
    Ok(some)
}

/// What goes into the guest.
struct Inward<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// What of the buffer is still to be sent.
    left: std::ops::Range<usize>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    /// The input has more.
    More,
    /// The input is at its end, and the guest is to be told.
    End,
    /// The guest knows, or wants no more.
    Told,
}

impl<'a> Inward<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            buffer: vec![0; PIECE],
            left: 0..0,
            state: State::More,
        }
    }

    /// Sends a piece; false if there is nothing to send or it has to wait.
    fn go_on(&mut self, link: &mut Link, channel: &mut Channel) -> Result<bool, ShellError> {
        if self.left.is_empty() && self.state == State::More {
            self.refill()?;
        }
        if !self.left.is_empty() {
            return self.send(link, channel);
        }
        if self.state != State::End {
            return Ok(false);
        }
        match channel.send_eof() {
            Ok(()) => {
                self.state = State::Told;
                Ok(true)
            }
            Err(error) if number(&error) == code::EAGAIN => Ok(false),
            Err(error) if number(&error) == code::CHANNEL_CLOSED => {
                self.state = State::Told;
                Ok(true)
            }
            Err(error) => Err(link.failed("end a command's input", &error)),
        }
    }

    fn refill(&mut self) -> Result<(), ShellError> {
        let count = loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count = count.map_err(|source| ShellError::Local {
            doing: "read what is to be sent".to_owned(),
            source,
        })?;
        self.left = 0..count;
        if count == 0 {
            self.state = State::End;
        }
        Ok(())
    }

    /// Sends as much as the network takes: each write takes in what has come, so nothing waits behind it.
    fn send(&mut self, link: &mut Link, channel: &mut Channel) -> Result<bool, ShellError> {
        let before = self.left.start;
        while !self.left.is_empty() {
            match channel.write(&self.buffer[self.left.clone()]) {
                Ok(0) => break,
                Ok(count) => self.left.start += count,
                Err(error) => match link.stream_error("send a command's input", &error) {
                    Some(error) => return Err(error),
                    None => break,
                },
            }
        }
        Ok(self.left.start > before)
    }
}

//! The connection below: a libssh2 session that never blocks by itself. All waiting is done here, with a
//! limit, so that a server which stops in the middle of anything holds nobody up.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, ErrorCode, Session};

use super::ShellError;

/// How long the other side may be silent before it is asked for a sign of life.
const ASK: Duration = Duration::from_secs(15);
/// How long it may be silent at all: a guest without power sends no goodbye.
const DEAD: Duration = Duration::from_secs(75);
/// How long saying goodbye may take, in milliseconds.
const GOODBYE: u32 = 500;

/// libssh2's codes that are told apart here (libssh2.h, `LIBSSH2_ERROR_…`).
pub mod code {
    pub const CHANNEL_FAILURE: i32 = -21;
    pub const CHANNEL_CLOSED: i32 = -26;
    pub const EAGAIN: i32 = -37;
    /// No socket, no banner, sending, disconnected, timed out, receiving, bad socket.
    pub const GONE: [i32; 8] = [-1, -2, -3, -7, -13, -30, -43, -45];
}

/// What carries the bytes.
pub enum Socket {
    /// A connection of our own.
    Tcp(TcpStream),
    /// One end of a pair; the user's ssh(1) has the other.
    Pair(UnixStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Pair(stream) => Self::Pair(stream.try_clone()?),
        })
    }

    fn shut(&self) {
        // It may be gone already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Pair(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Pair(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// How long something may take.
#[derive(Debug)]
pub struct Limit {
    end: Instant,
    span: Duration,
    each: bool,
}

impl Limit {
    /// For the whole.
    pub fn whole(span: Duration) -> Self {
        Self {
            end: Instant::now() + span,
            span,
            each: false,
        }
    }

    /// For the time between two moves.
    pub fn each(span: Duration) -> Self {
        Self {
            each: true,
            ..Self::whole(span)
        }
    }

    /// Something has moved.
    pub fn moved(&mut self) {
        if self.each {
            self.end = Instant::now() + self.span;
        }
    }
}

/// The connection below.
pub struct Link {
    session: Session,
    socket: Socket,
    /// The user's ssh(1), where it carries the bytes.
    carrier: Option<Child>,
    at: String,
    /// How long nothing has moved while it was waited for.
    quiet: Duration,
    asked: Duration,
    /// Why the connection is of no use any more.
    broken: Option<String>,
}

impl Link {
    /// A session over a socket; nothing is said yet.
    pub fn over(socket: Socket, carrier: Option<Child>, at: String) -> Result<Self, ShellError> {
        let failed = |source| ShellError::Local {
            doing: "set up an SSH session".to_owned(),
            source,
        };
        let mut session = Session::new().map_err(|error| failed(error.into()))?;
        session.set_tcp_stream(socket.try_clone().map_err(failed)?);
        session.set_blocking(false);
        Ok(Self {
            session,
            socket,
            carrier,
            at,
            quiet: Duration::ZERO,
            asked: Duration::ZERO,
            broken: None,
        })
    }

    /// The session, for what does not wait.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Address and port.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Does one thing, as often as it has to wait for the network.
    pub fn until<T>(
        &mut self,
        limit: &Limit,
        doing: &str,
        mut step: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, ShellError> {
        self.usable(doing)?;
        loop {
            match step(&mut self.session) {
                Ok(value) => return Ok(value),
                Err(error) if number(&error) == code::EAGAIN => self.wait(limit, doing)?,
                Err(error) => return Err(self.failed(doing, &error)),
            }
        }
    }

    /// Whether the connection can still be used.
    pub fn usable(&self, doing: &str) -> Result<(), ShellError> {
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(self.lost(doing, why)),
        }
    }

    /// From now on the connection is of no use: something on it was left in the middle.
    pub fn give_up(&mut self, why: &str) {
        self.broken.get_or_insert_with(|| why.to_owned());
    }

    /// What an error of libssh2's means.
    pub fn failed(&mut self, doing: &str, error: &ssh2::Error) -> ShellError {
        let why = error.message().to_owned();
        if code::GONE.contains(&number(error)) {
            self.give_up(&why);
            return self.lost(doing, &why);
        }
        ShellError::Refused {
            at: self.at.clone(),
            doing: doing.to_owned(),
            why,
        }
    }

    /// What an error from a stream of libssh2's means; none if it only has to wait.
    pub fn stream_error(&mut self, doing: &str, error: &io::Error) -> Option<ShellError> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return None;
        }
        Some(match ssh2::Error::last_session_error(&self.session) {
            Some(last) => self.failed(doing, &last),
            None => self.lost(doing, &error.to_string()),
        })
    }

    /// Waits until the network can go on.
    pub fn wait(&mut self, limit: &Limit, doing: &str) -> Result<(), ShellError> {
        let directions = self.session.block_directions();
        let outward = matches!(
            directions,
            BlockDirections::Outbound | BlockDirections::Both
        );
        let left = limit.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if outward {
                self.give_up("it was left in the middle of a packet");
            }
            return Err(ShellError::TimedOut {
                at: self.at.clone(),
                doing: doing.to_owned(),
                limit: limit.span,
            });
        }
        if self.quiet > DEAD {
            let why = format!("no sign of life for {} s", self.quiet.as_secs());
            self.give_up(&why);
            return Err(self.lost(doing, &why));
        }
        if !outward && self.quiet.saturating_sub(self.asked) > ASK {
            self.asked = self.quiet;
            // Whether it could be sent shows in whether something comes back.
            let _ = self.session.keepalive_send();
        }
        let events = match directions {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        self.sleep(events, left.min(ASK));
        Ok(())
    }

    /// Sleeps until one of the events, and counts the time in which nothing moves. A signal wakes it too.
    fn sleep(&mut self, events: PollFlags, longest: Duration) {
        let since = Instant::now();
        let longest = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        };
        let mut sockets = [PollFd::new(&self.socket, events)];
        match poll(&mut sockets, Some(&longest)) {
            Ok(ready) if ready > 0 => (self.quiet, self.asked) = (Duration::ZERO, Duration::ZERO),
            _ => self.quiet += since.elapsed(),
        }
    }

    fn lost(&self, doing: &str, why: &str) -> ShellError {
        ShellError::Lost {
            at: self.at.clone(),
            doing: doing.to_owned(),
            why: why.to_owned(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A goodbye is polite; who does not hear it finds the connection closed.
        self.session.set_timeout(GOODBYE);
        if self.broken.is_none() {
            self.session.set_blocking(true);
            let _ = self.session.disconnect(None, "done", None);
        }
        // Freeing a session waits for nothing once its socket is shut.
        self.socket.shut();
        self.session.set_blocking(true);
        if let Some(mut carrier) = self.carrier.take() {
            // It may have ended just now.
            let _ = carrier.kill();
            let _ = carrier.wait();
        }
    }
}

/// The number of an error of libssh2's.
pub fn number(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(code) | ErrorCode::SFTP(code) => code,
    }
}

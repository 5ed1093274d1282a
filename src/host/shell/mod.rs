//! One verified SSH connection to a guest, and what goes over it: commands, files, and connections to
//! ports inside the guest.
//!
//! - `connect`: reach, verify the host key, log in
//! - `link`: the connection below: waiting with a limit, and knowing that it is gone
//! - `stream`: what runs both ways while a command runs
//! - `copy`: files, by two scripts that any POSIX guest can run
//! - `folder`: folders, as an archive
//! - `dial`: ports inside the guest
//! - `words`: values on their way through a shell

mod connect;
mod copy;
mod dial;
mod error;
mod folder;
mod link;
mod stream;
mod words;

use std::io::{Read, Write};
use std::time::Duration;

pub use connect::{connect, connect_unless};
pub use error::ShellError;
pub use folder::{get_folder, is_folder, put_folder};
pub use words::quote;

use link::Link;

/// One verified connection to a guest. After an error that [`ShellError::is_lost`] it is of no use any
/// more: connect again.
pub trait Shell: Send {
    /// Runs a command (a fixed line, never with values pasted into it), feeds it `input`, and gives every
    /// piece of output to `each`. Like ssh(1), it ends when the command has and nobody holds its output
    /// open any more. `limit` bounds the whole; what runs in the guest when it is over is not stopped.
    ///
    /// # Errors
    /// The connection is gone, or time is up. A command that fails is no error.
    fn run(
        &mut self,
        command: &str,
        input: &mut dyn Read,
        limit: Duration,
        each: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ShellError>;

    /// Writes a file of `size` bytes: to `<path>.part`, which then gets its mode and takes the place of
    /// `path`. What breaks off leaves the old file. `progress` hears how many bytes are on their way.
    ///
    /// # Errors
    /// The connection is gone, the guest cannot write the file, or `source` gives less.
    fn put(
        &mut self,
        source: &mut dyn Read,
        size: u64,
        path: &str,
        mode: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ShellError>;

    /// Reads a file. `progress` hears how many bytes have come.
    ///
    /// # Errors
    /// The connection is gone, the guest cannot read the file, or `sink` does not take it.
    fn get(
        &mut self,
        path: &str,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, ShellError>;

    /// A TCP connection from inside the guest, to `host` as the guest resolves it. `limit` bounds the
    /// opening, and then each read and write.
    ///
    /// # Errors
    /// [`ShellError::Closed`] where nothing listens; else the connection to the guest is gone.
    fn dial(
        &mut self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Box<dyn ReadWrite + '_>, ShellError>;
}

/// What can be read from and written to.
pub trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// Where a command's output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal, named without `SIG`.
    Signal(String),
}

impl Exit {
    /// Whether all went well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }

    /// The code as a shell counts it: 128 and the signal's number, for one that was killed.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(name) => 128 + signal_number(name),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// The signals that RFC 4254 names (6.10), with Linux's numbers.
fn signal_number(name: &str) -> i32 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => 0,
    }
}

/// What is known of a file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// How many bytes came.
    pub size: u64,
    /// The file's permissions in the guest.
    pub mode: u32,
}

/// The one implementation: libssh2 below.
struct Connection {
    link: Link,
}

impl Shell for Connection {
    fn run(
        &mut self,
        command: &str,
        input: &mut dyn Read,
        limit: Duration,
        each: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ShellError> {
        let mut take = |stream: Stream, bytes: &[u8]| {
            each(stream, bytes);
            Ok(())
        };
        let mut limit = link::Limit::whole(limit);
        stream::run(&mut self.link, command, input, &mut limit, &mut take)
    }

    fn put(
        &mut self,
        source: &mut dyn Read,
        size: u64,
        path: &str,
        mode: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ShellError> {
        copy::put(&mut self.link, source, size, (path, mode), progress)
    }

    fn get(
        &mut self,
        path: &str,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, ShellError> {
        copy::get(&mut self.link, path, sink, progress)
    }

    fn dial(
        &mut self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Box<dyn ReadWrite + '_>, ShellError> {
        Ok(Box::new(dial::dial(&mut self.link, host, port, limit)?))
    }
}

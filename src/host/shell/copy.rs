//! Files, by two scripts that any POSIX guest can run: no SFTP server is needed in the guest, and bytes
//! go as one stream that nobody acknowledges piece by piece.

use std::io::{self, Cursor, Read, Write};
use std::time::Duration;

use super::link::{Limit, Link};
use super::words::{octal, quote};
use super::{Exit, Fetched, ShellError, Stream, stream};

/// `images/guest/put.sh`.
const PUT: &str = include_str!("../../../images/guest/put.sh");
/// `images/guest/get.sh`.
const GET: &str = include_str!("../../../images/guest/get.sh");
/// The last word of a script that has done everything.
const DONE: &[u8] = b"stored\n";
/// How long a copy may stand still: a guest's disk may be slow, and is to be flushed.
const STALL: Duration = Duration::from_secs(300);
/// How much of a script's words is kept.
const WORDS: usize = 2000;

/// Writes a file.
pub fn put(
    link: &mut Link,
    source: &mut dyn Read,
    size: u64,
    (path, mode): (&str, u32),
    progress: &mut dyn FnMut(u64),
) -> Result<(), ShellError> {
    let doing = format!("write `{path}`");
    named(path, &doing)?;
    let header = format!("{} {:o} {size}\n", octal(path), mode & 0o7777);
    let mut counted = Counted {
        source,
        left: size,
        size,
        progress,
    };
    let mut input = Cursor::new(header).chain(&mut counted);
    let (mut out, mut words) = (Vec::new(), Vec::new());
    let mut take = |stream: Stream, bytes: &[u8]| {
        keep(
            if stream == Stream::Out {
                &mut out
            } else {
                &mut words
            },
            bytes,
        );
        Ok(())
    };
    let exit = stream::run(
        link,
        &script(PUT),
        &mut input,
        &mut Limit::each(STALL),
        &mut take,
    )?;
    if exit.is_success() && out == DONE {
        return Ok(());
    }
    Err(refused(doing, exit, &words))
}

/// Reads a file.
pub fn get(
    link: &mut Link,
    path: &str,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Fetched, ShellError> {
    let doing = format!("read `{path}`");
    named(path, &doing)?;
    let mut input = Cursor::new(format!("{}\n", octal(path)));
    let (mut mode, mut size, mut words) = (Vec::new(), 0, Vec::new());
    let mut headed = false;
    let mut take = |stream: Stream, mut bytes: &[u8]| {
        if stream == Stream::Err {
            keep(&mut words, bytes);
            return Ok(());
        }
        if !headed {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            keep(&mut mode, &bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else { return Ok(()) };
            headed = true;
            bytes = &bytes[end + 1..];
        }
        sink.write_all(bytes).map_err(|source| ShellError::Local {
            doing: "write what was read from the guest".to_owned(),
            source,
        })?;
        size += bytes.len() as u64;
        progress(size);
        Ok(())
    };
    let exit = stream::run(
        link,
        &script(GET),
        &mut input,
        &mut Limit::each(STALL),
        &mut take,
    )?;
    let mode = std::str::from_utf8(&mode).ok();
    match mode.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
        Some(mode) if exit.is_success() => Ok(Fetched { size, mode }),
        _ => Err(refused(doing, exit, &words)),
    }
}

/// A script as a command, whatever shell the guest's user has.
pub fn script(text: &str) -> String {
    format!("exec sh -c {}", quote(text))
}

/// No path holds a zero byte, and none is empty.
pub fn named(path: &str, doing: &str) -> Result<(), ShellError> {
    if path.is_empty() || path.contains('\0') {
        return Err(ShellError::Local {
            doing: doing.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, "that is no path"),
        });
    }
    Ok(())
}

/// Keeps what fits.
pub fn keep(words: &mut Vec<u8>, bytes: &[u8]) {
    let room = WORDS.saturating_sub(words.len());
    words.extend(&bytes[..bytes.len().min(room)]);
}

pub fn refused(doing: String, exit: Exit, words: &[u8]) -> ShellError {
    let said = String::from_utf8_lossy(words);
    let said: Vec<String> = said
        .lines()
        .map(|line| trustnet_core::readiness::clean(line.trim()))
        .filter(|line| !line.is_empty())
        .collect();
    ShellError::Guest {
        doing,
        exit,
        said: if said.is_empty() {
            "it said nothing".to_owned()
        } else {
            said.join("; ")
        },
    }
}

/// Just as many bytes as were announced, counted.
struct Counted<'a> {
    source: &'a mut dyn Read,
    left: u64,
    size: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..most])?;
        if count == 0 {
            let why = format!("it ended {} bytes early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.left -= count as u64;
        (self.progress)(self.size - self.left);
        Ok(count)
    }
}

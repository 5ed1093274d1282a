//! qemu-img while it runs: how far it is, what it complains of, and that it ends with us.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cache::download::{Progress, Watch};

/// How long it may say nothing before it is asked whether to stop.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How much of its complaints is kept.
const COMPLAINTS: usize = 4096;

/// A child that is killed where it is not waited for.
pub(super) struct Running(Child);

/// How it ended: well, or with these words.
pub(super) type Ended = Result<(), String>;

impl Running {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Waits for the end, and says how far it is of `size` bytes; none where it was told to stop.
    pub(super) fn follow(mut self, size: u64, watch: &dyn Watch) -> io::Result<Option<Ended>> {
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        let (Some(mut out), Some(mut err)) = (out, err) else {
            return Err(io::Error::other("its output goes elsewhere"));
        };
        let (mut said, mut complaints) = (Vec::new(), Vec::new());
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            let out_fd = out_open.then(|| out.as_fd());
            let (out_ready, err_ready) = ready(out_fd, err_open.then(|| err.as_fd()))?;
            if watch.stopped() {
                return Ok(None);
            }
            if out_ready {
                out_open = take(&mut out, &mut said)?;
                if let Some(share) = share(&said) {
                    watch.progress(Progress {
                        received: share.of(size),
                        total: Some(size),
                    });
                }
                // What is not whole yet is gone on with.
                let begun = said.iter().rposition(|byte| *byte == b'\r');
                said.drain(..begun.map_or(0, |at| at + 1));
            }
            if err_ready {
                err_open = take(&mut err, &mut complaints)?;
            }
        }
        let status = self.0.wait()?;
        Ok(Some(if status.success() {
            Ok(())
        } else {
            let words = String::from_utf8_lossy(&complaints);
            let words = words.trim().trim_start_matches("qemu-img: ").to_owned();
            Err(if words.is_empty() {
                format!("`qemu-img` ended with {status}")
            } else {
                words
            })
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for is not killed: its number may be another's.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a while until one of these has something to say, or has closed; which.
fn ready(out: Option<BorrowedFd<'_>>, err: Option<BorrowedFd<'_>>) -> io::Result<(bool, bool)> {
    // What has closed would always be ready.
    let open = [out, err].into_iter().flatten();
    let mut waited: Vec<_> = open
        .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
        .collect();
    match poll(&mut waited, Some(&PATIENCE)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok((false, false)),
        Err(error) => return Err(error.into()),
    }
    let mut are = waited.iter().map(|pipe| !pipe.revents().is_empty());
    let mut is = |pipe: Option<_>| pipe.is_some() && are.next() == Some(true);
    Ok((is(out), is(err)))
}

/// Reads what is there, and keeps the beginning of it; whether there may be more.
fn take(from: &mut dyn Read, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    match from.read(&mut buffer) {
        Ok(read) => {
            let room = COMPLAINTS - into.len().min(COMPLAINTS);
            into.extend_from_slice(&buffer[..read.min(room)]);
            Ok(read > 0)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

/// Hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share(u64);

impl Share {
    fn of(self, size: u64) -> u64 {
        let part = u128::from(size) * u128::from(self.0.min(10_000)) / 10_000;
        u64::try_from(part).unwrap_or(size)
    }
}

/// The last share that is said, as in `    (12.34/100%)`.
fn share(said: &[u8]) -> Option<Share> {
    let text = std::str::from_utf8(said).ok()?;
    let end = text.rfind("/100%)")?;
    let number = &text[text[..end].rfind('(')? + 1..end];
    let (whole, hundredths) = number.split_once('.')?;
    let hundredths: u64 = hundredths.parse().ok().filter(|_| hundredths.len() == 2)?;
    Some(Share(whole.parse::<u64>().ok()? * 100 + hundredths))
}

#[cfg(test)]
mod tests {
    use super::{Share, share};

    #[test]
    fn how_far_it_is_is_read_from_what_it_says_last() {
        for (said, expected) in [
            (&b""[..], None),
            (b"    (0.00/100%)\r", Some(0)),
            (b"    (0.00/100%)\r    (12.34/100%)\r    (13.", Some(1234)),
            (b"    (100.00/100%)\r\n", Some(10_000)),
            (b"    (1.5/100%)\r", None),
            (b"/100%)", None),
            (b"(/100%)", None),
            (b"\xff(1.00/100%)", None),
        ] {
            assert_eq!(share(said), expected.map(Share), "{said:?}");
        }
        assert_eq!(Share(5_000).of(u64::MAX), u64::MAX / 2);
        assert_eq!(Share(20_000).of(10), 10);
    }
}

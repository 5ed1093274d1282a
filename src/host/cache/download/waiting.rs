//! Waiting for a server, so that whoever watches can stop it: a call that blocks is made on a thread of its own, and what
//! is given up there ends by its own time-out.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::{DownloadError, Watch};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// How many pieces may wait for whoever takes them.
const AHEAD: usize = 2;

/// How often somebody who waits looks whether to stop.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Does something that may block.
///
/// # Errors
/// The user does not want to wait any more.
pub(super) fn unless_stopped<T: Send + 'static>(
    url: &str,
    watch: &dyn Watch,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DownloadError> {
    let (done, outcome) = channel();
    thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(work());
    });
    next(url, watch, &outcome)
}

/// What comes next.
fn next<T>(url: &str, watch: &dyn Watch, from: &Receiver<T>) -> Result<T, DownloadError> {
    loop {
        if watch.stopped() {
            return Err(DownloadError::Stopped {
                url: url.to_owned(),
            });
        }
        match from.recv_timeout(LOOK) {
            Ok(come) => return Ok(come),
            Err(RecvTimeoutError::Timeout) => {}
            // It has panicked, and that was shown.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(DownloadError::Broken {
                    url: url.to_owned(),
                    received: 0,
                    source: None,
                });
            }
        }
    }
}

/// A body that is read on a thread of its own.
pub(super) struct Body {
    pieces: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
}

impl Body {
    /// Begins to read.
    pub fn of(mut from: impl Read + Send + 'static) -> Self {
        let (send, pieces) = sync_channel(AHEAD);
        let (used, empty) = channel::<Vec<u8>>();
        thread::spawn(move || {
            loop {
                let mut buffer = empty.try_recv().unwrap_or_default();
                buffer.resize(CHUNK, 0);
                let piece = match from.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map(|length| {
                        buffer.truncate(length);
                        buffer
                    }),
                };
                let last = !matches!(&piece, Ok(piece) if !piece.is_empty());
                if send.send(piece).is_err() || last {
                    return;
                }
            }
        });
        Self { pieces, used }
    }

    /// The next piece; an empty one at the end.
    ///
    /// # Errors
    /// The user does not want to wait any more. Inside: it cannot be read.
    pub fn next(&self, url: &str, watch: &dyn Watch) -> Result<io::Result<Vec<u8>>, DownloadError> {
        next(url, watch, &self.pieces)
    }

    /// Takes a piece back whose bytes nobody needs any more.
    pub fn again(&self, piece: Vec<u8>) {
        // Where all is read nobody takes it.
        let _ = self.used.send(piece);
    }
}

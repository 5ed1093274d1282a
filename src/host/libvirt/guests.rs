//! What guests say: streams of a channel and of the console, each read by a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use trustnet_core::readiness;
use virt::domain::Domain;
use virt::error::Error;
use virt::stream::Stream;

use super::Libvirt;
use crate::doors::{Console, ConsoleInput, Guests, Signal};
use crate::error::HostError;

impl Guests for Libvirt {
    fn reports(&self, uuid: &str) -> Result<Receiver<Signal>, HostError> {
        self.listen(uuid, |domain, stream| {
            domain.open_channel(Some(readiness::CHANNEL), stream, 0)
        })
        .and_then(|line| {
            line.input.send(readiness::HELLO)?;
            thread::spawn(move || greet(&line.input, &line.spoken));
            Ok(line.output)
        })
        .map_err(HostError::vm(format!(
            "listen to the guest of domain {uuid}"
        )))
    }

    fn console(&self, uuid: &str) -> Result<Console, HostError> {
        let Line { input, output, .. } = self
            .listen(uuid, |domain, stream| domain.open_console(None, stream, 0))
            .map_err(HostError::vm(format!("open the console of domain {uuid}")))?;
        Ok(Console {
            output,
            input: Box::new(Input(input)),
        })
    }
}

/// An open line to a guest.
struct Line {
    input: Stream,
    output: Receiver<Signal>,
    /// Whether the guest has said anything, or never will.
    spoken: Arc<AtomicBool>,
}

/// The first pause between two greetings; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, and so the longest that a guest may be missed which has lost a greeting.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// Sends the greeting until the guest speaks. A guest that has not seen an earlier listener go begins
/// again at a greeting, and one that comes while the line changes hands is lost now and then.
fn greet(input: &Stream, spoken: &AtomicBool) {
    let mut pause = FIRST_PAUSE;
    loop {
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        if spoken.load(Ordering::Relaxed) || input.send(readiness::HELLO).is_err() {
            return;
        }
    }
}

struct Input(Stream);

impl ConsoleInput for Input {
    fn send(&self, mut bytes: &[u8]) -> Result<(), HostError> {
        while !bytes.is_empty() {
            let sent = self
                .0
                .send(bytes)
                .map_err(HostError::vm("send to the console"))?;
            bytes = &bytes[sent.unsigned_abs()..];
        }
        Ok(())
    }
}

impl Libvirt {
    fn listen(
        &self,
        uuid: &str,
        open: impl FnOnce(&Domain, &Stream) -> Result<(), Error>,
    ) -> Result<Line, Error> {
        let domain = self.domain(uuid)?;
        let stream = Stream::new(&self.connection(), 0)?;
        open(&domain, &stream)?;
        let input = stream.clone();
        let (sender, output) = channel();
        let spoken = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&spoken);
        // The thread blocks in libvirt until the guest speaks, the stream ends, or nobody listens.
        thread::spawn(move || {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let signal = match stream.recv(&mut buffer) {
                    Ok(0) => Signal::Closed("the guest went down".to_owned()),
                    Ok(count) => {
                        let bytes = &buffer[..count.unsigned_abs()];
                        heard.fetch_or(
                            !bytes.iter().all(u8::is_ascii_whitespace),
                            Ordering::Relaxed,
                        );
                        Signal::Bytes(bytes.to_vec())
                    }
                    Err(error) => Signal::Closed(error.message().to_owned()),
                };
                let ended = matches!(signal, Signal::Closed(_));
                if sender.send(signal).is_err() || ended {
                    // The other side is gone already, or goes now; there is nothing to tell it.
                    let _ = stream.abort();
                    heard.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        Ok(Line {
            input,
            output,
            spoken,
        })
    }
}

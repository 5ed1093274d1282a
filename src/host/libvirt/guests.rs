//! What guests say: streams of a channel and of the console, each read by a thread of its own.

use std::sync::mpsc::{Receiver, channel};
use std::thread;

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
        .and_then(|(input, output)| {
            // A guest that has not seen an earlier listener go begins again at what it is sent.
            input.send(b"\n")?;
            Ok(output)
        })
        .map_err(HostError::vm(format!(
            "listen to the guest of domain {uuid}"
        )))
    }

    fn console(&self, uuid: &str) -> Result<Console, HostError> {
        let (stream, output) = self
            .listen(uuid, |domain, stream| domain.open_console(None, stream, 0))
            .map_err(HostError::vm(format!("open the console of domain {uuid}")))?;
        Ok(Console {
            output,
            input: Box::new(Input(stream)),
        })
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
    ) -> Result<(Stream, Receiver<Signal>), Error> {
        let domain = self.domain(uuid)?;
        let stream = Stream::new(&self.connection, 0)?;
        open(&domain, &stream)?;
        let input = stream.clone();
        let (sender, receiver) = channel();
        // The thread blocks in libvirt until the guest speaks, the stream ends, or nobody listens.
        thread::spawn(move || {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let signal = match stream.recv(&mut buffer) {
                    Ok(0) => Signal::Closed("the guest went down".to_owned()),
                    Ok(count) => Signal::Bytes(buffer[..count.unsigned_abs()].to_vec()),
                    Err(error) => Signal::Closed(error.message().to_owned()),
                };
                let ended = matches!(signal, Signal::Closed(_));
                if sender.send(signal).is_err() || ended {
                    // The other side is gone already, or goes now; there is nothing to tell it.
                    let _ = stream.abort();
                    return;
                }
            }
        });
        Ok((input, receiver))
    }
}

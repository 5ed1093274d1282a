//! Digests that are computed beside what brings the bytes: each in a thread of its own, a few pieces behind.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512};

/// Bytes are handed over in pieces of this length. What is shorter needs no thread.
const PIECE: usize = 256 << 10;
/// How many pieces a digest may be behind: this bounds the memory.
const BEHIND: usize = 4;

/// The SHA-256 of a stream of bytes, and its SHA-512 where that is asked for.
pub(crate) struct Hashing {
    /// What is not handed over yet, shorter than a piece.
    rest: Vec<u8>,
    sha256: Option<Beside<Sha256>>,
    sha512: Option<Beside<Sha512>>,
    both: bool,
    /// Pieces that all are done with come back: memory that is new each time costs more than the bytes in it.
    spare: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl Hashing {
    /// Of no bytes yet; `both` for SHA-512, too.
    pub(crate) fn new(both: bool) -> Self {
        Self {
            rest: Vec::new(),
            sha256: None,
            sha512: None,
            both,
            spare: channel(),
        }
    }

    /// Adds bytes. It waits where the digests are too far behind.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.rest.len()));
            if self.rest.capacity() == 0 {
                self.rest = self.spare.1.try_recv().unwrap_or_default();
                self.rest.clear();
                self.rest.reserve_exact(PIECE);
            }
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == PIECE {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let piece = Arc::new(mem::take(&mut self.rest));
        let spare = &self.spare.0;
        if self.both {
            Beside::of(&mut self.sha512, spare)?.send(Order::Add(Arc::clone(&piece)));
        }
        Beside::of(&mut self.sha256, spare)?.send(Order::Add(piece));
        Ok(())
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.both);
    }

    /// The SHA-256 of all bytes so far.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        tell(self.sha256.as_ref(), &self.rest).into()
    }

    /// The SHA-512 of all bytes so far; none where it was not asked for.
    pub(crate) fn sha512(&self) -> Option<[u8; 64]> {
        self.both
            .then(|| tell(self.sha512.as_ref(), &self.rest).into())
    }
}

/// The digest of what a thread has, if there is one, and the rest.
fn tell<H: Digest>(beside: Option<&Beside<H>>, rest: &[u8]) -> Output<H> {
    let Some(beside) = beside else {
        return H::digest(rest);
    };
    let (answer, told) = channel();
    beside.send(Order::Tell(answer));
    match told.recv() {
        Ok(hasher) => hasher.chain_update(rest).finalize(),
        Err(_) => unreachable!("the thread ends when nobody can send any more"),
    }
}

/// A digest's thread. It ends when this goes.
struct Beside<H>(SyncSender<Order<H>>);

enum Order<H> {
    Add(Arc<Vec<u8>>),
    Tell(Sender<H>),
}

impl<H: Digest + Clone + Send + 'static> Beside<H> {
    /// The thread, which is started where there is none.
    fn of<'a>(beside: &'a mut Option<Self>, spare: &Sender<Vec<u8>>) -> io::Result<&'a mut Self> {
        Ok(match beside {
            Some(beside) => beside,
            None => beside.insert(Self::start(spare.clone())?),
        })
    }

    fn start(spare: Sender<Vec<u8>>) -> io::Result<Self> {
        let (orders, received) = sync_channel(BEHIND);
        let work = move || {
            let mut hasher = H::new();
            for order in received {
                match order {
                    Order::Add(piece) => {
                        hasher.update(&*piece);
                        // The last one gives it back. Nobody wants it where that fails.
                        if let Some(piece) = Arc::into_inner(piece) {
                            let _ = spare.send(piece);
                        }
                    }
                    // Nobody waits for it where that fails.
                    Order::Tell(answer) => drop(answer.send(hasher.clone())),
                }
            }
        };
        thread::Builder::new()
            .name("hashing".to_owned())
            .spawn(work)?;
        Ok(Self(orders))
    }
}

impl<H> Beside<H> {
    fn send(&self, order: Order<H>) {
        if self.0.send(order).is_err() {
            unreachable!("the thread ends when nobody can send any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256, Sha512};

    use super::{Hashing, PIECE};

    #[test]
    fn the_digests_are_those_of_all_bytes_wherever_pieces_end_and_whenever_they_are_asked_for() {
        let bytes: Vec<u8> = (0..3 * PIECE + 7).map(|at| (at % 251) as u8).collect();
        for step in [1000, PIECE - 1, PIECE, PIECE + 1, bytes.len()] {
            let mut hashing = Hashing::new(true);
            let mut so_far = 0;
            for piece in bytes.chunks(step) {
                hashing.add(piece).expect("a thread");
                so_far += piece.len();
                if so_far % 7 == 0 || so_far == bytes.len() || step > 1000 {
                    let sha512: [u8; 64] = Sha512::digest(&bytes[..so_far]).into();
                    assert_eq!(hashing.sha256(), *Sha256::digest(&bytes[..so_far]));
                    assert_eq!(hashing.sha512(), Some(sha512), "{step} {so_far}");
                }
            }
        }
    }

    #[test]
    fn it_begins_anew_with_what_it_was_asked_for() {
        for both in [false, true] {
            let mut hashing = Hashing::new(both);
            hashing.add(&vec![1; 2 * PIECE + 1]).expect("a thread");
            hashing.restart();
            assert_eq!(hashing.sha256(), *Sha256::digest([]));
            hashing.add(b"one").expect("a thread");
            assert_eq!(hashing.sha256(), *Sha256::digest(b"one"));
            assert_eq!(hashing.sha512().is_some(), both);
        }
    }
}

//! Unpacking: a compressed image into a file, while it streams, with holes where it has zeros.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use thiserror::Error;
use trustnet_core::image::Packing;
use trustnet_core::units::bytes;

use crate::cache::download::{Progress, Watch};

/// The largest dictionary that is taken: what `xz -9` and `zstd --ultra -21` need. A stranger's file says how much
/// memory its unpacking takes.
const DICTIONARY: u64 = 64 << 20;
/// [`DICTIONARY`] as a power of two, as zstd wants it.
const WINDOW_LOG: u32 = DICTIONARY.ilog2();
/// What xz needs beside its dictionary.
const XZ_OWN: u64 = 4 << 20;
/// How much is unpacked at once.
const CHUNK: usize = 256 << 10;
/// Zeros are looked for in blocks of this many bytes: what file systems allocate.
const BLOCK: usize = 4 << 10;
/// How much of the packed file is read at once.
const READ: usize = 64 << 10;

/// What is unpacked.
pub struct Packed<'a> {
    /// The packed bytes, from their beginning.
    pub bytes: &'a mut dyn Read,
    /// How they are packed.
    pub packing: Packing,
    /// How many there are, where that is known: for whoever watches.
    pub length: Option<u64>,
}

/// What may come out at the most: a small file can unpack to more than any disk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The length of the unpacked image in bytes.
    pub length: u64,
    /// The bytes of it that take room: those that are not zeros.
    pub data: u64,
}

/// Why an image is not unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// The packed bytes cannot be read.
    #[error("the packed image cannot be read")]
    Read(#[source] io::Error),
    /// They are not whole, or something else follows.
    #[error("it is cut off or damaged, or something follows that is not packed by {}", .packing.program())]
    Damaged {
        /// How it is packed.
        packing: Packing,
        /// What the unpacker says.
        source: io::Error,
    },
    /// Its unpacking takes more memory than a stranger's file may ask for.
    #[error(
        "it is packed with a dictionary of more than {}; unpack it first: `{} -d`",
        bytes(DICTIONARY),
        .0.program()
    )]
    Memory(Packing),
    /// More comes out than may.
    #[error("more than {} are packed in it, and there is no room for that", bytes(*.0))]
    TooLarge(u64),
    /// The unpacked bytes cannot be written.
    #[error("the unpacked image cannot be written")]
    Write(#[source] io::Error),
    /// The user has asked to stop.
    #[error("stopped before it was unpacked")]
    Stopped,
}

/// Unpacks an image into an empty file: all streams, members or frames of it. Zeros become holes. Says how long the
/// image is.
///
/// # Errors
/// See [`UnpackError`]. What is in the file then is of no use.
pub fn unpack(
    packed: Packed<'_>,
    to: &File,
    bounds: Bounds,
    watch: &dyn Watch,
) -> Result<u64, UnpackError> {
    let Packed {
        bytes,
        packing,
        length,
    } = packed;
    let (read, failed) = (Cell::new(0), RefCell::new(None));
    let counted = Counted {
        bytes,
        read: &read,
        failed: &failed,
    };
    let mut plain = decoder(counted, packing).map_err(UnpackError::Read)?;
    let mut out = Sparse {
        to,
        length: 0,
        data: 0,
        bounds,
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        let filled = fill(&mut *plain, &mut chunk);
        let filled = filled.map_err(|source| match failed.take() {
            Some(error) => UnpackError::Read(error),
            None if is_memory(&source) => UnpackError::Memory(packing),
            None => UnpackError::Damaged { packing, source },
        })?;
        out.write(&chunk[..filled])?;
        watch.progress(Progress {
            received: read.get(),
            total: length,
        });
        if watch.stopped() {
            return Err(UnpackError::Stopped);
        }
        if filled < chunk.len() {
            break;
        }
    }
    if out.length == 0 {
        let source = io::ErrorKind::UnexpectedEof.into();
        return Err(UnpackError::Damaged { packing, source });
    }
    to.set_len(out.length).map_err(UnpackError::Write)?;
    Ok(out.length)
}

/// What unpacks, from one stream to the next.
fn decoder<'a>(bytes: impl Read + 'a, packing: Packing) -> io::Result<Box<dyn Read + 'a>> {
    let bytes = io::BufReader::with_capacity(READ, bytes);
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)),
        Packing::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(DICTIONARY + XZ_OWN, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
        }
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

/// Whether an unpacker says that it may not have the memory that it needs.
fn is_memory(error: &io::Error) -> bool {
    let of_xz = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(of_xz, Some(liblzma::stream::Error::MemLimit))
        || error.to_string().contains("too much memory")
}

/// Reads until the buffer is full or nothing is left.
fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Counts what is read, and keeps why no more could be: unpackers wrap that.
struct Counted<'a> {
    bytes: &'a mut dyn Read,
    read: &'a Cell<u64>,
    failed: &'a RefCell<Option<io::Error>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(buffer) {
            Ok(read) => {
                self.read.set(self.read.get() + read as u64);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.failed.borrow_mut() = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// A file that grows, with holes.
struct Sparse<'a> {
    to: &'a File,
    length: u64,
    data: u64,
    bounds: Bounds,
}

impl Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        if bytes.len() as u64 > self.bounds.length - self.length {
            return Err(UnpackError::TooLarge(self.bounds.length));
        }
        let is_zero = |block: &[u8]| *block == [0; BLOCK][..block.len()];
        let blocks: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
        let mut rest = bytes;
        for run in blocks.chunk_by(|one, next| is_zero(one) == is_zero(next)) {
            let length: usize = run.iter().map(|block| block.len()).sum();
            let (alike, behind) = rest.split_at(length);
            if !is_zero(run[0]) {
                self.data += length as u64;
                if self.data > self.bounds.data {
                    return Err(UnpackError::TooLarge(self.bounds.data));
                }
                self.to
                    .write_all_at(alike, self.length)
                    .map_err(UnpackError::Write)?;
            }
            self.length += length as u64;
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

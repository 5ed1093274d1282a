//! The bytes of a file, with its holes told apart from its data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Zeros are looked for in blocks of this many bytes: a cluster of qcow2, and a multiple of what every file
/// system allocates.
const BLOCK: usize = 64 << 10;

/// Blocks that are read at once.
const READ: usize = 16;

/// The zeros that a block is compared with.
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Hole(u64),
}

/// Pieces, one after the other.
pub trait Pieces {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// It cannot be read.
    fn next(&mut self) -> io::Result<Option<Piece<'_>>>;
}

/// The pieces of a file from a place on. Where the file system knows holes they are not read; what is read is
/// looked through for zeros.
#[derive(Debug)]
pub struct SparseFile<'a> {
    file: &'a File,
    at: u64,
    length: u64,
    /// Where the data that begins at or before `at` ends.
    data_end: u64,
    buffer: Vec<u8>,
    /// Where the bytes in the buffer that are not given yet begin and end.
    left: std::ops::Range<usize>,
}

impl<'a> SparseFile<'a> {
    /// The bytes of `file` from `start` up to `length`, its end.
    #[must_use]
    pub fn new(file: &'a File, start: u64, length: u64) -> Self {
        Self {
            file,
            at: start,
            length,
            data_end: start,
            buffer: vec![0; BLOCK * READ],
            left: 0..0,
        }
    }

    /// Where the next data begins, and where it ends. A file system that knows no holes has data throughout.
    fn find_data(&mut self) -> io::Result<u64> {
        let begins = match rustix::fs::seek(self.file, SeekFrom::Data(self.at)) {
            Ok(begins) => begins.min(self.length),
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => self.length,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                self.data_end = self.length;
                return Ok(self.at);
            }
            Err(error) => return Err(error.into()),
        };
        if begins < self.length {
            let ends = rustix::fs::seek(self.file, SeekFrom::Hole(begins))?;
            self.data_end = ends.min(self.length);
        }
        Ok(begins)
    }

    /// Fills the buffer with what comes next, up to the end of a block.
    fn fill(&mut self) -> io::Result<()> {
        let within = self.at % BLOCK as u64;
        let most = (self.buffer.len() as u64 - within).min(self.data_end - self.at);
        let most = usize::try_from(most).unwrap_or(self.buffer.len());
        let read = loop {
            match self.file.read_at(&mut self.buffer[..most], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it became shorter while it was read",
            ));
        }
        self.left = 0..read;
        Ok(())
    }

    /// The end of the block that a place in the buffer is in.
    fn block_end(&self, place: usize) -> usize {
        let offset = self.at + (place - self.left.start) as u64;
        let rest = BLOCK - usize::try_from(offset % BLOCK as u64).unwrap_or(0);
        (place + rest).min(self.left.end)
    }

    fn is_zero(&self, range: std::ops::Range<usize>) -> bool {
        let bytes = &self.buffer[range];
        bytes == &ZEROS[..bytes.len()]
    }
}

impl Pieces for SparseFile<'_> {
    fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        if self.left.is_empty() {
            if self.at >= self.length {
                return Ok(None);
            }
            if self.at >= self.data_end {
                let begins = self.find_data()?;
                if begins > self.at {
                    let hole = begins - self.at;
                    self.at = begins;
                    return Ok(Some(Piece::Hole(hole)));
                }
            }
            self.fill()?;
        }
        // As many blocks as are alike.
        let start = self.left.start;
        let mut end = self.block_end(start);
        let zero = self.is_zero(start..end);
        while end < self.left.end {
            let next = self.block_end(end);
            if self.is_zero(end..next) != zero {
                break;
            }
            end = next;
        }
        self.at += (end - start) as u64;
        self.left.start = end;
        Ok(Some(if zero {
            Piece::Hole((end - start) as u64)
        } else {
            Piece::Data(&self.buffer[start..end])
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::{BLOCK, Piece, Pieces, SparseFile};

    /// The bytes of all pieces, and how many of them were holes.
    fn collect(file: &File, start: u64) -> (Vec<u8>, u64) {
        let length = file.metadata().expect("facts").len();
        let (mut bytes, mut holes) = (Vec::new(), 0);
        let mut pieces = SparseFile::new(file, start, length);
        while let Some(piece) = pieces.next().expect("a piece") {
            match piece {
                Piece::Data(data) => bytes.extend_from_slice(data),
                Piece::Hole(length) => {
                    holes += length;
                    bytes.resize(bytes.len() + usize::try_from(length).expect("short"), 0);
                }
            }
        }
        (bytes, holes)
    }

    #[test]
    fn the_pieces_are_the_file_and_zeros_are_holes() {
        let block = BLOCK as u64;
        for (data, length, least_holes) in [
            (vec![], 0, 0),
            (vec![], 5 * block, 5 * block),
            (vec![(0, 10)], 10, 0),
            (vec![(0, 10)], 3 * block + 7, 2 * block + 7),
            (vec![(block - 1, 2)], 40 * block, 38 * block),
            (
                vec![(17 * block, BLOCK * 3), (39 * block + 5, 1)],
                40 * block,
                36 * block,
            ),
        ] {
            let file = tempfile::tempfile().expect("a file");
            // Written zeros, so that the file system knows no hole; and again with holes.
            for dense in [true, false] {
                file.set_len(0).expect("empty");
                file.set_len(length).expect("a length");
                if dense {
                    let zeros = vec![0; usize::try_from(length).expect("short")];
                    file.write_all_at(&zeros, 0).expect("written");
                }
                for (at, count) in &data {
                    file.write_all_at(&vec![7; *count], *at).expect("written");
                }
                let mut whole = vec![0; usize::try_from(length).expect("short")];
                file.read_exact_at(&mut whole, 0).expect("read");
                let (bytes, holes) = collect(&file, 0);
                assert!(bytes == whole, "{data:?} {length} dense: {dense}");
                // A file system may know more of them than whole blocks of zeros show.
                let as_known = holes == least_holes || !dense && holes > least_holes;
                assert!(as_known, "{data:?} {length} dense: {dense}: {holes}");
            }
        }
    }

    #[test]
    fn it_begins_where_it_is_told() {
        let file = tempfile::tempfile().expect("a file");
        let bytes: Vec<u8> = (0..3 * BLOCK).map(|at| (at % 251) as u8 + 1).collect();
        file.write_all_at(&bytes, 0).expect("written");
        for start in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK - 1, 3 * BLOCK] {
            let (found, holes) = collect(&file, start as u64);
            assert!(found == bytes[start..], "from {start}");
            assert_eq!(holes, 0);
        }
    }
}

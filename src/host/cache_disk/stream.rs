//! An image as a stream, made of the store's files: never whole in memory.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;

use trustnet_core::artifact::ArtifactSet;
use trustnet_core::iso::Layout;

use crate::cache::error::CacheError;
use crate::cache::store::Store;
use crate::error::HostError;

/// An image whose artifacts are there, and are what they should be.
pub(super) struct Image<'a> {
    layout: &'a Layout,
    /// Where each begins in the image, how long it is, and where its bytes are.
    files: Vec<(u64, u64, PathBuf)>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Image<'a> {
    /// Hashes every artifact of a set again.
    pub(super) fn verified(
        store: &Store,
        set: &ArtifactSet,
        layout: &'a Layout,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Self, HostError> {
        let mut files = Vec::with_capacity(set.len());
        for ((digest, size), offset) in set.iter().zip(&layout.offsets) {
            if stop() {
                return Err(CacheError::Stopped.into());
            }
            let path = store.verify_one(digest)?;
            let found = path.metadata().map_err(HostError::file("read", &path))?;
            if found.len() != size {
                return Err(CacheError::Content {
                    what: digest.to_string(),
                    why: format!("it has {} bytes, not {size}", found.len()),
                }
                .into());
            }
            files.push((*offset, size, path));
        }
        Ok(Self {
            layout,
            files,
            stop,
        })
    }

    /// The image's bytes from a place in its head on.
    pub(super) fn from(&self, start: u64) -> Bytes<'_> {
        let head = usize::try_from(start).unwrap_or(usize::MAX);
        let head = self.layout.head.get(head..).unwrap_or_default();
        Bytes {
            image: self,
            at: start,
            next: 0,
            piece: Box::new(Cursor::new(head)),
        }
    }
}

/// The bytes of an image from a place on.
pub(super) struct Bytes<'a> {
    image: &'a Image<'a>,
    /// How far it is read.
    at: u64,
    /// The next file.
    next: usize,
    /// What is read before that.
    piece: Box<dyn Read + 'a>,
}

impl Bytes<'_> {
    /// The piece that begins here: a file, or the zeros before the next; none at the end.
    fn follow(&mut self) -> io::Result<bool> {
        let end = self.image.layout.size;
        let file = self.image.files.get(self.next);
        let begin = file.map_or(end, |(begin, ..)| *begin);
        if self.at < begin {
            self.piece = Box::new(io::repeat(0).take(begin - self.at));
            return Ok(true);
        }
        let Some((begin, size, path)) = file else {
            return Ok(false);
        };
        if self.at > *begin {
            return Err(io::Error::other(
                "an artifact is not where it is to be in the image",
            ));
        }
        self.next += 1;
        let file = File::open(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        self.piece = Box::new(Whole {
            file: file.take(*size),
            path,
        });
        Ok(true)
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.image.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        loop {
            let count = self.piece.read(buffer)?;
            self.at += count as u64;
            if count > 0 || buffer.is_empty() || !self.follow()? {
                return Ok(count);
            }
        }
    }
}

/// A file of which all of its bytes are to come.
struct Whole<'a> {
    file: io::Take<File>,
    path: &'a PathBuf,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.file.limit() > 0 {
            let why = format!("`{}` became shorter while it was read", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(count)
    }
}

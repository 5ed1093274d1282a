//! Bytes into a volume and out of it.

#![expect(
    unsafe_code,
    reason = "virStreamSendHole has no safe wrapper in `virt`"
)]

use std::io::{self, ErrorKind, Read, Write};

use virt::connect::Connect;
use virt::error::Error;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use crate::error::BackendError;
use crate::image::sparse::{Piece, Pieces};

/// Bytes a message of a stream: libvirt's own limit is 256 KiB less a header.
const CHUNK: usize = 256 * 1024 - 64;

/// Writes so many bytes into a volume, from this place on.
pub(super) fn upload(
    connection: &Connect,
    volume: &StorageVol,
    offset: u64,
    length: u64,
    from: &mut dyn Read,
) -> Result<(), BackendError> {
    let stream = Stream::new(connection, 0)?;
    volume.upload(&stream, offset, length, 0)?;
    let sent = send_all(&stream, from, length);
    end(stream, sent)
}

/// Writes pieces into a volume, from this place on; `length` bytes with the holes.
pub(super) fn upload_sparse(
    connection: &Connect,
    volume: &StorageVol,
    offset: u64,
    length: u64,
    pieces: &mut dyn Pieces,
) -> Result<(), BackendError> {
    let stream = Stream::new(connection, 0)?;
    let sparse = virt_sys::VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM;
    volume.upload(&stream, offset, length, sparse)?;
    let sent = send_pieces(&stream, pieces);
    end(stream, sent)
}

/// Passes the first `length` bytes of a volume on, or fewer where it ends before.
pub(super) fn download(
    connection: &Connect,
    volume: &StorageVol,
    length: u64,
    to: &mut dyn Write,
) -> Result<(), BackendError> {
    // Nothing asked for would be everything.
    if length == 0 {
        return Ok(());
    }
    let stream = Stream::new(connection, 0)?;
    volume.download(&stream, 0, length, 0)?;
    let received = receive_all(&stream, to);
    end(stream, received)
}

/// Ends a stream well, or lets go of it. The first error counts.
fn end(stream: Stream, passed: Result<(), BackendError>) -> Result<(), BackendError> {
    if passed.is_ok() {
        stream.finish()?;
    } else {
        let _ = stream.abort();
    }
    passed
}

fn send(stream: &Stream, bytes: &[u8]) -> Result<(), BackendError> {
    let mut sent = 0;
    while sent < bytes.len() {
        let end = bytes.len().min(sent + CHUNK);
        sent += stream.send(&bytes[sent..end])?.unsigned_abs();
    }
    Ok(())
}

fn send_all(stream: &Stream, from: &mut dyn Read, length: u64) -> Result<(), BackendError> {
    let mut from = from.take(length);
    let mut chunk = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK))];
    while from.limit() > 0 {
        match from.read(&mut chunk) {
            Ok(0) => return Err(BackendError::other("what is to be written ends too early")),
            Ok(count) => send(stream, &chunk[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(&error)),
        }
    }
    Ok(())
}

/// Whole messages as long as there is data: each costs its own way through the daemon.
fn send_pieces(stream: &Stream, pieces: &mut dyn Pieces) -> Result<(), BackendError> {
    let mut begun = Vec::with_capacity(CHUNK);
    while let Some(piece) = pieces.next().map_err(|error| broken(&error))? {
        match piece {
            Piece::Data(mut bytes) => {
                if !begun.is_empty() {
                    let (now, later) = bytes.split_at(bytes.len().min(CHUNK - begun.len()));
                    begun.extend_from_slice(now);
                    bytes = later;
                    if begun.len() == CHUNK {
                        send(stream, &begun)?;
                        begun.clear();
                    }
                }
                let whole = bytes.len() - bytes.len() % CHUNK;
                send(stream, &bytes[..whole])?;
                begun.extend_from_slice(&bytes[whole..]);
            }
            Piece::Hole(length) => {
                send(stream, &begun)?;
                begun.clear();
                send_hole(stream, length)?;
            }
        }
    }
    send(stream, &begun)
}

fn send_hole(stream: &Stream, length: u64) -> Result<(), BackendError> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // SAFETY: the stream lives as long as the borrow; the call takes nothing but numbers besides.
    let sent = unsafe { virt_sys::virStreamSendHole(stream.as_ptr(), length, 0) };
    if sent < 0 {
        return Err(Error::last_error().into());
    }
    Ok(())
}

fn receive_all(stream: &Stream, to: &mut dyn Write) -> Result<(), BackendError> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = stream.recv(&mut chunk)?.unsigned_abs();
        if count == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..count])
            .map_err(|error| broken(&error))?;
    }
}

/// It is not the hypervisor that refused.
fn broken(error: &io::Error) -> BackendError {
    BackendError::other(error.to_string())
}

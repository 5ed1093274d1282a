//! Packages, and every other file whose digest is known before.

use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use trustnet_core::artifact::Digest;
use trustnet_core::deb::{Listed, Package};

use super::error::DebError;
use super::fetch::{Fetch, FetchError};
use super::store;
use crate::error::HostError;

/// Fetches a package into a file.
pub fn download(
    fetch: &dyn Fetch,
    url: &str,
    package: &Package,
    into: &Path,
) -> Result<(), DebError> {
    let listed = Listed {
        size: package.size,
        sha256: package.sha256,
    };
    let mut outcome = Ok(());
    let written = store::write(into, |file| {
        outcome = get(fetch, url, &listed, file);
        match &outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::other("the download failed")),
        }
    });
    // Why the download failed says more than that nothing was written.
    outcome?;
    Ok(written.map_err(HostError::file("write", into))?)
}

/// Fetches what is listed; without an error it was that, to the byte.
pub fn get(
    fetch: &dyn Fetch,
    url: &str,
    listed: &Listed,
    sink: &mut dyn Write,
) -> Result<(), DebError> {
    let mut sink = Hashing {
        sink,
        hasher: Sha256::new(),
        size: 0,
    };
    let content = |why: String| DebError::Content {
        url: url.to_owned(),
        why,
    };
    match fetch.get(url, None, listed.size, &mut sink) {
        Ok(_) => {}
        Err(FetchError::TooLarge(size)) => {
            return Err(content(format!(
                "it is larger than the {size} bytes that the archive lists"
            )));
        }
        Err(source) => {
            return Err(DebError::Fetch {
                url: url.to_owned(),
                source,
            });
        }
    }
    if sink.size != listed.size {
        return Err(content(format!(
            "it has {} bytes, and the archive lists {}",
            sink.size, listed.size
        )));
    }
    let found = Digest::from_bytes(sink.hasher.finalize().into());
    if found != listed.sha256 {
        return Err(content(format!(
            "its SHA-256 is {found}, and the archive lists {}",
            listed.sha256
        )));
    }
    Ok(())
}

/// What goes through is hashed and counted.
struct Hashing<'a> {
    sink: &'a mut dyn Write,
    hasher: Sha256,
    size: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

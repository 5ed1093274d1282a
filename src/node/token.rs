//! The network's join token, as a node shows it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file.
    #[error("read the join token from `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "`{path}` has the join token, and others may read it (mode {mode:04o}): run `chmod 600 {path}`"
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Reads the token from a file that only its owner may read.
///
/// # Errors
/// It cannot be read, or others may read it too.
pub fn read(path: &Path) -> Result<String, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(TokenError::Open { path, mode });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Ok(text.trim().to_owned())
}

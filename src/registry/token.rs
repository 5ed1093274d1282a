//! The network's join token.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::file;

/// The fewest characters of a token: 32 random bytes have 43 in Base64 and 64 in hexadecimal.
const SHORTEST: usize = 32;

/// What admits a new key. It is kept as a digest: it prints nothing, and all comparisons take the same time.
#[derive(Clone)]
pub struct JoinToken(Option<[u8; 32]>);

/// Why there is no join token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("failed to read the join token from `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the file.
    #[error(
        "`{path}` has the join token, and others may read it (mode {mode:04o}): run `chmod 600 {path}`"
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is none.
    #[error(
        "`{path}` has no join token: one line of {SHORTEST} printable characters or more is wanted, such as `openssl rand -hex 32` writes"
    )]
    Form {
        /// Which.
        path: PathBuf,
    },
}

impl JoinToken {
    /// None: any key is admitted.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// This one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Some(Sha256::digest(text).into()))
    }

    /// Reads the token from a file that only its owner may read.
    ///
    /// # Errors
    /// It cannot be read, others may read it too, or it is no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        Self::text(path).map(|text| Self::new(&text))
    }

    /// The token itself, for who has to show it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn text(path: &Path) -> Result<String, TokenError> {
        let failed = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        if let Some(mode) = file::laid_open(&fs::metadata(path).map_err(failed)?) {
            let path = path.to_owned();
            return Err(TokenError::Open { path, mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let token = text.trim();
        if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let path = path.to_owned();
            return Err(TokenError::Form { path });
        }
        Ok(token.to_owned())
    }

    /// Whether one is wanted.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the value of a header, `Bearer …`, has the token; always, if none is wanted.
    #[must_use]
    pub fn admits(&self, header: Option<&[u8]>) -> bool {
        let Some(wanted) = &self.0 else {
            return true;
        };
        let token = header.and_then(bearer).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(token).into();
        digest.ct_eq(wanted).into()
    }
}

/// What stands after `Bearer`, in capitals or not.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::{JoinToken, TokenError};
    use std::os::unix::fs::PermissionsExt as _;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_token_admits() {
        let token = JoinToken::new(TOKEN);
        let admits = |header: &str| token.admits(Some(header.as_bytes()));
        assert!(admits(&format!("Bearer {TOKEN}")));
        assert!(admits(&format!("bearer  {TOKEN} ")));
        assert!(!token.admits(None));
        for header in [
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            &format!("Basic {TOKEN}"),
            &format!("Bearer {TOKEN}0"),
        ] {
            assert!(!admits(header), "{header}");
        }
        assert!(JoinToken::none().admits(None));
    }

    #[test]
    fn a_token_comes_from_a_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("set");
            JoinToken::read(&path)
        };
        let read = write(&format!("{TOKEN}\n"), 0o600).expect("a token");
        assert!(read.admits(Some(format!("Bearer {TOKEN}").as_bytes())));
        assert!(matches!(
            write(TOKEN, 0o640),
            Err(TokenError::Open { mode: 0o640, .. })
        ));
        assert!(matches!(
            write("short", 0o600),
            Err(TokenError::Form { .. })
        ));
        assert!(matches!(
            write(&format!("{TOKEN}\n{TOKEN}"), 0o600),
            Err(TokenError::Form { .. })
        ));
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(
            JoinToken::read(&path),
            Err(TokenError::Read { .. })
        ));
    }
}

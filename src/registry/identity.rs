//! The key that a registry or node is known by, in a file of its own.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore as _};
use tracing::warn;
use trustnet_core::network::signature::SigningKey;

use crate::sqlite;

/// The file's name, in the data directory.
pub const FILE: &str = "identity.pem";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file or its folder.
    #[error("{doing} `{path}`: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is something else.
    #[error(
        "`{path}` holds no Ed25519 key (PKCS#8, PEM): put the key back from a copy; only if there is none, \
         move the file away, and a new key is made, with a new node id"
    )]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// The machine gives no random bytes.
    #[error("draw a new key: {0}")]
    Random(String),
}

/// Loads the key, or makes one where there is none: 0600, in a folder of 0700, whole or not at all.
///
/// # Errors
/// The file cannot be read or made, or holds something else: it is left as it is then.
pub fn load_or_make(path: &Path) -> Result<SigningKey, IdentityError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            guard(path)?;
            SigningKey::from_pem(&text).ok_or_else(|| IdentityError::NoKey {
                path: path.to_owned(),
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(IdentityError::NoKey {
            path: path.to_owned(),
        }),
        Err(error) => Err(file("read the key", path)(error)),
    }
}

/// Closes others out of a file that was laid open.
fn guard(path: &Path) -> Result<(), IdentityError> {
    let failed = || file("close others out of", path);
    let mode = fs::metadata(path).map_err(failed())?.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    warn!(
        "`{}` could be read by others (mode {mode:o}); it is 600 now",
        path.display()
    );
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed())
}

fn make(path: &Path) -> Result<SigningKey, IdentityError> {
    let folder = sqlite::folder(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(file("make the folder", folder))?;
    let mut seed = [0; 32];
    OsRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| IdentityError::Random(error.to_string()))?;
    let key = SigningKey::from_seed(seed);
    let new = sqlite::beside(path, &format!("{:x}.new", OsRng.next_u64()));
    let linked = write(&new, &key.to_pem()).and_then(|()| fs::hard_link(&new, path));
    let cleared = fs::remove_file(&new);
    match linked {
        // Another process made one at the same time: that is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return load_or_make(path),
        linked => linked.map_err(file("make the key", path))?,
    }
    cleared
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(file("make the key", path))?;
    Ok(key)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::File {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_may_read_it() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("data").join(FILE);
        let made = load_or_make(&path).expect("a key");
        assert_eq!(
            load_or_make(&path).expect("the key").public(),
            made.public()
        );
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(sqlite::folder(&path)), 0o700);
        let names = fs::read_dir(folder.path().join("data")).expect("a folder");
        assert_eq!(names.count(), 1);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
        load_or_make(&path).expect("the key");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_left() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        for bytes in [
            b"".as_slice(),
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n",
            &[0xff; 40],
        ] {
            fs::write(&path, bytes).expect("a file");
            let refused = load_or_make(&path).expect_err("no key");
            assert!(matches!(refused, IdentityError::NoKey { .. }), "{refused}");
            assert_eq!(fs::read(&path).expect("the file"), bytes);
        }
    }

    #[test]
    fn keys_made_at_once_are_one() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let made: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| load_or_make(&path).map(|key| key.public())))
                .collect();
            made.into_iter()
                .map(|key| key.join().expect("no panic"))
                .collect()
        });
        let first = load_or_make(&path).expect("the key").public();
        for key in keys {
            assert_eq!(key.expect("a key"), first);
        }
    }
}

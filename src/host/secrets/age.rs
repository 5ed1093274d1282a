//! Files that are encrypted with age: to the X25519 identities of a file, never to a passphrase.
//! <https://age-encryption.org/v1>

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, Identity, IdentityFile};

use super::{MAX_LEN, Unread, limited};

/// The most bytes of an encrypted file: a secret, and room for many recipients and for armour.
const MAX_ENCRYPTED: u64 = 512 * 1024;
const HEADER: &[u8] = b"age-encryption.org/";
const ARMOUR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The content of an encrypted file.
pub(super) fn decrypt(path: &Path, identity: &Path) -> Result<Vec<u8>, Unread> {
    let encrypted = super::bytes(path, MAX_ENCRYPTED)?;
    let decryptor =
        Decryptor::new(ArmoredReader::new(&encrypted[..])).map_err(|error| refused(&error))?;
    if decryptor.is_scrypt() {
        return Err(Unread::new(
            "it is encrypted with a passphrase, which nobody is there to enter",
        )
        .hint("encrypt it to a key: `age -r $(age-keygen -y IDENTITY) -o secret.age secret.txt`"));
    }
    let identities = identities(identity)?;
    let identities = identities.iter().map(|one| &**one as &dyn Identity);
    let reader = decryptor
        .decrypt(identities)
        .map_err(|error| refused(&error))?;
    limited(Damage(reader), MAX_LEN)
}

fn identities(path: &Path) -> Result<Vec<Box<dyn Identity + Send + Sync>>, Unread> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| {
        Unread::new(format!("failed to open the identity `{shown}`: {error}"))
            .hint("make one with `age-keygen`, or name it in `identity`")
    })?;
    let mode = file.metadata().map_err(Unread::from)?.mode();
    if mode & 0o077 != 0 {
        let mode = mode & 0o777;
        return Err(Unread::new(format!(
            "others can get at the identity `{shown}` (mode {mode:04o})"
        ))
        .hint(format!("`chmod 600 {shown}`")));
    }
    let text = limited(file, MAX_LEN)?;
    if text.starts_with(HEADER) || text.starts_with(ARMOUR) {
        return Err(Unread::new(format!(
            "the identity `{shown}` is itself encrypted, and nobody is there to enter a passphrase"
        ))
        .hint("decrypt it into a file of mode 600, and name that in `identity`"));
    }
    // The reader's own words may quote the line.
    let none = || {
        Unread::new(format!("`{shown}` holds no identity that can be used")).hint(
            "an identity is a line that begins with `AGE-SECRET-KEY-1`; `age-keygen` makes one",
        )
    };
    let found = IdentityFile::from_buffer(&text[..])
        .map_err(|_| none())?
        .into_identities()
        .map_err(|_| none())?;
    if found.is_empty() {
        return Err(none());
    }
    Ok(found)
}

fn refused(error: &DecryptError) -> Unread {
    match error {
        DecryptError::NoMatchingKeys => {
            Unread::new("it is encrypted for others: none of the identities fits")
                .hint("name the right identity in `identity`, or encrypt the file anew to this one")
        }
        DecryptError::UnknownFormat => Unread::new("it is of a version of age that is not known"),
        DecryptError::InvalidHeader => Unread::new("it is not encrypted with age"),
        DecryptError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Unread::new("it is not encrypted with age, or cut short")
        }
        _ => Unread::new("it is damaged"),
    }
}

/// What goes wrong in the middle is damage, whatever the reader calls it.
struct Damage<R>(R);

impl<R: Read> Read for Damage<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(bytes);
        read.map_err(|error| std::io::Error::new(error.kind(), "it is damaged or cut short"))
    }
}

//! Secrets that are made once: `secrets/vms/<VM>/<name>` and `secrets/shared/<name>` below the user's data,
//! each a file of its own that only the user may read.
//!
//! They stay when a VM is destroyed: a data disk, a backup or another machine may still need them, and
//! nothing brings one back. Who wants a new one removes the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rand_core::{OsRng, RngCore};
use rustix::fs::OFlags;
use trustnet_api::secret::{Alphabet, Generate};
use trustnet_core::vm::is_generated_name;

use super::{Keep, MAX_LEN, Unread, limited};
use crate::paths::private_dir;

/// The secret that is kept; one is made where there is none.
pub(super) fn read(data: &Path, vm: &str, one: &Generate, keep: Keep) -> Result<String, Unread> {
    // No spec gets as far as this with such a name; but what is asked for becomes a path here.
    if !is_generated_name(&one.name) {
        return Err(Unread::new("no file can have that name"));
    }
    let path = place(data, vm, one);
    if let Some(kept) = kept(&path, one)? {
        return Ok(kept);
    }
    let made = make(one)?;
    if keep == Keep::No {
        return Ok(made);
    }
    match put(&path, &made) {
        Ok(()) => Ok(made),
        // Another process was first, and its secret is the one.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => kept(&path, one)?
            .ok_or_else(|| Unread::new(format!("`{}` went away again", path.display()))),
        Err(error) => Err(Unread::new(format!(
            "failed to keep it as `{}`: {error}",
            path.display()
        ))),
    }
}

fn place(data: &Path, vm: &str, one: &Generate) -> PathBuf {
    let secrets = data.join("secrets");
    let folder = if one.is_shared() {
        secrets.join("shared")
    } else {
        secrets.join("vms").join(vm)
    };
    folder.join(&one.name)
}

pub(super) fn characters(alphabet: Alphabet) -> &'static [u8] {
    const ALL: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let (digits, hex, alphanumeric) = (10, 16, 62);
    match alphabet {
        Alphabet::Digits => &ALL[..digits],
        Alphabet::Hex => &ALL[..hex],
        Alphabet::Alphanumeric => &ALL[..alphanumeric],
        Alphabet::Base64url => ALL,
    }
}

/// A new secret: each character is as likely as any other.
fn make(one: &Generate) -> Result<String, Unread> {
    let characters = characters(one.alphabet());
    let length = one.length() as usize;
    let mut made = String::with_capacity(length);
    let mut random = [0; 64];
    while made.len() < length {
        OsRng
            .try_fill_bytes(&mut random)
            .map_err(|error| Unread::new(format!("the system gives no randomness: {error}")))?;
        let chosen = random.iter().filter_map(|byte| choose(characters, *byte));
        made.extend(chosen.take(length - made.len()));
    }
    Ok(made)
}

/// The character that a random byte stands for; none for the last few bytes, which would favour the first
/// characters.
pub(super) fn choose(characters: &[u8], byte: u8) -> Option<char> {
    let fair = 256 - 256 % characters.len();
    let byte = usize::from(byte);
    (byte < fair).then(|| char::from(characters[byte % characters.len()]))
}

/// Reads the secret that is kept. None if there is none.
fn kept(path: &Path, one: &Generate) -> Result<Option<String>, Unread> {
    let shown = path.display();
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unread::new(format!("failed to open `{shown}`: {error}"))),
    };
    let facts = file.metadata().map_err(Unread::from)?;
    if !facts.is_file() {
        return Err(Unread::new(format!("`{shown}` is no file")));
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o777;
        return Err(
            Unread::new(format!("others can get at `{shown}` (mode {mode:04o})")).hint(format!(
                "if nobody has read it: `chmod 600 {shown}`; else remove it, and another is made"
            )),
        );
    }
    let text = limited(file, MAX_LEN).and_then(super::text)?;
    let characters = characters(one.alphabet());
    let fits =
        text.len() == one.length() as usize && text.bytes().all(|byte| characters.contains(&byte));
    if fits {
        return Ok(Some(text));
    }
    Err(Unread::new(format!(
        "`{shown}` holds one of another length or alphabet than the spec says"
    ))
    .hint("write in the spec what it was made with; or remove the file, and another is made"))
}

/// Puts a secret at its place, whole or not at all, unless one is there.
fn put(path: &Path, secret: &str) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = path.parent().unwrap_or(path);
    private_dir(folder).map_err(io::Error::other)?;
    // No name of a secret begins with a dot.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let staging = folder.join(format!(".{}.{count}.new", std::process::id()));
    // One of an earlier process of this number, which was killed.
    match fs::remove_file(&staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staging)
        .and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&staging, path));
    // The first error counts.
    let removed = fs::remove_file(&staging);
    written.and(removed)?;
    // What is made from it must not outlive it.
    File::open(folder)?.sync_all()
}

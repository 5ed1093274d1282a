//! Secrets by reference: read from files, plain or encrypted, and the environment, or made once and kept.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use trustnet_api::secret::{Age, ValueFrom};
use trustnet_core::vm::{SecretMap, Vm, VmName};

use crate::error::HostError;
use crate::paths::Paths;

mod age;
mod generated;
#[cfg(test)]
mod tests;

/// The most bytes that a secret may have.
const MAX_LEN: u64 = 64 * 1024;

/// Whether a generated secret that is not there yet is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is: something is made from it.
    Yes,
    /// It is not: this is only a look at what would be made.
    No,
}

/// Where secrets are looked for.
pub struct Sources<'a> {
    /// The spec's folder, at which relative paths start.
    pub folder: &'a Path,
    /// The user's folders.
    pub paths: &'a Paths,
    /// The environment.
    pub var: &'a dyn Fn(&str) -> Option<OsString>,
    /// What becomes of a generated secret.
    pub keep: Keep,
}

/// Whether a domain's join token is kept here.
#[must_use]
pub fn has_join_token(paths: &Paths, domain: &str) -> bool {
    let name = trustnet_core::kind::token_name(domain);
    paths.data.join("secrets/shared").join(name).is_file()
}

/// Why a secret was not read, and the next action.
#[derive(Debug)]
struct Unread {
    why: String,
    hint: Option<String>,
}

impl Unread {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Reads every secret that the VM refers to.
///
/// # Errors
/// As for [`Sources::read`].
pub fn read(vm: &Vm, sources: &Sources<'_>) -> Result<SecretMap, HostError> {
    let mut secrets = SecretMap::default();
    for from in vm.secret_refs() {
        let value = sources.read(vm.name(), &from)?;
        secrets.insert(from, value);
    }
    Ok(secrets)
}

impl Sources<'_> {
    /// Reads one secret of a VM. One line end behind a file's text does not count.
    ///
    /// # Errors
    /// It is missing, too long, not UTF-8, or cannot be decrypted or made. The value itself is never in
    /// the message.
    pub fn read(&self, vm: &VmName, from: &ValueFrom) -> Result<String, HostError> {
        let value = match from {
            ValueFrom::File(path) => bytes(&self.folder.join(path), MAX_LEN).and_then(text),
            ValueFrom::Env(name) => match (self.var)(name).map(OsString::into_string) {
                Some(Ok(value)) => Ok(value),
                Some(Err(_)) => Err(Unread::new("it is not UTF-8")),
                None => Err(Unread::new("it is not set")),
            },
            ValueFrom::Generate(one) => {
                generated::read(&self.paths.data, vm.as_str(), one, self.keep)
            }
            ValueFrom::Age(file) => self.decrypted(file),
        };
        value.map_err(|Unread { why, hint }| HostError::Secret {
            from: describe(from),
            why,
            hint,
        })
    }

    fn decrypted(&self, file: &Age) -> Result<String, Unread> {
        let identity = match file.identity.as_deref() {
            None => self.paths.config.join("age.txt"),
            Some(path) => self.home(path)?,
        };
        age::decrypt(&self.folder.join(&file.file), &identity).and_then(text)
    }

    /// A path that may begin with `~/`, else relative to the spec's folder.
    fn home(&self, path: &str) -> Result<PathBuf, Unread> {
        let Some(below) = path.strip_prefix("~/") else {
            return Ok(self.folder.join(path));
        };
        match (self.var)("HOME") {
            Some(home) if !home.is_empty() => Ok(Path::new(&home).join(below)),
            _ => Err(Unread::new(format!("there is no HOME to find `{path}` in"))),
        }
    }
}

/// A whole file of at most `max` bytes.
fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, Unread> {
    let file = File::open(path).map_err(Unread::from)?;
    limited(file, max)
}

/// All that comes, of at most `max` bytes.
fn limited(source: impl Read, max: u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    source
        .take(max + 1)
        .read_to_end(&mut bytes)
        .map_err(Unread::from)?;
    if bytes.len() as u64 > max {
        return Err(Unread::new(format!("it has more than {} KiB", max / 1024)));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, Unread> {
    // The error of the conversion holds the bytes.
    let mut text = String::from_utf8(bytes).map_err(|_| Unread::new("it is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn describe(from: &ValueFrom) -> String {
    match from {
        ValueFrom::File(path) => format!("file `{path}`"),
        ValueFrom::Env(name) => format!("environment variable `{name}`"),
        ValueFrom::Generate(one) => format!("generated secret `{}`", one.name),
        ValueFrom::Age(age) => format!("encrypted file `{}`", age.file),
    }
}

//! Secrets by reference, read from files and the environment.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use trustnet_api::secret::ValueFrom;
use trustnet_core::vm::{SecretMap, Vm};

use crate::error::HostError;

/// The most bytes that a secret may have.
const MAX_LEN: u64 = 64 * 1024;

/// Reads every secret that the VM refers to. Relative paths start at `folder`, the spec's own.
/// One line end behind a file's text does not count.
///
/// # Errors
/// A file or a variable is missing, too long, or not UTF-8. The value itself is never in the message.
pub fn read(
    vm: &Vm,
    folder: &Path,
    var: impl Fn(&str) -> Option<OsString>,
) -> Result<SecretMap, HostError> {
    let mut secrets = SecretMap::default();
    for from in vm.secret_refs() {
        let value = match &from {
            ValueFrom::File(path) => read_file(&folder.join(path)),
            ValueFrom::Env(name) => match var(name).map(OsString::into_string) {
                Some(Ok(value)) => Ok(value),
                Some(Err(_)) => Err("it is not UTF-8".to_owned()),
                None => Err("it is not set".to_owned()),
            },
        };
        let value = value.map_err(|why| HostError::Secret {
            from: describe(&from),
            why,
        })?;
        secrets.insert(from, value);
    }
    Ok(secrets)
}

fn read_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_LEN + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_LEN {
        return Err(format!("it has more than {} KiB", MAX_LEN / 1024));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn describe(from: &ValueFrom) -> String {
    match from {
        ValueFrom::File(path) => format!("file `{path}`"),
        ValueFrom::Env(name) => format!("environment variable `{name}`"),
    }
}

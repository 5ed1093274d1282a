//! `cache`: what is kept of artifacts on this machine.

/// Looking after it.
mod care;
/// Between machines.
mod carry;
/// Filling it.
mod fetch;
/// Looking at it.
mod look;
/// Cache disks on the hypervisor.
mod volumes;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use trustnet_core::artifact::{Arch, Digest, Entry};
use trustnet_core::lockfile::Lock;
use trustnet_host::cache::store::Store;

use crate::Program;
use crate::args::{CacheFilter, CacheVerb, Output};
use crate::failure::{Exit, Failure};
use crate::verbs::get::serialise;

pub(super) use care::{confirm, confirm_to};

/// Does it.
///
/// # Errors
/// The cache cannot be read or written, or is not what it should be.
pub fn run(program: &Program, verb: &CacheVerb) -> Result<Exit, Failure> {
    let store = Store::open(&program.env.paths()?.artifacts)?;
    match verb {
        CacheVerb::Fetch(args) => fetch::run(program, args),
        CacheVerb::List(filter) => look::list(program, &store, filter),
        CacheVerb::Info => look::info(program, &store),
        CacheVerb::Why(args) => look::why(program, &store, &args.digest),
        CacheVerb::Verify => care::verify(program, &store),
        CacheVerb::Prune(args) if args.volumes => volumes::prune(program, args),
        CacheVerb::Prune(args) => care::prune(program, &store, args),
        CacheVerb::Export(args) => carry::export(program, &store, args),
        CacheVerb::Import(args) => carry::import(program, &store, &args.from),
    }
}

/// The entries that are asked for.
fn filtered(store: &Store, filter: &CacheFilter) -> Result<Vec<Entry>, Failure> {
    let arch = filter
        .arch
        .as_deref()
        .map(Arch::parse)
        .transpose()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let mut entries = store.entries()?;
    entries.retain(|entry| {
        let service = entry.artifact.service();
        (filter.service.is_empty() || filter.service.iter().any(|name| name == service))
            && arch.is_none_or(|arch| arch == entry.artifact.arch())
    });
    Ok(entries)
}

/// The digests that lock files name.
fn locked(files: &[PathBuf]) -> Result<BTreeSet<Digest>, Failure> {
    let mut digests = BTreeSet::new();
    for path in files {
        let failed = |why: String| {
            Failure::new(
                Exit::Usage,
                format!("failed to read `{}`: {why}", path.display()),
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let lock = Lock::parse(&text).map_err(|error| failed(error.to_string()))?;
        digests.extend(lock.digests());
    }
    Ok(digests)
}

/// Prints a value for machines where one is wanted, else these words.
pub(super) fn print(
    program: &Program,
    value: &Value,
    words: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match program.settings.output.value {
        Output::Table | Output::Wide | Output::Name => program.ui.result(words()),
        form => program.ui.result(serialise(form, value)?),
    }
    Ok(())
}

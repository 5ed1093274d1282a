//! Between machines: `export`, `import`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use serde_json::json;
use trustnet_core::artifact::{Digest, Entry};
use trustnet_core::units::bytes;
use trustnet_host::cache::store::Store;
use trustnet_host::cache::transfer;

use super::{filtered, locked, print};
use crate::Program;
use crate::args::CacheExport;
use crate::failure::{Exit, Failure};

/// Writes artifacts into one file, which is there whole or not at all.
pub fn export(program: &Program, store: &Store, args: &CacheExport) -> Result<Exit, Failure> {
    let mut digests: BTreeSet<Digest> = filtered(store, &args.filter)?
        .into_iter()
        .map(|entry| entry.sha256)
        .collect();
    if !args.lock.is_empty() {
        let wanted = locked(&args.lock)?;
        let filtered = !args.filter.service.is_empty() || args.filter.arch.is_some();
        digests = if filtered { &digests & &wanted } else { wanted };
    }
    if digests.is_empty() {
        return Err(Failure::new(Exit::Storage, "there is nothing to export")
            .hint("`trustnet-vm cache list` shows what there is"));
    }
    if args.to == Path::new("-") {
        let entries = transfer::export(store, &digests, &mut io::stdout().lock())?;
        program.ui.say(told("exported", &entries));
        return Ok(Exit::Done);
    }
    let mut name = args.to.clone().into_os_string();
    name.push(".partial");
    let staging = Path::new(&name);
    let failed = |error: io::Error| {
        Failure::new(
            Exit::Usage,
            format!("failed to write `{}`: {error}", args.to.display()),
        )
    };
    let written = File::create(staging).map_err(failed).and_then(|file| {
        let mut out = BufWriter::new(file);
        let entries = transfer::export(store, &digests, &mut out)?;
        let file = out
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(staging, &args.to).map_err(failed)?;
        Ok(entries)
    });
    let entries = match written {
        Ok(entries) => entries,
        Err(failure) => {
            // The first error counts.
            let _ = fs::remove_file(staging);
            return Err(failure);
        }
    };
    let value = json!({ "kind": "ArtifactList", "items": entries });
    print(program, &value, || told("exported", &entries) + "\n")?;
    Ok(Exit::Done)
}

/// Takes the artifacts of a file.
pub fn import(program: &Program, store: &Store, from: &Path) -> Result<Exit, Failure> {
    let entries = if from == Path::new("-") {
        transfer::import(store, &mut io::stdin().lock())?
    } else {
        let mut file = File::open(from).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("failed to read `{}`: {error}", from.display()),
            )
        })?;
        transfer::import(store, &mut file)?
    };
    let value = json!({ "kind": "ArtifactList", "items": entries });
    print(program, &value, || told("imported", &entries) + "\n")?;
    Ok(Exit::Done)
}

fn told(done: &str, entries: &[Entry]) -> String {
    let files: BTreeSet<(Digest, u64)> = entries
        .iter()
        .map(|entry| (entry.sha256, entry.size))
        .collect();
    let size: u64 = files.iter().map(|(_, size)| size).sum();
    let artifacts = match entries.len() {
        1 => "1 artifact".to_owned(),
        count => format!("{count} artifacts"),
    };
    format!("{done} {artifacts}, {}", bytes(size))
}

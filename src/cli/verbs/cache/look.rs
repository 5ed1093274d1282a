//! Looking at the cache: `list`, `info`, `why`.

use std::collections::BTreeSet;

use serde_json::json;
use trustnet_core::artifact::{Digest, Entry};
use trustnet_core::units::bytes;
use trustnet_host::cache::store::Store;

use super::{filtered, print};
use crate::args::{CacheFilter, Output};
use crate::failure::{Exit, Failure};
use crate::{Program, table};

/// Lists artifacts.
pub fn list(program: &Program, store: &Store, filter: &CacheFilter) -> Result<Exit, Failure> {
    let entries = filtered(store, filter)?;
    let value = json!({ "kind": "ArtifactList", "items": entries });
    print(program, &value, || rows(program, &entries))?;
    Ok(Exit::Done)
}

fn rows(program: &Program, entries: &[Entry]) -> String {
    if program.settings.output.value == Output::Name {
        return entries
            .iter()
            .map(|entry| format!("{}\n", entry.sha256))
            .collect();
    }
    let wide = program.settings.output.value == Output::Wide;
    let mut headers = vec![
        "SERVICE", "VERSION", "ARCH", "NAME", "KIND", "SIZE", "DIGEST",
    ];
    if wide {
        headers.extend(["VERIFIED BY", "WHEN", "SOURCE"]);
    }
    let cells: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let id = &entry.artifact;
            let mut cells = vec![
                id.service().to_owned(),
                id.version().to_owned(),
                id.arch().to_string(),
                id.name().to_owned(),
                entry.kind.to_string(),
                bytes(entry.size),
                entry.sha256.short(),
            ];
            if wide {
                let by = entry.verified.by.as_str().to_owned();
                cells.extend([by, entry.when.clone(), entry.source.clone()]);
            }
            cells
        })
        .collect();
    let headers = (!program.no_headers).then_some(headers.as_slice());
    table::lay_out(headers, &cells)
}

/// Shows where the cache is, and how much is in it.
pub fn info(program: &Program, store: &Store) -> Result<Exit, Failure> {
    let entries = store.entries()?;
    let blobs = store.blobs()?;
    let size: u64 = blobs.iter().map(|(_, size)| size).sum();
    let there: BTreeSet<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
    let missing = entries
        .iter()
        .filter(|entry| !there.contains(&entry.sha256))
        .count();
    let folder = store.root().display().to_string();
    let value = json!({
        "kind": "CacheInfo",
        "folder": folder,
        "artifacts": entries.len(),
        "files": blobs.len(),
        "bytes": size,
        "missing": missing,
    });
    print(program, &value, || {
        let rows = [
            ("folder", folder),
            ("artifacts", entries.len().to_string()),
            ("files", blobs.len().to_string()),
            ("size", bytes(size)),
            ("missing", missing.to_string()),
        ];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(key, value)| vec![key.to_owned(), value])
            .collect();
        table::lay_out(None, &rows)
    })?;
    Ok(Exit::Done)
}

/// Tells which artifacts have a digest.
pub fn why(program: &Program, store: &Store, digest: &str) -> Result<Exit, Failure> {
    let entries = store.why(digest)?;
    if digest.trim_start_matches("sha256:").is_empty() || entries.is_empty() {
        return Err(Failure::new(
            Exit::Storage,
            format!("failed to find a digest that begins with `{digest}` in the cache"),
        )
        .hint("`trustnet-vm cache list` shows what there is"));
    }
    let value = json!({ "kind": "ArtifactList", "items": entries });
    print(program, &value, || {
        let told: Vec<String> = entries.iter().map(tell).collect();
        told.join("\n")
    })?;
    Ok(Exit::Done)
}

fn tell(entry: &Entry) -> String {
    let id = &entry.artifact;
    let by = entry.verified.by.as_str();
    let verified = match &entry.verified.detail {
        Some(detail) => format!("{by}: {detail}"),
        None => by.to_owned(),
    };
    let when = if entry.imported {
        format!("{}, on another machine", entry.when)
    } else {
        entry.when.clone()
    };
    let rows = [
        ("digest", entry.sha256.to_string()),
        ("service", id.service().to_owned()),
        ("version", id.version().to_owned()),
        ("arch", id.arch().to_string()),
        ("name", id.name().to_owned()),
        ("kind", entry.kind.to_string()),
        ("size", bytes(entry.size)),
        ("source", entry.source.clone()),
        ("verified by", verified),
        ("when", when),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(key, value)| vec![key.to_owned(), value])
        .collect();
    table::lay_out(None, &rows)
}

//! Looking after the cache: `verify`, `prune`.

use std::collections::BTreeSet;

use serde_json::json;
use trustnet_core::artifact::Digest;
use trustnet_core::units::bytes;
use trustnet_host::cache::store::{Pruned, Report, Store};

use super::{locked, print};
use crate::Program;
use crate::args::CachePrune;
use crate::failure::{Exit, Failure};

/// Hashes everything again.
pub fn verify(program: &Program, store: &Store) -> Result<Exit, Failure> {
    let report = {
        let progress = program.ui.progress("cache");
        store.verify(&mut |digest| progress.begin(format!("hashing {}", digest.short())))?
    };
    let value = json!({
        "kind": "CacheReport",
        "good": report.good,
        "bytes": report.bytes,
        "damaged": report.damaged,
        "missing": report.missing,
        "orphans": report.orphans,
        "unreadable": report.unreadable,
    });
    print(program, &value, || words(&report))?;
    let bad: Vec<String> = [
        (report.damaged.len(), "damaged"),
        (report.missing.len(), "missing"),
        (report.unreadable.len(), "no entry"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if bad.is_empty() {
        return Ok(Exit::Done);
    }
    let message = format!("the cache is not as it should be: {}", bad.join(", "));
    Err(Failure::new(Exit::Storage, message).hint(
        "`trustnet-vm cache prune` removes what is of no use; what is needed is fetched again",
    ))
}

fn words(report: &Report) -> String {
    let mut text = format!("good: {} ({})\n", files(report.good), bytes(report.bytes));
    for digest in &report.damaged {
        text.push_str(&format!("damaged: {digest}\n"));
    }
    for entry in &report.missing {
        text.push_str(&format!("missing: {} ({})\n", entry.sha256, entry.artifact));
    }
    for digest in &report.orphans {
        text.push_str(&format!("belongs to no artifact: {digest}\n"));
    }
    for path in &report.unreadable {
        text.push_str(&format!("no entry: {}\n", path.display()));
    }
    text
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

/// Removes what is not needed any more.
pub fn prune(program: &Program, store: &Store, args: &CachePrune) -> Result<Exit, Failure> {
    let keep: BTreeSet<Digest> = if args.all {
        BTreeSet::new()
    } else if args.keep.is_empty() {
        store
            .entries()?
            .into_iter()
            .map(|entry| entry.sha256)
            .collect()
    } else {
        locked(&args.keep)?
    };
    let shown = store.prune(&keep, true)?;
    let nothing = shown == Pruned::default();
    if !args.dry_run && !nothing {
        say(program, &shown);
        confirm(program)?;
        store.prune(&keep, false)?;
    }
    let value = json!({
        "kind": "CachePruned",
        "dryRun": args.dry_run,
        "artifacts": shown.entries,
        "files": shown.blobs.iter().map(|(digest, _)| digest).collect::<Vec<_>>(),
        "leftovers": shown.leftovers.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        "bytes": shown.bytes(),
    });
    print(program, &value, || {
        if nothing {
            return "nothing to remove\n".to_owned();
        }
        let mut text = String::new();
        if args.dry_run {
            lines(&shown)
                .iter()
                .for_each(|line| text.push_str(&format!("{line}\n")));
        }
        let done = if args.dry_run { "would free" } else { "freed" };
        text.push_str(&format!("{done} {}\n", bytes(shown.bytes())));
        text
    })?;
    Ok(Exit::Done)
}

fn lines(pruned: &Pruned) -> Vec<String> {
    let entries = pruned
        .entries
        .iter()
        .map(|entry| format!("artifact {}", entry.artifact));
    let blobs = pruned
        .blobs
        .iter()
        .map(|(digest, size)| format!("file {digest} ({})", bytes(*size)));
    let leftovers = pruned
        .leftovers
        .iter()
        .map(|(path, size)| format!("leftover {} ({})", path.display(), bytes(*size)));
    entries.chain(blobs).chain(leftovers).collect()
}

fn say(program: &Program, pruned: &Pruned) {
    program.ui.say("removing from the cache:");
    for line in lines(pruned) {
        program.ui.say(format!("  - {line}"));
    }
}

/// Asks whether to go on, where `--yes` has not said so.
///
/// # Errors
/// Nobody says yes.
pub fn confirm(program: &Program) -> Result<(), Failure> {
    confirm_to(program, "removing", "removed")
}

/// The same for something else: what is done, as in `removing`, and as in `nothing was removed`.
///
/// # Errors
/// Nobody says yes.
pub fn confirm_to(program: &Program, doing: &str, done: &str) -> Result<(), Failure> {
    if program.yes {
        return Ok(());
    }
    if !program.env.stdin_terminal {
        return Err(Failure::new(
            Exit::Usage,
            format!("{doing} needs a yes, and there is no terminal to ask on"),
        )
        .hint("give `--yes`"));
    }
    if crate::asked(&program.ui, "go on?")? {
        Ok(())
    } else {
        Err(Failure::new(Exit::Usage, format!("nothing was {done}")))
    }
}

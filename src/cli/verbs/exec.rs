//! `exec`: a command in guests, their output line by line, their exit codes kept.

use std::io;

use serde_json::{Value, json};
use trustnet_host::shell::{Stream, quote};

use crate::Program;
use crate::args::Exec;
use crate::failure::{Exit, Failure};
use crate::guest::{self, Guest};
use crate::host::Host;
use crate::outcome::entry;
use crate::verbs::create::in_parallel;

/// What a command came to in a guest.
struct Ran {
    code: u8,
    /// What it said, where it was not shown as it came.
    said: Option<(Vec<u8>, Vec<u8>)>,
}

/// Runs a command in guests. In one VM, the program ends with the command's own exit code; in several, with
/// the first that is not 0, in the order of their names.
///
/// # Errors
/// The VMs cannot be found.
pub fn run(program: &Program, args: &Exec) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let names = guest::chosen(&host, &args.names, args.selector.as_deref())?;
    let several = names.len() > 1;
    let results = in_parallel(&names, args.parallel, |name| {
        exec(program, &host, args, name, several)
    });
    let (mut first, mut entries) = (Exit::Done, Vec::new());
    for (name, result) in names.iter().zip(&results) {
        let exit = match result {
            Ok(ran) if ran.code == 0 => Exit::Done,
            Ok(ran) => Exit::Guest(ran.code),
            Err(failure) => {
                program.ui.fail(failure);
                failure.exit
            }
        };
        if first == Exit::Done {
            first = exit;
        }
        entries.push(told(name, result));
    }
    program.print_entries(&entries)?;
    Ok(first)
}

fn told(name: &str, result: &Result<Ran, Failure>) -> Value {
    match result {
        Err(failure) => entry(name, Err(failure)),
        Ok(ran) => {
            let (out, err) = ran
                .said
                .as_ref()
                .map(|(out, err)| (&out[..], &err[..]))
                .unwrap_or_default();
            json!({
                "name": name,
                "result": "ran",
                "exitCode": ran.code,
                "stdout": String::from_utf8_lossy(out),
                "stderr": String::from_utf8_lossy(err),
            })
        }
    }
}

fn exec(
    program: &Program,
    host: &Host,
    args: &Exec,
    name: &str,
    several: bool,
) -> Result<Ran, Failure> {
    let guest = Guest::find(host, name)?;
    let mut shell = guest.connect(host)?;
    // The guest's shell reads the words again: quote each.
    let words: Vec<String> = args.command.iter().map(|word| quote(word)).collect();
    let prefix = if several {
        format!("{name}: ")
    } else {
        String::new()
    };
    let mut out = program.ui.guest(Stream::Out, &prefix);
    let mut err = program.ui.guest(Stream::Err, &prefix);
    let live = program.in_words();
    let (mut kept_out, mut kept_err) = (Vec::new(), Vec::new());
    let exit = shell
        .run(
            &words.join(" "),
            &mut io::empty(),
            args.timeout,
            &mut |stream, bytes| match (stream, live) {
                (Stream::Out, true) => out.take(bytes),
                (Stream::Err, true) => err.take(bytes),
                (Stream::Out, false) => kept_out.extend(bytes),
                (Stream::Err, false) => kept_err.extend(bytes),
            },
        )
        .map_err(|error| guest.failure(error))?;
    out.end();
    err.end();
    Ok(Ran {
        // A code of 256 and more is none that a process can end with.
        code: u8::try_from(exit.code()).unwrap_or(u8::MAX),
        said: (!live).then_some((kept_out, kept_err)),
    })
}

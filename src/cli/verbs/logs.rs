//! `logs`: what was said while services were brought, or what a service says in its guest.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use trustnet_core::masks::Masks;
use trustnet_host::error::HostError;
use trustnet_host::examine;
use trustnet_host::provision::{last_lines, log_file};
use trustnet_host::shell::Stream;

use crate::Program;
use crate::args::Logs;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;
use crate::subject::Lookup;
use crate::ui::Speech;

/// How often is looked whether there is more.
const LOOK: Duration = Duration::from_millis(200);
/// How long a log is followed at most: nobody sits there longer.
const FOLLOW: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest line of a service that is kept until it ends.
const LONGEST: usize = 64 * 1024;

/// Shows a log.
///
/// # Errors
/// There is none, or the guest is not reached.
pub fn run(program: &Program, args: &Logs) -> Result<Exit, Failure> {
    let host = program.connect()?;
    match &args.service {
        Some(service) => of_service(program, &host, args, service),
        None => of_host(program, &host, args),
    }
}

/// The log of provisioning. Its secrets were masked when it was written.
fn of_host(program: &Program, host: &Host, args: &Logs) -> Result<Exit, Failure> {
    let name = host.find(&args.name)?.xml.name;
    let path = log_file(&host.paths, &host.uri, &name);
    let mut out = program.ui.guest(Stream::Out, "");
    if args.follow {
        let mut tail = Tail::default();
        // What is there already is read with what comes: so nothing is shown twice, and nothing is left out.
        let there = tail.more(&path)?;
        out.take(last_of(&there, args.lines as usize));
        while !program.ui.unread() {
            std::thread::sleep(LOOK);
            out.take(&tail.more(&path)?);
        }
        return Ok(Exit::Done);
    }
    let Some(lines) = last_lines(&path, args.lines as usize)? else {
        return Err(Failure::new(
            Exit::Vm,
            format!("no services were brought into `{name}` from here"),
        )
        .hint("`--service NAME` shows the log of a service in its guest"));
    };
    for line in lines {
        out.take(format!("{line}\n").as_bytes());
    }
    out.end();
    Ok(Exit::Done)
}

/// The last lines of a text.
fn last_of(text: &[u8], lines: usize) -> &[u8] {
    let pieces: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let kept = &pieces[pieces.len().saturating_sub(lines)..];
    let length: usize = kept.iter().map(|piece| piece.len()).sum();
    &text[text.len() - length..]
}

/// A file that grows, and now and then makes room for a new one.
#[derive(Default)]
struct Tail {
    file: Option<File>,
    inode: u64,
}

impl Tail {
    /// What has come: of a file that has made room, to its end, and then of the new one.
    fn more(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        // Asked first: what the old file gets until it is read belongs to it.
        let current = std::fs::metadata(path).ok().map(|facts| facts.ino());
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut bytes)
                .map_err(HostError::file("read", path))?;
        }
        if self.file.is_none() || current.is_some_and(|inode| inode != self.inode) {
            match File::open(path) {
                Ok(mut file) => {
                    let facts = file.metadata().map_err(HostError::file("read", path))?;
                    self.inode = facts.ino();
                    file.read_to_end(&mut bytes)
                        .map_err(HostError::file("read", path))?;
                    self.file = Some(file);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(HostError::file("open", path)(error).into()),
            }
        }
        Ok(bytes)
    }
}

/// The log of a service's unit.
fn of_service(program: &Program, host: &Host, args: &Logs, service: &str) -> Result<Exit, Failure> {
    let subject = Lookup::new(program, host).subject(&args.name)?;
    let found = subject.service(service)?;
    let name = found.instance.name();
    let refused = |why: String| Failure::new(Exit::Vm, format!("service `{name}`: {why}"));
    let scope = found.scope.as_ref().map_err(|why| refused(why.clone()))?;
    let unit = found
        .instance
        .unit_names(scope)
        .map_err(|why| refused(why.to_string()))?
        .ok_or_else(|| refused("it has no unit, and with that no log".to_owned()))?;
    let guest = Guest::find(host, &subject.name)?;
    let mut shell = guest.connect(host)?;
    let mut out = Masked::new(program.ui.guest(Stream::Out, ""), &subject.masks);
    let mut err = Masked::new(program.ui.guest(Stream::Err, ""), &subject.masks);
    let exit = examine::log(
        &mut *shell,
        &unit,
        u64::from(args.lines),
        args.follow.then_some(FOLLOW),
        &mut |stream, bytes| match stream {
            Stream::Out => out.take(bytes),
            Stream::Err => err.take(bytes),
        },
    )
    .map_err(|error| guest.failure(error))?;
    out.end();
    err.end();
    if exit.is_success() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(
        Exit::Vm,
        format!(
            "failed to read the log of `{name}` in `{}`: {exit}",
            subject.name
        ),
    ))
}

/// What a service says, line by line: a secret may come in two pieces.
struct Masked<'a> {
    out: Speech<'a>,
    masks: &'a Masks,
    line: Vec<u8>,
}

impl<'a> Masked<'a> {
    fn new(out: Speech<'a>, masks: &'a Masks) -> Self {
        Self {
            out,
            masks,
            line: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LONGEST {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        self.out.take(self.masks.mask(&text).as_bytes());
    }

    fn end(mut self) {
        self.flush();
        self.out.end();
    }
}

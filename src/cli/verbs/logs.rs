//! `logs`: what was said while services were brought, or what a service says in its guest.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use trustnet_host::error::HostError;
use trustnet_host::examine;
use trustnet_host::provision::{Masks, last_lines, log_file};
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
    // What is written from here on is found by who follows, and told once.
    let mut tail = Tail::at_end(&path)?;
    let lines = last_lines(&path, args.lines as usize)?;
    if lines.is_none() && !args.follow {
        return Err(Failure::new(
            Exit::Vm,
            format!("no services were brought into `{name}` from here"),
        )
        .hint("`--service NAME` shows the log of a service in its guest"));
    }
    let mut out = program.ui.guest(Stream::Out, "");
    for line in lines.unwrap_or_default() {
        out.take(format!("{line}\n").as_bytes());
    }
    if args.follow {
        while !program.ui.unread() {
            tail.more(&path, &mut out)?;
            std::thread::sleep(LOOK);
        }
    }
    out.end();
    Ok(Exit::Done)
}

/// A file that grows, and now and then makes room for a new one.
struct Tail {
    file: Option<File>,
    inode: u64,
}

impl Tail {
    fn at_end(path: &Path) -> Result<Self, Failure> {
        let mut tail = Self {
            file: None,
            inode: 0,
        };
        tail.open(path)?;
        if let Some(file) = &mut tail.file {
            file.seek(SeekFrom::End(0))
                .map_err(HostError::file("read", path))?;
        }
        Ok(tail)
    }

    fn open(&mut self, path: &Path) -> Result<(), Failure> {
        match File::open(path) {
            Ok(file) => {
                let facts = file.metadata().map_err(HostError::file("read", path))?;
                self.inode = facts.ino();
                self.file = Some(file);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(HostError::file("open", path)(error).into()),
        }
    }

    /// Shows what has come, to the end of a file that has made room.
    fn more(&mut self, path: &Path, out: &mut Speech<'_>) -> Result<(), Failure> {
        let current = std::fs::metadata(path).map_or(self.inode, |facts| facts.ino());
        if let Some(file) = &mut self.file {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)
                .map_err(HostError::file("read", path))?;
            out.take(&bytes);
        }
        if self.file.is_none() || current != self.inode {
            self.open(path)?;
        }
        Ok(())
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

//! `cp`: files and folders, into a guest and out of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use trustnet_host::shell::{self, Shell};

use crate::Program;
use crate::args::Cp;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;
use crate::ui::Progress;

/// One end of a copy.
enum End<'a> {
    Here(&'a str),
    /// In a guest: the VM's name, and the path.
    There(&'a str, &'a str),
}

/// As scp(1) takes it: a colon before the first slash ends a VM's name.
fn end(text: &str) -> End<'_> {
    match text.split_once(':') {
        Some((name, path)) if !name.is_empty() && !name.contains('/') => {
            End::There(name, if path.is_empty() { "." } else { path })
        }
        _ => End::Here(text),
    }
}

/// Copies files and folders.
///
/// # Errors
/// The VM cannot be reached, or a file cannot be read or written.
pub fn run(program: &Program, args: &Cp) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let Some((target, sources)) = args.paths.split_last() else {
        return Err(one_guest());
    };
    let sources: Vec<End<'_>> = sources.iter().map(|text| end(text)).collect();
    let several = sources.len() > 1;
    match end(target) {
        End::There(name, path) => {
            let mut copy = Copy::begin(program, &host, name, args.recursive)?;
            for source in &sources {
                let End::Here(source) = source else {
                    return Err(one_guest());
                };
                copy.put(Path::new(source), path, several)?;
            }
        }
        End::Here(target) => {
            for source in &sources {
                let End::There(name, path) = source else {
                    return Err(one_guest());
                };
                let mut copy = Copy::begin(program, &host, name, args.recursive)?;
                copy.get(path, Path::new(target), several)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn one_guest() -> Failure {
    Failure::new(
        Exit::Usage,
        "failed to copy: either the sources or the target must be in a guest",
    )
    .hint("`trustnet-vm cp FILE… NAME:PATH`, or `trustnet-vm cp NAME:PATH… FILE`; a file here with a colon in its name is `./FILE`")
}

/// Copies from and to one guest.
struct Copy<'a> {
    guest: Guest,
    shell: Box<dyn Shell>,
    progress: Progress<'a>,
    recursive: bool,
}

impl<'a> Copy<'a> {
    fn begin(
        program: &'a Program,
        host: &Host,
        name: &str,
        recursive: bool,
    ) -> Result<Self, Failure> {
        let guest = Guest::find(host, name)?;
        let shell = guest.connect(host)?;
        let progress = program.ui.progress(&guest.name);
        Ok(Self {
            guest,
            shell,
            progress,
            recursive,
        })
    }

    fn put(&mut self, source: &Path, target: &str, several: bool) -> Result<(), Failure> {
        let failed = |error| local("read", source, &error);
        let facts = fs::metadata(source).map_err(failed)?;
        self.progress.begin(format!("copying {}", source.display()));
        let target = if several || target.ends_with('/') || self.is_folder(target)? {
            format!("{}/{}", target.trim_end_matches('/'), last(source)?)
        } else {
            target.to_owned()
        };
        let done = if facts.is_dir() {
            self.folders(source)?;
            shell::put_folder(&mut *self.shell, source, &target)
        } else {
            let mut file = File::open(source).map_err(failed)?;
            let mode = facts.permissions().mode();
            let told = source.display();
            let mut share = Share::new(&self.progress, told.to_string(), facts.len());
            self.shell
                .put(&mut file, facts.len(), &target, mode, &mut |bytes| {
                    share.tell(bytes)
                })
        };
        done.map_err(|error| self.guest.failure(error))
    }

    fn get(&mut self, source: &str, target: &Path, several: bool) -> Result<(), Failure> {
        self.progress.begin(format!("copying {source}"));
        let into =
            several || target.is_dir() || target.as_os_str().as_encoded_bytes().ends_with(b"/");
        let target = if into {
            target.join(last(Path::new(source))?)
        } else {
            target.to_owned()
        };
        if self.is_folder(source)? {
            self.folders(Path::new(source))?;
            return shell::get_folder(&mut *self.shell, source, &target)
                .map_err(|error| self.guest.failure(error));
        }
        let failed = |error| local("write", &target, &error);
        let part = beside(&target);
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(failed)?;
        let got = self.shell.get(source, &mut file, &mut |_| {});
        let stored = got
            .map_err(|error| self.guest.failure(error))
            .and_then(|fetched| {
                // What a guest says gives nobody the rights of a file's owner.
                file.set_permissions(fs::Permissions::from_mode(fetched.mode & 0o777))
                    .and_then(|()| file.sync_all())
                    .and_then(|()| fs::rename(&part, &target))
                    .map_err(failed)
            });
        if stored.is_err() {
            // The first error counts.
            let _ = fs::remove_file(&part);
        }
        stored
    }

    fn is_folder(&mut self, path: &str) -> Result<bool, Failure> {
        shell::is_folder(&mut *self.shell, path).map_err(|error| self.guest.failure(error))
    }

    fn folders(&self, source: &Path) -> Result<(), Failure> {
        if self.recursive {
            return Ok(());
        }
        let what = format!("failed to copy `{}`: it is a folder", source.display());
        Err(Failure::new(Exit::Usage, what).hint("`--recursive` copies folders"))
    }
}

fn local(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("failed to {doing} `{}`: {error}", path.display()),
    )
}

/// The last name of a path.
fn last(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        let what = format!(
            "failed to copy `{}`: it has no name of its own",
            path.display()
        );
        Failure::new(Exit::Usage, what).hint("say how it is to be called at the target")
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// How much of a file is done, told whenever it is another percentage.
struct Share<'a> {
    progress: &'a Progress<'a>,
    name: String,
    size: u64,
    told: u64,
}

impl<'a> Share<'a> {
    fn new(progress: &'a Progress<'a>, name: String, size: u64) -> Self {
        Self {
            progress,
            name,
            size,
            told: 0,
        }
    }

    fn tell(&mut self, bytes: u64) {
        let share = bytes.saturating_mul(100) / self.size.max(1);
        if share != self.told {
            self.told = share;
            self.progress
                .begin(format!("copying {}: {share} %", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{End, end};

    #[test]
    fn a_colon_before_the_first_slash_ends_a_vms_name() {
        let read = |text| match end(text) {
            End::Here(path) => format!("here {path}"),
            End::There(name, path) => format!("{name} {path}"),
        };
        for (text, expected) in [
            ("web:/etc/hosts", "web /etc/hosts"),
            ("web:", "web ."),
            ("web:a:b", "web a:b"),
            ("./web:a", "here ./web:a"),
            ("/tmp/a:b", "here /tmp/a:b"),
            (":a", "here :a"),
            ("plain", "here plain"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}

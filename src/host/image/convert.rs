//! Converting: an image of any known format to qcow2, by qemu-img.
//!
//! qemu-img follows what an image names, so it gets only what names nothing: see
//! [`trustnet_core::image::source_format`]. It reads the very file that was looked at, as the format that was seen.

/// qemu-img while it runs.
mod running;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use thiserror::Error;
use trustnet_core::image::qcow2::Compression;
use trustnet_core::image::{Bootable, ImageContent, SourceFormat, Unfit, source_format};
use trustnet_core::units::bytes;

use super::look::Look;
use crate::cache::download::Watch;
use crate::child::goes_with_us;
use running::Running;

/// Where the child finds the file that was looked at.
const STDIN: &str = "/proc/self/fd/0";
/// The C library's words for a full disk; qemu-img runs without a locale.
const NO_ROOM: &str = "No space left on device";

/// Why an image is not converted.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// It cannot be read.
    #[error("failed to read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// qemu-img must not read it.
    #[error("`{}` {unfit}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        unfit: Unfit,
    },
    /// qemu-img is not on this machine.
    #[error(
        "failed to convert: there is no `qemu-img` here; install `qemu-utils` (Debian, Ubuntu), `qemu-img` (Fedora, Rocky, Alpine) or `qemu-tools` (openSUSE)"
    )]
    Missing,
    /// qemu-img does not start, or cannot be followed.
    #[error("failed to run `qemu-img convert`")]
    Run(#[source] io::Error),
    /// qemu-img failed.
    #[error("failed to convert `{}`: {why}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What qemu-img said.
        why: String,
    },
    /// The converted image cannot be read again or named.
    #[error("failed to write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The user has asked to stop.
    #[error("stopped before `{}` was converted", .0.display())]
    Stopped(PathBuf),
}

impl ConvertError {
    /// The same of what a file on the way was made of: that is the name that says something to people.
    #[must_use]
    pub fn of(mut self, on_the_way: &Path, source: &str) -> Self {
        match &mut self {
            Self::Read { path, .. }
            | Self::Unfit { path, .. }
            | Self::Failed { path, .. }
            | Self::Stopped(path)
                if path == on_the_way =>
            {
                *path = PathBuf::from(source);
            }
            _ => {}
        }
        self
    }
}

/// Converts an image that lies in a file of this machine to qcow2, without its zeros: `to` is then there whole, or as it
/// was before. The bytes may not be on the disk yet. Says how large the disk is for the guest, in bytes.
///
/// While it runs, and after a `kill -9`, an unfinished file lies beside `to`, with `.part` behind its name; the next
/// conversion to the same place begins anew there, so the caller sees to it that only one is under way.
///
/// # Errors
/// See [`ConvertError`]; nothing is left behind.
pub fn to_qcow2(
    from: &Path,
    to: &Path,
    compression: Option<Compression>,
    watch: &dyn Watch,
) -> Result<u64, ConvertError> {
    by(OsStr::new("qemu-img"), from, to, compression, watch)
}

/// The same by this program.
fn by(
    program: &OsStr,
    from: &Path,
    to: &Path,
    compression: Option<Compression>,
    watch: &dyn Watch,
) -> Result<u64, ConvertError> {
    let look = Look::at(from).map_err(|source| ConvertError::Read {
        path: from.to_owned(),
        source,
    })?;
    let content = ImageContent::of(look.sample());
    let format = source_format(look.sample()).map_err(|unfit| ConvertError::Unfit {
        path: from.to_owned(),
        unfit,
    })?;
    let size = match content {
        ImageContent::Qcow2(header) => header.virtual_size,
        _ => look.length,
    };
    let unwritten = |path: &Path, source| ConvertError::Write {
        path: path.to_owned(),
        source,
    };
    let part = Part::beside(to).map_err(|source| unwritten(to, source))?;
    let mut command = command(program, look.file, format, &part.0, compression);
    let running = Running::start(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ConvertError::Missing,
        _ => ConvertError::Run(error),
    })?;
    let ended = running.follow(size, watch).map_err(ConvertError::Run)?;
    let Some(ended) = ended else {
        return Err(ConvertError::Stopped(from.to_owned()));
    };
    ended.map_err(|why| ConvertError::Failed {
        path: from.to_owned(),
        why: part.with_room(why),
    })?;
    let made = Look::at(&part.0).map_err(|source| unwritten(&part.0, source))?;
    match ImageContent::of(made.sample()).bootable() {
        Ok(Bootable::Qcow2 { virtual_size }) => {
            part.finish(to).map_err(|source| unwritten(to, source))?;
            Ok(virtual_size)
        }
        _ => Err(ConvertError::Failed {
            path: from.to_owned(),
            why: "what `qemu-img` has made is not a qcow2 image".to_owned(),
        }),
    }
}

/// Nothing is guessed: neither formats, nor protocols from the names of files. A backing image is shut out once more
/// than the look at the header does.
fn command(
    program: &OsStr,
    from: File,
    format: SourceFormat,
    to: &Path,
    compression: Option<Compression>,
) -> Command {
    let mut source = serde_json::json!({
        "driver": format.driver(),
        "file": { "driver": "file", "filename": STDIN },
    });
    if matches!(format, SourceFormat::Qcow2 | SourceFormat::Vmdk) {
        source["backing"] = serde_json::Value::Null;
    }
    let mut command = Command::new(program);
    command.args(["convert", "-p", "-O", "qcow2"]);
    if let Some(compression) = compression {
        let kind = match compression {
            Compression::Zlib => "compression_type=zlib",
            Compression::Zstd => "compression_type=zstd",
        };
        // Where each cluster takes long, none waits for those before it.
        command.args(["-c", "-W", "-o", kind]);
    }
    command.arg(format!("json:{source}")).arg(to);
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::from(from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    goes_with_us(&mut command);
    command
}

/// An unfinished file: removed, unless it is finished.
struct Part(PathBuf);

impl Part {
    /// Beside where it is to be. An absolute path holds no protocol.
    fn beside(to: &Path) -> io::Result<Self> {
        let mut path = OsString::from(std::path::absolute(to)?);
        path.push(".part");
        let part = Self(PathBuf::from(path));
        // qemu-img would write into what is there, be it a link to elsewhere.
        match fs::remove_file(&part.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(part),
        }
    }

    /// What qemu-img complains of, with the numbers where it ran out of room: how much an image takes as qcow2 is known
    /// only once it is that.
    fn with_room(&self, why: String) -> String {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        match (fs::metadata(&self.0), rustix::fs::statvfs(folder)) {
            (Ok(part), Ok(room)) if why.contains(NO_ROOM) => format!(
                "{why}; {} of it were written, and `{}` has {} free",
                bytes(part.blocks() * 512),
                folder.display(),
                bytes(room.f_bavail * room.f_frsize)
            ),
            _ => why,
        }
    }

    fn finish(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;

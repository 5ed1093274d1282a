//! An image's way into a pool: its name appears when all of it is there, and not before.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, ioctl_ficlone};
use trustnet_core::xml;

use super::sparse::{Piece, Pieces, SparseFile};
use crate::cache::download::{Progress, Watch};
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::{BackendError, HostError, chain};

/// What is written last of an image that goes through a stream: until then nobody takes it for one.
pub(super) const HEAD: u64 = 64 << 10;

/// How often a pool is asked again to look at its files while somebody else writes to it.
const LOOKS: u32 = 100;

/// Where an image is to be.
pub struct Place<'a> {
    /// The hypervisor.
    pub hypervisor: &'a dyn Hypervisor,
    /// The pool; it is active.
    pub pool: &'a str,
    /// The name of the new volume. Whoever places it holds its lock.
    pub volume: &'a str,
    /// The folder of the pool, where it is one of this machine and may be written to.
    pub folder: Option<PathBuf>,
}

impl Place<'_> {
    /// The file under which the image comes into the pool's folder, where there is one.
    pub(super) fn part(&self) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(part_name(self.volume)))
    }

    /// The file into which an image is converted there.
    pub(super) fn made(&self) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(format!("{OURS}{}.made", self.volume)))
    }
}

/// What becomes of the file that an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It stays: it is the user's.
    Yes,
    /// It may be moved: nobody else has it.
    No,
}

/// The folder of a pool, if its volumes are files in it and this process may write them.
#[must_use]
pub fn writable_folder(kind: &str, path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(path);
    let of_files = matches!(kind, "dir" | "fs" | "netfs");
    let writable = || rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
    (of_files && folder.is_dir() && writable()).then_some(folder)
}

/// Puts a file into a pool as a volume of this name, which is not there.
///
/// # Errors
/// There is no room, the name is taken, or the pool is not to be written to. Nothing is left then.
pub fn place(
    place: &Place<'_>,
    from: &Path,
    keep: Keep,
    watch: &dyn Watch,
) -> Result<(), HostError> {
    match &place.folder {
        Some(folder) => {
            into_folder(folder, place.volume, from, keep, watch).map_err(HostError::storage(
                format!("put image `{}` into `{}`", place.volume, folder.display()),
            ))?;
            look(place)
        }
        None => through_stream(place, from, watch),
    }
}

/// The name under which an image comes into a pool's folder.
fn part_name(volume: &str) -> String {
    format!("{OURS}{volume}.part")
}

/// How the names of files begin that this program makes on the way.
const OURS: &str = ".trustnet-vm.";

/// Whether a volume is what a killed run left of an image; the name that it was to have.
#[must_use]
pub fn part_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(OURS)?;
    [".made.part", ".made", ".part"]
        .iter()
        .find_map(|end| rest.strip_suffix(end))
}

fn into_folder(
    folder: &Path,
    volume: &str,
    from: &Path,
    keep: Keep,
    watch: &dyn Watch,
) -> Result<(), BackendError> {
    let told = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| BackendError::other(format!("{what}: {error}"))
    };
    let target = folder.join(volume);
    let source = File::open(from).map_err(told("it cannot be read"))?;
    if keep == Keep::No && same_device(from, folder) {
        settle(&source).map_err(told("it cannot be made ready"))?;
        match put(folder, from, &target) {
            // Another mount of the same file system: no name reaches from one to the other.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            put => return put.map_err(told("it cannot be named")),
        }
    }
    let part = folder.join(part_name(volume));
    // Where it is somebody else's it stays.
    let file = own(&part).map_err(told("it cannot be written"))?;
    let copied = copy(&source, &file, watch)
        .and_then(|()| put(folder, &part, &target).map_err(told("it cannot be named")));
    if copied.is_err() {
        // The first error counts.
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Whether two files are in one file system.
pub(super) fn same_device(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|facts| facts.dev()).ok();
    let (one, other) = (device(one), device(other));
    one.is_some() && one == other
}

/// Everybody may read an image, as QEMU does under whatever name it runs; and it survives a loss of power.
fn settle(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()
}

/// Gives a file its name, which must be free, and syncs the folder.
fn put(folder: &Path, from: &Path, target: &Path) -> io::Result<()> {
    // A link is refused where the name is taken; a rename would take its place.
    fs::hard_link(from, target)?;
    fs::remove_file(from)?;
    File::open(folder)?.sync_all()
}

/// Copies a file: by reference where the file system can, else its data.
fn copy(source: &File, to: &File, watch: &dyn Watch) -> Result<(), BackendError> {
    let told = |error: io::Error| BackendError::other(error.to_string());
    if ioctl_ficlone(to, source).is_err() {
        copy_data(source, to, watch)?;
    }
    settle(to).map_err(told)
}

/// Makes the file of an image on its way, or takes up that of a run that is gone.
pub(super) fn own(part: &Path) -> io::Result<File> {
    if let Some(folder) = part.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(part)?;
    // Another user of this machine has locks of his own.
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("somebody else is putting it there"))?;
    file.set_len(0)?;
    Ok(file)
}

/// Removes the file of an image on its way, if it is there and nobody else is at it.
pub(super) fn give_up(part: &Path) {
    // A named pipe would wait for somebody who writes, and a link leads away.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(part);
    let removed = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => Err(error),
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| fs::remove_file(part)),
    };
    if let Err(error) = removed {
        tracing::warn!("`{}` is left: {error}", part.display());
    }
}

fn copy_data(source: &File, to: &File, watch: &dyn Watch) -> Result<(), BackendError> {
    let told = |error: io::Error| BackendError::other(error.to_string());
    let length = source.metadata().map_err(told)?.len();
    let mut pieces = SparseFile::new(source, 0, length);
    let mut at = 0;
    while let Some(piece) = pieces.next().map_err(told)? {
        match piece {
            Piece::Data(bytes) => {
                to.write_all_at(bytes, at).map_err(told)?;
                at += bytes.len() as u64;
            }
            Piece::Hole(hole) => at += hole,
        }
        watch.progress(Progress {
            received: at,
            total: Some(length),
        });
        if watch.stopped() {
            return Err(BackendError::other("interrupted"));
        }
    }
    to.set_len(length).map_err(told)
}

/// Has the pool see its new file.
fn look(place: &Place<'_>) -> Result<(), HostError> {
    let name = VolumeRef::Named(place.pool, place.volume);
    let mut last = Ok(());
    for _ in 0..LOOKS {
        // Refused while somebody writes to a volume of the pool.
        last = place.hypervisor.pools().refresh(place.pool);
        if place.hypervisor.volumes().find(name)?.is_some() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    last.and_then(|()| {
        Err(HostError::storage(format!("find the new {name}"))(
            BackendError::other("the pool does not see it"),
        ))
    })
}

fn through_stream(place: &Place<'_>, from: &Path, watch: &dyn Watch) -> Result<(), HostError> {
    let file = File::open(from).map_err(HostError::file("read", from))?;
    let facts = file.metadata().map_err(HostError::file("read", from))?;
    let length = facts.len();
    let volumes = place.hypervisor.volumes();
    let name = VolumeRef::Named(place.pool, place.volume);
    let head = HEAD.min(length);
    let mut first = vec![0; usize::try_from(head).unwrap_or_default()];
    file.read_exact_at(&mut first, 0)
        .map_err(HostError::file("read", from))?;
    volumes.create(place.pool, &xml::image_volume(place.volume, length))?;
    let mut rest = Watched {
        pieces: SparseFile::new(&file, head, length),
        at: head,
        length,
        watch,
    };
    let written = volumes
        .write_pieces(name, head, &mut rest, length - head)
        .and_then(|()| {
            // With the zeros in it: where a hole ends libvirt cuts the file off.
            volumes.write(name, &first)
        });
    if let Err(error) = written {
        // The first error counts; the record says that what is left is of no use.
        if let Err(left) = volumes.delete(name) {
            tracing::warn!("{} is left: {}", name, chain(&left));
        }
        return Err(error);
    }
    // libvirt looks again by itself when a stream ends; a second look that is refused changes nothing.
    if let Err(error) = place.hypervisor.pools().refresh(place.pool) {
        tracing::debug!("{}", chain(&error));
    }
    Ok(())
}

/// Pieces that somebody watches.
struct Watched<'a> {
    pieces: SparseFile<'a>,
    at: u64,
    length: u64,
    watch: &'a dyn Watch,
}

impl Pieces for Watched<'_> {
    fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        if self.watch.stopped() {
            return Err(io::Error::other("interrupted"));
        }
        let piece = self.pieces.next()?;
        self.at += match piece {
            Some(Piece::Data(bytes)) => bytes.len() as u64,
            Some(Piece::Hole(hole)) => hole,
            None => 0,
        };
        self.watch.progress(Progress {
            received: self.at,
            total: Some(self.length),
        });
        Ok(piece)
    }
}

//! An image's way into a pool: its name appears when all of it is there, and not before.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, ioctl_ficlone};
use trustnet_core::units::bytes;
use trustnet_core::xml;

use super::bring::BringError;
use super::sparse::{Piece, Pieces, SparseFile};
use crate::cache::download::{Progress, Watch};
use crate::cache::store::moment;
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::{BackendError, HostError, chain};
use crate::settling::Settling;

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
        Some(folder.join(format!("{OURS}{}~made", self.volume)))
    }
}

/// A file of this machine that is to be an image.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// One that may be moved: nobody else has it.
    Ours(&'a Path),
    /// One that stays: it is the user's. It was opened once, and is the one that was looked at.
    Theirs(&'a File),
}

/// A file in a pool's folder that has no name there yet. While this value lives nobody else takes it for a leftover.
#[derive(Debug)]
pub(super) struct Staged {
    /// Where it is.
    pub path: PathBuf,
    /// The file.
    pub file: File,
}

/// The folder of a pool, if its volumes are files in it and this process may write them.
#[must_use]
pub fn writable_folder(kind: &str, path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(path);
    let of_files = matches!(kind, "dir" | "fs" | "netfs");
    let writable = || rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
    (of_files && folder.is_dir() && writable()).then_some(folder)
}

impl Place<'_> {
    /// Brings a file into the folder's file system, readable for everybody and on the disk, without a name in the pool.
    ///
    /// # Errors
    /// There is no room, or the folder cannot be written to. Nothing is left then.
    pub(super) fn stage(
        &self,
        folder: &Path,
        source: Source<'_>,
        watch: &dyn Watch,
    ) -> Result<Staged, BringError> {
        let doing = || format!("put image `{}` into `{}`", self.volume, folder.display());
        let told = |error: io::Error| HostError::storage(doing())(broken(&error));
        let part = folder.join(part_name(self.volume));
        if let Source::Ours(path) = source
            && path.parent() == Some(folder)
        {
            let file = File::open(path).map_err(told)?;
            settle(&file).map_err(told)?;
            return Ok(Staged {
                path: path.to_owned(),
                file,
            });
        }
        // Where it is somebody else's it stays.
        let to = own(&part).map_err(told)?;
        let opened;
        let source = match source {
            Source::Theirs(file) => file,
            Source::Ours(path) => {
                opened = File::open(path).map_err(told)?;
                // Locked before others can see it there. From another mount no name reaches here.
                if flock(&opened, FlockOperation::NonBlockingLockExclusive).is_ok()
                    && fs::rename(path, &part).is_ok()
                {
                    settle(&opened).map_err(told)?;
                    return Ok(Staged {
                        path: part,
                        file: opened,
                    });
                }
                &opened
            }
        };
        let copied = self.copy(folder, source, &to, watch);
        if copied.is_err() {
            // The first error counts.
            let _ = fs::remove_file(&part);
        }
        copied.map(|()| Staged {
            path: part,
            file: to,
        })
    }

    /// Gives a file of the folder its name, which must be free, and has the pool see it.
    ///
    /// # Errors
    /// The name is taken, or the pool does not see it. The file has its name in the second case only.
    pub(super) fn name(&self, folder: &Path, staged: &Path) -> Result<(), HostError> {
        let doing = format!("name image `{}` in `{}`", self.volume, folder.display());
        let named = put(folder, staged, &folder.join(self.volume));
        named.map_err(|error| HostError::storage(doing)(broken(&error)))?;
        look(self)
    }

    /// Copies a file: by reference where the file system can, else its data.
    fn copy(
        &self,
        folder: &Path,
        source: &File,
        to: &File,
        watch: &dyn Watch,
    ) -> Result<(), BringError> {
        let told = |error: io::Error| {
            let doing = format!("put image `{}` into `{}`", self.volume, folder.display());
            BringError::from(HostError::storage(doing)(broken(&error)))
        };
        if ioctl_ficlone(to, source).is_err() {
            let facts = source.metadata().map_err(told)?;
            let room = rustix::fs::statvfs(folder).map_err(|error| told(error.into()))?;
            let needed = facts.len().min(facts.blocks() * 512);
            self.check_room(needed, room.f_bavail.saturating_mul(room.f_frsize))?;
            copy_data(source, to, watch).map_err(|error| match watch.stopped() {
                true => self.stopped(),
                false => told(error),
            })?;
        }
        settle(to).map_err(told)
    }

    /// Refuses what does not fit.
    pub(super) fn check_room(&self, needed: u64, available: u64) -> Result<(), BringError> {
        if needed <= available {
            return Ok(());
        }
        Err(BringError::Room {
            pool: self.pool.to_owned(),
            volume: self.volume.to_owned(),
            needed: bytes(needed),
            available: bytes(available),
        })
    }

    pub(super) fn stopped(&self) -> BringError {
        BringError::Stopped {
            volume: self.volume.to_owned(),
        }
    }
}

fn broken(error: &io::Error) -> BackendError {
    BackendError::other(error.to_string())
}

/// The name under which an image comes into a pool's folder.
fn part_name(volume: &str) -> String {
    format!("{OURS}{volume}~part")
}

/// How the names of files begin that this program makes on the way.
const OURS: &str = ".trustnet-vm~";

/// Whether a volume is what a killed run left of an image; the name that it was to have.
#[must_use]
pub fn part_of(name: &str) -> Option<&str> {
    // No name of an image has this character in it.
    let (volume, _) = name.strip_prefix(OURS)?.rsplit_once('~')?;
    Some(volume)
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
pub fn give_up(part: &Path) {
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

fn copy_data(source: &File, to: &File, watch: &dyn Watch) -> io::Result<()> {
    let length = source.metadata()?.len();
    let mut pieces = SparseFile::new(source, 0, length);
    let mut settling = Settling::default();
    let mut at = 0;
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Data(bytes) => {
                to.write_all_at(bytes, at)?;
                settling.wrote(to, bytes.len() as u64)?;
                at += bytes.len() as u64;
            }
            Piece::Hole(hole) => at += hole,
        }
        watch.progress(Progress {
            received: at,
            total: Some(length),
        });
        if watch.stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    to.set_len(length)?;
    settling.finish(to)
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

impl Place<'_> {
    /// Makes a volume and writes a file into it, its head last, where `sure` has nothing against it. `made` is told when
    /// the volume is there; `whole` is whether it takes all of its room at once.
    ///
    /// # Errors
    /// There is no room, or the name is taken. What was made is removed then, as far as the hypervisor still answers.
    pub(super) fn stream(
        &self,
        file: &File,
        whole: bool,
        made: &mut dyn FnMut() -> Result<(), HostError>,
        sure: &dyn Fn() -> Result<(), BringError>,
        watch: &dyn Watch,
    ) -> Result<(), BringError> {
        let read = |error: io::Error| {
            let doing = format!("read what is to be image `{}`", self.volume);
            HostError::storage(doing)(broken(&error))
        };
        let length = file.metadata().map_err(read)?.len();
        let volumes = self.hypervisor.volumes();
        let name = VolumeRef::Named(self.pool, self.volume);
        let head = HEAD.min(length);
        let mut first = vec![0; usize::try_from(head).unwrap_or_default()];
        file.read_exact_at(&mut first, 0).map_err(read)?;
        volumes.create(self.pool, &xml::image_volume(self.volume, length, whole))?;
        moment("image:created");
        let mut rest = Watched {
            pieces: SparseFile::new(file, head, length),
            at: head,
            length,
            watch,
        };
        let written = made()
            .and_then(|()| volumes.write_pieces(name, head, &mut rest, length - head))
            .map_err(BringError::from)
            .and_then(|()| sure())
            // With the zeros in it: where a hole ends libvirt cuts the file off.
            .and_then(|()| Ok(volumes.write(name, &first)?));
        if let Err(error) = written {
            // The first error counts; the record says that what is left is of no use.
            if let Err(left) = volumes.delete(name) {
                tracing::warn!("{} is left: {}", name, chain(&left));
            }
            return Err(if watch.stopped() {
                self.stopped()
            } else {
                error
            });
        }
        // libvirt looks again by itself when a stream ends; a second look that is refused changes nothing.
        if let Err(error) = self.hypervisor.pools().refresh(self.pool) {
            tracing::debug!("{}", chain(&error));
        }
        Ok(())
    }
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

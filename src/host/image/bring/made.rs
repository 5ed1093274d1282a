//! What an image is made of on its way: unpacked, converted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use trustnet_core::artifact::Digest;
use trustnet_core::image::qcow2::Compression;
use trustnet_core::image::record::Form;
use trustnet_core::image::{self, ImageContent, Packing};
use trustnet_core::observed::PoolFacts;

use super::{Ask, BringError, Bringer, Convert, Origin};
use crate::cache::store::moment;
use crate::error::HostError;
use crate::image::look::Look;
use crate::image::place::{self, Place, Source};
use crate::image::standing::look_of;
use crate::image::unpack::{self, Bounds, Packed};
use crate::image::{convert, standing, stray};
use crate::lock::Lock;
use crate::paths::private_dir;

/// The longest image that is unpacked, in bytes, holes and all: what ext4 takes for a file.
const LONGEST: u64 = 16 << 40;

/// A file that is to be an image.
pub(super) struct Made {
    /// The file, as it was looked at.
    pub look: Look,
    /// Where it is, where nobody but us has it.
    pub ours: Option<PathBuf>,
    /// The digest of its bytes, where it is known.
    pub sha256: Option<Digest>,
    /// What was made of what came.
    pub form: Form,
}

impl Made {
    /// The file as it is placed.
    pub fn source(&self) -> Source<'_> {
        match &self.ours {
            Some(path) => Source::Ours(path),
            None => Source::Theirs(&self.look.file),
        }
    }
}

impl Origin {
    /// Refuses a user's file that is not what it was when it was first looked at: another one, or written to.
    pub(super) fn refuse_changed(&self) -> Result<(), BringError> {
        let Some(was) = &self.stamp else {
            return Ok(());
        };
        let facts = fs::metadata(&self.file).map_err(HostError::file("read", &self.file))?;
        if look_of(&facts) == *was {
            return Ok(());
        }
        Err(BringError::Changing {
            file: self.source.clone(),
        })
    }
}

impl Bringer<'_> {
    /// The file that is to be the image: this one as it is, or what is made of it.
    pub(super) fn made(
        &self,
        ask: Ask<'_>,
        origin: &Origin,
        scratch: &Scratch,
        pool: &PoolFacts,
    ) -> Result<Made, BringError> {
        let look_at = |file: &Path| Look::at(file).map_err(HostError::file("read", file));
        let mut made = Made {
            look: look_at(&origin.file)?,
            ours: origin.ours.then(|| origin.file.clone()),
            sha256: origin.sha256,
            form: form(ask),
        };
        let mut changed = false;
        if let ImageContent::Packed(packing) = ImageContent::of(made.look.sample()) {
            self.unpack(made.look, packing, origin, &scratch.unpacked, pool)?;
            made.look = look_at(&scratch.unpacked)?;
            made.ours = Some(scratch.unpacked.clone());
            changed = true;
        }
        if let Some(convert) = ask.convert {
            let is_qcow2 = matches!(ImageContent::of(made.look.sample()), ImageContent::Qcow2(_));
            if !is_qcow2 || convert == Convert::Compressed {
                let compression = (convert == Convert::Compressed).then_some(Compression::Zstd);
                let from = made.ours.as_deref().unwrap_or(&origin.file);
                let to = &scratch.converted;
                let converted = convert::to_qcow2(from, to, compression, self.watch);
                converted.map_err(|error| error.of(from, &origin.source))?;
                moment("image:converted");
                made.look = look_at(&scratch.converted)?;
                made.ours = Some(scratch.converted.clone());
                changed = true;
            }
        }
        judge(ask, &made.look, &origin.source)?;
        origin.refuse_changed()?;
        if changed {
            // Of an import nobody has seen the bytes, nor need anybody; a pull says what they are, and so does what
            // never becomes the same bytes again.
            made.sha256 = match (origin.ours, ask.convert) {
                (false, None | Some(Convert::Plain)) => None,
                _ => Some(self.digest(&made.look.file, &origin.source)?),
            };
        }
        Ok(made)
    }

    fn unpack(
        &self,
        mut look: Look,
        packing: Packing,
        origin: &Origin,
        to: &Path,
        pool: &PoolFacts,
    ) -> Result<(), BringError> {
        let out = place::own(to).map_err(HostError::file("create", to))?;
        let bounds = Bounds {
            length: LONGEST,
            data: pool.available,
        };
        let packed = Packed {
            bytes: &mut look.file,
            packing,
            length: Some(look.length),
        };
        unpack::unpack(packed, &out, bounds, self.watch).map_err(|source| BringError::Unpack {
            file: origin.source.clone(),
            source,
        })?;
        moment("image:unpacked");
        Ok(())
    }

    /// The digest of a file.
    pub(super) fn digest(&self, file: &File, name: &str) -> Result<Digest, BringError> {
        let hashed = standing::hash_file(file, false, self.watch);
        let hashed = hashed.map_err(HostError::file("read", name));
        let hashed = self.unless_stopped(name, hashed)?;
        Ok(Digest::from_bytes(hashed.sha256()))
    }
}

pub(super) fn form(ask: Ask<'_>) -> Form {
    match ask.convert {
        None => Form::AsItCame,
        Some(Convert::Plain) => Form::Qcow2,
        Some(Convert::Compressed) => Form::CompressedQcow2,
    }
}

/// Refuses what no guest starts from.
fn judge(ask: Ask<'_>, look: &Look, source: &str) -> Result<(), BringError> {
    let judged = image::check(look.sample(), ask.volume);
    judged.map(drop).map_err(|why| BringError::Unfit {
        file: source.to_owned(),
        why,
    })
}

/// The files in which an image is made on its way.
pub(super) struct Scratch {
    unpacked: PathBuf,
    converted: PathBuf,
    _lock: Option<Lock>,
}

impl Scratch {
    /// In the pool's own folder, where there is one: what is made there need not be copied again. Else below the folder
    /// of the downloads, where images of other hypervisors have the same names.
    pub(super) fn of(
        to: &Place<'_>,
        folder: &Path,
        stop: impl Fn() -> bool,
    ) -> Result<Self, BringError> {
        let folder = stray::made(folder);
        let key = Digest::of(format!("{}/{}", to.pool, to.volume).as_bytes()).to_string();
        let mut lock = None;
        if to.folder.is_none() {
            private_dir(&folder)?;
            lock = Lock::take_unless(&stray::lock_of(&folder, &key), stop)?;
            if lock.is_none() {
                return Err(to.stopped());
            }
        }
        let elsewhere = |what: &str| folder.join(format!("{key}.{what}"));
        Ok(Self {
            unpacked: to.part().unwrap_or_else(|| elsewhere("unpacked")),
            converted: to.made().unwrap_or_else(|| elsewhere("converted")),
            _lock: lock,
        })
    }

    /// Removes what is left of them, and lets somebody else make them.
    pub(super) fn remove(self) {
        for path in [&self.unpacked, &self.converted] {
            place::give_up(path);
        }
        // What qemu-img was at when it was killed.
        let mut part = self.converted.clone().into_os_string();
        part.push(".part");
        place::give_up(Path::new(&part));
    }
}

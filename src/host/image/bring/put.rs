//! The last steps of an image's way: its name in the pool, and its record; and what a run that was killed between them has
//! left.

use std::os::unix::fs::MetadataExt;

use trustnet_core::image::record::{Arrival, ImageRecord, Stamp};
use trustnet_core::observed::PoolFacts;
use trustnet_core::pool::{Keeping, keeping};
use trustnet_core::xml::VolumeXml;

use super::made::{Made, Scratch};
use super::{Ask, BringError, Bringer, Brought, Origin};
use crate::cache::store::{moment, now};
use crate::doors::VolumeRef;
use crate::error::{BackendError, HostError};
use crate::image::chains::chains;
use crate::image::place::{self, Place, Staged};
use crate::image::standing::{self, look_of};

impl Bringer<'_> {
    /// Puts an image into the pool, and records it.
    pub(super) fn put(
        &self,
        ask: Ask<'_>,
        to: &Place<'_>,
        pool: &PoolFacts,
        made: &Made,
        origin: &Origin,
    ) -> Result<Brought, BringError> {
        let mut record = ImageRecord {
            pool: ask.pool.to_owned(),
            volume: ask.volume.to_owned(),
            arrival: Arrival::Begun,
            source: origin.source.clone(),
            verified: origin.verified.clone(),
            checksum: origin.checksum.map(|sum| sum.to_string()),
            form: made.form,
            length: made.look.length,
            sha256: made.sha256,
            stamp: Stamp::default(),
            original: origin.stamp.clone(),
            default_user: ask.default_user.map(str::to_owned),
            when: now(),
        };
        let put = match &to.folder {
            Some(folder) => {
                let staged = to.stage(folder, made.source(), self.watch)?;
                self.put_file(to, &staged, &mut record, origin)
            }
            None => self.put_stream(to, pool, made, &mut record, origin),
        };
        let name = VolumeRef::Named(ask.pool, ask.volume);
        let volumes = self.hypervisor.volumes();
        if let Err(error) = put {
            // What was made and could not be removed again stays recorded as that. Another's volume is not ours.
            let left = record.arrival == Arrival::Made && !matches!(volumes.find(name), Ok(None));
            if !left {
                self.records.remove(ask.pool, ask.volume)?;
            }
            return Err(error);
        }
        moment("image:placed");
        let placed = volumes.find(name)?.unwrap_or_default();
        record.arrival = Arrival::Whole;
        record.stamp = standing::stamp(&placed, self.local);
        self.records.write(&record)?;
        Ok(Brought::New(record))
    }

    /// As a file of this machine: it is whole before it has its name.
    fn put_file(
        &self,
        to: &Place<'_>,
        staged: &Staged,
        record: &mut ImageRecord,
        origin: &Origin,
    ) -> Result<(), BringError> {
        let Some(folder) = staged.path.parent() else {
            return Ok(());
        };
        origin.refuse_changed()?;
        let facts = staged.file.metadata();
        let facts = facts.map_err(HostError::file("read", &staged.path))?;
        // By this a volume of that name is known to be ours.
        record.stamp = look_of(&facts);
        self.records.write(record)?;
        moment("image:begun");
        let named = to.name(folder, &staged.path);
        if named.is_err() {
            place::give_up(&staged.path);
        }
        Ok(named?)
    }

    /// Through the hypervisor: the volume is there before its bytes are.
    fn put_stream(
        &self,
        to: &Place<'_>,
        pool: &PoolFacts,
        made: &Made,
        record: &mut ImageRecord,
        origin: &Origin,
    ) -> Result<(), BringError> {
        let kept = keeping(pool);
        let raw = !made.look.is_qcow2();
        if kept != Keeping::Files && !raw {
            let doing = format!("put image `{}` into pool `{}`", to.volume, to.pool);
            let why = "the pool keeps raw images only; make one: `qemu-img convert -O raw`";
            return Err(HostError::storage(doing)(BackendError::other(why)).into());
        }
        let facts = made.look.file.metadata();
        let facts = facts.map_err(HostError::file("read", to.volume))?;
        let whole = kept == Keeping::Blocks;
        let data = facts.len().min(facts.blocks() * 512);
        to.check_room(if whole { facts.len() } else { data }, pool.available)?;
        self.records.write(record)?;
        moment("image:begun");
        let mut volume_made = || {
            record.arrival = Arrival::Made;
            self.records.write(record)
        };
        let sure = || origin.refuse_changed();
        let file = &made.look.file;
        to.stream(file, whole, &mut volume_made, &sure, self.watch)
    }

    /// The volume of that name, if it is there, and its record as it stands now: a run that was killed may have left
    /// either of them behind the other. What such a run has left of a stream is removed, where nothing shows that it
    /// is anybody else's.
    pub(super) fn find(
        &self,
        ask: Ask<'_>,
    ) -> Result<Option<(VolumeXml, Option<ImageRecord>)>, BringError> {
        let volumes = self.hypervisor.volumes();
        let name = VolumeRef::Named(ask.pool, ask.volume);
        let mut found = volumes.find(name)?;
        if found.is_none() {
            // Somebody may have put a file there since libvirt last looked.
            self.hypervisor.pools().refresh(ask.pool)?;
            found = volumes.find(name)?;
        }
        let Some(volume) = found else {
            return Ok(None);
        };
        let Some(mut record) = self.records.read(ask.pool, ask.volume)? else {
            return Ok(Some((volume, None)));
        };
        let stamp = standing::stamp(&volume, self.local);
        match record.arrival {
            Arrival::Whole => Ok(Some((volume, Some(record)))),
            // The very file that was to have this name.
            Arrival::Begun if stamp.inode.is_some() && record.stamp == stamp => {
                let (to, _) = self.place(ask)?;
                Scratch::of(&to, self.folder, || self.watch.stopped())?.remove();
                record.arrival = Arrival::Whole;
                self.records.write(&record)?;
                Ok(Some((volume, Some(record))))
            }
            Arrival::Begun | Arrival::Made => {
                if self.is_unfinished(&record, &volume)? {
                    volumes.delete(name)?;
                    return Ok(None);
                }
                if record.arrival == Arrival::Made
                    && record.sha256 == Some(self.hash(&record, &volume)?)
                {
                    record.arrival = Arrival::Whole;
                    record.stamp = stamp;
                    self.records.write(&record)?;
                } else if record.arrival == Arrival::Begun {
                    // Nothing says that it is ours.
                    self.records.remove(ask.pool, ask.volume)?;
                    return Ok(Some((volume, None)));
                }
                Ok(Some((volume, Some(record))))
            }
        }
    }

    /// Whether a volume is what a killed run has left of a stream, and nobody else's: of the size that was asked for,
    /// without its head, which comes last, or with nothing in it at all; and nothing stands on it.
    ///
    /// # Errors
    /// The hypervisor refuses to tell.
    pub fn is_unfinished(
        &self,
        record: &ImageRecord,
        volume: &VolumeXml,
    ) -> Result<bool, BringError> {
        let name = VolumeRef::Named(&record.pool, &record.volume);
        let untouched = record.arrival == Arrival::Made || volume.allocation < place::HEAD;
        if volume.capacity < record.length || !untouched {
            return Ok(false);
        }
        let head = self.hypervisor.volumes().read(name, place::HEAD)?;
        if head.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let chains = chains(self.hypervisor, &[], self.local)?;
        Ok(chains.users(&record.pool, volume).is_empty())
    }
}

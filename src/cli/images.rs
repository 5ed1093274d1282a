//! The images of a hypervisor, as the verbs have them.

use trustnet_core::artifact::{Arch, Checksum};
use trustnet_core::image::catalogue;
use trustnet_core::image::record::{Arrival, ImageRecord, Stamp};
use trustnet_core::observed::{ImageFacts, Observed, PoolFacts};
use trustnet_core::plan::{Plan, default_pool_path};
use trustnet_core::suggest::nearest;
use trustnet_core::units::bytes;
use trustnet_core::vm::{BootSource, IMAGE_POOL, VM_POOL, Vm};
use trustnet_core::xml::{self, VolumeXml};
use trustnet_host::cache::download::{DownloadError, Http, Limits, Progress as Received, Watch};
use trustnet_host::doors::{HostInfo, VolumeRef};
use trustnet_host::error::chain;
use trustnet_host::image::bring::{self, Ask, BringError, Bringer, Brought, Convert};
use trustnet_host::image::place::part_of;
use trustnet_host::image::pull::Wanted;
use trustnet_host::image::records::Records;
use trustnet_host::image::standing::{self, Reading, Standing};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal::{self, Journal};

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::ui::Progress;

/// The images of a hypervisor.
pub struct Images<'a> {
    /// The program.
    pub program: &'a Program,
    /// The hypervisor.
    pub host: &'a Host,
    /// What it said of itself.
    pub info: HostInfo,
    /// What is recorded of its images.
    pub records: Records,
    /// Interruption by the user.
    pub interrupt: Interrupt,
}

/// What pulls an image.
pub struct Order {
    /// The name that it gets.
    pub volume: String,
    /// The user that its makers log in as, where they say.
    pub default_user: Option<String>,
    /// From where, and who vouches for it.
    pub wanted: Wanted,
}

/// An image in a pool.
pub struct Image {
    /// What libvirt says of it.
    pub volume: VolumeXml,
    /// What is recorded of it.
    pub record: Option<ImageRecord>,
}

impl<'a> Images<'a> {
    /// Those of this hypervisor.
    ///
    /// # Errors
    /// It does not answer.
    pub fn of(program: &'a Program, host: &'a Host) -> Result<Self, Failure> {
        let info = host.hypervisor.survey().host()?;
        Ok(Self::with(program, host, info, crate::interruption()?))
    }

    /// Those of a hypervisor that has said what it is.
    #[must_use]
    pub fn with(
        program: &'a Program,
        host: &'a Host,
        info: HostInfo,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            program,
            host,
            info,
            records: Records::of(&host.paths, &host.uri),
            interrupt,
        }
    }

    /// Checks that a VM's image is still what it was when it was brought: at the cost of a look where it looks as it did.
    ///
    /// # Errors
    /// It is not, or not whole.
    pub fn check(
        &self,
        vm: &Vm,
        observed: &Observed,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let (BootSource::Volume { pool, volume }, Some(image)) =
            (&vm.boot_disk().source, &observed.image)
        else {
            return Ok(());
        };
        let name = vm.name().as_str();
        // A VM that is there needs nothing of its image but that it stays.
        if observed
            .domains
            .iter()
            .any(|domain| domain.xml.name == name)
        {
            return Ok(());
        }
        // A file that libvirt has not seen yet has no name of its own.
        let facts = VolumeXml {
            name: volume.clone(),
            ..image.volume.clone()
        };
        let reading = Reading::WhereItLooksChanged;
        let (standing, _) = self.standing(pool, &facts, reading, progress)?;
        standing::refuse_changed(VolumeRef::Named(pool, volume), &standing).map_err(|error| {
            Failure::from(error).hint(format!(
                "bring it again: `trustnet-vm image delete {volume} --pool {pool}`, then `image pull` or `image import`"
            ))
        })
    }

    /// The pool that is meant.
    #[must_use]
    pub fn pool<'b>(&'b self, asked: Option<&'b str>) -> &'b str {
        asked.unwrap_or(&self.program.settings.image_pool.value)
    }

    /// The facts of a pool to bring an image into: a default pool is made where it is missing, and one that was stopped
    /// is started.
    ///
    /// # Errors
    /// There is no such pool, or it does not start.
    pub fn open(&self, pool: &str) -> Result<PoolFacts, Failure> {
        let pools = self.host.hypervisor.pools();
        let found = pools.find(pool)?;
        if let Some(facts) = found.as_ref().filter(|facts| facts.active) {
            return Ok(facts.clone());
        }
        if found.is_none() && ![IMAGE_POOL, VM_POOL].contains(&pool) {
            return Err(self.no_pool(pool));
        }
        let path = default_pool_path(&self.host.data_dir(&self.info), pool);
        // The folder of a pool of the user's own is not made here: its disk may not be mounted.
        pools
            .ensure(pool, &xml::pool(pool, &path))
            .map_err(|error| {
                let failure = Failure::from(error);
                match found {
                    Some(_) => failure.hint("is the disk of its folder mounted?"),
                    None => failure,
                }
            })?;
        Ok(pools.find(pool)?.unwrap_or_default())
    }

    fn no_pool(&self, pool: &str) -> Failure {
        let message = format!("there is no storage pool `{pool}` on {}", self.host.uri);
        Failure::new(Exit::Storage, message).hint("`trustnet-vm pool list` shows what there is")
    }

    /// The images of a pool, by name. A default pool that is not there yet has none.
    ///
    /// # Errors
    /// There is no such pool, or it is not active.
    pub fn all(&self, pool: &str) -> Result<Vec<Image>, Failure> {
        let pools = self.host.hypervisor.pools();
        match pools.find(pool)? {
            None if pool == IMAGE_POOL => return Ok(Vec::new()),
            None => return Err(self.no_pool(pool)),
            Some(facts) if !facts.active => {
                let message = format!("storage pool `{pool}` is not active");
                let uri = &self.host.uri;
                let start = format!("start it: `virsh -c {uri} pool-start {pool}`");
                return Err(Failure::new(Exit::Storage, message).hint(start));
            }
            Some(_) => {}
        }
        // What came into the folder since: refused while somebody writes to the pool, and then it comes later.
        if let Err(error) = pools.refresh(pool)
            // Where the folder is gone, a look at it stops the pool.
            && !pools.find(pool)?.is_some_and(|facts| facts.active)
        {
            return Err(Failure::from(error).hint("is the disk of its folder mounted?"));
        }
        let mut volumes = self.host.hypervisor.volumes().list(pool)?;
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        volumes
            .into_iter()
            // A folder in the pool is no image.
            .filter(|volume| part_of(&volume.name).is_none() && volume.format != "dir")
            .map(|volume| {
                let record = self.records.read(pool, &volume.name);
                // One that cannot be read says nothing; the image is there all the same.
                let record = record.unwrap_or_else(|error| {
                    self.program.ui.warn(chain(&error));
                    None
                });
                Ok(Image { volume, record })
            })
            .collect()
    }

    /// An image by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, pool: &str, name: &str) -> Result<Image, Failure> {
        let mut all = self.all(pool)?;
        if let Some(index) = all.iter().position(|image| image.volume.name == name) {
            return Ok(all.swap_remove(index));
        }
        let message = format!("there is no image `{name}` in pool `{pool}`");
        let failure = Failure::new(Exit::Storage, message);
        let names = all.iter().map(|image| image.volume.name.as_str());
        Err(match nearest(name, names) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`trustnet-vm image list` shows what there is"),
        })
    }

    /// Brings images, and shows how far it is.
    ///
    /// # Errors
    /// What `work` comes to.
    pub fn bring<T>(
        &self,
        progress: &Progress<'_>,
        doing: &'static str,
        work: impl FnOnce(&Bringer<'_>) -> Result<T, BringError>,
    ) -> Result<T, Failure> {
        let watching = Watching {
            progress,
            interrupt: &self.interrupt,
            doing,
        };
        let folder = bring::folder(&self.host.paths.cache);
        Ok(work(&Bringer {
            hypervisor: &*self.host.hypervisor,
            records: &self.records,
            local: self.info.local,
            folder: &folder,
            watch: &watching,
        })?)
    }

    /// Brings an image from its publisher.
    ///
    /// # Errors
    /// It is not to be had, is not what it should be, or there is no room for it.
    pub fn pull(
        &self,
        pool: &str,
        order: &Order,
        convert: Option<Convert>,
        progress: &Progress<'_>,
    ) -> Result<Brought, Failure> {
        self.open(pool)?;
        let http = Http::new(Limits::default())
            .map_err(|error| Failure::new(Exit::Storage, chain(&error)))?;
        let ask = Ask {
            pool,
            volume: &order.volume,
            default_user: order.default_user.as_deref(),
            convert,
        };
        self.bring(progress, "fetching the image", |bringer| {
            bringer.pull(ask, &http, &order.wanted)
        })
    }

    /// How the image of a VM looks now; none where it is not there.
    #[must_use]
    pub fn stamp(&self, observed: &Observed) -> Option<Stamp> {
        let image = observed.image.as_ref()?;
        Some(standing::stamp(&image.volume, self.info.local))
    }

    /// Whether a VM's image looks as it did when it was recorded, and need not be read.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn looks_known(&self, vm: &Vm, observed: &Observed) -> Result<bool, Failure> {
        let (BootSource::Volume { pool, volume }, Some(stamp)) =
            (&vm.boot_disk().source, self.stamp(observed))
        else {
            return Ok(true);
        };
        let record = self.records.read(pool, volume)?;
        Ok(record.is_none_or(|record| record.fits(&stamp)))
    }

    /// Compares an image with its record.
    ///
    /// # Errors
    /// It cannot be read, or the user does not want to wait.
    pub fn standing(
        &self,
        pool: &str,
        volume: &VolumeXml,
        reading: Reading,
        progress: &Progress<'_>,
    ) -> Result<(Standing, Option<ImageRecord>), Failure> {
        let watching = Watching {
            progress,
            interrupt: &self.interrupt,
            doing: "reading the image",
        };
        standing::standing(
            &*self.host.hypervisor,
            &self.records,
            pool,
            volume,
            self.info.local,
            reading,
            &watching,
        )
        .map_err(|error| {
            if self.interrupt.stop() {
                let message = format!("interrupted while image `{}` was read", volume.name);
                return Failure::new(Exit::Interrupted, message);
            }
            BringError::from(error).into()
        })
    }

    /// Forgets the images of a pool that are not there any more.
    ///
    /// # Errors
    /// A record cannot be removed.
    pub fn forget_gone(&self, pool: &str, there: &[Image]) -> Result<(), Failure> {
        for record in self.records.all(pool) {
            let name = &record.volume;
            if there.iter().any(|image| image.volume.name == *name) {
                continue;
            }
            // Who is bringing it just now holds its lock.
            let lock = self.records.lock(pool, name, || true);
            if let Some(_lock) = lock.map_err(BringError::from)? {
                let removed = self.records.remove(pool, name);
                removed.map_err(BringError::from)?;
            }
        }
        Ok(())
    }

    /// What pulls an image of the catalogue.
    ///
    /// # Errors
    /// The catalogue does not have it, or the keys that vouch for it cannot be read.
    pub fn order(&self, name: &str, arch: Arch) -> Result<Order, Failure> {
        let catalogue = self.program.image_catalogue()?;
        let found = catalogue
            .find(name, arch)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint(error.hint()))?;
        Self::order_of(found)
    }

    fn order_of(image: &catalogue::Image) -> Result<Order, Failure> {
        Ok(Order {
            volume: image.id(),
            default_user: image.wire().default_user.clone(),
            wanted: Wanted::of(image)?,
        })
    }

    /// What pulls the image of a VM that is to be made, where the image is not there and the catalogue has it. Where the
    /// catalogue has a name that comes near, that is noted.
    ///
    /// # Errors
    /// Something is wrong with the catalogue.
    pub fn missing(&self, vm: &Vm, observed: &mut Observed) -> Result<Option<Order>, Failure> {
        let BootSource::Volume { pool, volume } = &vm.boot_disk().source else {
            return Ok(None);
        };
        let name = vm.name().as_str();
        if observed
            .domains
            .iter()
            .any(|domain| domain.xml.name == name)
        {
            return Ok(None);
        }
        // What a killed pull has left is no image.
        let begun = |record: ImageRecord| record.arrival != Arrival::Whole;
        if observed.image.is_some() && !self.records.read(pool, volume)?.is_some_and(begun) {
            return Ok(None);
        }
        let Ok(arch) = Arch::parse(&self.info.arch) else {
            return Ok(None);
        };
        let catalogue = self.program.image_catalogue()?;
        let found = match catalogue.find(volume, arch) {
            Ok(found) => found,
            Err(error) => {
                // `debian-12.qcow2` is what the catalogue calls `debian-12`.
                let stem = volume.rsplit_once('.').map(|(stem, _)| stem);
                let meant = stem.filter(|stem| catalogue.find(stem, arch).is_ok());
                observed.near_image = meant.or(error.near()).map(str::to_owned);
                return Ok(None);
            }
        };
        Ok(Some(Order {
            // By the name that the spec has for it.
            volume: volume.clone(),
            ..Self::order_of(found)?
        }))
    }

    /// What is known of an image before it is pulled: where it will be. What it holds, nobody knows yet.
    #[must_use]
    pub fn to_come(&self, vm: &Vm, observed: &Observed) -> ImageFacts {
        let BootSource::Volume { pool, volume } = &vm.boot_disk().source else {
            return ImageFacts::default();
        };
        let folder = match observed.pools.get(pool) {
            Some(known) => known.xml.path.clone(),
            None => default_pool_path(&self.host.data_dir(&self.info), pool),
        };
        ImageFacts {
            volume: VolumeXml {
                name: volume.clone(),
                path: format!("{folder}/{volume}"),
                format: "qcow2".to_owned(),
                ..VolumeXml::default()
            },
            content: None,
        }
    }

    /// The plans that interrupted runs have left.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub fn plans(&self) -> Result<Vec<Plan>, Failure> {
        left_plans(self.host)
    }
}

/// The plans that interrupted runs have left.
///
/// # Errors
/// A journal cannot be read.
pub fn left_plans(host: &Host) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for name in journal::leftovers(&host.paths, &host.uri) {
        if let Some(journal) = Journal::open(&host.journal_dir(&name))? {
            plans.push(journal.plan().clone());
        }
    }
    Ok(plans)
}

/// Shows how far an image is, and stops it.
pub struct Watching<'a> {
    /// Where it is shown.
    pub progress: &'a Progress<'a>,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
    /// What is going on, such as `copying`.
    pub doing: &'static str,
}

impl Watch for Watching<'_> {
    fn progress(&self, received: Received) {
        let doing = self.doing;
        let done = bytes(received.received);
        self.progress.begin(match received.total {
            Some(total) => format!("{doing}, {done} of {}", bytes(total)),
            None => format!("{doing}, {done} so far"),
        });
    }
    fn again(&self, why: &DownloadError) {
        self.progress.note(format!("{}; trying again", chain(why)));
    }
    fn stopped(&self) -> bool {
        self.interrupt.stop()
    }
}

/// Reads a checksum of the command line.
///
/// # Errors
/// It is none.
pub fn checksum(text: &str) -> Result<Checksum, Failure> {
    let (algorithm, digits) = text.split_once(':').unwrap_or(("", text));
    Checksum::parse(digits)
        .filter(|sum| algorithm.is_empty() || sum.algorithm() == algorithm)
        .ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{text}` is no checksum"))
                .hint("it is sha256: with 64 hexadecimal digits, or sha512: with 128")
        })
}

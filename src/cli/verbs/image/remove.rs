//! Removing images: `delete`, `prune`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::json;
use trustnet_core::image::usage::{Chains, User};
use trustnet_core::units::bytes;
use trustnet_host::doors::VolumeRef;
use trustnet_host::error::HostError;
use trustnet_host::image::bring::{self, BringError};
use trustnet_host::image::chains;
use trustnet_host::image::place::{give_up, part_of, writable_folder};
use trustnet_host::image::standing::{Reading, Standing};
use trustnet_host::image::stray::{Strays, strays};
use trustnet_host::lock::Lock;

use crate::args::{ImageDelete, ImagePrune, Output};
use crate::failure::{Exit, Failure};
use crate::images::{Image, Images};
use crate::verbs::cache::{confirm, print};

/// What is to be removed.
#[derive(Default)]
struct Going {
    images: Vec<Image>,
    /// What killed runs have left in the pool.
    leftovers: Vec<String>,
    /// What they have left beside the pools.
    strays: Strays,
    /// Those of the images: nobody else brings one while this value lives.
    locks: BTreeMap<String, Lock>,
}

/// Deletes images that nothing stands on.
pub fn delete(images: &Images<'_>, args: &ImageDelete) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    remove(images, pool, false, &|| {
        let chains = all_chains(images)?;
        let mut going = Going::default();
        for name in &args.names {
            if going.has(name) {
                continue;
            }
            let image = images.find(pool, name)?;
            let users = chains.users(pool, &image.volume);
            if !users.is_empty() {
                return Err(in_use(pool, name, &users));
            }
            if !going.lock(images, pool, name)? {
                let message = format!(
                    "failed to delete image `{pool}/{name}`: another run brings it or reads it just now"
                );
                return Err(Failure::new(Exit::Storage, message).hint("wait until that is done"));
            }
            going.images.push(image);
        }
        Ok(going)
    })
}

fn all_chains(images: &Images<'_>) -> Result<Chains, Failure> {
    let plans = images.plans()?;
    Ok(chains::chains(
        &*images.host.hypervisor,
        &plans,
        images.info.local,
    )?)
}

fn in_use(pool: &str, name: &str, users: &[User]) -> Failure {
    let names: Vec<String> = users.iter().map(User::to_string).collect();
    let message = format!(
        "failed to delete image `{pool}/{name}`: {} {} on it",
        names.join(", "),
        if users.len() == 1 { "stands" } else { "stand" }
    );
    let unseen = |user: &User| matches!(user, User::Unseen { .. });
    Failure::new(Exit::Storage, message).hint(if users.iter().all(unseen) {
        "start the pool of that disk, or ask as a user who may read it"
    } else {
        "their disks hold only what differs from it: destroy them first"
    })
}

/// Deletes what this program brought and nothing stands on.
pub fn prune(images: &Images<'_>, args: &ImagePrune) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    remove(images, pool, args.dry_run, &|| {
        let chains = all_chains(images)?;
        let mut going = Going::default();
        let all = images.all(pool)?;
        images.forget_gone(pool, &all)?;
        for image in all {
            let name = image.volume.name.clone();
            let unused = chains.users(pool, &image.volume).is_empty();
            if unused && image.record.is_some() && going.lock(images, pool, &name)? {
                if was_brought(images, pool, &image)? {
                    going.images.push(image);
                } else {
                    let what = format!("image `{name}` stays: it is not what was brought");
                    images.program.ui.warn(what);
                }
            }
        }
        for name in parts(images, pool)? {
            if going.lock(images, pool, part_of(&name).unwrap_or_default())? {
                going.leftovers.push(name);
            }
        }
        going.strays = strays(&bring::folder(&images.host.paths.cache))?;
        Ok(going)
    })
}

/// Whether an image is what this program brought under its name, or what a killed run of it has left.
fn was_brought(images: &Images<'_>, pool: &str, image: &Image) -> Result<bool, Failure> {
    let Some(record) = &image.record else {
        return Ok(false);
    };
    let progress = images.program.ui.progress(&image.volume.name);
    let reading = Reading::WhereItLooksChanged;
    let (standing, _) = images.standing(pool, &image.volume, reading, &progress)?;
    if standing != Standing::Begun {
        return Ok(standing == Standing::Good);
    }
    images.bring(&progress, "looking", |bringer| {
        bringer.is_unfinished(record, &image.volume)
    })
}

impl Going {
    /// Takes the lock of an image, if nobody has it who brings it just now.
    fn lock(&mut self, images: &Images<'_>, pool: &str, name: &str) -> Result<bool, Failure> {
        if !self.locks.contains_key(name)
            && let Some(lock) = images
                .records
                .lock(pool, name, || true)
                .map_err(BringError::from)?
        {
            self.locks.insert(name.to_owned(), lock);
        }
        Ok(self.locks.contains_key(name))
    }

    fn has(&self, name: &str) -> bool {
        self.images.iter().any(|one| one.volume.name == name)
    }

    /// A line for each, for people.
    fn lines(&self, pool: &str) -> Vec<String> {
        let images = self.images.iter().map(|image| {
            let taken = bytes(image.volume.allocation);
            format!("image {pool}/{} ({taken})", image.volume.name)
        });
        let leftovers = self.leftovers.iter();
        let strays = self.strays.files.iter();
        images
            .chain(leftovers.map(|name| format!("leftover {pool}/{name}")))
            .chain(strays.map(|path| format!("leftover {}", path.display())))
            .collect()
    }

    /// Leaves out what was not shown.
    fn retain(&mut self, shown: &Shown) {
        self.images
            .retain(|one| shown.images.contains(&one.volume.name));
        self.leftovers.retain(|name| shown.leftovers.contains(name));
        self.strays.files.retain(|path| shown.strays.contains(path));
    }

    fn remove(&self, images: &Images<'_>, pool: &str) -> Result<(), Failure> {
        let (pools, volumes) = (
            images.host.hypervisor.pools(),
            images.host.hypervisor.volumes(),
        );
        for Image { volume, .. } in &self.images {
            // The volume first: a record of what is gone is of no harm, and is written anew with the next.
            volumes.delete(VolumeRef::Named(pool, &volume.name))?;
            let removed = images.records.remove(pool, &volume.name);
            removed.map_err(BringError::from)?;
        }
        let facts = pools.find(pool)?.unwrap_or_default();
        let folder = images
            .info
            .local
            .then(|| writable_folder(&facts.xml.kind, &facts.xml.path))
            .flatten();
        for name in &self.leftovers {
            match &folder {
                // Another user's, who is at it, stays.
                Some(folder) => {
                    let path = folder.join(name);
                    give_up(&path);
                    if fs::symlink_metadata(&path).is_ok() {
                        let why = "somebody is at it, or it is none of ours";
                        let what = format!("`{}` stays: {why}", path.display());
                        images.program.ui.warn(what);
                    }
                }
                None => volumes.delete(VolumeRef::Named(pool, name))?,
            }
        }
        if folder.is_some() && !self.leftovers.is_empty() {
            // It is refused while somebody writes to the pool; the pool sees it later then.
            let _ = pools.refresh(pool);
        }
        for path in &self.strays.files {
            let removed = fs::remove_file(path).map_err(HostError::file("remove", path));
            removed.map_err(BringError::from)?;
        }
        Ok(())
    }
}

/// The names of what goes.
struct Shown {
    images: Vec<String>,
    leftovers: Vec<String>,
    strays: Vec<PathBuf>,
    lines: Vec<String>,
    bytes: u64,
}

impl Shown {
    fn of(going: &Going, pool: &str) -> Self {
        Self {
            images: going
                .images
                .iter()
                .map(|one| one.volume.name.clone())
                .collect(),
            leftovers: going.leftovers.clone(),
            strays: going.strays.files.clone(),
            lines: going.lines(pool),
            bytes: going.images.iter().map(|one| one.volume.allocation).sum(),
        }
    }
}

/// What killed runs have left in the pool.
fn parts(images: &Images<'_>, pool: &str) -> Result<Vec<String>, Failure> {
    let contents = images.host.hypervisor.pools().contents()?;
    let ours = contents
        .into_iter()
        .filter(|(one, name)| one == pool && part_of(name).is_some());
    Ok(ours.map(|(_, name)| name).collect())
}

/// Shows what goes, asks, and removes it: what is found again under the lock of planning, so that what another run has
/// found in between is not deleted under it. Nobody waits for an answer with that lock.
fn remove(
    images: &Images<'_>,
    pool: &str,
    dry_run: bool,
    find: &dyn Fn() -> Result<Going, Failure>,
) -> Result<Exit, Failure> {
    let shown = Shown::of(&find()?, pool);
    if !dry_run && !shown.lines.is_empty() {
        let ui = &images.program.ui;
        ui.say(format!("removing from {}:", images.host.uri));
        shown
            .lines
            .iter()
            .for_each(|line| ui.say(format!("  - {line}")));
        confirm(images.program)?;
        let _planning = images.host.lock_planning(&images.interrupt)?;
        let mut going = find()?;
        going.retain(&shown);
        going.remove(images, pool)?;
    }
    let Shown {
        images: names,
        leftovers,
        strays,
        lines,
        bytes: total,
    } = shown;
    let value = json!({
        "kind": "ImagesRemoved", "dryRun": dry_run, "pool": pool,
        "images": names, "leftovers": leftovers, "strays": strays, "bytes": total,
    });
    print(images.program, &value, || {
        if images.program.settings.output.value == Output::Name {
            return names.iter().map(|name| format!("{name}\n")).collect();
        }
        if lines.is_empty() {
            return "nothing to remove\n".to_owned();
        }
        let mut text = String::new();
        if dry_run {
            lines
                .iter()
                .for_each(|line| text.push_str(&format!("{line}\n")));
        }
        let done = if dry_run { "would free" } else { "freed" };
        text.push_str(&format!("{done} {}\n", bytes(total)));
        text
    })?;
    Ok(Exit::Done)
}

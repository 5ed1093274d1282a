//! Looking after images: `verify`, `delete`, `prune`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use trustnet_core::image::usage::User;
use trustnet_core::units::bytes;
use trustnet_host::doors::VolumeRef;
use trustnet_host::error::HostError;
use trustnet_host::image::bring;
use trustnet_host::image::chains;
use trustnet_host::image::place::part_of;
use trustnet_host::image::standing::{self, Reading, Standing};
use trustnet_host::image::stray::strays;
use trustnet_host::lock::Lock;

use crate::args::{ImageDelete, ImagePrune, ImageVerify};
use crate::failure::{Exit, Failure};
use crate::images::{Image, Images, Watching};
use crate::verbs::cache::{confirm, print};

/// Reads images whole, and compares them with their records.
pub fn verify(images: &Images<'_>, args: &ImageVerify) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let wanted: Vec<Image> = if args.names.is_empty() {
        images.all(pool)?
    } else {
        let each = args.names.iter();
        each.map(|name| images.find(pool, name))
            .collect::<Result<_, _>>()?
    };
    let mut items: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut bad = 0;
    for Image { volume, .. } in &wanted {
        let progress = images.program.ui.progress(&volume.name);
        let watching = Watching {
            progress: &progress,
            interrupt: &images.interrupt,
            doing: "reading",
        };
        let (standing, record) = standing::standing(
            &*images.host.hypervisor,
            &images.records,
            pool,
            volume,
            images.info.local,
            Reading::All,
            &watching,
        )?;
        let digest = record.and_then(|record| record.sha256);
        let (word, line) = words(&standing, digest.map(|digest| digest.to_string()));
        bad += usize::from(!matches!(standing, Standing::Good | Standing::Unrecorded));
        items.push(json!({ "name": volume.name, "result": word, "sha256": digest }));
        text.push_str(&format!("{}: {line}\n", volume.name));
    }
    let value = json!({ "kind": "ImageReport", "pool": pool, "items": items });
    print(images.program, &value, || text)?;
    if bad == 0 {
        return Ok(Exit::Done);
    }
    let message = format!(
        "{bad} of {} images are not what they should be",
        wanted.len()
    );
    Err(Failure::new(Exit::Storage, message)
        .hint("`trustnet-vm image delete`, then bring them again"))
}

/// One word for machines, and a line for people.
fn words(standing: &Standing, digest: Option<String>) -> (&'static str, String) {
    let digest = digest.unwrap_or_default();
    match standing {
        Standing::Good => ("good", format!("good (sha256:{digest})")),
        Standing::Unrecorded => (
            "byHand",
            "came by hand: nothing is recorded to compare it with".to_owned(),
        ),
        Standing::Begun => ("begun", "not whole: a run was killed".to_owned()),
        Standing::Unknown => (
            "unknown",
            "written to since it was imported; its bytes were never recorded".to_owned(),
        ),
        Standing::Changed { was, is } => (
            "changed",
            format!("changed: it had sha256:{was} and has sha256:{is}"),
        ),
    }
}

/// Deletes images that nothing stands on.
pub fn delete(images: &Images<'_>, args: &ImageDelete) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let _planning = planning(images)?;
    let chains = chains::chains(
        &*images.host.hypervisor,
        &images.plans()?,
        images.info.local,
    )?;
    let mut going = Vec::new();
    for name in &args.names {
        let image = images.find(pool, name)?;
        let users = chains.users(pool, &image.volume);
        if !users.is_empty() {
            return Err(in_use(pool, name, &users));
        }
        going.push(image);
    }
    let going = Going {
        images: going,
        ..Going::default()
    };
    remove(images, pool, &going, false)
}

fn in_use(pool: &str, name: &str, users: &[User]) -> Failure {
    let users: Vec<String> = users.iter().map(User::to_string).collect();
    let message = format!(
        "failed to delete image `{pool}/{name}`: {} {} on it",
        users.join(", "),
        if users.len() == 1 { "stands" } else { "stand" }
    );
    Failure::new(Exit::Storage, message)
        .hint("their disks hold only what differs from it: destroy them first")
}

/// Deletes what this program brought and nothing stands on.
pub fn prune(images: &Images<'_>, args: &ImagePrune) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let _planning = planning(images)?;
    let chains = chains::chains(
        &*images.host.hypervisor,
        &images.plans()?,
        images.info.local,
    )?;
    let mut going = images.all(pool)?;
    going.retain(|image| image.record.is_some() && chains.users(pool, &image.volume).is_empty());
    // Who is bringing one just now holds its lock.
    let mut locks = BTreeMap::new();
    let mut free = |volume: &str| -> Result<bool, Failure> {
        if !locks.contains_key(volume)
            && let Some(lock) = images.records.lock(pool, volume, || true)?
        {
            locks.insert(volume.to_owned(), lock);
        }
        Ok(locks.contains_key(volume))
    };
    let mut unused = Vec::new();
    for image in going {
        if free(&image.volume.name)? {
            unused.push(image);
        }
    }
    let mut leftovers = Vec::new();
    for name in parts(images, pool)? {
        if free(part_of(&name).unwrap_or_default())? {
            leftovers.push(name);
        }
    }
    let strays = strays(&bring::folder(&images.host.paths.cache))?;
    let going = Going {
        images: unused,
        leftovers,
        strays: strays.files.clone(),
    };
    remove(images, pool, &going, args.dry_run)
}

/// What is to be removed.
#[derive(Default)]
struct Going {
    images: Vec<Image>,
    /// What killed runs have left in the pool.
    leftovers: Vec<String>,
    /// What they have left beside the pools.
    strays: Vec<PathBuf>,
}

impl Going {
    /// A line for each, for people.
    fn lines(&self, pool: &str) -> Vec<String> {
        let images = self.images.iter().map(|image| {
            let taken = bytes(image.volume.allocation);
            format!("image {pool}/{} ({taken})", image.volume.name)
        });
        let leftovers = self.leftovers.iter();
        let strays = self.strays.iter();
        images
            .chain(leftovers.map(|name| format!("leftover {pool}/{name}")))
            .chain(strays.map(|path| format!("leftover {}", path.display())))
            .collect()
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

/// What another run has just found there is not deleted under it.
fn planning(images: &Images<'_>) -> Result<Lock, Failure> {
    let interrupted = || Failure::new(Exit::Interrupted, "interrupted before anything was removed");
    Lock::take_unless(&images.host.planning_lock(), || images.interrupt.stop())?
        .ok_or_else(interrupted)
}

fn remove(images: &Images<'_>, pool: &str, going: &Going, dry_run: bool) -> Result<Exit, Failure> {
    let lines = going.lines(pool);
    if !dry_run && !lines.is_empty() {
        let program = images.program;
        program
            .ui
            .say(format!("removing from {}:", images.host.uri));
        lines
            .iter()
            .for_each(|line| program.ui.say(format!("  - {line}")));
        confirm(program)?;
        let volumes = images.host.hypervisor.volumes();
        for Image { volume, .. } in &going.images {
            // The volume first: a record of what is gone is of no harm, and is written anew with the next.
            volumes.delete(VolumeRef::Named(pool, &volume.name))?;
            images.records.remove(pool, &volume.name)?;
        }
        for name in &going.leftovers {
            volumes.delete(VolumeRef::Named(pool, name))?;
        }
        for path in &going.strays {
            fs::remove_file(path).map_err(HostError::file("remove", path))?;
        }
    }
    let total: u64 = going.images.iter().map(|one| one.volume.allocation).sum();
    let names: Vec<&str> = going
        .images
        .iter()
        .map(|image| image.volume.name.as_str())
        .collect();
    let value = json!({
        "kind": "ImagesRemoved", "dryRun": dry_run, "pool": pool,
        "images": names, "leftovers": going.leftovers, "strays": going.strays,
        "bytes": total,
    });
    print(images.program, &value, || {
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

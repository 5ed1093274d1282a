//! Bringing images: `import`, `pull`.

use serde_json::json;
use trustnet_core::artifact::Trust;
use trustnet_core::image::record::ImageRecord;
use trustnet_host::cache::download::{Http, Limits};
use trustnet_host::error::chain;
use trustnet_host::image::bring::{Ask, Brought};
use trustnet_host::image::pull::Wanted;

use crate::args::{ImageImport, ImagePull, Output};
use crate::failure::{Exit, Failure};
use crate::images::{Images, checksum};
use crate::verbs::cache::print;

/// Brings a file of this machine into a pool.
pub fn import(images: &Images<'_>, args: &ImageImport) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let own = args.file.file_name().and_then(|name| name.to_str());
    let name = args.name.as_deref().or(own).ok_or_else(|| {
        let message = format!("`{}` has no name to take", args.file.display());
        Failure::new(Exit::Usage, message).hint("give `--name`")
    })?;
    check_name(name)?;
    let wanted = args.checksum.as_deref().map(checksum).transpose()?;
    images.open(pool)?;
    let ask = Ask {
        pool,
        volume: name,
        default_user: None,
    };
    let progress = images.program.ui.progress(name);
    let brought = images.bring(&progress, "copying", |bringer| {
        bringer.import(ask, &args.file, wanted)
    })?;
    drop(progress);
    report(images, &brought, "imported")
}

/// Brings an image from its publisher into a pool.
pub fn pull(images: &Images<'_>, args: &ImagePull) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let name = args.name.as_deref().ok_or_else(|| {
        Failure::new(Exit::Usage, "an image from a URL needs a name").hint("give `--name`")
    })?;
    check_name(name)?;
    let sum = args.checksum.as_deref().map(checksum).transpose()?;
    let wanted = Wanted {
        url: args.from.clone(),
        mirrors: Vec::new(),
        trust: sum.map(Trust::Pinned),
        size: None,
        insecure: args.insecure_no_checksum,
    };
    images.open(pool)?;
    let http =
        Http::new(Limits::default()).map_err(|error| Failure::new(Exit::Storage, chain(&error)))?;
    let ask = Ask {
        pool,
        volume: name,
        default_user: None,
    };
    let progress = images.program.ui.progress(name);
    let brought = images.bring(&progress, "fetching", |bringer| {
        bringer.pull(ask, &http, &wanted)
    })?;
    drop(progress);
    report(images, &brought, "pulled")
}

/// A name that can be that of a file in every pool, and that is not taken for something else.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Usage, format!("no image can be called `{name}`"))
            .hint("letters, digits, `.`, `_`, `+` and `-`, and a letter or a digit first"),
    )
}

fn report(images: &Images<'_>, brought: &Brought, word: &str) -> Result<Exit, Failure> {
    let (record, result): (&ImageRecord, &str) = match brought {
        Brought::New(record) => (record, word),
        Brought::There(record) => (record, "unchanged"),
    };
    let value = json!({ "kind": "ImageResult", "result": result, "image": record });
    print(images.program, &value, || {
        if images.program.settings.output.value == Output::Name {
            return format!("{}\n", record.volume);
        }
        let ImageRecord { pool, volume, .. } = record;
        match brought {
            Brought::New(_) => format!(
                "image `{volume}` {word} into pool `{pool}`, verified by {}\n",
                record.verified.by.as_str()
            ),
            Brought::There(_) => {
                format!("image `{volume}` is in pool `{pool}` already: nothing to do\n")
            }
        }
    })?;
    Ok(Exit::Done)
}

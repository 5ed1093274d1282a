//! Bringing images: `import`, `pull`.

use std::path::Path;

use serde_json::json;
use trustnet_core::artifact::{Arch, Trust};
use trustnet_core::image::record::ImageRecord;
use trustnet_host::image::bring::{Ask, Brought, Convert, Vouch};
use trustnet_host::image::pull::Wanted;

use crate::args::{ImageForm, ImageImport, ImagePull, Output};
use crate::failure::{Exit, Failure};
use crate::images::{Images, Order, checksum};
use crate::verbs::cache::print;

/// Brings a file of this machine into a pool.
pub fn import(images: &Images<'_>, args: &ImageImport) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let convert = convert(&args.form);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => own_name(&args.file, convert.is_some())?,
    };
    let vouch = match args.checksum.as_deref().map(checksum).transpose()? {
        Some(sum) => Vouch::Checksum(sum),
        None => Vouch::Nobody,
    };
    take(images, pool, (&name, &args.file), vouch, convert)
}

/// Brings an image that was built here into a pool.
pub fn take_build(
    images: &Images<'_>,
    pool: &str,
    recipe: &str,
    file: &Path,
) -> Result<Exit, Failure> {
    take(images, pool, (recipe, file), Vouch::Build(recipe), None)
}

fn take(
    images: &Images<'_>,
    pool: &str,
    (name, file): (&str, &Path),
    vouch: Vouch<'_>,
    convert: Option<Convert>,
) -> Result<Exit, Failure> {
    check_name(name)?;
    images.open(pool)?;
    let ask = Ask {
        pool,
        volume: name,
        default_user: None,
        convert,
    };
    let progress = images.program.ui.progress(name);
    let brought = images.bring(&progress, "copying", |bringer| {
        bringer.import(ask, file, vouch)
    })?;
    drop(progress);
    report(images, &brought, "imported")
}

/// Brings an image from its publisher into a pool.
pub fn pull(images: &Images<'_>, args: &ImagePull) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let sum = args.checksum.as_deref().map(checksum).transpose()?;
    let arch = args.arch.as_deref().unwrap_or(&images.info.arch);
    let arch = Arch::parse(arch).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let foreign = arch.libvirt() != images.info.arch && arch.as_str() != images.info.arch;
    let mut order = if args.from.contains("://") {
        let name = args.name.clone().ok_or_else(|| {
            Failure::new(Exit::Usage, "an image from a URL needs a name").hint("give `--name`")
        })?;
        Order {
            volume: name,
            default_user: None,
            wanted: Wanted {
                url: args.from.clone(),
                mirrors: Vec::new(),
                trust: None,
                size: None,
                insecure: false,
            },
        }
    } else {
        let mut order = images.order(&args.from, arch)?;
        if foreign {
            // The plain name is that of the image for this hypervisor's guests.
            order.volume = format!("{}-{arch}", order.volume);
        }
        order
    };
    if let Some(name) = &args.name {
        order.volume.clone_from(name);
    }
    if let Some(sum) = sum {
        order.wanted.trust = Some(Trust::Pinned(sum));
    }
    order.wanted.insecure = args.insecure_no_checksum;
    check_name(&order.volume)?;
    let progress = images.program.ui.progress(&order.volume);
    let brought = images.pull(pool, &order, convert(&args.form), &progress)?;
    drop(progress);
    report(images, &brought, "pulled")
}

fn convert(form: &ImageForm) -> Option<Convert> {
    if form.compress {
        Some(Convert::Compressed)
    } else {
        form.convert.then_some(Convert::Plain)
    }
}

/// The name that a file gives to its image.
fn own_name(file: &Path, converted: bool) -> Result<String, Failure> {
    let name = file.file_name().and_then(|name| name.to_str());
    let mut name = name.ok_or_else(|| {
        let message = format!("`{}` has no name to take", file.display());
        Failure::new(Exit::Usage, message).hint("give `--name`")
    })?;
    for packing in [".xz", ".gz", ".zst", ".bz2"] {
        name = name.strip_suffix(packing).unwrap_or(name);
    }
    let formats = [".raw", ".vmdk", ".vdi", ".vhd", ".vhdx"];
    let stem = formats.iter().find_map(|format| name.strip_suffix(format));
    Ok(match stem.filter(|_| converted) {
        Some(stem) => format!("{stem}.qcow2"),
        None => name.to_owned(),
    })
}

/// The longest name of an image: a file's has at most 255 bytes, and on its way it has more in it.
const LONGEST_NAME: usize = 200;

/// A name that can be that of a file in every pool, and that is not taken for something else.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let fits = name.len() <= LONGEST_NAME;
    if fits && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Usage, format!("no image can be called `{name}`")).hint(format!(
            "letters, digits, `.`, `_`, `+` and `-`, at most {LONGEST_NAME}, and a letter or a digit first"
        )),
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

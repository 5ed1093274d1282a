//! Looking after images: `verify`.

use serde_json::{Value, json};
use trustnet_host::image::bring::BringError;
use trustnet_host::image::standing::{Reading, Standing};

use crate::args::{ImageVerify, Output};
use crate::failure::{Exit, Failure};
use crate::images::{Image, Images};
use crate::verbs::cache::print;

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
        // Nobody deletes it or brings it anew while it is read.
        let _lock = images
            .records
            .lock(pool, &volume.name, || images.interrupt.stop())
            .map_err(BringError::from)?;
        let (standing, record) = images.standing(pool, volume, Reading::All, &progress)?;
        let digest = record.and_then(|record| record.sha256);
        let (word, line) = words(&standing, digest.map(|digest| digest.to_string()));
        bad += usize::from(!matches!(standing, Standing::Good | Standing::Unrecorded));
        items.push(json!({ "name": volume.name, "result": word, "sha256": digest }));
        text.push_str(&format!("{}: {line}\n", volume.name));
    }
    let value = json!({ "kind": "ImageReport", "pool": pool, "items": items });
    print(images.program, &value, || {
        match images.program.settings.output.value {
            Output::Name => wanted
                .iter()
                .map(|one| format!("{}\n", one.volume.name))
                .collect(),
            _ => text,
        }
    })?;
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

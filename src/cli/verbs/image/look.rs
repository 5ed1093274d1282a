//! Looking at images: `list`, `info`.

use serde::Serialize;
use serde_json::{Value, json};
use trustnet_core::artifact::{Arch, Digest, Verified};
use trustnet_core::image::record::Arrival;
use trustnet_core::image::usage::{Chains, User};
use trustnet_core::units::bytes;
use trustnet_host::image::{chains, standing};

use crate::args::{ImageInfo, ImageList, Output};
use crate::failure::{Exit, Failure};
use crate::images::{Image, Images};
use crate::table;
use crate::verbs::cache::print;

/// A row of the list: the stable form of `image list -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    pool: String,
    path: String,
    format: String,
    /// Bytes of the disk as a guest sees it.
    virtual_size: u64,
    /// Bytes that it takes in the pool.
    allocation: u64,
    /// The digest of its bytes, where it is recorded.
    sha256: Option<Digest>,
    /// Where it came from; none for what came by hand.
    source: Option<String>,
    verified: Option<Verified>,
    when: Option<String>,
    default_user: Option<String>,
    /// `whole`, `begun` for what a killed run has left, `byHand` for what this program did not bring, `changed` for what
    /// does not look as it did when it was brought.
    arrival: &'static str,
    /// The file that it stands on; an image that this program brought stands on none.
    backing: Option<String>,
    /// Who stands on it.
    used_by: Vec<User>,
}

impl Row {
    fn of(pool: &str, image: Image, chains: &Chains, local: bool) -> Self {
        let Image { volume, record } = image;
        let used_by = chains.users(pool, &volume);
        let arrival = match record.as_ref() {
            None => "byHand",
            Some(record) if record.arrival != Arrival::Whole => "begun",
            Some(record) if record.fits(&standing::stamp(&volume, local)) => "whole",
            Some(_) => "changed",
        };
        let known = record.as_ref();
        Self {
            pool: pool.to_owned(),
            sha256: known.and_then(|record| record.sha256),
            source: known.map(|record| record.source.clone()),
            verified: known.map(|record| record.verified.clone()),
            when: known.map(|record| record.when.clone()),
            default_user: known.and_then(|record| record.default_user.clone()),
            arrival,
            used_by,
            name: volume.name,
            path: volume.path,
            format: volume.format,
            virtual_size: volume.capacity,
            allocation: volume.allocation,
            backing: volume.backing,
        }
    }

    /// Who vouched for it, in words.
    fn vouched(&self) -> String {
        match (&self.verified, self.arrival) {
            (_, "begun") => "not whole".to_owned(),
            (_, "changed") => "looks changed: `image verify`".to_owned(),
            (Some(verified), _) => verified.by.as_str().to_owned(),
            (None, _) => "came by hand".to_owned(),
        }
    }
}

/// Lists images.
pub fn list(images: &Images<'_>, args: &ImageList) -> Result<Exit, Failure> {
    if args.available {
        return available(images);
    }
    let program = images.program;
    let pool = images.pool(args.place.pool.as_deref());
    let all = images.all(pool)?;
    let chains = chains::chains(
        &*images.host.hypervisor,
        &images.plans()?,
        images.info.local,
    )?;
    let rows: Vec<Row> = all
        .into_iter()
        .map(|image| Row::of(pool, image, &chains, images.info.local))
        .collect();
    let value = json!({ "kind": "ImageList", "items": rows });
    print(program, &value, || {
        if program.settings.output.value == Output::Name {
            return rows.iter().map(|row| format!("{}\n", row.name)).collect();
        }
        let wide = program.settings.output.value == Output::Wide;
        let mut headers = vec!["NAME", "FORMAT", "SIZE", "TAKES", "USED BY", "VERIFIED BY"];
        if wide {
            headers.extend(["DIGEST", "WHEN", "SOURCE"]);
        }
        let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, wide)).collect();
        let headers = (!program.no_headers).then_some(headers.as_slice());
        table::lay_out(headers, &cells)
    })?;
    Ok(Exit::Done)
}

/// Lists what the catalogue has for the hypervisor's architecture.
fn available(images: &Images<'_>) -> Result<Exit, Failure> {
    let program = images.program;
    let catalogue = program.image_catalogue()?;
    let fits = |arch: Arch| arch.as_str() == images.info.arch || arch.libvirt() == images.info.arch;
    let found: Vec<_> = catalogue.iter().filter(|one| fits(one.arch())).collect();
    let items: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "id": one.id(), "name": one.name(), "version": one.version(),
                "arch": one.arch().as_str(), "url": one.wire().url, "digest": one.wire().digest,
                "defaultUser": one.wire().default_user,
            })
        })
        .collect();
    let value = json!({ "kind": "AvailableImageList", "items": items });
    print(program, &value, || {
        if program.settings.output.value == Output::Name {
            return found.iter().map(|one| format!("{}\n", one.id())).collect();
        }
        let cells: Vec<Vec<String>> = found
            .iter()
            .map(|one| {
                let vouched = match one.wire().digest {
                    Some(_) => "its digest",
                    None => "the publisher's checksums",
                };
                let user = one.wire().default_user.clone();
                vec![
                    one.id(),
                    user.unwrap_or_else(|| "-".to_owned()),
                    vouched.to_owned(),
                    one.wire().url.clone(),
                ]
            })
            .collect();
        let headers = ["NAME", "USER", "VERIFIED BY", "URL"];
        let headers = (!program.no_headers).then_some(headers.as_slice());
        table::lay_out(headers, &cells)
    })?;
    Ok(Exit::Done)
}

fn cells(row: &Row, wide: bool) -> Vec<String> {
    let users = match row.used_by.len() {
        0 => "-".to_owned(),
        1 | 2 => in_words(&row.used_by).replace('`', ""),
        count => format!("{count} users"),
    };
    let mut cells = vec![
        row.name.clone(),
        row.format.clone(),
        bytes(row.virtual_size),
        bytes(row.allocation),
        users,
        row.vouched(),
    ];
    if wide {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        cells.push(or_none(row.sha256.map(|digest| digest.short())));
        cells.push(or_none(row.when.clone()));
        cells.push(or_none(row.source.clone()));
    }
    cells
}

/// Shows all that is known of an image.
pub fn info(images: &Images<'_>, args: &ImageInfo) -> Result<Exit, Failure> {
    let pool = images.pool(args.place.pool.as_deref());
    let image = images.find(pool, &args.name)?;
    let chains = chains::chains(
        &*images.host.hypervisor,
        &images.plans()?,
        images.info.local,
    )?;
    let row = Row::of(pool, image, &chains, images.info.local);
    let mut value = json!(row);
    value["kind"] = json!("Image");
    print(images.program, &value, || {
        if images.program.settings.output.value == Output::Name {
            return format!("{}\n", row.name);
        }
        let verified = row.verified.as_ref();
        let detail = verified.and_then(|verified| verified.detail.clone());
        let rows = [
            ("name", Some(row.name.clone())),
            ("pool", Some(row.pool.clone())),
            ("path", Some(row.path.clone())),
            ("format", Some(row.format.clone())),
            ("size", Some(bytes(row.virtual_size))),
            ("takes", Some(bytes(row.allocation))),
            ("stands on", row.backing.clone()),
            (
                "digest",
                row.sha256.map(|digest| format!("sha256:{digest}")),
            ),
            ("source", row.source.clone()),
            ("verified by", Some(row.vouched())),
            ("", detail),
            ("when", row.when.clone()),
            ("default user", row.default_user.clone()),
            ("used by", Some(users(&row))),
        ];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .filter_map(|(key, value)| Some(vec![key.to_owned(), value?]))
            .collect();
        table::lay_out(None, &rows)
    })?;
    Ok(Exit::Done)
}

fn users(row: &Row) -> String {
    if row.used_by.is_empty() {
        "nobody".to_owned()
    } else {
        in_words(&row.used_by)
    }
}

fn in_words(users: &[User]) -> String {
    let users: Vec<String> = users.iter().map(User::to_string).collect();
    users.join(", ")
}

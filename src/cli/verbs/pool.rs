//! `pool list`, `pool info`: which pools there are, and what is in them.

use serde::Serialize;
use serde_json::json;
use trustnet_core::observed::PoolFacts;
use trustnet_core::pool::{self, References};
use trustnet_core::suggest::nearest;
use trustnet_core::units::bytes;
use trustnet_core::vm::IMAGE_POOL;
use trustnet_core::xml::VolumeXml;
use trustnet_host::doors::ListedPool;

use super::get::serialise;
use super::pool_change;
use crate::args::{Output, PoolVerb};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::{Program, table};

/// Runs a verb of pools.
///
/// # Errors
/// As for each.
pub fn run(program: &Program, verb: &PoolVerb) -> Result<Exit, Failure> {
    match verb {
        PoolVerb::List => list(program),
        PoolVerb::Info(args) => info(program, &args.name),
        PoolVerb::Add(args) => pool_change::add(program, args),
        PoolVerb::Delete(args) => pool_change::delete(program, &args.name),
        PoolVerb::Refresh(args) => pool_change::refresh(program, args),
    }
}

/// A pool: the stable form of `pool list -o json`. Sizes are in bytes; none of a pool that is not active.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its name.
    pub name: String,
    /// libvirt's word for the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `active` or `inactive`.
    pub state: &'static str,
    /// Bytes in all.
    pub capacity: Option<u64>,
    /// Bytes that are taken.
    pub allocation: Option<u64>,
    /// Bytes that are free.
    pub available: Option<u64>,
    /// Whether it starts with the daemon.
    pub autostart: bool,
    /// The directory of its volumes; none where they are not files or devices.
    pub path: Option<String>,
    /// Where it comes from; none for a directory.
    pub source: Option<String>,
}

impl From<&ListedPool> for Row {
    fn from(pool: &ListedPool) -> Self {
        let ListedPool { name, facts, .. } = pool;
        let size = |size: u64| facts.active.then_some(size);
        let said = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            name: name.clone(),
            kind: facts.xml.kind.clone(),
            state: if facts.active { "active" } else { "inactive" },
            capacity: size(facts.capacity),
            allocation: size(facts.allocation),
            available: size(facts.available),
            autostart: pool.autostart,
            path: said(facts.xml.path.clone()),
            source: said(facts.xml.source.to_string()),
        }
    }
}

/// A size in a table.
pub fn shown(size: Option<u64>) -> String {
    size.map_or_else(|| "-".to_owned(), bytes)
}

/// The share of a pool that is taken, in percent.
pub fn share(facts: &PoolFacts) -> String {
    if !facts.active || facts.capacity == 0 {
        return "-".to_owned();
    }
    let percent = u128::from(facts.allocation) * 100 / u128::from(facts.capacity);
    format!("{percent} %")
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn list(program: &Program) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let pools = host.hypervisor.pools().list()?;
    let rows: Vec<Row> = pools.iter().map(Row::from).collect();
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => {
            let wide = form == Output::Wide;
            let mut headers = vec![
                "NAME",
                "TYPE",
                "STATE",
                "CAPACITY",
                "ALLOCATED",
                "AVAILABLE",
            ];
            headers.extend(["AUTOSTART", "PATH"]);
            if wide {
                headers.push("SOURCE");
            }
            let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, wide)).collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &cells));
        }
        Output::Name => rows
            .iter()
            .for_each(|row| program.ui.result(format!("{}\n", row.name))),
        form => {
            let value = json!({ "kind": "PoolList", "items": rows });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}

fn cells(row: &Row, wide: bool) -> Vec<String> {
    let mut cells = vec![
        row.name.clone(),
        row.kind.clone(),
        row.state.to_owned(),
        shown(row.capacity),
        shown(row.allocation),
        shown(row.available),
        yes_no(row.autostart),
        or_dash(row.path.as_ref()),
    ];
    if wide {
        cells.push(or_dash(row.source.as_ref()));
    }
    cells
}

/// A pool of that name.
///
/// # Errors
/// There is none.
pub fn find(host: &Host, name: &str) -> Result<ListedPool, Failure> {
    let mut pools = host.hypervisor.pools().list()?;
    if let Some(place) = pools.iter().position(|pool| pool.name == name) {
        return Ok(pools.swap_remove(place));
    }
    let failure = Failure::new(
        Exit::Storage,
        format!("there is no storage pool `{name}` on {}", host.uri),
    );
    let names = pools.iter().map(|pool| pool.name.as_str());
    Err(match nearest(name, names) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`trustnet-vm pool list` shows what there is"),
    })
}

/// The volumes of a pool that is active, by name.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn volumes(host: &Host, pool: &str) -> Result<Vec<VolumeXml>, Failure> {
    let mut found = host.hypervisor.volumes().list(pool)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// A volume of a pool: the stable form of `pool info -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    /// `disk`, `image`, `cache disk` or `other`.
    purpose: &'static str,
    format: String,
    /// Bytes as the guest sees them.
    capacity: u64,
    /// Bytes that it takes.
    allocation: u64,
    /// The domains that use it.
    used_by: Vec<String>,
}

fn info(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let pool = find(&host, name)?;
    let capabilities = host.hypervisor.survey().pools()?;
    let formats = capabilities.and_then(|mut all| all.remove(&pool.facts.xml.kind));
    let formats = formats.map(|known| known.formats).unwrap_or_default();
    let found = if pool.facts.active {
        volumes(&host, name)?
    } else {
        Vec::new()
    };
    let domains = host.hypervisor.survey().domains()?;
    let mut references = References::of_domains(&domains);
    references.and_of_volumes(&found);
    let users = pool::users(name, &pool.facts, &domains);
    let images = [IMAGE_POOL, &program.settings.image_pool.value];
    let volumes = found.iter().map(|volume| Volume {
        name: volume.name.clone(),
        purpose: references
            .judge((name, &pool.facts), volume, &images)
            .0
            .as_str(),
        format: volume.format.clone(),
        capacity: volume.capacity,
        allocation: volume.allocation,
        used_by: users
            .iter()
            .filter(|user| user.volumes.contains(&volume.name))
            .map(|user| user.domain.clone())
            .collect(),
    });
    let volumes: Vec<Volume> = volumes.collect();
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            program.ui.result(describe(&pool, &formats, &volumes));
        }
        Output::Name => program.ui.result(format!("{name}\n")),
        form => {
            let mut value = json!(Row::from(&pool));
            value["kind"] = json!("Pool");
            value["formats"] = json!(formats);
            value["volumes"] = json!(volumes);
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}

fn describe(pool: &ListedPool, formats: &[String], volumes: &[Volume]) -> String {
    let row = Row::from(pool);
    let formats = match formats {
        [] => "raw".to_owned(),
        all => all.join(", "),
    };
    let taken = row.allocation.map_or_else(
        || "-".to_owned(),
        |size| format!("{} ({})", bytes(size), share(&pool.facts)),
    );
    let facts = [
        ("Name:", row.name.clone()),
        ("Type:", row.kind.clone()),
        ("State:", row.state.to_owned()),
        ("Autostart:", yes_no(row.autostart)),
        ("Path:", or_dash(row.path.as_ref())),
        ("Source:", or_dash(row.source.as_ref())),
        ("Capacity:", shown(row.capacity)),
        ("Allocated:", taken),
        ("Available:", shown(row.available)),
        ("Formats:", formats),
    ];
    let rows = facts.map(|(key, value)| vec![key.to_owned(), value]);
    let mut text = table::lay_out(None, &rows);
    if volumes.is_empty() {
        return text;
    }
    let cells = volumes.iter().map(|volume| {
        let users = Some(volume.used_by.join(", ")).filter(|text| !text.is_empty());
        vec![
            format!("  {}", volume.name),
            volume.purpose.to_owned(),
            volume.format.clone(),
            bytes(volume.capacity),
            bytes(volume.allocation),
            or_dash(users.as_ref()),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let headers = [
        "  VOLUME",
        "PURPOSE",
        "FORMAT",
        "SIZE",
        "ALLOCATED",
        "USED BY",
    ];
    text.push_str("Volumes:\n");
    text.push_str(&table::lay_out(Some(&headers), &cells));
    text
}

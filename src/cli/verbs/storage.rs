//! `storage status`: all pools, what is in them, and what no VM uses.

use serde::Serialize;
use serde_json::json;
use trustnet_core::pool::{Purpose, References};
use trustnet_core::units::bytes;
use trustnet_core::vm::IMAGE_POOL;
use trustnet_core::xml::VolumeXml;
use trustnet_host::doors::ListedPool;

use super::get::serialise;
use super::pool::{self, Row, share, shown};
use crate::args::{Output, StorageVerb};
use crate::failure::{Exit, Failure};
use crate::{Program, table};

/// Runs a verb of storage.
///
/// # Errors
/// The hypervisor does not answer.
pub fn run(program: &Program, verb: &StorageVerb) -> Result<Exit, Failure> {
    match verb {
        StorageVerb::Status => status(program),
    }
}

/// A pool with what is in it: the stable form of `storage status -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stock {
    #[serde(flatten)]
    pool: Row,
    images: Share,
    disks: Share,
    cache_disks: Share,
    /// What no VM uses, images and cache disks among it.
    unused: Vec<Unused>,
}

/// Volumes that are for one thing.
#[derive(Debug, Default, Serialize)]
struct Share {
    count: usize,
    /// Bytes that they take.
    bytes: u64,
}

/// A volume that no VM uses.
#[derive(Debug, Serialize)]
struct Unused {
    volume: String,
    /// `image`, `cache disk` or `other`.
    purpose: &'static str,
    /// Bytes that it takes.
    bytes: u64,
}

fn status(program: &Program) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let pools = host.hypervisor.pools().list()?;
    let mut contents = Vec::new();
    for pool in &pools {
        contents.push(if pool.facts.active {
            pool::volumes(&host, &pool.name)?
        } else {
            Vec::new()
        });
    }
    let mut references = References::of_domains(&host.hypervisor.survey().domains()?);
    contents
        .iter()
        .for_each(|volumes| references.and_of_volumes(volumes));
    let images = [IMAGE_POOL, &program.settings.image_pool.value];
    let all = pools.iter().zip(&contents);
    let stocks: Vec<Stock> = all
        .map(|(pool, volumes)| stock(pool, volumes, &references, &images))
        .collect();
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(describe(program, &pools, &stocks)),
        Output::Name => stocks
            .iter()
            .for_each(|stock| program.ui.result(format!("{}\n", stock.pool.name))),
        form => {
            let value = json!({ "kind": "StorageStatus", "items": stocks });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}

fn stock(
    pool: &ListedPool,
    volumes: &[VolumeXml],
    references: &References,
    images: &[&str],
) -> Stock {
    let mut stock = Stock {
        pool: Row::from(pool),
        images: Share::default(),
        disks: Share::default(),
        cache_disks: Share::default(),
        unused: Vec::new(),
    };
    for volume in volumes {
        let (purpose, used) = references.judge((&pool.name, &pool.facts), volume, images);
        let share = match purpose {
            Purpose::Disk => Some(&mut stock.disks),
            Purpose::Image => Some(&mut stock.images),
            Purpose::CacheDisk => Some(&mut stock.cache_disks),
            Purpose::Other => None,
        };
        if let Some(share) = share {
            share.count += 1;
            share.bytes += volume.allocation;
        }
        if !used {
            stock.unused.push(Unused {
                volume: volume.name.clone(),
                purpose: purpose.as_str(),
                bytes: volume.allocation,
            });
        }
    }
    stock
}

fn describe(program: &Program, pools: &[ListedPool], stocks: &[Stock]) -> String {
    let counted = |count: usize, size: u64| match count {
        0 => "-".to_owned(),
        count => format!("{count} ({})", bytes(size)),
    };
    let cells = pools.iter().zip(stocks).map(|(pool, stock)| {
        let unused = stock.unused.iter().map(|one| one.bytes).sum();
        vec![
            stock.pool.name.clone(),
            stock.pool.kind.clone(),
            stock.pool.state.to_owned(),
            shown(stock.pool.capacity),
            shown(stock.pool.allocation),
            shown(stock.pool.available),
            share(&pool.facts),
            counted(stock.images.count, stock.images.bytes),
            counted(stock.disks.count, stock.disks.bytes),
            counted(stock.cache_disks.count, stock.cache_disks.bytes),
            counted(stock.unused.len(), unused),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let headers = [
        "POOL",
        "TYPE",
        "STATE",
        "CAPACITY",
        "ALLOCATED",
        "AVAILABLE",
        "USE",
        "IMAGES",
        "DISKS",
        "CACHE DISKS",
        "UNUSED",
    ];
    let headers = (!program.no_headers).then_some(headers.as_slice());
    let mut text = table::lay_out(headers, &cells);
    let mut lines = Vec::new();
    for stock in stocks {
        let name = &stock.pool.name;
        lines.extend(stock.unused.iter().map(|one| {
            vec![
                format!("  {name}/{}", one.volume),
                one.purpose.to_owned(),
                bytes(one.bytes),
            ]
        }));
    }
    if program.settings.output.value == Output::Wide && !lines.is_empty() {
        text.push_str("no VM uses:\n");
        text.push_str(&table::lay_out(None, &lines));
    }
    text
}

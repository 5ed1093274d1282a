//! `cache fetch`: what services need is brought into the cache, and locked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::guest_os;
use trustnet_core::lockfile::Demand;
use trustnet_core::service::Instance;
use trustnet_core::units::bytes;

use super::print;
use crate::args::CacheFetch;
use crate::failure::{Exit, Failure};
use crate::prepare::{Got, Preparer};
use crate::{Program, specs};

/// Services, the folder of their lock, and the distribution of their guest.
struct Ask {
    services: Vec<Instance>,
    folder: PathBuf,
    os: Option<String>,
    /// Whether documents ask, and not the command line.
    documents: bool,
}

/// Fetches.
pub fn run(program: &Program, args: &CacheFetch) -> Result<Exit, Failure> {
    let interrupt = crate::interruption()?;
    let arch = args.arch.as_deref().unwrap_or(std::env::consts::ARCH);
    let preparer = Preparer::new(program, arch, args.offline, &interrupt)?.update(args.update);
    let mut got: Vec<Got> = Vec::new();
    let asks = asks(program, args)?;
    let each = asks.iter().map(|ask| {
        let services = ask.services.as_slice();
        (services, ask.folder.as_path(), ask.os.clone())
    });
    preparer.refuse_missing(each, &program.ui.progress("cache"))?;
    for ask in &asks {
        let progress = program.ui.progress("cache");
        let folder = &ask.folder;
        got.extend(preparer.fetch(&ask.services, folder, ask.os.as_deref(), &progress)?);
    }
    if args.update {
        forget_unwanted(program, &preparer, &asks)?;
    }
    let items: Vec<_> = got
        .iter()
        .map(|one| {
            json!({
                "service": one.service,
                "version": one.version,
                "name": one.name,
                "files": one.files,
                "bytes": one.bytes,
                "fetched": one.fetched,
            })
        })
        .collect();
    print(
        program,
        &json!({ "kind": "FetchList", "items": items }),
        || words(&got),
    )?;
    Ok(Exit::Done)
}

/// Takes out of the locks what neither what was given asks for, nor any other document beside a lock. Where
/// the command line asks for services, only those are looked at.
fn forget_unwanted(
    program: &Program,
    preparer: &Preparer<'_>,
    asks: &[Ask],
) -> Result<(), Failure> {
    let catalogue = program.catalogue()?;
    let folders: BTreeSet<&Path> = asks.iter().map(|ask| ask.folder.as_path()).collect();
    for folder in folders {
        let here = || asks.iter().filter(|ask| ask.folder == folder);
        // What cannot be read may ask for anything.
        let Some(beside) = specs::services_beside(folder) else {
            continue;
        };
        let mut demands: Vec<Demand> = here()
            .flat_map(|ask| &ask.services)
            .map(Instance::demand)
            .collect();
        for wire in beside {
            if let Ok(definition) = catalogue.find(&wire.name) {
                demands.push(Instance::bare(definition, wire).demand());
            }
        }
        let all = here().any(|ask| ask.documents);
        let named: BTreeSet<&str> = here()
            .flat_map(|ask| &ask.services)
            .map(Instance::name)
            .collect();
        preparer.forget(folder, &demands, |service| all || named.contains(service))?;
    }
    Ok(())
}

fn words(got: &[Got]) -> String {
    let mut text = String::new();
    for one in got {
        let word = if one.fetched { "fetched" } else { "was there" };
        let files = if one.files == 1 {
            "1 file".to_owned()
        } else {
            format!("{} files", one.files)
        };
        let Got {
            service,
            version,
            name,
            ..
        } = one;
        text.push_str(&format!(
            "{service} {version} {name}: {word} ({files}, {})\n",
            bytes(one.bytes)
        ));
    }
    text
}

fn asks(program: &Program, args: &CacheFetch) -> Result<Vec<Ask>, Failure> {
    let mut asks = Vec::new();
    if !args.filename.is_empty() {
        for spec in specs::load(program, &args.filename)? {
            asks.push(Ask {
                os: args.os.clone().or_else(|| guest_os::of(spec.vm.wire())),
                services: spec.services,
                folder: spec.folder,
                documents: true,
            });
        }
    }
    if !args.service.is_empty() {
        let catalogue = program.catalogue()?;
        let mut services = Vec::new();
        for name in &args.service {
            let (name, version) = match name.split_once('@') {
                Some((name, version)) => (name, Some(version.to_owned())),
                None => (name.as_str(), None),
            };
            let definition = catalogue.find(name).map_err(|hint| {
                Failure::new(Exit::Spec, format!("there is no service `{name}`")).hint(hint)
            })?;
            let wire = ServiceRef {
                name: name.to_owned(),
                version,
                ..ServiceRef::default()
            };
            services.push(Instance::bare(definition, wire));
        }
        let folder = args
            .lock_dir
            .clone()
            .unwrap_or_else(|| Path::new(".").to_owned());
        asks.push(Ask {
            services,
            folder,
            os: args.os.clone(),
            documents: false,
        });
    }
    Ok(asks)
}

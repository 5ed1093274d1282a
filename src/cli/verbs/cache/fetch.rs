//! `cache fetch`: what services need is brought into the cache, and locked.

use std::path::{Path, PathBuf};

use serde_json::json;
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::guest_os;
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
    for ask in asks {
        let progress = program.ui.progress("cache");
        let folder = &ask.folder;
        got.extend(preparer.fetch(&ask.services, folder, ask.os.as_deref(), &progress)?);
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
        });
    }
    Ok(asks)
}

//! Who keeps a zone, from flags and configuration to the provider.

use std::path::Path;

use trustnet_api::dns::DnsSection;
use trustnet_api::secret::ValueFrom;
use trustnet_core::vm::VmName;
use trustnet_host::dns::{self, Names, Provider};
use trustnet_host::secrets::{Keep, Sources};

use crate::Program;
use crate::env::Env;
use crate::failure::{Exit, Failure};
use crate::settings;

/// `dns:` of the configuration; its files are found from anywhere.
///
/// # Errors
/// The configuration cannot be read.
pub fn configured(env: &Env) -> Result<Option<DnsSection>, Failure> {
    let Some((path, mut section)) = settings::dns(env)? else {
        return Ok(None);
    };
    rooted(
        &mut section,
        path.parent().unwrap_or_else(|| Path::new("/")),
    );
    Ok(Some(section))
}

/// Makes the files that a section of a file names mean the same from everywhere.
pub fn rooted(section: &mut DnsSection, folder: &Path) {
    let keys = section.tsig.as_mut().map(|tsig| &mut tsig.key_from);
    for from in keys.into_iter().chain(section.token_from.as_mut()) {
        match from {
            ValueFrom::File(path) => *path = beside(folder, path),
            ValueFrom::Age(age) => age.file = beside(folder, &age.file),
            ValueFrom::Env(_) | ValueFrom::Generate(_) => {}
        }
    }
}

fn beside(folder: &Path, path: &str) -> String {
    folder.join(path).to_string_lossy().into_owned()
}

/// The provider of a section; none where the zone is kept by hand.
///
/// # Errors
/// The section lacks something, or its secret cannot be read.
pub fn provider(
    program: &Program,
    section: &DnsSection,
    names: &Names,
) -> Result<Option<Box<dyn Provider>>, Failure> {
    let var = |name: &str| program.env.var(name);
    let sources = Sources {
        folder: Path::new(""),
        paths: program.env.paths()?,
        var: &var,
        keep: Keep::No,
    };
    // Secrets are asked for by the name of whom they are of; this one is of no VM.
    let whose =
        VmName::parse("dns").map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let read = |from: &ValueFrom| match from {
        ValueFrom::Generate(_) => {
            Err("a key or a token is given by somebody: it cannot be generated".into())
        }
        from => sources.read(&whose, from).map_err(Into::into),
    };
    Ok(dns::provider(section, names, &read)?)
}

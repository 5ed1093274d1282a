//! The secrets of a service.

use std::collections::BTreeMap;

use trustnet_api::secret::{Alphabet, Generate, SecretString, ValueFrom};
use trustnet_api::service::ServiceSecret;
use trustnet_core::masks::SHORTEST;
use trustnet_core::service::Instance;
use trustnet_core::vm::VmName;
use trustnet_host::secrets::{Keep, Sources};

use super::{Asked, Preparer};
use crate::failure::{Exit, Failure};

impl Preparer<'_> {
    pub(super) fn secrets(
        &self,
        asked: &Asked<'_>,
        instance: &Instance,
        keep: Keep,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let var = |name: &str| self.program.env.var(name);
        let sources = Sources {
            folder: asked.folder,
            paths: self.program.env.paths()?,
            var: &var,
            keep,
        };
        let secrets = instance.definition.spec().secrets.iter();
        secrets
            .map(|(name, secret)| {
                let value = secret_of(&sources, asked.name, instance, (name, secret))?;
                Ok((name.clone(), value))
            })
            .collect()
    }

    /// The secrets of a service, as far as they are known, to be masked in what is said.
    #[must_use]
    pub fn known_secrets(&self, asked: &Asked<'_>, instance: &Instance) -> Vec<String> {
        let var = |name: &str| self.program.env.var(name);
        let Ok(paths) = self.program.env.paths() else {
            return Vec::new();
        };
        let sources = Sources {
            folder: asked.folder,
            paths,
            var: &var,
            keep: Keep::No,
        };
        let secrets = instance.definition.spec().secrets.iter();
        secrets
            .filter_map(|one| secret_of(&sources, asked.name, instance, one).ok())
            .collect()
    }
}

/// The value of one secret of a service.
fn secret_of(
    sources: &Sources<'_>,
    vm: &VmName,
    instance: &Instance,
    (name, secret): (&String, &ServiceSecret),
) -> Result<String, Failure> {
    let value = match instance.wire.secrets.get(name) {
        Some(SecretString::Inline(value)) => value.clone(),
        Some(SecretString::ValueFrom(from)) => sources.read(vm, from)?,
        Some(SecretString::Redacted(_)) => return Err(not_kept(instance.name(), name)),
        None => sources.read(vm, &generated(instance.name(), name, secret.length))?,
    };
    if value.trim().len() < SHORTEST {
        return Err(Failure::new(
            Exit::Spec,
            format!(
                "secret `{name}` of `{}` has fewer than {SHORTEST} bytes, and could not be kept out of logs",
                instance.name()
            ),
        )
        .hint("give a longer one, or none: then one is generated"));
    }
    Ok(value)
}

/// Why a secret that stood in a spec is not known any more.
#[must_use]
pub fn not_kept(service: &str, name: &str) -> Failure {
    Failure::new(
        Exit::Spec,
        format!("secret `{name}` of `{service}` was given in the spec itself, and is not kept"),
    )
    .hint("provision with the spec's file, or give the secret by `valueFrom`")
}

/// A secret that nobody gave: made once, and kept.
fn generated(service: &str, name: &str, length: Option<u32>) -> ValueFrom {
    ValueFrom::Generate(Generate {
        name: format!("{service}.{name}"),
        length,
        alphabet: Some(Alphabet::Alphanumeric),
        shared: None,
    })
}

//! The registries of a file: its other documents may name them, or mean them.

use trustnet_api::network::{REGISTRY_PORT, RegistryRole};
use trustnet_api::registry::Registry;
use trustnet_api::secret::ValueFrom;

use super::fields;
use crate::network::Endpoint;
use crate::problem::Problem;

/// The registries of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Siblings(Vec<Sibling>);

/// A registry of the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sibling {
    pub name: String,
    pub role: RegistryRole,
    pub domain: String,
    pub at: Endpoint,
    /// Where its join token is from, if it says that.
    pub token: Option<ValueFrom>,
    /// The administrator's public key, if it says that.
    pub administrator: Option<String>,
}

impl Siblings {
    /// Those of these documents whose address can be read; what is wrong with the others is told of them.
    pub fn of<'a>(registries: impl IntoIterator<Item = &'a Registry>) -> Self {
        let known = registries.into_iter().filter_map(|registry| {
            let spec = &registry.spec;
            let address = fields::address("", &spec.address).ok()?;
            Some(Sibling {
                name: registry.metadata.name.to_ascii_lowercase(),
                role: spec.role,
                domain: spec.domain.to_ascii_lowercase(),
                at: Endpoint::new(address.addr().into(), spec.port.unwrap_or(REGISTRY_PORT)),
                token: spec.join_token_from.clone(),
                administrator: spec.administrator_key.clone(),
            })
        });
        Self(known.collect())
    }

    pub(super) fn named(&self, name: &str) -> Option<&Sibling> {
        self.0.iter().find(|one| one.name == name)
    }

    pub(super) fn root_of(&self, domain: &str) -> Option<&Sibling> {
        let mut all = self.0.iter();
        all.find(|one| one.role == RegistryRole::Root && one.domain == domain)
    }

    /// A root whose domain has another one before it: a network has one.
    pub(super) fn second_root(&self, name: &str, domain: &str) -> Option<Problem> {
        let first = self.root_of(domain).filter(|first| first.name != name)?;
        let message = format!("the domain `{domain}` has a root already: `{}`", first.name);
        Some(
            Problem::error("spec.role", message)
                .hint("a network has one root; write `role: secondary`"),
        )
    }
}

//! Definitions of services, and the catalogue of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use trustnet_api::service::{Service, ServiceSpec};

use super::check;
use crate::problem::{Problem, Severity};
use crate::suggest;

/// Where a definition comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program brings it.
    BuiltIn,
    /// A file of the user, by its path.
    File(String),
}

/// A definition that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    wire: Service,
    origin: Origin,
}

impl Definition {
    /// Checks a definition.
    ///
    /// # Errors
    /// All problems, if at least one is an error.
    pub fn new(wire: Service, origin: Origin) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let problems = check::check(&wire);
        if problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
        {
            return Err(problems);
        }
        Ok((Self { wire, origin }, problems))
    }

    /// What is wrong with a definition.
    #[must_use]
    pub fn check(wire: &Service) -> Vec<Problem> {
        check::check(wire)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.wire.metadata.name
    }
    /// What it says.
    #[must_use]
    pub fn spec(&self) -> &ServiceSpec {
        &self.wire.spec
    }
    /// What was written.
    #[must_use]
    pub fn wire(&self) -> &Service {
        &self.wire
    }
    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// All definitions that are known, by name and by alias.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    definitions: BTreeMap<String, Arc<Definition>>,
    aliases: BTreeMap<String, String>,
}

impl Catalogue {
    /// Adds a definition; one of the same name that was there gives way.
    pub fn add(&mut self, definition: Definition) {
        let name = definition.name().to_owned();
        self.aliases.retain(|_, of| *of != name);
        for alias in &definition.spec().aliases {
            self.aliases.insert(alias.clone(), name.clone());
        }
        self.definitions.insert(name, Arc::new(definition));
    }

    /// The definition of that name or alias.
    ///
    /// # Errors
    /// There is none; the hint names the nearest.
    pub fn find(&self, name: &str) -> Result<&Arc<Definition>, String> {
        let by_alias = || self.definitions.get(self.aliases.get(name)?);
        if let Some(found) = self.definitions.get(name).or_else(by_alias) {
            return Ok(found);
        }
        let names = self.definitions.keys().chain(self.aliases.keys());
        Err(match suggest::nearest(name, names.map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`trustnet-vm service list` shows what there is".to_owned(),
        })
    }

    /// All definitions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values()
    }
}

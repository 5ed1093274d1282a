//! What is missing where nothing may be fetched: all of it, at once.

use std::collections::BTreeSet;
use std::path::Path;

use trustnet_core::lockfile::Missing;
use trustnet_core::service::Instance;
use trustnet_host::cache::error::CacheError;
use trustnet_host::cache::obtain::ObtainError;
use trustnet_host::error::chain;

use super::{Preparer, Watching};
use crate::failure::{Exit, Failure};
use crate::ui::Progress;

impl Preparer<'_> {
    /// Refuses services whose local builds are not there: those are fetched from nowhere.
    ///
    /// # Errors
    /// One is not there.
    pub fn refuse_unbuilt(&self, services: &[Instance], os: Option<&str>) -> Result<(), Failure> {
        for instance in services {
            let spec = instance.definition.spec();
            let mut artifacts = spec.artifacts.iter();
            if artifacts.any(|artifact| artifact.file.is_some()) {
                let version = instance.requested.as_ref().unwrap_or(&spec.version);
                self.wanted(instance, &instance.scope("", version, self.arch), os)?;
            }
        }
        Ok(())
    }

    /// Where nothing may be fetched: refuses all that is missing, at once.
    ///
    /// # Errors
    /// Something is not in the cache, or damaged there, or a version is not locked.
    pub fn refuse_missing<'b>(
        &self,
        asks: impl IntoIterator<Item = (&'b [Instance], &'b Path, Option<String>)>,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let mut missing = BTreeSet::new();
        if !self.offline {
            return Ok(());
        }
        let watching = Watching {
            progress,
            interrupt: &self.interrupt,
        };
        for (services, folder, os) in asks {
            self.locked(folder, services, os.as_deref(), |lock| {
                for instance in services {
                    let Ok(version) = self.version(instance, lock, &watching) else {
                        let requested = instance.requested.as_deref().unwrap_or_default();
                        let name = instance.name();
                        missing.insert(format!("version `{requested}` of `{name}` is not locked"));
                        continue;
                    };
                    let scope = instance.scope("", &version, self.arch);
                    let (wanted, folder) = self.wanted(instance, &scope, os.as_deref())?;
                    let obtainer = self.obtainer(&watching)?;
                    for one in &wanted {
                        // What else goes wrong is told when it is got in earnest.
                        if let Err(error) = obtainer.obtain(one, &folder, lock) {
                            missing.extend(in_words(&error));
                        }
                    }
                }
                Ok(())
            })?;
        }
        let all: Vec<String> = missing.into_iter().collect();
        let message = match all.as_slice() {
            [] => return Ok(()),
            [one] if !one.contains('\n') => format!("{one}, and nothing may be fetched"),
            all => format!("nothing may be fetched, and\n  {}", all.join("\n  ")),
        };
        Err(Failure::new(Exit::Provision, message).hint(
            "fetch it with a network: `trustnet-vm cache fetch`, or `cache import` an archive",
        ))
    }
}

/// What is missing, with its files on lines of their own.
fn in_words(error: &ObtainError) -> Option<String> {
    match error {
        ObtainError::Offline { what, files } => {
            let mut lines = vec![format!("{what} is not in the cache")];
            let files = Missing::lines(files);
            lines.extend(files.iter().map(|file| format!("  {file}")));
            Some(lines.join("\n  "))
        }
        ObtainError::Cache {
            source: CacheError::Damaged { .. },
            ..
        } => Some(chain(error)),
        _ => None,
    }
}

//! The version of a service.

use trustnet_core::lockfile::Lock;
use trustnet_core::service::Instance;
use trustnet_core::version;
use trustnet_host::cache::download::{Http, Limits};
use trustnet_host::cache::versions::{VersionList, look_up};
use trustnet_host::error::chain;

use super::{Preparer, Watching};
use crate::failure::{Exit, Failure};

impl Preparer<'_> {
    /// The version: exact, or locked, or looked up.
    pub(super) fn version(
        &self,
        instance: &Instance,
        lock: &mut Lock,
        watching: &Watching<'_>,
    ) -> Result<String, Failure> {
        if let Some(exact) = instance.exact_version() {
            return Ok(exact.to_owned());
        }
        let requested = instance.requested.as_deref().unwrap_or_default();
        if let Some(locked) = lock.version(instance.name(), requested) {
            return Ok(locked.to_owned());
        }
        let what = format!("version `{requested}` of `{}`", instance.name());
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("failed to find {what}: {why}"));
        if self.offline {
            return Err(Failure::new(
                Exit::Provision,
                format!("{what} is not locked, and nothing may be fetched"),
            )
            .hint("look it up with a network: `trustnet-vm cache fetch`"));
        }
        let wanted = version::Request::parse(requested).map_err(|why| refused(why.to_string()))?;
        let spec = instance.definition.spec();
        let Some(source) = &spec.version_source else {
            // Without a list there is one version that is known.
            if wanted.choose([spec.version.as_str()]).is_some() {
                return Ok(spec.version.clone());
            }
            let why = format!("its definition lists no versions but `{}`", spec.version);
            return Err(refused(why).hint("write an exact version"));
        };
        let list = match (&source.text, &source.github, &source.page) {
            (Some(url), ..) => VersionList::Text { url: url.clone() },
            (_, Some(repository), _) => VersionList::github(repository),
            (.., page) => VersionList::Page {
                url: page.clone().unwrap_or_default(),
                pattern: None,
            },
        };
        let http = Http::new(Limits::default()).map_err(|error| refused(chain(&error)))?;
        let found = look_up(&http, &list, &wanted, watching).map_err(|error| {
            Failure::new(
                Exit::Provision,
                format!("failed to find {what}: {}", chain(&error)),
            )
        })?;
        let found = found
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .to_owned();
        lock.set_version(instance.name(), requested, &found);
        Ok(found)
    }
}

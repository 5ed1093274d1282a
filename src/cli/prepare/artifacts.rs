//! The artifacts of a service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trustnet_core::lockfile::Lock;
use trustnet_core::service::{ArtifactSource, Instance, Origin, Scope, Wanted};
use trustnet_host::cache::deb::Mirrors;
use trustnet_host::cache::obtain::{ObtainError, Obtained, Obtainer};
use trustnet_host::error::chain;

use super::{Preparer, Watching};
use crate::failure::{Exit, Failure};

impl Preparer<'_> {
    pub(super) fn artifacts(
        &self,
        instance: &Instance,
        scope: &Scope,
        os: Option<&str>,
        lock: &mut Lock,
        watching: &Watching<'_>,
    ) -> Result<BTreeMap<String, Obtained>, Failure> {
        let (wanted, folder) = self.wanted(instance, scope, os)?;
        let obtainer = self.obtainer(watching)?;
        let mut all = BTreeMap::new();
        for one in &wanted {
            let obtained = obtainer
                .obtain(one, &folder, lock)
                .map_err(|error| not_had(&error))?;
            all.insert(one.name.clone(), obtained);
        }
        Ok(all)
    }

    /// The artifacts of a service, and the folder that local ones begin at.
    pub(super) fn wanted(
        &self,
        instance: &Instance,
        scope: &Scope,
        os: Option<&str>,
    ) -> Result<(Vec<Wanted>, PathBuf), Failure> {
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("service `{}`: {why}", instance.name()));
        let apt = instance.definition.spec().artifacts.iter();
        let needs_os = apt.into_iter().any(|artifact| artifact.packages.is_some());
        if needs_os && os.is_none() {
            return Err(refused(
                "its packages depend on the guest's distribution, which is not known".to_owned(),
            )
            .hint("write it into the VM's spec, such as `guestOS: debian-12`"));
        }
        let wanted = instance
            .wanted(scope, self.arch, os.unwrap_or_default())
            .map_err(|why| refused(why.to_string()))?;
        let folder = match instance.definition.origin() {
            Origin::File(path) => Path::new(path).parent().map(Path::to_owned),
            Origin::BuiltIn => self.builds(&wanted)?,
        };
        Ok((wanted, folder.unwrap_or_else(|| PathBuf::from("."))))
    }

    /// The first folder that has the local builds of a service that the program brings; none where it needs none.
    fn builds(&self, wanted: &[Wanted]) -> Result<Option<PathBuf>, Failure> {
        let builds: Vec<&str> = wanted
            .iter()
            .filter_map(|one| match &one.source {
                ArtifactSource::File { path, .. } => Some(path.as_str()),
                _ => None,
            })
            .collect();
        if builds.is_empty() {
            return Ok(None);
        }
        let env = &self.program.env;
        let installed = env.executable.as_deref().and_then(Path::parent);
        let places = [
            Some(env.paths()?.data.clone()),
            installed.map(|folder| folder.join("../lib/trustnet-vm")),
            Some(PathBuf::from(".")),
        ];
        let places: Vec<PathBuf> = places.into_iter().flatten().collect();
        let has_all = |place: &&PathBuf| builds.iter().all(|build| place.join(build).is_file());
        if let Some(place) = places.iter().find(has_all) {
            return Ok(Some(place.clone()));
        }
        let looked: Vec<String> = places
            .iter()
            .map(|place| format!("`{}`", place.display()))
            .collect();
        let message = format!(
            "there is no local build `{}`; looked in {}",
            builds.join("`, `"),
            looked.join(", ")
        );
        Err(Failure::new(Exit::Provision, message)
            .hint("make it with `cargo xtask services`, in the program's source"))
    }

    pub(super) fn obtainer<'b>(
        &'b self,
        watching: &'b Watching<'b>,
    ) -> Result<Obtainer<'b>, Failure> {
        Ok(Obtainer {
            store: &self.store,
            offline: self.offline,
            looking: self.looking,
            mirrors: self.mirrors(),
            indexes: self.program.env.paths()?.cache.join("indexes"),
            now: now(),
            watch: watching,
        })
    }

    pub(super) fn mirrors(&self) -> Mirrors {
        Mirrors {
            archive: self.program.env.text("TRUSTNET_VM_DEB_MIRROR"),
            security: self.program.env.text("TRUSTNET_VM_DEB_SECURITY_MIRROR"),
        }
    }
}

fn not_had(error: &ObtainError) -> Failure {
    let failure = Failure::new(Exit::Provision, chain(error));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

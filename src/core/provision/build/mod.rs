//! From services with their versions, artifacts and secrets to the program of a guest.

use std::collections::BTreeMap;

mod fill;
mod ready;
mod uninstall;

use trustnet_api::service::{Artifact, ConfigFile, Format, OnChange, SetupCommand, Unit};
use trustnet_api::service_ref::DependencyCondition;

use self::fill::archive_format;
pub(crate) use self::fill::format_of;
pub use self::ready::ready_check;
pub(crate) use self::ready::{http_check, port};
pub use self::uninstall::uninstall;
use super::unit::{UnitText, openrc, systemd};
use super::{Action, Payload, Program, Step, Then};
use crate::artifact::Digest;
use crate::service::{Instance, Scope, TemplateError, mode, refuse_filled, seconds};

/// What a program is built from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The services, in the order of their dependencies.
    pub services: &'a [ServiceInput<'a>],
    /// Where the guest mounts its data disks.
    pub mounts: &'a [String],
}

/// A service with all that its definition leaves open.
#[derive(Clone)]
pub struct ServiceInput<'a> {
    /// The service.
    pub instance: &'a Instance,
    /// What its templates may speak of, without secrets.
    pub scope: Scope,
    /// Its secrets.
    pub secrets: BTreeMap<String, String>,
    /// Its artifacts, by name.
    pub artifacts: BTreeMap<String, Pinned>,
}

/// An artifact that is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// One file.
    Blob(Digest),
    /// A container image as one file, and what it is called.
    Image(Digest, String),
    /// Packages of a Debian-like distribution with all that they depend on.
    Debs {
        /// The closure.
        debs: Vec<PinnedDeb>,
        /// Its index, as apt reads it, with the files beside it.
        index: String,
    },
}

/// A package of a closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedDeb {
    /// The name of its file.
    pub file: String,
    /// Its digest.
    pub digest: Digest,
}

impl std::fmt::Debug for ServiceInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceInput({})", self.instance.name())
    }
}

/// Builds the program of a guest.
///
/// # Errors
/// A template cannot be filled, or an artifact is not there; which service, and why.
pub fn build(input: &Input<'_>) -> Result<Program, String> {
    let mut program = Program::default();
    for service in input.services {
        let mut builder = Builder {
            service,
            mounts: input.mounts,
            steps: Vec::new(),
        };
        builder
            .service()
            .map_err(|why| format!("service `{}`: {why}", service.instance.name()))?;
        program.steps.extend(builder.steps);
    }
    Ok(program)
}

struct Builder<'a> {
    service: &'a ServiceInput<'a>,
    mounts: &'a [String],
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn service(&mut self) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
        refuse_filled(spec, &self.service.scope)?;
        self.dependencies()?;
        if let Some(user) = &spec.user {
            let action = Action::User {
                name: self.whole(&user.name)?,
                home: self.whole(user.home.as_deref().unwrap_or("/nonexistent"))?,
                shell: self.whole(user.shell.as_deref().unwrap_or("/usr/sbin/nologin"))?,
                groups: self.all(&user.groups)?,
            };
            self.step(format!("user {}", user.name), action, Then::Nothing, 60);
        }
        self.data()?;
        for artifact in &spec.artifacts {
            self.artifact(artifact)?;
        }
        if let Some(data) = &spec.data
            && let Some(owner) = &data.owner
        {
            let (path, owner) = (self.whole(&data.path)?, self.whole(owner)?);
            let action = Action::Owner { path, owner };
            self.step("owner of the data".to_owned(), action, Then::Nothing, 600);
        }
        self.secrets()?;
        for file in &spec.files {
            self.file(file)?;
        }
        for command in spec.setup.iter().filter(|c| c.before_start == Some(true)) {
            self.setup(command)?;
        }
        if let Some(unit) = &spec.unit {
            self.unit(unit)?;
        }
        self.ready(spec.ready.as_ref())?;
        for command in spec.setup.iter().filter(|c| c.before_start != Some(true)) {
            self.setup(command)?;
        }
        Ok(())
    }

    /// Services somewhere else that are waited for.
    fn dependencies(&mut self) -> Result<(), TemplateError> {
        for need in &self.service.instance.dependencies {
            let condition = need.condition();
            let Some(remote) = need.remote.as_ref() else {
                continue;
            };
            if condition == DependencyCondition::None {
                continue;
            }
            let at = self.service.scope.dependencies.get(&need.service);
            let at = at
                .filter(|at| !at.host.is_empty() && at.port > 0)
                .ok_or_else(|| {
                    let service = &need.service;
                    TemplateError::new(format!("it is not known where `{service}` answers"))
                })?;
            let action = Action::Depend {
                service: need.service.clone(),
                vm: remote
                    .vm
                    .clone()
                    .filter(|_| condition == DependencyCondition::Ready),
                host: at.host.clone(),
                port: at.port,
            };
            let id = format!("dependency {}", need.service);
            self.step(id, action, Then::Nothing, need.timeout_s);
        }
        Ok(())
    }

    /// The folder of the data; on the first data disk, unless it lies on one anyway.
    fn data(&mut self) -> Result<(), TemplateError> {
        let Some(data) = &self.service.instance.definition.spec().data else {
            return Ok(());
        };
        let path = self.whole(&data.path)?;
        let below = |mount: &String| {
            path == *mount || path.starts_with(&format!("{}/", mount.trim_end_matches('/')))
        };
        let on = match self.mounts.first() {
            Some(mount) if !self.mounts.iter().any(below) => Some(format!(
                "{}/{}",
                mount.trim_end_matches('/'),
                self.service.instance.name()
            )),
            _ => None,
        };
        let mode = data.mode.clone();
        let action = Action::Directory { path, on, mode };
        self.step("data".to_owned(), action, Then::Nothing, 60);
        Ok(())
    }

    fn artifact(&mut self, artifact: &Artifact) -> Result<(), TemplateError> {
        let name = &artifact.name;
        let pinned = self.service.artifacts.get(name);
        if let Some(packages) = &artifact.packages {
            let (debs, index) = match pinned {
                Some(Pinned::Debs { debs, index }) => (
                    debs.iter()
                        .map(|deb| (deb.file.clone(), deb.digest))
                        .collect(),
                    Some(Payload::new(index.as_bytes())),
                ),
                _ => (Vec::new(), None),
            };
            let action = Action::Packages {
                apt: self.all(&packages.apt)?,
                debs,
                index,
                dnf: self.all(&packages.dnf)?,
                apk: self.all(&packages.apk)?,
            };
            self.step(format!("packages {name}"), action, Then::Restart, 1800);
            return Ok(());
        }
        let missing = || TemplateError::new(format!("artifact `{name}` is not in the cache"));
        let pinned = pinned.ok_or_else(missing)?;
        let action = match (pinned, &artifact.install, &artifact.unpack) {
            (Pinned::Image(digest, image), ..) => Action::Image {
                artifact: *digest,
                name: image.clone(),
            },
            (Pinned::Blob(digest), Some(install), _) => Action::Install {
                artifact: *digest,
                path: self.path(&install.path)?,
                mode: install.mode.clone().unwrap_or_else(|| "0755".to_owned()),
            },
            (Pinned::Blob(digest), None, Some(unpack)) => {
                let source = artifact.url.as_deref().or(artifact.file.as_deref());
                let mut links = Vec::new();
                for (link, target) in &unpack.links {
                    links.push((self.path(link)?, self.whole(target)?));
                }
                Action::Unpack {
                    artifact: *digest,
                    format: archive_format(&self.whole(source.unwrap_or_default())?)?,
                    into: self.own_folder(&unpack.into)?,
                    strip: unpack.strip.unwrap_or(0),
                    links,
                }
            }
            _ => return Err(missing()),
        };
        self.step(format!("artifact {name}"), action, Then::Restart, 900);
        Ok(())
    }

    fn secrets(&mut self) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
        for (name, secret) in &spec.secrets {
            let value = self
                .service
                .secrets
                .get(name)
                .ok_or_else(|| TemplateError::new(format!("secret `{name}` has no value")))?;
            let action = Action::File {
                path: self.service.scope.secret_files[name].clone(),
                owner: self.whole(secret.owner.as_deref().unwrap_or("root:root"))?,
                mode: "0600".to_owned(),
                content: Payload::new(value.as_bytes()),
            };
            self.step(format!("secret {name}"), action, Then::Restart, 60);
        }
        Ok(())
    }

    fn file(&mut self, file: &ConfigFile) -> Result<(), TemplateError> {
        let path = self.path(&file.path)?;
        let format = file.format.unwrap_or_else(|| format_of(&path));
        let (content, secret) = self.text(&file.content, format)?;
        let default = if secret { "0600" } else { "0644" };
        let mode_text = file.mode.as_deref().unwrap_or(default);
        // Group may read where the author says so; the world may not.
        if secret && mode(mode_text).is_some_and(|bits| bits & 0o007 != 0) {
            return Err(TemplateError::new(format!(
                "`{path}` holds a secret, and its mode {mode_text} lets everybody read it"
            )));
        }
        let action = Action::File {
            owner: self.whole(file.owner.as_deref().unwrap_or("root:root"))?,
            mode: mode_text.to_owned(),
            content: Payload::new(content),
            path: path.clone(),
        };
        let then = match file.on_change.unwrap_or(OnChange::Restart) {
            OnChange::Restart => Then::Restart,
            OnChange::Reload => Then::Reload,
            OnChange::Nothing => Then::Nothing,
        };
        self.step(format!("file {path}"), action, then, 60);
        Ok(())
    }

    fn setup(&mut self, setup: &SetupCommand) -> Result<(), TemplateError> {
        let input = match &setup.input {
            Some(input) => {
                let format = setup.format.unwrap_or(Format::Plain);
                Some(Payload::new(self.text(input, format)?.0))
            }
            None => None,
        };
        let action = Action::Run {
            command: self.all(&setup.command)?,
            unless: self.all(&setup.unless)?,
            user: self.whole(setup.user.as_deref().unwrap_or("root"))?,
            environment: self.pairs(&setup.environment)?,
            input,
        };
        let limit = setup.timeout.as_deref().and_then(seconds).unwrap_or(300);
        self.step(
            format!("setup {}", setup.name),
            action,
            Then::Nothing,
            limit,
        );
        Ok(())
    }

    fn unit(&mut self, unit: &Unit) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
        let Some((name, openrc_name)) = self.unit_names()? else {
            return Ok(());
        };
        if !unit.command.is_empty() {
            let user = unit
                .user
                .as_deref()
                .or(spec.user.as_ref().map(|user| user.name.as_str()));
            let (command, user) = (
                self.all(&unit.command)?,
                self.whole(user.unwrap_or("root"))?,
            );
            let environment = self.pairs(&unit.environment)?;
            let folder = unit
                .working_directory
                .as_deref()
                .map(|path| self.whole(path));
            let (folder, after) = (folder.transpose()?, self.all(&unit.after)?);
            let text = UnitText {
                name: &name,
                description: spec.description.as_deref().unwrap_or(&name),
                command: &command,
                user: &user,
                environment: &environment,
                working_directory: folder.as_deref(),
                capabilities: &unit.capabilities,
                after: &after,
            };
            let action = Action::Unit {
                systemd: Payload::new(systemd(&text)),
                openrc: Payload::new(openrc(&text)),
                name: name.clone(),
            };
            self.step("unit".to_owned(), action, Then::Restart, 60);
        }
        let action = Action::Start {
            unit: name,
            openrc: openrc_name,
        };
        // What it says on the console is said at its start.
        let then = match spec
            .ready
            .as_ref()
            .is_some_and(|ready| ready.console.is_some())
        {
            true => Then::Restart,
            false => Then::Nothing,
        };
        self.step("start".to_owned(), action, then, 300);
        Ok(())
    }

    /// The names of the unit under systemd and under OpenRC, if the service has one.
    fn unit_names(&self) -> Result<Option<(String, String)>, TemplateError> {
        self.service.instance.unit_names(&self.service.scope)
    }

    fn step(&mut self, id: String, action: Action, then: Then, limit_s: u32) {
        let instance = self.service.instance;
        let then = if instance.definition.spec().unit.is_some() {
            then
        } else {
            Then::Nothing
        };
        self.steps.push(Step {
            service: instance.name().to_owned(),
            version: self.service.scope.version.clone(),
            id,
            action,
            then,
            limit_s,
        });
    }
}

//! From services with their versions, artifacts and secrets to the program of a guest.

use std::collections::BTreeMap;

use trustnet_api::service::{
    Artifact, ConfigFile, Format, HttpCheck, OnChange, Ready, SetupCommand, Unit,
};
use trustnet_api::service_ref::DependencyCondition;

use super::unit::{UnitText, openrc, systemd};
use super::{Action, Payload, Program, ReadyCheck, Step, Then};
use crate::artifact::Digest;
use crate::service::{Escape, Instance, Scope, TemplateError, is_shared, mode, render, seconds};

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

/// The program that takes a service out of a guest; its data stays.
///
/// # Errors
/// A template cannot be filled.
pub fn uninstall(service: &ServiceInput<'_>) -> Result<Program, String> {
    let mut builder = Builder {
        service,
        mounts: &[],
        steps: Vec::new(),
    };
    builder
        .uninstall()
        .map_err(|why| format!("service `{}`: {why}", service.instance.name()))?;
    Ok(Program {
        steps: builder.steps,
    })
}

/// How the readiness of a service is seen, with its values filled in.
///
/// # Errors
/// A template cannot be filled.
pub fn ready_check(instance: &Instance, scope: &Scope) -> Result<ReadyCheck, TemplateError> {
    let service = ServiceInput {
        instance,
        scope: scope.clone(),
        secrets: BTreeMap::new(),
        artifacts: BTreeMap::new(),
    };
    let builder = Builder {
        service: &service,
        mounts: &[],
        steps: Vec::new(),
    };
    let ready = instance.definition.spec().ready.as_ref();
    builder.check(ready.unwrap_or(&Ready::default()))
}

struct Builder<'a> {
    service: &'a ServiceInput<'a>,
    mounts: &'a [String],
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn service(&mut self) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
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
        self.step("start".to_owned(), action, Then::Nothing, 300);
        Ok(())
    }

    /// The names of the unit under systemd and under OpenRC, if the service has one.
    fn unit_names(&self) -> Result<Option<(String, String)>, TemplateError> {
        self.service.instance.unit_names(&self.service.scope)
    }

    fn ready(&mut self, ready: Option<&Ready>) -> Result<(), TemplateError> {
        let unit = self.unit_names()?;
        let default = Ready::default();
        let asked = ready.unwrap_or(&default);
        let check = self.check(asked)?;
        if unit.is_none() && check == ReadyCheck::Unit {
            return Ok(());
        }
        let grace_s = asked.grace.as_deref().and_then(seconds).unwrap_or(5);
        let limit = asked.timeout.as_deref().and_then(seconds).unwrap_or(90);
        let action = Action::Ready {
            check,
            unit,
            grace_s,
        };
        self.step("ready".to_owned(), action, Then::Nothing, limit);
        Ok(())
    }

    fn check(&self, ready: &Ready) -> Result<ReadyCheck, TemplateError> {
        if let Some(http) = &ready.http {
            return http_check(http, &self.service.scope);
        }
        if let Some(tcp) = &ready.tcp {
            let port = port(&tcp.port.to_string(), &self.service.scope)?;
            return Ok(ReadyCheck::Tcp { port });
        }
        if !ready.command.is_empty() {
            let command = self.all(&ready.command)?;
            return Ok(ReadyCheck::Command { command });
        }
        if let Some(text) = &ready.journal {
            let contains = self.whole(text)?;
            return Ok(ReadyCheck::Journal { contains });
        }
        if let Some(text) = &ready.console {
            let contains = self.whole(text)?;
            return Ok(ReadyCheck::Console { contains });
        }
        Ok(ReadyCheck::Unit)
    }

    fn uninstall(&mut self) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
        let unit = self.unit_names()?;
        if let Some((unit, openrc)) = unit {
            let action = Action::Stop { unit, openrc };
            self.step("stop".to_owned(), action, Then::Nothing, 120);
        }
        let leave = spec.uninstall.clone().unwrap_or_default();
        for (index, command) in leave.commands.iter().enumerate() {
            let action = Action::Run {
                command: self.all(command)?,
                unless: Vec::new(),
                user: "root".to_owned(),
                environment: Vec::new(),
                input: None,
            };
            self.step(format!("command {}", index + 1), action, Then::Nothing, 300);
        }
        let mut paths = Vec::new();
        for file in &spec.files {
            paths.push(self.path(&file.path)?);
        }
        paths.extend(self.service.scope.secret_files.values().cloned());
        for artifact in &spec.artifacts {
            if let Some(install) = &artifact.install {
                paths.push(self.path(&install.path)?);
            }
            if let Some(unpack) = &artifact.unpack {
                paths.push(self.own_folder(&unpack.into)?);
                for link in unpack.links.keys() {
                    paths.push(self.path(link)?);
                }
            }
        }
        // What a template has made of a path may be a folder that others have files in.
        if let Some(path) = paths.iter().find(|path| is_shared(path)) {
            return Err(TemplateError::new(format!(
                "`{path}` is not the service's own: what is there would go"
            )));
        }
        let action = Action::Remove {
            packages: self.all(&leave.packages)?,
            paths,
        };
        self.step("remove".to_owned(), action, Then::Nothing, 900);
        Ok(())
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

    fn whole(&self, template: &str) -> Result<String, TemplateError> {
        render(template, &self.service.scope, Escape::Whole)
    }

    /// A path, which a value in it cannot lead elsewhere.
    fn path(&self, template: &str) -> Result<String, TemplateError> {
        let path = self.whole(template)?;
        if crate::service::is_path(&path) {
            Ok(path)
        } else {
            Err(TemplateError::new(format!(
                "`{path}` is no absolute path without `..`"
            )))
        }
    }

    /// The path of a folder that goes whole, and so must be the artifact's own.
    fn own_folder(&self, template: &str) -> Result<String, TemplateError> {
        let path = self.path(template)?;
        if is_shared(&path) {
            return Err(TemplateError::new(format!(
                "`{path}` is not the artifact's own: what is there would go"
            )));
        }
        Ok(path)
    }

    fn all(&self, templates: &[String]) -> Result<Vec<String>, TemplateError> {
        templates
            .iter()
            .map(|template| self.whole(template))
            .collect()
    }

    fn pairs(
        &self,
        templates: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, TemplateError> {
        templates
            .iter()
            .map(|(name, template)| Ok((name.clone(), self.whole(template)?)))
            .collect()
    }

    /// A text that may hold secrets, and whether it does.
    fn text(&self, template: &str, format: Format) -> Result<(String, bool), TemplateError> {
        let open = match render(template, &self.service.scope, Escape::Text(format)) {
            Ok(text) => return Ok((text, false)),
            Err(error) => error,
        };
        if !template.contains("secrets") {
            return Err(open);
        }
        let scope = Scope {
            secrets: Some(self.service.secrets.clone()),
            ..self.service.scope.clone()
        };
        // The engine's words may quote what it was given.
        let text = render(template, &scope, Escape::Text(format)).map_err(|_| {
            TemplateError::new(
                "a text with secrets in it cannot be filled: a name or a filter does not fit",
            )
        })?;
        Ok((text, true))
    }
}

/// An answer over HTTP, with its values filled in.
///
/// # Errors
/// A template cannot be filled.
pub(crate) fn http_check(http: &HttpCheck, scope: &Scope) -> Result<ReadyCheck, TemplateError> {
    let path = render(http.path.as_deref().unwrap_or("/"), scope, Escape::Whole)?;
    if !path.starts_with('/') || path.contains(|c: char| c.is_control() || c == ' ') {
        return Err(TemplateError::new(format!("`{path}` is no path of a URL")));
    }
    let contains = http.contains.as_deref();
    let contains = contains.map(|text| render(text, scope, Escape::Whole));
    Ok(ReadyCheck::Http {
        port: port(&http.port.to_string(), scope)?,
        path,
        status: http.status,
        contains: contains.transpose()?,
    })
}

/// A port, filled in.
pub(crate) fn port(template: &str, scope: &Scope) -> Result<u16, TemplateError> {
    let text = render(template, scope, Escape::Whole)?;
    let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or_else(|| TemplateError::new(format!("`{text}` is no port")))
}

/// How values are written into a file of that name.
fn format_of(path: &str) -> Format {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        Some("toml") => Format::Toml,
        Some("ini") => Format::Ini,
        Some("sh") => Format::Shell,
        Some("sql") => Format::Sql,
        Some("service" | "socket" | "timer") => Format::Systemd,
        _ => Format::Plain,
    }
}

fn archive_format(name: &str) -> Result<String, TemplateError> {
    let known = [
        (".tar.gz", "tar.gz"),
        (".tgz", "tar.gz"),
        (".tar.xz", "tar.xz"),
        (".txz", "tar.xz"),
        (".tar.zst", "tar.zst"),
        (".tar.bz2", "tar.bz2"),
        (".tar", "tar"),
        (".zip", "zip"),
    ];
    let name = name.split(['?', '#']).next().unwrap_or_default();
    known
        .iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, format)| (*format).to_owned())
        .ok_or_else(|| TemplateError::new(format!("`{name}` is no archive that can be unpacked")))
}

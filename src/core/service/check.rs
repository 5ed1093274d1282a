//! The rules of a definition, beyond the types of its fields.

use std::collections::BTreeSet;

use trustnet_api::service::{
    Artifact, Checksums, ConfigFile, DataDirectory, HttpCheck, Ready, Service, ServiceSpec,
    ServiceTest, SetupCommand, TcpCheck,
};

use super::{folder, mode, names, parameters, seconds};
use crate::artifact::{Arch, Checksum};
use crate::path;
use crate::problem::Problem;

pub(super) fn check(service: &Service) -> Vec<Problem> {
    let mut check = Check::default();
    let name = &service.metadata.name;
    if !is_name(name) {
        check
            .error(
                "metadata.name",
                format!("`{name}` is no name for a service"),
            )
            .hint = Some("use lower-case letters, digits, `-` and `_`".to_owned());
    }
    let spec = &service.spec;
    for (index, alias) in spec.aliases.iter().enumerate() {
        if !is_name(alias) {
            let path = path::item("spec.aliases", index);
            check.error(path, format!("`{alias}` is no name for a service"));
        }
    }
    check.version(spec);
    check.artifacts(spec);
    check.parameters(spec);
    check.secrets(spec);
    if let Some(DataDirectory { path, mode, .. }) = &spec.data {
        check.fixed_path("spec.data.path", path);
        if folder::is_shared(path) {
            check
                .error(
                    "spec.data.path",
                    format!("`{path}` belongs to others as well"),
                )
                .hint = Some("name a folder of the service's own".to_owned());
        }
        check.mode("spec.data.mode", mode.as_deref());
    }
    check.files(&spec.files);
    check.setup(&spec.setup);
    check.unit(spec);
    check.ready(spec.ready.as_ref(), spec.unit.is_some());
    check.tests(&spec.tests);
    check.diagnose(spec);
    check.names(spec);
    check.problems
}

/// Whether it can be the name of a service, a user, an artifact: no path, no option, no surprise.
pub(crate) fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(good)
}

/// Whether it can be a version, and with that part of a file's name.
pub(crate) fn is_version(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_+~".contains(c);
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(good)
}

/// What is wrong with who is said to have signed a list.
pub(crate) fn signed(path: &str, list: &Checksums) -> Vec<Problem> {
    let mut problems = Vec::new();
    if list.signature.is_some() && list.keyring.is_none() {
        let problem = Problem::error(path, "nobody is named who may have signed it");
        problems.push(problem.hint("`signature` needs a `keyring`"));
    }
    if list.minisign.is_some() != list.minisign_key.is_some() {
        let message = "`minisign` and `minisignKey` belong together";
        problems.push(Problem::error(path, message));
    }
    if list.keyring.is_some() && list.minisign.is_some() {
        let message = "it is signed in two ways: OpenPGP and minisign";
        problems.push(Problem::error(path, message).hint("give one of them"));
    }
    problems
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::error(path, message));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn path(&mut self, path: &str, value: &str) {
        // What a template makes of it is looked at when it is filled.
        if !value.contains("{{") && !parameters::is_path(value) {
            self.error(path, format!("`{value}` is no absolute path without `..`"));
        }
    }

    /// A path that no value has a part in.
    fn fixed_path(&mut self, path: &str, value: &str) {
        if !parameters::is_path(value) || value.contains("{{") {
            self.error(
                path,
                format!("`{value}` is no absolute path without `..` and templates"),
            );
        }
    }

    fn mode(&mut self, path: &str, value: Option<&str>) {
        if let Some(value) = value
            && mode(value).is_none()
        {
            self.error(path, format!("`{value}` is no mode")).hint =
                Some("write octal digits in quotes, such as \"0644\"".to_owned());
        }
    }

    fn time(&mut self, path: impl Into<String>, value: Option<&str>) {
        if let Some(value) = value
            && seconds(value).is_none()
        {
            self.error(path, format!("`{value}` is no time")).hint =
                Some("write it as `90s`, `10m` or `1h`, a day at most".to_owned());
        }
    }

    fn version(&mut self, spec: &ServiceSpec) {
        if !is_version(&spec.version) {
            self.error("spec.version", format!("`{}` is no version", spec.version));
        }
    }

    fn artifacts(&mut self, spec: &ServiceSpec) {
        let mut names = BTreeSet::new();
        for (index, artifact) in spec.artifacts.iter().enumerate() {
            let path = path::item("spec.artifacts", index);
            if !is_version(&artifact.name) {
                self.error(
                    path::field(&path, "name"),
                    format!("`{}` is no name for an artifact", artifact.name),
                );
            }
            if !names.insert(&artifact.name) {
                self.error(
                    path::field(&path, "name"),
                    format!("two artifacts are named `{}`", artifact.name),
                );
            }
            self.artifact(&path, artifact);
        }
    }

    fn artifact(&mut self, path: &str, artifact: &Artifact) {
        let sources = [
            artifact.url.is_some(),
            artifact.packages.is_some(),
            artifact.oci.is_some(),
            artifact.file.is_some(),
        ];
        let given = sources.iter().filter(|given| **given).count();
        if given != 1 {
            let message = format!("{given} of `url`, `packages`, `oci` and `file` are given");
            self.error(path, message).hint = Some("give exactly one".to_owned());
            return;
        }
        for (arch, digest) in &artifact.digests {
            let here = path::field(&path::field(path, "digests"), arch);
            if !Arch::ALL.iter().any(|known| known.as_str() == arch) {
                self.error(&here, format!("the architecture `{arch}` is not known"))
                    .hint = Some("known are `amd64` and `arm64`".to_owned());
            }
            if Checksum::labelled(digest).is_none() {
                self.error(&here, "it is no digest").hint =
                    Some("write `sha256:` or `sha512:` and its hexadecimal digits".to_owned());
            }
        }
        if artifact.url.is_some() && artifact.digests.is_empty() && artifact.checksums.is_none() {
            self.error(path, "nothing says what the download must be")
                .hint = Some("add `digests` by architecture, or `checksums`".to_owned());
        }
        let placed =
            usize::from(artifact.install.is_some()) + usize::from(artifact.unpack.is_some());
        let blob = artifact.url.is_some() || artifact.file.is_some();
        if blob && placed != 1 {
            self.error(path, "it is not said what becomes of it in the guest")
                .hint = Some("give one of `install` and `unpack`".to_owned());
        }
        if !blob && placed > 0 {
            self.error(path, "`install` and `unpack` are for `url` and `file`");
        }
        if let Some(install) = &artifact.install {
            self.path(&format!("{path}.install.path"), &install.path);
            self.mode(&format!("{path}.install.mode"), install.mode.as_deref());
        }
        if let Some(unpack) = &artifact.unpack {
            self.path(&format!("{path}.unpack.into"), &unpack.into);
            if folder::is_shared(&unpack.into) {
                self.error(
                    format!("{path}.unpack.into"),
                    format!(
                        "`{}` is not the artifact's own: what is there would go",
                        unpack.into
                    ),
                )
                .hint = Some("unpack into a folder below, such as `/opt/NAME`".to_owned());
            }
            for link in unpack.links.keys() {
                self.path(&format!("{path}.unpack.links"), link);
            }
        }
        if let Some(checksums) = &artifact.checksums {
            let here = format!("{path}.checksums");
            self.problems.extend(signed(&here, checksums));
        }
    }

    fn parameters(&mut self, spec: &ServiceSpec) {
        for (name, parameter) in &spec.parameters {
            let path = path::field("spec.parameters", name);
            if !is_word(name) {
                self.error(&path, format!("`{name}` is no name for a parameter"))
                    .hint = Some("use letters, digits and `_`, first a letter".to_owned());
            }
            if let Some(default) = &parameter.default
                && let Err(why) = parameters::value_of(parameter, default)
            {
                self.error(path::field(&path, "default"), why);
            }
        }
    }

    fn secrets(&mut self, spec: &ServiceSpec) {
        for (name, secret) in &spec.secrets {
            let path = path::field("spec.secrets", name);
            if !is_word(name) {
                self.error(&path, format!("`{name}` is no name for a secret"))
                    .hint = Some("use letters, digits and `_`, first a letter".to_owned());
            }
            if let Some(file) = &secret.path {
                self.fixed_path(&path::field(&path, "path"), file);
            }
            if secret
                .length
                .is_some_and(|length| !(8..=1024).contains(&length))
            {
                self.error(
                    path::field(&path, "length"),
                    "a secret has 8 to 1024 characters",
                );
            }
        }
    }

    fn files(&mut self, files: &[ConfigFile]) {
        let mut paths = BTreeSet::new();
        for (index, file) in files.iter().enumerate() {
            let path = path::item("spec.files", index);
            self.path(&path::field(&path, "path"), &file.path);
            self.mode(&path::field(&path, "mode"), file.mode.as_deref());
            if !paths.insert(&file.path) {
                self.error(
                    path::field(&path, "path"),
                    format!("two files are `{}`", file.path),
                );
            }
        }
    }

    fn setup(&mut self, setup: &[SetupCommand]) {
        let mut names = BTreeSet::new();
        for (index, command) in setup.iter().enumerate() {
            let path = path::item("spec.setup", index);
            if !names.insert(&command.name) {
                self.error(
                    path::field(&path, "name"),
                    format!("two commands are named `{}`", command.name),
                );
            }
            self.command(&path::field(&path, "command"), &command.command);
            self.time(path::field(&path, "timeout"), command.timeout.as_deref());
        }
    }

    fn unit(&mut self, spec: &ServiceSpec) {
        let Some(unit) = &spec.unit else { return };
        if let Some(first) = unit.command.first()
            && !first.contains("{{")
            && !parameters::is_path(first)
        {
            self.error(
                "spec.unit.command[0]",
                format!("`{first}` is no absolute path"),
            )
            .hint = Some("an init starts programs by their whole path".to_owned());
        }
        for (index, capability) in unit.capabilities.iter().enumerate() {
            let good = |c: char| c.is_ascii_uppercase() || c == '_';
            if !capability.starts_with("CAP_") || !capability.chars().all(good) {
                let path = path::item("spec.unit.capabilities", index);
                self.error(path, format!("`{capability}` is no capability"));
            }
        }
    }

    fn command(&mut self, path: &str, command: &[String]) {
        if command.first().is_none_or(String::is_empty) {
            self.error(path, "the command is empty");
        }
    }

    fn ready(&mut self, ready: Option<&Ready>, has_unit: bool) {
        let Some(ready) = ready else { return };
        let given = [
            ready.http.is_some(),
            ready.tcp.is_some(),
            !ready.command.is_empty(),
            ready.journal.is_some(),
            ready.console.is_some(),
        ];
        let given = given.iter().filter(|given| **given).count();
        if given != 1 {
            let words = "`http`, `tcp`, `command`, `journal` and `console`";
            self.error("spec.ready", format!("{given} of {words} are given"))
                .hint = Some("give exactly one".to_owned());
        }
        let of_unit = [("journal", &ready.journal), ("console", &ready.console)];
        for (kind, _) in of_unit.iter().filter(|(_, text)| text.is_some()) {
            if !has_unit {
                self.error(format!("spec.ready.{kind}"), "the service has no unit")
                    .hint = Some(
                    "what a unit says from its start on is looked at; `command` asks anything else"
                        .to_owned(),
                );
            }
        }
        self.time("spec.ready.timeout", ready.timeout.as_deref());
        self.time("spec.ready.grace", ready.grace.as_deref());
        self.network("spec.ready", ready.http.as_ref(), ready.tcp.as_ref());
    }

    fn network(&mut self, path: &str, http: Option<&HttpCheck>, tcp: Option<&TcpCheck>) {
        let ports = [
            http.map(|http| ("http", &http.port)),
            tcp.map(|tcp| ("tcp", &tcp.port)),
        ];
        for (kind, port) in ports.into_iter().flatten() {
            let text = port.to_string();
            if !text.contains("{{") && !text.parse::<u16>().is_ok_and(|port| port > 0) {
                self.error(
                    format!("{path}.{kind}.port"),
                    format!("`{text}` is no port"),
                );
            }
        }
        if let Some(asked) = http.and_then(|http| http.path.as_ref())
            && !asked.starts_with('/')
            && !asked.starts_with("{{")
        {
            self.error(
                format!("{path}.http.path"),
                format!("`{asked}` begins with no `/`"),
            );
        }
    }

    fn tests(&mut self, tests: &[ServiceTest]) {
        for (index, test) in tests.iter().enumerate() {
            let path = path::item("spec.tests", index);
            let given = [
                test.http.is_some(),
                test.tcp.is_some(),
                !test.command.is_empty(),
            ];
            let given = given.iter().filter(|given| **given).count();
            if given != 1 {
                let message = format!("{given} of `http`, `tcp` and `command` are given");
                self.error(&path, message).hint = Some("give exactly one".to_owned());
            }
            self.network(&path, test.http.as_ref(), test.tcp.as_ref());
            self.time(path::field(&path, "timeout"), test.timeout.as_deref());
        }
    }

    /// What the guest's tools are called with.
    fn names(&mut self, spec: &ServiceSpec) {
        for (path, kind, name) in names::all(spec) {
            // What a template makes of it is looked at when it is filled.
            if !name.contains("{{")
                && let Some(why) = kind.refuse(name)
            {
                self.error(path, why);
            }
        }
    }

    fn diagnose(&mut self, spec: &ServiceSpec) {
        for (index, diagnosis) in spec.diagnose.iter().enumerate() {
            let path = path::item("spec.diagnose", index);
            self.command(&path::field(&path, "command"), &diagnosis.command);
        }
        let uninstall = spec.uninstall.iter().flat_map(|u| &u.commands).enumerate();
        for (index, command) in uninstall {
            self.command(&path::item("spec.uninstall.commands", index), command);
        }
    }
}

/// Whether a template can speak of it with a dot.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

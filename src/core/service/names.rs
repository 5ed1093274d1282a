//! What a guest's tools take as arguments: names that are no option, no path, and nothing that a tool reads
//! otherwise than it was meant. Values have a part in them, so they are looked at once they are filled in.

use trustnet_api::service::ServiceSpec;

use super::parameters::is_path;
use super::template::{Escape, Scope, TemplateError, render};
use crate::path;

/// What something is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A user or a group.
    User,
    /// `user` or `user:group`.
    Owner,
    /// A unit of systemd, or a service of OpenRC.
    Unit,
    /// A package, as its manager knows it.
    Package,
    /// A variable of an environment.
    Variable,
    /// A folder or a program.
    Path,
}

impl Kind {
    /// Why a text cannot be such a name, if it cannot.
    pub fn refuse(self, text: &str) -> Option<String> {
        let (good, what) = match self {
            Self::User => (is_user(text), "name of a user or a group"),
            Self::Owner => (is_owner(text), "owner: write `user` or `user:group`"),
            Self::Unit => (is_unit(text), "name of a unit"),
            Self::Package => (is_package(text), "name of a package"),
            Self::Variable => (is_variable(text), "name of a variable"),
            Self::Path => (is_folder(text), "absolute path without `..`"),
        };
        (!good).then(|| format!("`{text}` is no {what}"))
    }
}

/// Everything in a definition that is such a name: where it stands, what it is, and its template.
pub(crate) fn all(spec: &ServiceSpec) -> Vec<(String, Kind, &str)> {
    let mut all = Vec::new();
    if let Some(user) = &spec.user {
        all.push(("spec.user.name".to_owned(), Kind::User, user.name.as_str()));
        let home = user.home.as_deref();
        all.extend(home.map(|home| ("spec.user.home".to_owned(), Kind::Path, home)));
        let shell = user.shell.as_deref();
        all.extend(shell.map(|shell| ("spec.user.shell".to_owned(), Kind::Path, shell)));
        list(&mut all, "spec.user.groups", Kind::User, &user.groups);
    }
    let owner = spec.data.as_ref().and_then(|data| data.owner.as_deref());
    all.extend(owner.map(|owner| ("spec.data.owner".to_owned(), Kind::Owner, owner)));
    for (name, secret) in &spec.secrets {
        let at = path::field(&path::field("spec.secrets", name), "owner");
        let owner = secret.owner.as_deref();
        all.extend(owner.map(|owner| (at, Kind::Owner, owner)));
    }
    for (index, file) in spec.files.iter().enumerate() {
        let at = path::field(&path::item("spec.files", index), "owner");
        let owner = file.owner.as_deref();
        all.extend(owner.map(|owner| (at, Kind::Owner, owner)));
    }
    for (index, artifact) in spec.artifacts.iter().enumerate() {
        let at = path::field(&path::item("spec.artifacts", index), "packages");
        if let Some(packages) = &artifact.packages {
            for (manager, names) in [
                ("apt", &packages.apt),
                ("dnf", &packages.dnf),
                ("apk", &packages.apk),
            ] {
                list(&mut all, &path::field(&at, manager), Kind::Package, names);
            }
        }
    }
    for (index, setup) in spec.setup.iter().enumerate() {
        let at = path::item("spec.setup", index);
        let user = setup.user.as_deref();
        all.extend(user.map(|user| (path::field(&at, "user"), Kind::User, user)));
        let names = setup.environment.keys();
        all.extend(names.map(|name| {
            (
                path::field(&at, "environment"),
                Kind::Variable,
                name.as_str(),
            )
        }));
    }
    if let Some(unit) = &spec.unit {
        for (field, kind, name) in [
            ("name", Kind::Unit, &unit.name),
            ("openrcName", Kind::Unit, &unit.openrc_name),
            ("user", Kind::User, &unit.user),
            ("workingDirectory", Kind::Path, &unit.working_directory),
        ] {
            let name = name.as_deref();
            all.extend(name.map(|name| (path::field("spec.unit", field), kind, name)));
        }
        list(&mut all, "spec.unit.after", Kind::Unit, &unit.after);
        let names = unit.environment.keys();
        all.extend(names.map(|name| {
            (
                "spec.unit.environment".to_owned(),
                Kind::Variable,
                name.as_str(),
            )
        }));
    }
    if let Some(leave) = &spec.uninstall {
        list(
            &mut all,
            "spec.uninstall.packages",
            Kind::Package,
            &leave.packages,
        );
    }
    all
}

fn list<'a>(all: &mut Vec<(String, Kind, &'a str)>, at: &str, kind: Kind, names: &'a [String]) {
    let names = names.iter().enumerate();
    all.extend(names.map(|(index, name)| (path::item(at, index), kind, name.as_str())));
}

/// Refuses what values have made of the names of a definition.
///
/// # Errors
/// A template cannot be filled, or what comes of it is no such name: in which field.
pub(crate) fn refuse_filled(spec: &ServiceSpec, scope: &Scope) -> Result<(), TemplateError> {
    for (at, kind, template) in all(spec) {
        let name = render(template, scope, Escape::Whole)?;
        if let Some(why) = kind.refuse(&name) {
            return Err(TemplateError::new(format!("`{at}`: {why}")));
        }
    }
    Ok(())
}

fn of(text: &str, most: usize, first: &str, more: &str) -> bool {
    let is = |c: char, also: &str| c.is_ascii_alphanumeric() || also.contains(c);
    let mut chars = text.chars();
    text.len() <= most && chars.next().is_some_and(|c| is(c, first)) && chars.all(|c| is(c, more))
}

/// As useradd(8) takes them, and the capitals that others do.
fn is_user(text: &str) -> bool {
    of(text.strip_suffix('$').unwrap_or(text), 32, "_", "_-.")
}

fn is_owner(text: &str) -> bool {
    match text.split_once(':') {
        Some((user, group)) => is_user(user) && is_user(group),
        None => is_user(text),
    }
}

/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html>
fn is_unit(text: &str) -> bool {
    of(text, 200, "_", "_-.:@\\")
}

/// A version, an architecture or a release may follow, and dnf knows groups, files and what a package provides.
fn is_package(text: &str) -> bool {
    of(text, 255, "@/_", "+-._:=/~^()@<>")
}

fn is_folder(text: &str) -> bool {
    text == "/" || is_path(text.strip_suffix('/').unwrap_or(text))
}

fn is_variable(text: &str) -> bool {
    of(text, 255, "_", "_") && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn no_name_is_an_option_or_more_than_one_word() {
        let kinds = [
            Kind::User,
            Kind::Owner,
            Kind::Unit,
            Kind::Package,
            Kind::Variable,
        ];
        for kind in kinds {
            for bad in [
                "", "-x", "--help", "-", "a b", "a\nb", "a\tb", "$(id)", "`id`", "a;b", "a*", "ü",
                "a\0b",
            ] {
                assert!(kind.refuse(bad).is_some(), "{kind:?}: {bad:?}");
            }
        }
    }

    #[test]
    fn names_are_what_guests_have() {
        for (kind, good) in [
            (
                Kind::User,
                &[
                    "root",
                    "www-data",
                    "_apt",
                    "node-exporter",
                    "Ada.L",
                    "1000",
                    "host$",
                ][..],
            ),
            (Kind::Owner, &["root", "postgres:postgres", "0:0"]),
            (
                Kind::Unit,
                &[
                    "postgresql",
                    "tool@plain",
                    "dev-disk\\x2d1.device",
                    "a.service",
                ],
            ),
            (
                Kind::Package,
                &[
                    "g++",
                    "libc6:amd64",
                    "caddy=2.6.2-5",
                    "vim/bookworm",
                    "perl(DBI)",
                    "@core",
                    "/usr/bin/python3",
                    "7zip",
                ],
            ),
            (Kind::Variable, &["PATH", "_x1"]),
            (
                Kind::Path,
                &["/usr/sbin/nologin", "/srv/with blank", "/", "/srv/"],
            ),
        ] {
            for good in good {
                assert_eq!(kind.refuse(good), None, "{kind:?}");
            }
        }
        for (kind, bad) in [
            (Kind::User, "a:b"),
            (Kind::User, "x123456789012345678901234567890123"),
            (Kind::Owner, "a:b:c"),
            (Kind::Owner, "root:"),
            (Kind::Owner, ":root"),
            (Kind::Owner, "root:-x"),
            (Kind::Unit, "a/b"),
            (Kind::Unit, "../x"),
            (Kind::Variable, "1a"),
            (Kind::Variable, "A-B"),
            (Kind::Path, "usr/bin"),
            (Kind::Path, "-/usr"),
            (Kind::Path, "/a\nb"),
            (Kind::Path, "/a/../b"),
        ] {
            assert!(kind.refuse(bad).is_some(), "{kind:?}: {bad:?}");
        }
    }
}

//! A program as the guest's script reads it: a folder of small files, each line a word and its fields.

use std::collections::BTreeMap;

use super::{Action, Payload, ReadyCheck, Step};

/// The guest's script.
const RUNNER: &str = include_str!("../../../images/guest/provision.sh");

/// The files of a program for the guest: name, mode and bytes. With `payload`, what the steps write as well.
#[must_use]
pub fn files(steps: &[(usize, &Step)], payload: bool) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    files.insert(
        "provision.sh".to_owned(),
        (0o700, RUNNER.as_bytes().to_vec()),
    );
    for (number, step) in steps {
        files.insert(
            format!("steps/{number:04}"),
            (0o600, encode(step).into_bytes()),
        );
        if payload {
            for payload in payloads(&step.action) {
                files
                    .entry(format!("payload/{}", payload.digest()))
                    .or_insert_with(|| (0o600, payload.bytes().to_vec()));
            }
        }
    }
    files
}

fn payloads(action: &Action) -> Vec<&Payload> {
    match action {
        Action::File { content, .. } => vec![content],
        Action::Run { input, .. } => input.iter().collect(),
        Action::Unit {
            systemd, openrc, ..
        } => vec![systemd, openrc],
        Action::Packages { index, .. } => index.iter().collect(),
        _ => Vec::new(),
    }
}

/// A step: lines of a word and its fields, with tabs between them.
fn encode(step: &Step) -> String {
    let mut lines = Lines::default();
    lines.add("service", [&step.service, &step.version]);
    lines.add("key", [&step.key()]);
    lines.add("digest", [&step.digest().to_string()]);
    lines.add("limit", [&step.limit_s.to_string()]);
    let then = match step.then {
        super::Then::Nothing => "nothing",
        super::Then::Reload => "reload",
        super::Then::Restart => "restart",
    };
    lines.add("follow", [then]);
    action(&step.action, &mut lines);
    lines.0
}

fn action(action: &Action, lines: &mut Lines) {
    match action {
        Action::Depend { .. } => lines.add("action", ["depend"]),
        Action::User {
            name,
            home,
            shell,
            groups,
        } => {
            lines.add("action", ["user", name, home, shell]);
            lines.add("groups", groups);
        }
        Action::Directory { path, on, mode } => {
            let empty = String::new();
            let (on, mode) = (
                on.as_ref().unwrap_or(&empty),
                mode.as_ref().unwrap_or(&empty),
            );
            lines.add("action", ["directory", path, on, mode]);
        }
        Action::Owner { path, owner } => lines.add("action", ["owner", path, owner]),
        Action::Packages {
            apt,
            debs,
            index,
            dnf,
            apk,
        } => {
            let index = index.as_ref().map(|index| index.digest().to_string());
            lines.add("action", ["packages", index.as_deref().unwrap_or_default()]);
            lines.add("apt", apt);
            lines.add("dnf", dnf);
            lines.add("apk", apk);
            for (file, digest) in debs {
                lines.add("deb", [file, &digest.to_string()]);
            }
        }
        Action::Install {
            artifact,
            path,
            mode,
        } => {
            lines.add("action", ["install", &artifact.to_string(), path, mode]);
        }
        Action::Unpack {
            artifact,
            format,
            into,
            strip,
            links,
        } => {
            let artifact = artifact.to_string();
            lines.add(
                "action",
                ["unpack", &artifact, format, into, &strip.to_string()],
            );
            for (link, target) in links {
                lines.add("link", [link, target]);
            }
        }
        Action::Image { artifact, name } => {
            lines.add("action", ["image", &artifact.to_string(), name]);
        }
        Action::File {
            path,
            owner,
            mode,
            content,
        } => {
            lines.add(
                "action",
                ["file", &content.digest().to_string(), path, owner, mode],
            );
        }
        Action::Run {
            command,
            unless,
            user,
            environment,
            input,
        } => {
            let input = input.as_ref().map(|input| input.digest().to_string());
            lines.add(
                "action",
                ["run", user, input.as_deref().unwrap_or_default()],
            );
            lines.add("command", command);
            lines.add("unless", unless);
            for (name, value) in environment {
                lines.add("variable", [&format!("{name}={value}")]);
            }
        }
        Action::Unit {
            name,
            systemd,
            openrc,
        } => {
            let (systemd, openrc) = (systemd.digest().to_string(), openrc.digest().to_string());
            lines.add("action", ["unit", name, &systemd, &openrc]);
        }
        Action::Start { unit, openrc } => lines.add("action", ["start", unit, openrc]),
        Action::Ready {
            check,
            unit,
            grace_s,
        } => ready(check, unit.as_ref(), *grace_s, lines),
        Action::Stop { unit, openrc } => lines.add("action", ["stop", unit, openrc]),
        Action::Remove { packages, paths } => {
            lines.add("action", ["remove"]);
            lines.add("packages", packages);
            for path in paths {
                lines.add("path", [path]);
            }
        }
    }
}

fn ready(check: &ReadyCheck, unit: Option<&(String, String)>, grace_s: u32, lines: &mut Lines) {
    let by = match check {
        ReadyCheck::Unit => "unit",
        ReadyCheck::Command { .. } => "command",
        ReadyCheck::Journal { .. } => "journal",
        ReadyCheck::Http(_) | ReadyCheck::Tcp { .. } | ReadyCheck::Console { .. } => "host",
    };
    let (systemd, openrc) = unit.map_or(("", ""), |(a, b)| (a, b));
    lines.add(
        "action",
        ["ready", by, systemd, openrc, &grace_s.to_string()],
    );
    match check {
        ReadyCheck::Command { command } => lines.add("command", command),
        ReadyCheck::Journal { contains } => lines.add("text", [contains]),
        _ => {}
    }
}

/// Lines of a word and its fields.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add<S: AsRef<str>>(&mut self, word: &str, fields: impl IntoIterator<Item = S>) {
        self.0.push_str(word);
        for field in fields {
            self.0.push('\t');
            self.0.push_str(&escape(field.as_ref()));
        }
        self.0.push('\n');
    }
}

/// A field as `printf %b` gives it back: no tab, no line's end, and never empty, because a shell that
/// splits at tabs loses empty fields.
fn escape(field: &str) -> String {
    match field {
        "" => return "-".to_owned(),
        "-" => return "\\0055".to_owned(),
        _ => {}
    }
    let mut out = String::new();
    for c in field.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[expect(
    clippy::disallowed_types,
    reason = "what another reader makes of it is what is tested"
)]
mod tests {
    use std::process::Command;

    use super::escape;

    #[test]
    fn a_field_comes_out_of_the_guest_s_shell_as_it_went_in() {
        let fields = [
            "",
            "-",
            "--",
            "plain",
            "two words",
            "a\tb",
            "a\nb\n",
            "\\",
            "\\n",
            "\\c\\0101",
            "%s%b",
            "'\"$(x)`y`",
            "ünï 😀",
            "*?[a]",
            " blank ",
            "\r",
        ];
        let script = "case $1 in -) value= ;; *) value=$(printf '%b_' \"$1\"); value=${value%_} ;; esac; printf %s \"$value\"";
        for shell in [&["dash"][..], &["busybox", "sh"]] {
            for field in fields {
                let out = Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-c", script, "sh", &escape(field)])
                    .output()
                    .expect("the shell runs");
                assert_eq!(out.stdout, field.as_bytes(), "{field:?} in {shell:?}");
                assert!(!escape(field).contains(['\t', '\n']));
            }
        }
    }
}

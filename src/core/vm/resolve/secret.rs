//! Secrets as they were written.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use trustnet_api::FOUNDRY_V1ALPHA1;
use trustnet_api::secret::{Alphabet, Generate, SecretString, ValueFrom};

use super::raw_user_data;
use super::report::Report;
use crate::problem::Problem;
use crate::vm::{Guest, SecretMap, SecretValue, Vm};

pub(super) fn resolve(path: &str, secret: &SecretString, report: &mut Report) -> SecretValue {
    match secret {
        SecretString::Inline(value) => SecretValue::Known(value.clone()),
        SecretString::ValueFrom(from) => {
            reference(path, from, report);
            SecretValue::From(from.clone())
        }
        SecretString::Redacted(digest) => {
            let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
            let good = |d: &str| d.len() == 64 && d.bytes().all(hex);
            if !digest.strip_prefix("sha256:").is_some_and(good) {
                report
                    .error(
                        path,
                        "a redacted value is `sha256:` and 64 hexadecimal digits",
                    )
                    .hint("write the value itself, or `valueFrom`");
            }
            SecretValue::Redacted(digest.clone())
        }
    }
}

/// What is wrong with a reference to a secret, wherever in a spec it stands.
#[must_use]
pub fn check_reference(path: &str, from: &ValueFrom) -> Vec<Problem> {
    let mut report = Report::new(false);
    reference(path, from, &mut report);
    report.finish().err().unwrap_or_default()
}

/// Whether a generated secret can have this name: it is a file's name too.
#[must_use]
pub fn is_generated_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(good)
        && name.len() <= 63
}

fn reference(path: &str, from: &ValueFrom, report: &mut Report) {
    let path = format!("{path}.valueFrom");
    match from {
        ValueFrom::File(file) => names_file(format!("{path}.file"), file, report),
        ValueFrom::Env(name) => {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(good)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                report
                    .error(
                        format!("{path}.env"),
                        format!("`{name}` cannot be the name of a variable"),
                    )
                    .hint("write it without `$`, such as `ROOT_PASSWORD_HASH`");
            }
        }
        ValueFrom::Generate(one) => generate(&format!("{path}.generate"), one, report),
        ValueFrom::Age(age) => {
            names_file(format!("{path}.age.file"), &age.file, report);
            if let Some(identity) = &age.identity {
                names_file(format!("{path}.age.identity"), identity, report);
            }
        }
    }
}

fn names_file(path: String, file: &str, report: &mut Report) {
    if file.is_empty() || file.contains('\0') || file.ends_with('/') {
        report.error(path, "the path names no file");
    }
}

/// The characters that a generated secret may have.
const LENGTHS: RangeInclusive<u32> = 8..=1024;

fn generate(path: &str, one: &Generate, report: &mut Report) {
    let Generate { name, .. } = one;
    if !is_generated_name(name) {
        report
            .error(
                format!("{path}.name"),
                format!("{name:?} cannot be the name of a generated secret"),
            )
            .hint(
                "write 1 to 63 letters, digits, `.`, `_` and `-`, beginning with a letter or a digit",
            );
    }
    if !LENGTHS.contains(&one.length()) {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        report.error(
            format!("{path}.length"),
            format!("a generated secret has {least} to {most} characters"),
        );
    }
}

/// Of one name there is one generated secret, so all who ask for it must ask for the same.
pub(super) fn agree(guest: &Guest, report: &mut Report) {
    let mut seen: BTreeMap<(&str, bool), (String, u32, Alphabet)> = BTreeMap::new();
    for (path, secret) in guest.secrets() {
        let SecretValue::From(ValueFrom::Generate(one)) = secret else {
            continue;
        };
        let (length, alphabet) = (one.length(), one.alphabet());
        let first = seen
            .entry((&one.name, one.is_shared()))
            .or_insert_with(|| (path.clone(), length, alphabet));
        if (first.1, first.2) != (length, alphabet) {
            let name = &one.name;
            let message = format!("`{name}` has another length or alphabet in `{}`", first.0);
            report
                .error(format!("{path}.valueFrom.generate"), message)
                .hint("write the same in both, or give one of them another name");
        }
    }
}

/// A crypt(5) hash, where its text is known.
pub(super) fn password_hash(path: &str, hash: &SecretString, report: &mut Report) -> SecretValue {
    match hash {
        SecretString::Inline(text) => check_hash(path, text, report),
        SecretString::ValueFrom(ValueFrom::Generate(_)) => {
            report
                .error(
                    format!("{path}.valueFrom.generate"),
                    "what is generated is no password's hash",
                )
                .hint("make one with `openssl passwd -6`, and read it from a `file`");
        }
        SecretString::ValueFrom(_) | SecretString::Redacted(_) => {}
    }
    resolve(path, hash, report)
}

fn check_hash(path: &str, text: &str, report: &mut Report) {
    if !text.starts_with('$') {
        report
            .error(path, "a password's hash begins with `$`")
            .hint("make one with `openssl passwd -6`; the password itself does not belong here");
    } else if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || *c == ':') {
        report.error(path, format!("a password's hash has no {bad:?} in it"));
    }
}

impl Vm {
    /// Checks the secrets that were read by reference with the rules for inline ones.
    ///
    /// # Errors
    /// All problems; none of their messages holds the secret.
    pub fn check_secrets(&self, secrets: &SecretMap) -> Result<(), Vec<Problem>> {
        let mut report = Report::new(self.wire.api_version == FOUNDRY_V1ALPHA1);
        for (path, secret) in self.guest.secrets() {
            let SecretValue::From(_) = secret else {
                continue;
            };
            let Some(text) = secrets.reveal(secret) else {
                continue;
            };
            if text.contains('\0') {
                report.error(&path, "the value has a NUL in it");
            } else if path.ends_with("passwordHash") {
                check_hash(&path, text, &mut report);
            } else if path.ends_with("rawUserData") {
                raw_user_data::check(&path, text, &mut report);
            }
        }
        report.finish().map(|_| ())
    }
}

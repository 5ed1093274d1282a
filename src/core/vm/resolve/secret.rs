//! Secrets as they were written.

use trustnet_api::FOUNDRY_V1ALPHA1;
use trustnet_api::secret::{SecretString, ValueFrom};

use super::raw_user_data;
use super::report::Report;
use crate::problem::Problem;
use crate::vm::{SecretMap, SecretValue, Vm};

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

fn reference(path: &str, from: &ValueFrom, report: &mut Report) {
    match from {
        ValueFrom::File(file) => {
            if file.is_empty() || file.contains('\0') || file.ends_with('/') {
                report.error(format!("{path}.valueFrom.file"), "the path names no file");
            }
        }
        ValueFrom::Env(name) => {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(good)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                report
                    .error(
                        format!("{path}.valueFrom.env"),
                        format!("`{name}` cannot be the name of a variable"),
                    )
                    .hint("write it without `$`, such as `ROOT_PASSWORD_HASH`");
            }
        }
    }
}

/// A crypt(5) hash, where its text is known.
pub(super) fn password_hash(path: &str, hash: &SecretString, report: &mut Report) -> SecretValue {
    if let SecretString::Inline(text) = hash {
        check_hash(path, text, report);
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

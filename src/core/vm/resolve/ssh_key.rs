//! SSH public keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// The key types that today's OpenSSH accepts.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Why a line is not an SSH public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum SshKeyError {
    #[error("the key has a line break or another control character in it")]
    Control,
    #[error("the text is a private key")]
    Private,
    #[error("`{0}` is not the type of an SSH public key")]
    Type(String),
    #[error("the key is cut off or damaged")]
    Damaged,
    #[error("the line says `{0}` and the key itself `{1}`")]
    Mismatch(String, String),
}

impl SshKeyError {
    /// Whether the rest of the line says nothing that sshd would take: then it is harmless.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Damaged | Self::Mismatch(..))
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Control => "write the key as one line".to_owned(),
            Self::Private => {
                "write the public half, the line in `~/.ssh/id_ed25519.pub`".to_owned()
            }
            Self::Type(_) => format!(
                "the line begins with one of {}",
                TYPES.map(|t| format!("`{t}`")).join(", ")
            ),
            Self::Damaged | Self::Mismatch(..) => {
                "copy the whole line, such as that in `~/.ssh/id_ed25519.pub`".to_owned()
            }
        }
    }
}

/// Checks a line of the form `type base64 comment`.
pub(super) fn check(line: &str) -> Result<(), SshKeyError> {
    if line.contains("PRIVATE KEY-----") {
        return Err(SshKeyError::Private);
    }
    if line.chars().any(char::is_control) {
        return Err(SshKeyError::Control);
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let kind = words.next().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(SshKeyError::Type(kind.chars().take(40).collect()));
    }
    let blob = words.next().and_then(|word| STANDARD.decode(word).ok());
    let mut rest = blob.as_deref().ok_or(SshKeyError::Damaged)?;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<4>().ok_or(SshKeyError::Damaged)?;
        let length =
            usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SshKeyError::Damaged)?;
        let (field, tail) = tail.split_at_checked(length).ok_or(SshKeyError::Damaged)?;
        fields.push(field);
        rest = tail;
    }
    let embedded = fields.first().copied().unwrap_or_default();
    if embedded != kind.as_bytes() {
        let embedded = String::from_utf8_lossy(embedded);
        return Err(SshKeyError::Mismatch(
            kind.to_owned(),
            embedded
                .chars()
                .filter(|c| !c.is_control())
                .take(40)
                .collect(),
        ));
    }
    let whole = match kind {
        "ssh-ed25519" => matches!(fields.as_slice(), [_, key] if key.len() == 32),
        "ssh-rsa" => matches!(fields.as_slice(), [_, e, n] if !e.is_empty() && n.len() >= 128),
        "sk-ssh-ed25519@openssh.com" => matches!(fields.as_slice(), [_, key, _] if key.len() == 32),
        "sk-ecdsa-sha2-nistp256@openssh.com" => fields.len() == 4,
        _ => matches!(fields.as_slice(), [_, _, point] if point.first() == Some(&4)),
    };
    if whole {
        Ok(())
    } else {
        Err(SshKeyError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::{SshKeyError, check};

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice";

    #[test]
    fn a_whole_key_is_taken_with_and_without_a_comment() {
        assert_eq!(check(ED25519), Ok(()));
        assert_eq!(check(ED25519.trim_end_matches(" alice")), Ok(()));
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        use SshKeyError::{Control, Damaged, Mismatch, Private, Type};
        let rest = ED25519.split_once(' ').map_or("", |(_, rest)| rest);
        let cases = [
            (String::new(), Type(String::new())),
            (format!("ssh-dss {rest}"), Type("ssh-dss".to_owned())),
            (
                format!("command=\"x\" {ED25519}"),
                Type("command=\"x\"".to_owned()),
            ),
            (format!("{ED25519}\nroot ALL"), Control),
            ("ssh-ed25519".to_owned(), Damaged),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoo...".to_owned(),
                Damaged,
            ),
            (ED25519.replace("GKJl", ""), Damaged),
            (
                format!("ssh-rsa {rest}"),
                Mismatch("ssh-rsa".to_owned(), "ssh-ed25519".to_owned()),
            ),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), Private),
        ];
        for (line, expected) in cases {
            assert_eq!(check(&line), Err(expected), "{line}");
        }
    }
}

//! Signatures over `Release` files, verified by gpgv in a process of its own: what counts is what it says on its
//! status descriptor, and the text is what it says was signed.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The program is not there.
    #[error("gpgv did not start: {0}")]
    Start(io::Error),
    /// A file could not be handed over.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no signed text at all: an error page, say.
    #[error("it is not one clearsigned message")]
    NotSigned,
    /// The text is not what was signed.
    #[error("its signature is bad: it was changed after it was signed")]
    Bad,
    /// Nothing but signatures that do not count.
    #[error("no signature on it counts: {0}")]
    NoneCounts(String),
}

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// The text that was signed by one of these keys. The folder is for files in passing, and nobody else's.
///
/// # Errors
/// No signature of one of these keys counts, or there is a bad one.
pub fn verify(message: &[u8], keyring: &[u8], folder: &Path) -> Result<String, SignatureError> {
    let text = std::str::from_utf8(message).map_err(|_| SignatureError::NotSigned)?;
    if !is_one_message(text) {
        return Err(SignatureError::NotSigned);
    }
    let path = |name: &str| folder.join(name);
    fs::write(path("keyring.gpg"), keyring)?;
    fs::write(path("message"), message)?;
    let output = Command::new("gpgv")
        .args(["--status-fd", "1", "--homedir"])
        .arg(folder)
        .arg("--keyring")
        .arg(path("keyring.gpg"))
        .arg("--output")
        .arg(path("text"))
        .arg(path("message"))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(SignatureError::Start)?;
    judge(&String::from_utf8_lossy(&output.stdout))?;
    Ok(fs::read_to_string(path("text"))?)
}

/// Nothing before, between or after what is signed: there others have been fooled.
pub(in crate::cache) fn is_one_message(text: &str) -> bool {
    let count = |line: &str| {
        text.lines()
            .filter(|other| other.trim_end() == line)
            .count()
    };
    text.starts_with(MESSAGE)
        && text.trim_end().ends_with(END)
        && [MESSAGE, SIGNATURE, END].map(count) == [1, 1, 1]
}

/// One signature, as gpgv tells of it.
#[derive(Default)]
struct Signature {
    good: bool,
    valid: bool,
    weak: bool,
}

/// What gpgv says comes to: one good signature of a known key, by a digest that still holds, and no bad one. Keys that
/// are not known do not matter: archives sign with those of other releases too.
pub(in crate::cache) fn judge(status: &str) -> Result<(), SignatureError> {
    let mut signatures = vec![Signature::default()];
    let mut reasons = Vec::new();
    for line in status.lines() {
        let Some(line) = line.strip_prefix("[GNUPG:] ") else {
            continue;
        };
        let words: Vec<&str> = line.split(' ').collect();
        if words.first() == Some(&"NEWSIG") {
            signatures.push(Signature::default());
        }
        let Some(last) = signatures.last_mut() else {
            continue;
        };
        let key = words.get(1).copied().unwrap_or_default();
        match words.first().copied().unwrap_or_default() {
            "GOODSIG" => last.good = true,
            "VALIDSIG" => {
                last.valid = true;
                // MD5, SHA-1 and RIPEMD-160, by their numbers in RFC 9580.
                last.weak = matches!(words.get(8), None | Some(&("1" | "2" | "3")));
                if last.weak {
                    reasons.push(format!("{key} used a digest that is broken"));
                }
            }
            "BADSIG" => return Err(SignatureError::Bad),
            "EXPSIG" => reasons.push(format!("that of {key} is expired")),
            "EXPKEYSIG" => reasons.push(format!("key {key} is expired")),
            "REVKEYSIG" => reasons.push(format!("key {key} is revoked")),
            "NO_PUBKEY" => reasons.push(format!("key {key} is not one of those that count")),
            "NODATA" => reasons.push("there is none".to_owned()),
            _ => {}
        }
    }
    let counts = |signature: &Signature| signature.good && signature.valid && !signature.weak;
    if signatures.iter().any(counts) {
        return Ok(());
    }
    if reasons.is_empty() {
        reasons.push("gpgv found none".to_owned());
    }
    Err(SignatureError::NoneCounts(reasons.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{is_one_message, judge};

    const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6ED0 Debian\n[GNUPG:] VALIDSIG 4CB5 2026-07-11 1783765031 0 4 0 1 8 01 B8B8\n";

    fn said(status: &str) -> String {
        judge(status).map_or_else(|error| error.to_string(), |()| "good".to_owned())
    }

    #[test]
    fn one_good_signature_is_enough_beside_keys_that_are_unknown() {
        assert_eq!(said(GOOD), "good");
        let unknown =
            "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 78DB 1 8 01 1 9 B8E5\n[GNUPG:] NO_PUBKEY 78DB\n";
        assert_eq!(said(&format!("{unknown}{GOOD}{unknown}")), "good");
        assert_eq!(
            said(unknown),
            "no signature on it counts: key 78DB is not one of those that count"
        );
    }

    #[test]
    fn what_is_bad_expired_revoked_or_weak_does_not_count() {
        let table = [
            (
                format!("{GOOD}[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 78DB x\n"),
                "its signature is bad: it was changed after it was signed",
            ),
            (
                GOOD.replace("GOODSIG", "EXPKEYSIG"),
                "no signature on it counts: key 6ED0 is expired",
            ),
            (
                GOOD.replace("GOODSIG", "EXPSIG"),
                "no signature on it counts: that of 6ED0 is expired",
            ),
            (
                GOOD.replace("GOODSIG", "REVKEYSIG"),
                "no signature on it counts: key 6ED0 is revoked",
            ),
            (
                GOOD.replace(" 1 8 01 ", " 1 2 01 "),
                "no signature on it counts: 4CB5 used a digest that is broken",
            ),
            (
                GOOD.replace("VALIDSIG", "KEY_CONSIDERED"),
                "no signature on it counts: gpgv found none",
            ),
            (
                GOOD.replace("[GNUPG:] V", "[GNUPG:] NEWSIG\n[GNUPG:] V"),
                "no signature on it counts: gpgv found none",
            ),
            (
                "GOODSIG a\nVALIDSIG a\n".to_owned(),
                "no signature on it counts: gpgv found none",
            ),
        ];
        for (status, expected) in table {
            assert_eq!(said(&status), expected, "{status}");
        }
    }

    #[test]
    fn there_is_one_message_and_nothing_else() {
        let one = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
        assert!(is_one_message(one));
        for text in [
            one.repeat(2),
            format!("Date: x\n{one}"),
            format!("{one}Date: x\n"),
            "<html>".to_owned(),
        ] {
            assert!(!is_one_message(&text), "{text}");
        }
    }
}

//! Signatures of publishers over their lists of checksums.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deb::signature::{is_one_message, judge};
use super::error::CacheError;

/// Verifies a minisign signature.
///
/// # Errors
/// It is not good.
pub fn minisign(what: &str, signed: &[u8], signature: &[u8], key: &str) -> Result<(), CacheError> {
    let bad = |error: minisign_verify::Error| bad(what, error.to_string());
    let key = minisign_verify::PublicKey::from_base64(key.trim()).map_err(bad)?;
    let signature = String::from_utf8_lossy(signature);
    let signature = minisign_verify::Signature::decode(&signature).map_err(bad)?;
    key.verify(signed, &signature, true).map_err(bad)
}

/// Verifies a detached OpenPGP signature by one of these keys.
///
/// # Errors
/// It is not good, or gpgv is not there.
pub fn detached(
    what: &str,
    signed: &[u8],
    signature: &[u8],
    keys: &[u8],
) -> Result<(), CacheError> {
    let folder = folder(what)?;
    put(
        what,
        folder.path(),
        &[("signature", signature), ("signed", signed)],
    )?;
    gpgv(what, folder.path(), keys, &["signature", "signed"])
}

/// Verifies a clearsigned text by one of these keys, and gives what was signed.
///
/// # Errors
/// It is not good, or gpgv is not there.
pub fn clearsigned(what: &str, text: &[u8], keys: &[u8]) -> Result<Vec<u8>, CacheError> {
    if !is_one_message(&String::from_utf8_lossy(text)) {
        return Err(bad(what, "it is not one clearsigned message".to_owned()));
    }
    let folder = folder(what)?;
    put(what, folder.path(), &[("text", text)])?;
    gpgv(what, folder.path(), keys, &["--output", "signed", "text"])?;
    // What is between the marks of a signature, and no word more.
    fs::read(folder.path().join("signed")).map_err(|error| bad(what, error.to_string()))
}

fn gpgv(what: &str, folder: &Path, keys: &[u8], args: &[&str]) -> Result<(), CacheError> {
    let keys = dearmoured(keys).ok_or_else(|| bad(what, "its keys cannot be read".to_owned()))?;
    put(what, folder, &[("keys.gpg", &keys)])?;
    let output = Command::new("gpgv")
        .args([
            "--status-fd",
            "1",
            "--homedir",
            ".",
            "--keyring",
            "./keys.gpg",
        ])
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| bad(what, format!("gpgv did not start: {error}")))?;
    judge(&String::from_utf8_lossy(&output.stdout)).map_err(|error| bad(what, error.to_string()))
}

/// Keys without their armour, which gpgv does not read.
fn dearmoured(keys: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let text = match std::str::from_utf8(keys) {
        Ok(text) if text.contains(BEGIN) => text,
        _ => return Some(keys.to_owned()),
    };
    let mut binary = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let (block, _) = block.split_once(END)?;
        let lines = block.lines().map(str::trim).skip(1);
        let body: String = lines
            .skip_while(|line| line.contains(": "))
            .filter(|line| !line.starts_with('='))
            .collect();
        binary.extend(STANDARD.decode(body).ok()?);
    }
    Some(binary)
}

fn folder(what: &str) -> Result<tempfile::TempDir, CacheError> {
    tempfile::tempdir().map_err(|error| bad(what, error.to_string()))
}

fn put(what: &str, folder: &Path, files: &[(&str, &[u8])]) -> Result<(), CacheError> {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).map_err(|error| bad(what, error.to_string()))?;
    }
    Ok(())
}

fn bad(what: &str, why: String) -> CacheError {
    CacheError::Signature {
        what: what.to_owned(),
        why,
    }
}

//! How cloud-init went, from its own `status.json` and `result.json`, of old versions and new ones.
//! <https://docs.cloud-init.io/en/latest/explanation/return_codes.html>

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::clean;

/// The most of cloud-init's own lines that are passed on.
const MAX_LINES: usize = 40;

/// How cloud-init went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Done,
    /// Well enough: what it recovered from.
    Degraded {
        /// Its own words.
        messages: Vec<String>,
    },
    /// It failed.
    Failed {
        /// Its own words, with the stage and the module where it names them.
        reasons: Vec<String>,
        /// The last lines of `/var/log/cloud-init-output.log`.
        log_tail: Vec<String>,
    },
}

#[derive(Default, Deserialize)]
struct ResultFile {
    #[serde(default)]
    v1: ResultV1,
}

#[derive(Default, Deserialize)]
struct ResultV1 {
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Default, Deserialize)]
struct StatusFile {
    #[serde(default)]
    v1: BTreeMap<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Stage {
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    recoverable_errors: BTreeMap<String, Vec<String>>,
}

/// Judges from the two files and the log, each in base64.
pub(super) fn judge(status: Option<&str>, result: Option<&str>, log: Option<&str>) -> Verdict {
    let status: Option<StatusFile> = status.and_then(decode).and_then(|text| serde_json::from_str(&text).ok());
    let result: Option<ResultFile> = result.and_then(decode).and_then(|text| serde_json::from_str(&text).ok());
    let mut errors = Vec::new();
    let mut recoverable = Vec::new();
    for (name, value) in status.unwrap_or_default().v1 {
        let Ok(stage) = serde_json::from_value::<Stage>(value) else { continue };
        errors.extend(stage.errors.iter().map(|error| format!("{name}: {}", clean(error))));
        recoverable.extend(stage.recoverable_errors.values().flatten().map(|error| clean(error)));
    }
    match &result {
        // The last stage wrote no result: it did not come to its end.
        None => errors.push("cloud-init ended without a result".to_owned()),
        Some(result) if errors.is_empty() => errors.extend(result.v1.errors.iter().map(|error| clean(error))),
        Some(_) => {}
    }
    if !errors.is_empty() {
        return Verdict::Failed { reasons: errors, log_tail: log.and_then(decode).map_or_else(Vec::new, tail) };
    }
    if recoverable.is_empty() { Verdict::Done } else { Verdict::Degraded { messages: recoverable } }
}

fn decode(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(text: String) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(MAX_LINES)..].iter().map(|line| clean(line)).collect()
}

//! Labels, with Kubernetes' rules.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>

use std::collections::BTreeMap;

use super::report::Report;
use crate::path;

pub(super) fn check(labels: &BTreeMap<String, String>, report: &mut Report) {
    for (key, value) in labels {
        let path = path::field("metadata.labels", key);
        if !is_key(key) {
            report
                .lenient(&path, "the label's key is not valid")
                .hint("use up to 63 letters, digits, `-`, `_` and `.`, first and last a letter or a digit; a domain and `/` may stand before");
        }
        if !(value.is_empty() || is_word(value)) {
            report
                .lenient(&path, "the label's value is not valid")
                .hint("use up to 63 letters, digits, `-`, `_` and `.`, first and last a letter or a digit; notes belong in `annotations`");
        }
    }
}

/// Whether Kubernetes takes a label.
pub(crate) fn is_label(key: &str, value: &str) -> bool {
    is_key(key) && (value.is_empty() || is_word(value))
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_domain(prefix) && is_word(name),
        None => is_word(key),
    }
}

fn is_domain(text: &str) -> bool {
    let label = |l: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        edge(l.as_bytes().first())
            && edge(l.as_bytes().last())
            && l.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_word(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= 63
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

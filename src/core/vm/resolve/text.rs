//! Which characters may stand where.

use serde_json::Value;
use trustnet_api::cloud_init::CloudInit;
use trustnet_api::secret::SecretString;
use trustnet_api::vm::VirtualMachine;

use super::report::Report;
use crate::path;

/// The longest file name of Linux, in bytes.
const MAX_FILE_NAME: usize = 255;
/// The longest path of Linux, in bytes, with its closing NUL.
const MAX_PATH: usize = 4095;
/// The longest name of a network interface of Linux, in bytes.
const MAX_BRIDGE: usize = 15;

/// Refuses, in every string of the document, what XML 1.0 cannot carry.
pub(super) fn sweep(wire: &VirtualMachine, report: &mut Report) {
    // Status is not taken from the file; secrets serialise as digests and are looked at below.
    let parts = [
        ("metadata", serde_json::to_value(&wire.metadata)),
        ("spec", serde_json::to_value(&wire.spec)),
    ];
    for (path, value) in parts {
        walk(path, &value.unwrap_or(Value::Null), report);
    }
    for (path, secret) in wire.spec.cloud_init.iter().flat_map(inline_secrets) {
        if let SecretString::Inline(text) = secret {
            carried(&path, text, report);
        }
    }
}

fn walk(path: &str, value: &Value, report: &mut Report) {
    match value {
        Value::String(text) => carried(path, text, report),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&path::item(path, index), item, report);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = path::field(path, key);
                carried(&path, key, report);
                walk(&path, value, report);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn inline_secrets(init: &CloudInit) -> Vec<(String, &SecretString)> {
    let root = "spec.cloudInit";
    let mut found = Vec::new();
    let own = [
        ("passwordHash", &init.password_hash),
        ("rawUserData", &init.raw_user_data),
    ];
    for (key, secret) in own {
        found.extend(secret.iter().map(|s| (path::field(root, key), s)));
    }
    for (index, user) in init.users.iter().enumerate() {
        let path = format!("{root}.users[{index}].passwordHash");
        found.extend(user.password_hash.iter().map(|s| (path.clone(), s)));
    }
    for (index, file) in init.files.iter().enumerate() {
        found.push((format!("{root}.files[{index}].content"), &file.content));
    }
    found
}

/// <https://www.w3.org/TR/xml/#charsets>
fn carried(path: &str, text: &str, report: &mut Report) {
    let bad = |c: &char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(c) = text.chars().find(bad) {
        report
            .error(
                path,
                format!(
                    "the text has the control character U+{:04X} in it",
                    u32::from(c)
                ),
            )
            .hint("take it out");
    }
}

/// One line without control characters, spaces at its ends, or nothing in it; within `max` bytes.
pub(super) fn line(path: &str, what: &str, text: &str, max: usize, report: &mut Report) -> bool {
    let message = if text.is_empty() {
        format!("the {what} is empty")
    } else if text.chars().any(char::is_control) {
        format!("the {what} has a line break or another control character in it")
    } else if text.trim() != text {
        format!("the {what} begins or ends with a space")
    } else if text.len() > max {
        format!("the {what} has more than {max} bytes")
    } else {
        return true;
    };
    report.error(path, message);
    false
}

/// A line of letters, digits and the characters of `more`; the first not one of `more`.
pub(super) fn word(
    path: &str,
    what: &str,
    text: &str,
    (more, max): (&str, usize),
    report: &mut Report,
) -> bool {
    if !line(path, what, text, max, report) {
        return false;
    }
    let good = |c: &char| c.is_ascii_alphanumeric() || more.contains(*c);
    if let Some(bad) = text.chars().find(|c| !good(c)) {
        report.error(path, format!("the {what} has `{bad}` in it"));
        return false;
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        report.error(
            path,
            format!("the {what} does not begin with a letter or a digit"),
        );
        return false;
    }
    true
}

/// The name of a pool.
pub(super) fn pool(path: &str, name: &str, report: &mut Report) {
    file_name(path, "pool's name", name, report);
}

/// A name that is one file's name too: of a pool, a volume, a network, a segment.
pub(super) fn file_name(path: &str, what: &str, name: &str, report: &mut Report) -> bool {
    if !line(path, what, name, MAX_FILE_NAME, report) {
        return false;
    }
    if name.contains('/') || name.starts_with('.') {
        report.error(path, format!("the {what} has `/` in it or begins with `.`"));
        return false;
    }
    true
}

/// The name of a bridge: what the kernel takes as the name of an interface.
pub(super) fn bridge(path: &str, name: &str, report: &mut Report) -> bool {
    if !line(path, "bridge's name", name, MAX_BRIDGE, report) {
        return false;
    }
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if name.contains(bad) || matches!(name, "." | "..") {
        report.error(path, format!("`{name}` cannot be the name of a bridge"));
        return false;
    }
    true
}

/// An absolute path with no `..`, no doubled `/` and none at its end.
pub(super) fn absolute_path(path: &str, what: &str, text: &str, report: &mut Report) -> bool {
    if !line(path, what, text, MAX_PATH, report) {
        return false;
    }
    let Some(rest) = text.strip_prefix('/') else {
        report
            .error(path, format!("the {what} `{text}` is not absolute"))
            .hint("begin it with `/`");
        return false;
    };
    let bad =
        |part: &str| part.is_empty() || part == "." || part == ".." || part.len() > MAX_FILE_NAME;
    if rest.split('/').any(bad) {
        report
            .error(
                path,
                format!("the {what} `{text}` is not in its plain form"),
            )
            .hint("leave out `.`, `..`, `//` and a `/` at the end");
        return false;
    }
    true
}

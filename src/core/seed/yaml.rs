//! Values as YAML that PyYAML, which is YAML 1.1, reads back as the same values.
//!
//! Every string is double-quoted and ASCII, so that neither `yes`, `1e3` and `0x10` nor a character
//! that PyYAML refuses can change what is meant.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

/// The value as a YAML document in block style; mappings are in the order of their keys.
pub(super) fn document(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("our own types hold nothing that JSON cannot");
    let mut out = String::new();
    write_value(&mut out, &value, 0);
    out
}

/// Writes a value after `key:` or `-`, or at the top of the document.
fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                start_line(out, indent, index == 0);
                write_key(out, key);
                out.push(':');
                write_nested(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                start_line(out, indent, index == 0);
                out.push_str("- ");
                write_value(out, item, indent + 2);
            }
        }
        scalar => {
            write_scalar(out, scalar);
            out.push('\n');
        }
    }
}

fn write_nested(out: &mut String, value: &Value, indent: usize) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        out.push_str(&" ".repeat(indent + 2));
        write_value(out, value, indent + 2);
    } else {
        out.push(' ');
        write_value(out, value, indent);
    }
}

/// The first line of a collection continues the line on which it was announced.
fn start_line(out: &mut String, indent: usize, first: bool) {
    if !first {
        out.push_str(&" ".repeat(indent));
    }
}

fn write_key(out: &mut String, key: &str) {
    let plain = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    let word = matches!(
        key,
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    );
    if plain && !word {
        out.push_str(key);
    } else {
        write_string(out, key);
    }
}

fn write_scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_string(out, text),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn write_string(out: &mut String, text: &str) {
    /// cloud-init takes user-data for MIME when this stands anywhere near its beginning.
    const MIME: &str = "mime-version";
    let start = out.len() + 1;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ':' if out[start..].len() >= MIME.len()
                && out.as_bytes()[out.len() - MIME.len()..]
                    .eq_ignore_ascii_case(MIME.as_bytes()) =>
            {
                out.push_str("\\x3a");
            }
            ' '..='~' => out.push(c),
            // Writing to a String cannot fail.
            '\0'..='\u{ff}' => _ = write!(out, "\\x{:02x}", u32::from(c)),
            '\u{100}'..='\u{ffff}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            _ => _ = write!(out, "\\U{:08x}", u32::from(c)),
        }
    }
    out.push('"');
}

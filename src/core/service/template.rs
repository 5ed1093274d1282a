//! Templates: what an author wrote with values in it, each value written so that it arrives as data.

use std::collections::BTreeMap;
use std::fmt::Write;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use trustnet_api::config_value::ConfigValue;
use trustnet_api::service::Format;

/// The most work that a template may be, in instructions of its engine.
const FUEL: u64 = 200_000;

/// What a template may speak of.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The service's version.
    pub version: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// `x86_64` or `aarch64`.
    pub machine: String,
    /// The VM's name.
    pub vm: String,
    /// The path of the data folder; empty without one.
    pub data: String,
    /// Where the guest itself reaches the service's ports.
    pub address: String,
    /// The parameters.
    pub params: BTreeMap<String, ConfigValue>,
    /// The paths of the secrets' files in the guest.
    pub secret_files: BTreeMap<String, String>,
    /// The secrets themselves; only where they may stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeMap<String, String>>,
    /// Where the services are that this one depends on.
    pub dependencies: BTreeMap<String, At>,
}

/// Where a service answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct At {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// For the text of this format.
    Text(Format),
    /// For a place that takes a value whole, such as an argument of a command.
    Whole,
}

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    /// An error in our own words.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Fills a template.
///
/// # Errors
/// It is malformed, speaks of something that is not there, or a value cannot stand where it is put.
pub fn render(template: &str, scope: &Scope, escape: Escape) -> Result<String, TemplateError> {
    if !template.contains('{') {
        return Ok(template.to_owned());
    }
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(50);
    engine.set_syntax(syntax());
    engine.add_filter("identifier", |name: String| {
        Value::from_safe_string(format!("\"{}\"", name.replace('"', "\"\"")))
    });
    engine.set_formatter(move |out, _, value| {
        let text = written(value, escape).map_err(|why| Error::new(ErrorKind::BadEscape, why))?;
        out.write_str(&text).map_err(Error::from)
    });
    let context = Value::from(Serde(scope));
    engine
        .render_str(template, context)
        .map_err(|error| TemplateError(said(&error)))
}

/// Blocks on lines of their own leave no line behind, and the text's last line keeps its end.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true);
    syntax.build().unwrap_or_default()
}

/// The engine's words without its own name for the template.
fn said(error: &Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    if let Some(line) = error.line().filter(|line| *line > 1) {
        let _ = write!(text, " (line {line} of the template)");
    }
    text
}

fn written(value: &Value, escape: Escape) -> Result<String, String> {
    if value.is_undefined() || value.is_none() {
        return Err("a value is not there".to_owned());
    }
    if value.is_safe() {
        return Ok(value.to_string());
    }
    let format = match escape {
        Escape::Whole => Format::Plain,
        Escape::Text(format) => format,
    };
    match value.kind() {
        ValueKind::String => text(value.as_str().unwrap_or_default(), format),
        // The engine writes `True`, which no format but Python's has.
        ValueKind::Bool if format == Format::Sql => Ok(value.to_string().to_uppercase()),
        ValueKind::Bool => Ok(value.to_string().to_lowercase()),
        ValueKind::Number => Ok(value.to_string()),
        ValueKind::Seq | ValueKind::Iterable => list(value, format),
        _ => Err("a mapping cannot be written into a text".to_owned()),
    }
}

fn list(value: &Value, format: Format) -> Result<String, String> {
    let items = value.try_iter().map_err(|error| error.to_string())?;
    let items: Result<Vec<String>, String> = items
        .map(|item| text(item.as_str().unwrap_or_default(), format))
        .collect();
    let items = items?;
    Ok(match format {
        Format::Json | Format::Yaml | Format::Toml => format!("[{}]", items.join(", ")),
        Format::Shell | Format::Systemd => items.join(" "),
        Format::Plain | Format::Ini | Format::Sql => items.join(", "),
    })
}

fn text(value: &str, format: Format) -> Result<String, String> {
    if value.contains('\0') {
        return Err("a value holds a NUL character".to_owned());
    }
    Ok(match format {
        Format::Plain => value.to_owned(),
        Format::Shell => shell(value),
        Format::Json | Format::Yaml => serde_json::Value::from(value).to_string(),
        Format::Toml => toml(value),
        Format::Ini => return ini(value),
        Format::Sql => format!("'{}'", value.replace('\'', "''")),
        Format::Systemd => systemd(value),
    })
}

/// A word as a POSIX shell reads it back.
pub(crate) fn shell(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A basic string. <https://toml.io/en/v1.0.0#string>
fn toml(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a String cannot fail.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn ini(value: &str) -> Result<String, String> {
    if value.contains(['\n', '\r']) {
        return Err("a value of several lines cannot stand in an INI file".to_owned());
    }
    let plain =
        !value.contains([';', '#', '"', '\'', '`', '\\', '=', '%', '$']) && value.trim() == value;
    if plain {
        return Ok(value.to_owned());
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

/// A quoted item of a unit file, with specifiers taken for what they are.
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html#Quoting>
pub(crate) fn systemd(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '%' => out.push_str("%%"),
            // Writing to a String cannot fail.
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "what another reader makes of it is what is tested"
)]
mod tests {
    use std::process::Command;

    use trustnet_api::config_value::ConfigValue;
    use trustnet_api::service::Format;

    use super::{Escape, Scope, render};

    const HOSTILE: [&str; 8] = [
        "'; rm -rf /",
        "$(touch /tmp/x) `id`",
        "a\nb",
        "\"quoted\\\" %n $HOME ${HOME}",
        "{{ version }} {% if %}",
        "ünïcödé \u{202e} 😀",
        "--flag=; # comment",
        " blank ",
    ];

    fn scope(value: &str) -> Scope {
        let mut scope = Scope {
            version: "1.2".to_owned(),
            ..Scope::default()
        };
        scope
            .params
            .insert("value".to_owned(), ConfigValue::Text(value.to_owned()));
        scope
    }

    fn fill(template: &str, value: &str, format: Format) -> String {
        render(template, &scope(value), Escape::Text(format)).expect("it renders")
    }

    #[test]
    fn hostile_values_arrive_as_data_in_every_format() {
        for value in HOSTILE {
            let json = fill("{\"v\": {{ params.value }}}", value, Format::Json);
            let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(read["v"], value);
            let yaml = fill("v: {{ params.value }}\n", value, Format::Yaml);
            let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
            assert_eq!(read["v"], value);
            let shell = fill("printf %s {{ params.value }}", value, Format::Shell);
            let echoed = Command::new("sh").args(["-c", &shell]).output();
            assert_eq!(echoed.expect("sh runs").stdout, value.as_bytes());
            let whole = render("{{ params.value }}", &scope(value), Escape::Whole);
            assert_eq!(whole.as_deref(), Ok(value));
            let sql = fill("{{ params.value }}", value, Format::Sql);
            assert_eq!(
                sql[1..sql.len() - 1].replace("''", ""),
                value.replace('\'', "")
            );
        }
    }

    #[test]
    fn toml_strings_are_read_back_by_a_reader_of_toml() {
        let script = "import sys, tomllib; sys.stdout.write(tomllib.loads(sys.stdin.buffer.read().decode())['v'])";
        for value in HOSTILE {
            let toml = fill("v = {{ params.value }}\n", value, Format::Toml);
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("v.toml");
            std::fs::write(&file, &toml).expect("a file");
            let out = Command::new("python3")
                .args(["-c", script])
                .stdin(std::fs::File::open(&file).expect("the file"))
                .output()
                .expect("python3 runs");
            assert_eq!(String::from_utf8_lossy(&out.stdout), value, "{toml}");
        }
    }

    #[test]
    fn truth_is_written_as_each_format_has_it() {
        let mut scope = scope("");
        let yes = ConfigValue::Boolean(true);
        scope.params.insert("yes".to_owned(), yes);
        let fill = |escape| render("{{ params.yes }} {{ not params.yes }}", &scope, escape);
        assert_eq!(
            fill(Escape::Text(Format::Json)).as_deref(),
            Ok("true false")
        );
        assert_eq!(fill(Escape::Text(Format::Sql)).as_deref(), Ok("TRUE FALSE"));
        assert_eq!(fill(Escape::Whole).as_deref(), Ok("true false"));
    }

    #[test]
    fn ini_refuses_what_it_cannot_hold_and_quotes_the_rest() {
        assert_eq!(fill("{{ params.value }}", "plain", Format::Ini), "plain");
        assert_eq!(fill("{{ params.value }}", "a;b", Format::Ini), "\"a;b\"");
        let broken = render(
            "{{ params.value }}",
            &scope("a\nb"),
            Escape::Text(Format::Ini),
        );
        assert!(
            broken
                .expect_err("refused")
                .to_string()
                .contains("several lines")
        );
    }

    #[test]
    fn what_is_not_there_is_an_error_and_work_has_an_end() {
        let undefined = render("{{ params.nothing }}", &scope(""), Escape::Whole);
        assert!(undefined.is_err());
        assert!(render("{{ secrets.password }}", &scope(""), Escape::Whole).is_err());
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(render(endless, &scope(""), Escape::Whole).is_err());
        assert_eq!(
            render("v{{ version }}\n", &scope(""), Escape::Whole).as_deref(),
            Ok("v1.2\n")
        );
    }
}

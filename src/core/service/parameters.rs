//! Parameters: what a VM says of a service, by the types of its definition.

use std::collections::BTreeMap;

use trustnet_api::config_value::ConfigValue;
use trustnet_api::service::{Parameter, ParameterType};

use crate::path;
use crate::problem::Problem;
use crate::suggest;

/// The most bytes of a value.
const MAX_LEN: usize = 64 * 1024;

/// The value of every parameter: what the VM gives, else the default.
pub(super) fn complete(
    path: &str,
    parameters: &BTreeMap<String, Parameter>,
    given: &BTreeMap<String, ConfigValue>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, ConfigValue> {
    for name in given.keys().filter(|name| !parameters.contains_key(*name)) {
        let problem = Problem::error(
            path::field(path, name),
            format!("the service has no parameter `{name}`"),
        );
        problems.push(problem.hint(known(name, parameters)));
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in parameters {
        let here = path::field(path, name);
        match (given.get(name), &parameter.default) {
            (Some(value), _) | (None, Some(value)) => {
                match value_of(parameter, value) {
                    Ok(value) => {
                        values.insert(name.clone(), value);
                    }
                    Err(why) => problems.push(Problem::error(here, why)),
                };
            }
            (None, None) => {
                let hint = parameter
                    .description
                    .clone()
                    .unwrap_or_else(|| "the service needs it".to_owned());
                problems.push(
                    Problem::error(here, format!("parameter `{name}` is missing")).hint(hint),
                );
            }
        }
    }
    values
}

fn known(name: &str, parameters: &BTreeMap<String, Parameter>) -> String {
    let names = parameters.keys().map(String::as_str);
    if let Some(near) = suggest::nearest(name, names.clone()) {
        return format!("did you mean `{near}`?");
    }
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// The value in the parameter's type; numbers and truth values in text are what they say.
pub(super) fn value_of(parameter: &Parameter, value: &ConfigValue) -> Result<ConfigValue, String> {
    let value = typed(parameter, value)?;
    if !parameter.allowed.is_empty() && !parameter.allowed.contains(&value.to_string()) {
        let words: Vec<String> = parameter
            .allowed
            .iter()
            .map(|word| format!("`{word}`"))
            .collect();
        return Err(format!("`{value}` is none of {}", words.join(", ")));
    }
    Ok(value)
}

fn typed(parameter: &Parameter, value: &ConfigValue) -> Result<ConfigValue, String> {
    let text = || match value {
        ConfigValue::List(_) => Err("a list stands where one value belongs".to_owned()),
        other => Ok(other.to_string()),
    };
    match parameter.kind {
        ParameterType::Integer | ParameterType::Port => number(parameter, &text()?),
        ParameterType::Boolean => match text()?.as_str() {
            "true" => Ok(ConfigValue::Boolean(true)),
            "false" => Ok(ConfigValue::Boolean(false)),
            other => Err(format!("`{other}` is neither true nor false")),
        },
        ParameterType::List => {
            let items = match value {
                ConfigValue::List(items) => items.clone(),
                one => vec![one.to_string()],
            };
            items.iter().try_for_each(|item| one_line(item))?;
            Ok(ConfigValue::List(items))
        }
        ParameterType::String => {
            let text = text()?;
            one_line(&text)?;
            Ok(ConfigValue::Text(text))
        }
        ParameterType::Text => {
            let text = text()?;
            let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            if text.len() > MAX_LEN || text.contains(strange) {
                return Err("it holds control characters, or too much".to_owned());
            }
            Ok(ConfigValue::Text(text))
        }
        ParameterType::Identifier => {
            let text = text()?;
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let first = text.starts_with(|c: char| c.is_ascii_lowercase());
            if !first || text.len() > 63 || !text.chars().all(good) {
                return Err(format!(
                    "`{text}` is no name of lower-case letters, digits and `_`, 63 at most"
                ));
            }
            Ok(ConfigValue::Text(text))
        }
        ParameterType::Path => {
            let text = text()?;
            one_line(&text)?;
            if !is_path(&text) {
                return Err(format!("`{text}` is no absolute path without `..`"));
            }
            Ok(ConfigValue::Text(text))
        }
    }
}

/// Whether it is an absolute path of named parts.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() > 1
        && !text.chars().any(char::is_control)
        && text[1..]
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

fn number(parameter: &Parameter, text: &str) -> Result<ConfigValue, String> {
    let port = parameter.kind == ParameterType::Port;
    let number: i64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number"))?;
    let least = parameter.minimum.unwrap_or(if port { 1 } else { i64::MIN });
    let most = parameter
        .maximum
        .unwrap_or(if port { 65_535 } else { i64::MAX });
    if number < least {
        return Err(format!("{number} is less than {least}"));
    }
    if number > most {
        return Err(format!("{number} is more than {most}"));
    }
    Ok(ConfigValue::Integer(number))
}

fn one_line(text: &str) -> Result<(), String> {
    if text.len() > MAX_LEN {
        return Err("it is longer than any value".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a line break or another control character".to_owned());
    }
    Ok(())
}

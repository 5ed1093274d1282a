//! A tree against the schema: every unknown key, missing field and value of the wrong type at once,
//! and a JSON value of what is right, for the typed form.

use serde_json::{Map, Value as Json, json};

use super::foundry;
use super::scalar;
use super::tree::{Entry, Node, Value};
use crate::path;
use crate::problem::Problem;
use crate::suggest;

/// What is known after a check.
pub(super) struct Checked {
    pub json: Json,
    pub problems: Vec<Problem>,
    /// The fields whose value is missing or made up; what else is said of them is noise.
    pub suspect: Vec<String>,
    /// Fields that hold less than was meant, for a key that is not known or a value that is wrong:
    /// that they lack something is noise.
    pub wanting: Vec<String>,
    /// Fields under another name: the right path and the written one.
    pub aliases: Vec<(String, String)>,
}

pub(super) fn check(root: &str, node: &Node, schema: &Json, foundry: bool) -> Checked {
    let mut check = Check {
        foundry,
        known: Checked {
            json: Json::Null,
            problems: Vec::new(),
            suspect: Vec::new(),
            wanting: Vec::new(),
            aliases: Vec::new(),
        },
    };
    check.known.json = check.value(root, node, schema);
    check.known
}

struct Check {
    foundry: bool,
    known: Checked,
}

impl Check {
    /// The value as JSON; one made up if it is not what the schema wants.
    fn value(&mut self, path: &str, node: &Node, schema: &Json) -> Json {
        let schema = branch(node, schema);
        if let Some(allowed) = allowed(schema) {
            return self.one_of(path, node, &allowed);
        }
        let kind = schema["type"].as_str().unwrap_or_default();
        match (kind, &node.value) {
            ("object", Value::Mapping(entries)) => self.object(path, entries, schema),
            ("array", Value::Sequence(items)) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| {
                    self.value(&path::item(path, index), item, &schema["items"])
                });
                items.collect()
            }
            ("string", Value::Scalar { text, .. }) if !node.is_null() => json!(text),
            ("integer", Value::Scalar { text, plain: true }) if !node.is_null() => {
                self.integer(path, text, schema)
            }
            ("number", Value::Scalar { text, plain: true }) if !node.is_null() => {
                scalar::number(text).map_or_else(|| self.wrong(path, node, schema), Json::from)
            }
            ("boolean", Value::Scalar { text, plain: true }) if !node.is_null() => {
                scalar::boolean(text, self.foundry)
                    .map_or_else(|| self.wrong(path, node, schema), Json::Bool)
            }
            _ => self.wrong(path, node, schema),
        }
    }

    fn object(&mut self, path: &str, entries: &[Entry], schema: &Json) -> Json {
        let Some(properties) = schema["properties"].as_object() else {
            return self.free(path, entries, &schema["additionalProperties"]);
        };
        let mut object = Map::new();
        for entry in entries {
            let here = path::field(path, &entry.key);
            let property = properties.get(&entry.key);
            let Some(property) = property.filter(|_| !self.foundry || foundry::knows(&here)) else {
                self.unknown(path, entry, properties);
                continue;
            };
            if entry.value.is_null() && !is_required(schema, &entry.key) {
                continue;
            }
            let name = property["x-alias-of"].as_str().unwrap_or(&entry.key);
            if name != entry.key {
                self.known
                    .aliases
                    .push((path::field(path, name), here.clone()));
            }
            let value = self.value(&here, &entry.value, property);
            if object.insert(name.to_owned(), value).is_some() {
                self.known.problems.push(
                    Problem::error(here, format!("`{name}` is given under two names"))
                        .hint("keep one of them"),
                );
            }
        }
        self.missing(path, &mut object, schema);
        // Of what is offered as a choice, one is to be given.
        if schema["maxProperties"] == json!(1) && object.len() != 1 {
            let names: Vec<&str> = properties.keys().map(String::as_str).collect();
            if self.known.wanting.iter().any(|known| known == path) {
                self.known.suspect.push(path.to_owned());
            } else {
                let message = format!("{} of {} are given", object.len(), list(&names));
                self.refuse(Problem::error(path, message).hint("give exactly one"));
            }
            return stand_in(schema);
        }
        Json::Object(object)
    }

    /// A mapping whose keys are the user's own.
    fn free(&mut self, path: &str, entries: &[Entry], schema: &Json) -> Json {
        let mut object = Map::new();
        for entry in entries {
            let value = self.value(&path::field(path, &entry.key), &entry.value, schema);
            object.insert(entry.key.clone(), value);
        }
        Json::Object(object)
    }

    fn unknown(&mut self, path: &str, entry: &Entry, properties: &Map<String, Json>) {
        let here = path::field(path, &entry.key);
        let known = properties
            .iter()
            .filter(|(_, schema)| schema["deprecated"] != json!(true));
        let known = known.map(|(key, _)| key.as_str());
        let known: Vec<&str> = known
            .filter(|key| !self.foundry || foundry::knows(&path::field(path, key)))
            .collect();
        let problem = if self.foundry && properties.contains_key(&entry.key) {
            Problem::warning(
                &here,
                format!("Foundry does not know `{}`: it is ignored", entry.key),
            )
            .hint(format!(
                "write `apiVersion: {}` to use it",
                trustnet_api::TRUSTNET_V1ALPHA1
            ))
        } else {
            let nearest = nearest(&entry.key, &known);
            let hint = match nearest {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", list(&known)),
            };
            if self.foundry {
                Problem::warning(
                    &here,
                    format!(
                        "`{}` is not known: it is ignored, as Foundry does",
                        entry.key
                    ),
                )
                .hint(hint)
            } else {
                Problem::error(&here, format!("`{}` is not known", entry.key)).hint(hint)
            }
        };
        if !self.foundry {
            self.known.wanting.push(path.to_owned());
        }
        self.known.problems.push(Problem {
            place: Some(entry.key_place),
            ..problem
        });
    }

    /// Says what is missing, and makes it up.
    fn missing(&mut self, path: &str, object: &mut Map<String, Json>, schema: &Json) {
        for name in required(schema) {
            if object.contains_key(name) {
                continue;
            }
            let here = path::field(path, name);
            let property = &schema["properties"][name];
            let text = first_sentence(property["description"].as_str().unwrap_or_default());
            let problem = Problem::error(&here, format!("`{name}` is missing"));
            self.known
                .problems
                .push(problem.hint(format!("add `{name}`: {text}")));
            object.insert(name.to_owned(), stand_in(property));
            self.known.suspect.push(here);
        }
    }

    /// Reports a value that is not taken.
    fn refuse(&mut self, problem: Problem) {
        self.known.suspect.push(problem.path.clone());
        self.known
            .wanting
            .push(path::parent(&problem.path).to_owned());
        self.known.problems.push(problem);
    }

    fn integer(&mut self, path: &str, text: &str, schema: &Json) -> Json {
        // Signed where the type says so, and where it says nothing of a width.
        if matches!(schema["format"].as_str(), None | Some("int64"))
            && let Ok(number) = text.parse::<i64>()
            && number < 0
        {
            return json!(number);
        }
        let max = match schema["format"].as_str() {
            Some("uint16") => u64::from(u16::MAX),
            Some("uint32") => u64::from(u32::MAX),
            _ => u64::MAX,
        };
        let problem = match scalar::integer(text) {
            Some(Ok(number)) if number <= max => return json!(number),
            Some(Ok(_) | Err(scalar::Range::Large)) => {
                Problem::error(path, format!("`{text}` is too large"))
                    .hint(format!("the largest is {max}"))
            }
            Some(Err(scalar::Range::Negative)) => {
                Problem::error(path, format!("`{text}` is less than 0"))
            }
            None => {
                let unit = text.chars().next().is_some_and(|c| c.is_ascii_digit());
                let hint = if unit {
                    "write the number alone, without a unit or a point"
                } else {
                    "write a number, such as `2`"
                };
                Problem::error(path, format!("`{text}` is not a whole number")).hint(hint)
            }
        };
        self.refuse(problem);
        stand_in(schema)
    }

    fn one_of(&mut self, path: &str, node: &Node, allowed: &[&str]) -> Json {
        let Some(text) = node.text().filter(|_| !node.is_null()) else {
            let hint = format!("write one of {}", list(allowed));
            let message = format!("{} stands where a word belongs", node.describe());
            self.refuse(Problem::error(path, message).hint(hint));
            return json!(allowed.first());
        };
        if allowed.contains(&text) {
            return json!(text);
        }
        let hint = match nearest(text, allowed) {
            Some(near) if allowed.len() > 4 => format!("did you mean `{near}`?"),
            Some(near) => format!("did you mean `{near}`? known are {}", list(allowed)),
            None => format!("known are {}", list(allowed)),
        };
        let message = format!("{} is not known", node.describe());
        self.refuse(Problem::error(path, message).hint(hint));
        json!(allowed.first())
    }

    fn wrong(&mut self, path: &str, node: &Node, schema: &Json) -> Json {
        let (wanted, hint) = match schema["type"].as_str().unwrap_or_default() {
            "object" => (
                "a mapping",
                "write `key: value` lines below it, indented; `{}` for none",
            ),
            "array" => (
                "a list",
                "write each item on a line of its own, after `- `; `[]` for none",
            ),
            "integer" => ("a whole number", "write the number without quotes"),
            "number" => ("a number", "write it without quotes, such as `1.5`"),
            "boolean" => (
                "`true` or `false`",
                "write `true` or `false`, without quotes",
            ),
            _ => (
                "text",
                "write the text; quote it if it begins with one of `{ [ & * ! | > % @`",
            ),
        };
        let message = format!("{} stands where {wanted} belongs", node.describe());
        self.refuse(Problem::error(path, message).hint(hint));
        stand_in(schema)
    }
}

/// The branch of a schema that the value looks like.
fn branch<'a>(node: &Node, schema: &'a Json) -> &'a Json {
    let Some(branches) = schema["oneOf"].as_array() else {
        return schema;
    };
    if branches.iter().any(|branch| branch.get("const").is_some()) {
        return schema;
    }
    let of_type = |kind: &str| {
        branches
            .iter()
            .filter(move |b| b["type"] == kind)
            .collect::<Vec<_>>()
    };
    let found = match &node.value {
        Value::Mapping(_) => {
            let objects = of_type("object");
            let fits = |b: &&&Json| required(b).any(|name| node.get(name).is_some());
            objects.iter().find(fits).or(objects.first()).copied()
        }
        Value::Sequence(_) => {
            let lists = of_type("array");
            lists
                .first()
                .copied()
                .or(of_type("string").first().copied())
        }
        // Where true and false are a choice too, what stands there without quotes says what it is.
        Value::Scalar { text, plain: true } if !of_type("boolean").is_empty() => {
            let kind = if text.parse::<i64>().is_ok() {
                "integer"
            } else if scalar::boolean(text, false).is_some() {
                "boolean"
            } else {
                "string"
            };
            of_type(kind).first().copied()
        }
        Value::Scalar { .. } => of_type("string").first().copied(),
    };
    found.or(branches.first()).unwrap_or(schema)
}

/// The words that an enumeration allows.
fn allowed(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let branches = schema["oneOf"].as_array()?;
    branches
        .iter()
        .map(|branch| branch["const"].as_str())
        .collect()
}

fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

fn is_required(schema: &Json, name: &str) -> bool {
    required(schema).any(|required| required == name)
}

/// A value of the right type, so that the rest of the document can be looked at.
fn stand_in(schema: &Json) -> Json {
    if let Some(words) = allowed(schema) {
        return json!(words.first());
    }
    if let Some(first) = schema["oneOf"].get(0) {
        return stand_in(first);
    }
    match schema["type"].as_str().unwrap_or_default() {
        "integer" => json!(1),
        "number" => json!(1.0),
        "boolean" => json!(false),
        "array" => json!([]),
        "object" => {
            let properties = &schema["properties"];
            let choice = (schema["maxProperties"] == json!(1)).then_some(properties.as_object());
            let choice = choice
                .flatten()
                .and_then(|p| p.keys().next())
                .map(String::as_str);
            let fields = required(schema).chain(choice);
            let fields = fields.map(|name| (name.to_owned(), stand_in(&properties[name])));
            Json::Object(fields.collect())
        }
        _ => json!(""),
    }
}

/// The word that was meant, if one is near.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    // No word is long, and comparing long ones takes long.
    let short = written.len() <= 64;
    short
        .then(|| suggest::nearest(written, known.iter().copied()))
        .flatten()
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// The first sentence of a description, as a fragment.
fn first_sentence(text: &str) -> String {
    let sentence = text
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

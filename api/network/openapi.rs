//! OpenAPI documents of the services, generated from the types.

mod node;
mod registry;

use schemars::JsonSchema;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{ErrorBody, ErrorCode};

pub use self::node::node;
pub use self::registry::registry;

/// A document that grows by its operations.
pub struct Document {
    schemas: SchemaGenerator,
    paths: Map<String, Value>,
    parts: Value,
}

/// One method of one path.
pub struct Operation {
    path: &'static str,
    method: &'static str,
    fields: Map<String, Value>,
}

impl Document {
    /// A document without operations. `port` is the one at which the service answers, if nothing else is configured.
    #[must_use]
    pub fn new(title: &str, description: &str, port: u16) -> Self {
        let parts = json!({
            "openapi": "3.1.0",
            "info": {
                "title": title,
                "version": env!("CARGO_PKG_VERSION"),
                "description": description,
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{
                "url": "{scheme}://[{address}]:{port}",
                "variables": {
                    "scheme": {
                        "default": "http",
                        "enum": ["http", "https"],
                        "description": "A network speaks TLS or does not.",
                    },
                    "address": { "default": "::1" },
                    "port": { "default": port.to_string() },
                },
            }],
        });
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            schemas: settings.into_generator(),
            paths: Map::new(),
            parts,
        }
    }

    /// The schema of a type, by reference.
    pub fn schema<T: JsonSchema>(&mut self) -> Value {
        self.schemas.subschema_for::<T>().to_value()
    }

    /// What operations refer to: how requests are secured, headers.
    #[must_use]
    pub fn component(mut self, kind: &str, parts: Value) -> Self {
        self.parts["components"][kind] = parts;
        self
    }

    /// An answer with a JSON body.
    pub fn answer<T: JsonSchema>(&mut self, description: &str) -> Value {
        let schema = self.schema::<T>();
        json!({
            "description": description,
            "content": { "application/json": { "schema": schema } },
        })
    }

    /// The answer to a request that is refused for one of these reasons, which have one status.
    pub fn refusal(&mut self, codes: &[ErrorCode], description: &str) -> Value {
        let mut answer = self.answer::<ErrorBody>(description);
        let words = codes.iter().map(|code| json!(code));
        let words: Vec<Value> = words.collect();
        answer["description"] = json!(format!("{description} `code`: {}.", list(&words)));
        answer
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: Operation) {
        let path = self
            .paths
            .entry(operation.path)
            .or_insert_with(|| json!({}));
        path[operation.method] = Value::Object(operation.fields);
    }

    /// The document as text.
    #[must_use]
    pub fn text(mut self) -> String {
        let mut schemas = Value::Object(self.schemas.take_definitions(true));
        unwrap_lines(&mut schemas);
        self.parts["components"]["schemas"] = schemas;
        self.parts["paths"] = Value::Object(self.paths);
        format!("{:#}\n", self.parts)
    }
}

impl Operation {
    /// An operation with its name and what it does.
    #[must_use]
    pub fn new(method: &'static str, path: &'static str, id: &str, summary: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("operationId".to_owned(), json!(id));
        fields.insert("summary".to_owned(), json!(summary));
        Self {
            path,
            method,
            fields,
        }
    }

    /// What is to be known besides.
    #[must_use]
    pub fn description(self, text: &str) -> Self {
        self.with("description", json!(text))
    }

    /// A parameter of the path, the query or the headers.
    #[must_use]
    pub fn parameter(
        mut self,
        place: &str,
        name: &str,
        required: bool,
        schema: &Value,
        description: &str,
    ) -> Self {
        let parameter = json!({
            "in": place,
            "name": name,
            "required": required,
            "schema": schema,
            "description": description,
        });
        let known = self.fields.entry("parameters").or_insert_with(|| json!([]));
        if let Some(known) = known.as_array_mut() {
            known.push(parameter);
        }
        self
    }

    /// The body, with an example.
    #[must_use]
    pub fn body(self, schema: &Value, example: &Value) -> Self {
        let body = json!({
            "required": true,
            "content": { "application/json": { "schema": schema, "example": example } },
        });
        self.with("requestBody", body)
    }

    /// How it is secured: each of these is one way.
    #[must_use]
    pub fn secured(self, ways: &Value) -> Self {
        self.with("security", ways.clone())
    }

    /// An answer.
    #[must_use]
    pub fn answer(mut self, status: u16, answer: &Value) -> Self {
        let known = self.fields.entry("responses").or_insert_with(|| json!({}));
        known[status.to_string()] = answer.clone();
        self
    }

    /// A header that any of its answers may have.
    #[must_use]
    pub fn header(mut self, name: &str, header: &Value) -> Self {
        let answers = self
            .fields
            .get_mut("responses")
            .and_then(Value::as_object_mut);
        for answer in answers.into_iter().flat_map(Map::values_mut) {
            answer["headers"][name] = header.clone();
        }
        self
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }
}

/// What any of the services counts.
fn metrics() -> Operation {
    let page = json!({
        "description": "OpenMetrics text.",
        "content": { "application/openmetrics-text": { "schema": { "type": "string" } } },
    });
    Operation::new("get", "/metrics", "metrics", "What is counted").answer(200, &page)
}

fn list(words: &[Value]) -> String {
    let words = words.iter().filter_map(Value::as_str);
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// Prose is wrapped for the source; a document's reader wraps it anew.
fn unwrap_lines(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(unwrap_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn compare(name: &str, text: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder can be made");
            std::fs::write(&path, text).expect("the document can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "run `UPDATE_GOLDEN=1 cargo test -p trustnet-api` and commit the document"
        );
    }

    #[test]
    fn the_committed_documents_are_what_the_types_say() {
        compare("node", &super::node());
        compare("registry", &super::registry());
    }
}

//! The JSON Schema of spec files, generated from the types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::image_catalogue::ImageCatalogue;
use crate::install::Install;
use crate::node::Node;
use crate::preflight::PreflightReport;
use crate::recipe::ImageRecipe;
use crate::registry::Registry;
use crate::service::Service;
use crate::vm::VirtualMachine;

/// Where the schemas say they live.
const HOME: &str = "https://trustnet.io/schema/trustnet.io_v1alpha1_";

/// The schema of a virtual machine, as text.
#[must_use]
pub fn virtual_machine_text() -> String {
    text("virtualmachine", generate::<VirtualMachine>(false))
}

/// The schema of a virtual machine with every type in its place, without references.
#[must_use]
pub fn virtual_machine_inline() -> Value {
    generate::<VirtualMachine>(true)
}

/// The schema of a service's definition, as text.
#[must_use]
pub fn service_text() -> String {
    text("service", generate::<Service>(false))
}

/// The schema of a service's definition with every type in its place, without references.
#[must_use]
pub fn service_inline() -> Value {
    generate::<Service>(true)
}

/// The schema of a catalogue of images, as text.
#[must_use]
pub fn image_catalogue_text() -> String {
    text("imagecatalogue", generate::<ImageCatalogue>(false))
}

/// The schema of a catalogue of images with every type in its place, without references.
#[must_use]
pub fn image_catalogue_inline() -> Value {
    generate::<ImageCatalogue>(true)
}

/// The schema of a service's configuration with every type in its place, without references.
#[must_use]
pub fn configuration<T: JsonSchema>() -> Value {
    generate::<T>(true)
}

/// The schema of a registry, as text.
#[must_use]
pub fn registry_text() -> String {
    text("registry", generate::<Registry>(false))
}

/// The schema of a registry with every type in its place, without references.
#[must_use]
pub fn registry_inline() -> Value {
    generate::<Registry>(true)
}

/// The schema of a node, as text.
#[must_use]
pub fn node_text() -> String {
    text("node", generate::<Node>(false))
}

/// The schema of a node with every type in its place, without references.
#[must_use]
pub fn node_inline() -> Value {
    generate::<Node>(true)
}

/// The schema of an image's recipe, as text.
#[must_use]
pub fn image_text() -> String {
    text("image", generate::<ImageRecipe>(false))
}

/// The schema of an image's recipe with every type in its place, without references.
#[must_use]
pub fn image_inline() -> Value {
    generate::<ImageRecipe>(true)
}

/// The schema of the answers that `install` takes, as text.
#[must_use]
pub fn install_text() -> String {
    text("install", generate::<Install>(false))
}

/// The schema of the answers that `install` takes with every type in its place, without references.
#[must_use]
pub fn install_inline() -> Value {
    generate::<Install>(true)
}

/// The schema of what `preflight` says, as text.
#[must_use]
pub fn preflight_text() -> String {
    text("preflightreport", generate::<PreflightReport>(false))
}

fn text(kind: &str, mut schema: Value) -> String {
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(format!("{HOME}{kind}.json")));
    }
    format!("{schema:#}\n")
}

fn generate<T: JsonSchema>(inline: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = inline);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    schema
}

/// What no one writes is not offered (`null`), what no one knows is refused.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            no_null(fields);
            // Whether the program itself ever writes a field is no matter of who writes a file.
            fields.remove("writeOnly");
            // Prose is wrapped for the source; a schema's reader wraps it anew.
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text
                    .replace("\n\n", "\r")
                    .replace('\n', " ")
                    .replace('\r', "\n\n");
            }
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            if let Some(Value::Object(properties)) = fields.get_mut("properties")
                && properties.contains_key("sshPasswordAuth")
            {
                properties.insert("sshPwauth".to_owned(), json!({
                    "type": "boolean",
                    "deprecated": true,
                    "description": "Another name of `sshPasswordAuth`, from Foundry's design document.",
                    "x-alias-of": "sshPasswordAuth",
                }));
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn no_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = fields.get("anyOf") {
        let real: Vec<Value> = branches
            .iter()
            .filter(|branch| branch.get("type") != Some(&json!("null")))
            .cloned()
            .collect();
        if let [Value::Object(only)] = real.as_slice() {
            fields.remove("anyOf");
            for (key, value) in only {
                fields.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_committed_schemas_are_what_the_types_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        for (kind, text) in [
            ("virtualmachine", super::virtual_machine_text()),
            ("service", super::service_text()),
            ("imagecatalogue", super::image_catalogue_text()),
            ("registry", super::registry_text()),
            ("install", super::install_text()),
            ("node", super::node_text()),
            ("image", super::image_text()),
            ("preflightreport", super::preflight_text()),
        ] {
            let path = folder.join(format!("trustnet.io_v1alpha1_{kind}.json"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&folder).expect("the folder can be made");
                std::fs::write(&path, &text).expect("the schema can be written");
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == text,
                "run `UPDATE_GOLDEN=1 cargo test -p trustnet-api` and commit the schema"
            );
        }
    }
}

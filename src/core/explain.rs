//! The fields of spec files, explained from the schema, in the manner of `kubectl explain`.

use std::fmt::Write;

use serde_json::Value as Json;
use trustnet_api::{
    IMAGE_CATALOGUE, INSTALL, NODE, REGISTRY, SERVICE, TRUSTNET_V1ALPHA1, VIRTUAL_MACHINE,
};

use crate::path;
use crate::suggest;

/// Prose is broken before this column.
const WIDTH: usize = 80;

/// Explains a field by its path, such as `spec.bootDisk.image`; indices of lists may stand there or
/// not. An empty path is the whole. `service`, `imagecatalogue`, `registry`, `node` or `install` before it means a file of that
/// kind, `vm` a VM, as does nothing.
///
/// # Errors
/// There is no such field: the message names the nearest.
pub fn explain(path: &str) -> Result<String, String> {
    let (resource, keys) = keys(path);
    let schema = match resource {
        SERVICE => trustnet_api::schema::service_inline(),
        IMAGE_CATALOGUE => trustnet_api::schema::image_catalogue_inline(),
        REGISTRY => trustnet_api::schema::registry_inline(),
        NODE => trustnet_api::schema::node_inline(),
        INSTALL => trustnet_api::schema::install_inline(),
        _ => trustnet_api::schema::virtual_machine_inline(),
    };
    let mut here = String::new();
    let mut found = &schema;
    for key in keys {
        let inner = fields_of(found);
        match inner.iter().find(|(name, _)| *name == key) {
            Some((_, field)) => found = field,
            None if inner.is_empty() => {
                return Err(format!(
                    "there is no field `{path}`: `{here}` has no fields"
                ));
            }
            None => return Err(unknown(path, &here, &key, &schema)),
        }
        here = path::field(&here, &key);
    }
    Ok(page(resource, &here, found))
}

/// `a.b[0].c` and `a.b[].c` as `a`, `b`, `c`; and the kind of file that they are of.
fn keys(path: &str) -> (&'static str, Vec<String>) {
    let words = path.trim().trim_start_matches('.').split('.');
    let words = words.map(|word| word.split('[').next().unwrap_or_default().to_owned());
    let mut words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let first = words.first().map(|first| first.to_lowercase());
    let resource = match first.as_deref() {
        Some("vm" | "virtualmachine") => VIRTUAL_MACHINE,
        Some("service") => SERVICE,
        Some("imagecatalogue") => IMAGE_CATALOGUE,
        Some("registry") => REGISTRY,
        Some("node") => NODE,
        Some("install") => INSTALL,
        _ => return (VIRTUAL_MACHINE, words),
    };
    words.remove(0);
    (resource, words)
}

fn page(resource: &str, path: &str, schema: &Json) -> String {
    let mut page = format!("KIND:       {resource}\nVERSION:    {TRUSTNET_V1ALPHA1}\n");
    if let Some((_, name)) = path
        .rsplit_once('.')
        .or(Some(("", path)).filter(|_| !path.is_empty()))
    {
        let _ = write!(page, "\nFIELD:      {name} <{}>\n", kind(schema));
    }
    let _ = write!(page, "\nDESCRIPTION:\n{}", wrapped(text(schema), 4));
    let values = values(schema);
    if !values.is_empty() {
        page.push_str("\nALLOWED VALUES:\n");
        for (value, text) in values {
            let _ = write!(page, "    {value}\n{}", wrapped(text, 8));
        }
    }
    let fields = fields_of(schema);
    if !fields.is_empty() {
        page.push_str("\nFIELDS:\n");
        for (name, field) in fields {
            let required = if is_required(schema, name) {
                " -required-"
            } else {
                ""
            };
            let _ = write!(
                page,
                "    {name} <{}>{required}\n{}",
                kind(field),
                wrapped(text(field), 8)
            );
        }
    }
    page
}

fn text(schema: &Json) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// The type of a field, as a word.
fn kind(schema: &Json) -> String {
    if let Some(branches) = schema["oneOf"].as_array() {
        if branches.iter().any(|branch| branch.get("const").is_some()) {
            return "string".to_owned();
        }
        let mut kinds: Vec<String> = branches.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("[]{}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map[string]{}", kind(&schema["additionalProperties"]))
        }
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    }
}

/// The fields below: of a mapping, of a list's items, of the forms that a value may have.
fn fields_of(schema: &Json) -> Vec<(&str, &Json)> {
    if let Some(properties) = schema["properties"].as_object() {
        return properties
            .iter()
            .map(|(name, field)| (name.as_str(), field))
            .collect();
    }
    if schema["items"].is_object() {
        return fields_of(&schema["items"]);
    }
    let branches = schema["oneOf"].as_array().into_iter().flatten();
    branches.flat_map(fields_of).collect()
}

fn is_required(schema: &Json, name: &str) -> bool {
    let own = schema["required"].as_array().into_iter().flatten();
    let items = schema["items"]["required"].as_array().into_iter().flatten();
    own.chain(items).any(|required| required == name)
}

fn values(schema: &Json) -> Vec<(&str, &str)> {
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .filter_map(|word| Some((word.as_str()?, "")))
            .collect();
    }
    let branches = schema["oneOf"].as_array().into_iter().flatten();
    branches
        .filter_map(|branch| Some((branch["const"].as_str()?, text(branch))))
        .collect()
}

fn unknown(path: &str, parent: &str, key: &str, schema: &Json) -> String {
    let mut all = Vec::new();
    walk("", schema, &mut all);
    let siblings = all.iter().filter(|known| path::parent(known) == parent);
    let last = |known: &&String| known.rsplit('.').next().unwrap_or_default().to_owned();
    let near = suggest::nearest(
        key,
        siblings
            .clone()
            .map(|known| last(&known))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str),
    )
    .map(|near| path::field(parent, near));
    // A field of that very name somewhere else is as likely meant.
    let same = all
        .iter()
        .find(|known| last(known).eq_ignore_ascii_case(key))
        .cloned();
    match near.or(same) {
        Some(near) => format!("there is no field `{path}`; did you mean `{near}`?"),
        None => {
            let names: Vec<String> = siblings
                .map(|known| format!("`{}`", last(&known)))
                .collect();
            let place = if parent.is_empty() {
                "the document".to_owned()
            } else {
                format!("`{parent}`")
            };
            format!(
                "there is no field `{path}`; {place} has {}",
                names.join(", ")
            )
        }
    }
}

fn walk(path: &str, schema: &Json, all: &mut Vec<String>) {
    for (name, field) in fields_of(schema) {
        let path = path::field(path, name);
        walk(&path, field, all);
        all.push(path);
    }
}

/// Prose in lines, indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH
            {
                let _ = writeln!(out, "{:indent$}{line}", "");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_field_is_explained_with_what_it_takes() {
        for path in [
            "",
            "spec",
            "spec.bootDisk.format",
            "spec.dataDisks[0].size",
            "vm.spec.cloudInit.passwordHash",
            "service.spec.artifacts",
            "imagecatalogue.items",
            "registry.spec",
            "node.spec.registry",
            "node.spec.vm.bootDisk",
        ] {
            let name = if path.is_empty() {
                "root".to_owned()
            } else {
                path.replace(['.', '['], "-").replace(']', "")
            };
            insta::assert_snapshot!(
                format!("explain-{name}"),
                explain(path).expect("the field is there")
            );
        }
    }

    #[test]
    fn an_unknown_field_names_the_nearest() {
        let cases = [
            (
                "spec.bootDisk.imge",
                "there is no field `spec.bootDisk.imge`; did you mean `spec.bootDisk.image`?",
            ),
            (
                "spec.mountPath",
                "there is no field `spec.mountPath`; did you mean `spec.dataDisks.mountPath`?",
            ),
            (
                "spec.vcpus.x",
                "there is no field `spec.vcpus.x`: `spec.vcpus` has no fields",
            ),
            (
                "xyzzy",
                "there is no field `xyzzy`; the document has `apiVersion`, `kind`, `metadata`, `spec`, `status`",
            ),
        ];
        for (path, message) in cases {
            assert_eq!(explain(path), Err(message.to_owned()));
        }
    }
}

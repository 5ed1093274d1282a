//! Where two specs differ.

use serde_json::Value;
use trustnet_api::vm::VirtualMachine;

/// The paths at which two specs differ as they are written; at least one where anything does.
#[must_use]
pub fn between(old: &VirtualMachine, new: &VirtualMachine) -> Vec<String> {
    let value = |vm: &VirtualMachine| serde_json::to_value(&vm.spec).unwrap_or(Value::Null);
    let mut paths = Vec::new();
    walk("spec", &value(old), &value(new), &mut paths);
    if old.metadata.labels != new.metadata.labels {
        paths.push("metadata.labels".to_owned());
    }
    if paths.is_empty() {
        paths.push("the meaning of the same words in another apiVersion".to_owned());
    }
    paths
}

fn walk(path: &str, old: &Value, new: &Value, paths: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (old, new) = (
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                );
                walk(&format!("{path}.{key}"), old, new, paths);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (old, new)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}[{index}]"), old, new, paths);
            }
        }
        (old, new) if old == new => {}
        (Value::Null | Value::Object(_) | Value::Array(_), _)
        | (_, Value::Null | Value::Object(_) | Value::Array(_)) => {
            paths.push(format!("`{path}`"));
        }
        (old, new) => paths.push(format!("`{path}` ({old} → {new})")),
    }
}

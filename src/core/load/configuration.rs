//! A service's configuration: one YAML document without `apiVersion` and `kind`.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::places::Places;
use super::tree::Value;
use super::{Document, check, finish, located, text, told, yaml};
use crate::problem::Problem;

/// Reads the configuration of a service. `schema` is that of `T` with every type in its place, as
/// [`trustnet_api::schema::configuration`] makes it; `wrong` says what else is wrong with a configuration of the right
/// form.
///
/// # Errors
/// Everything that is wrong with the file, each with its place.
pub fn configuration<T: DeserializeOwned>(
    bytes: &[u8],
    schema: &Json,
    wrong: impl Fn(&T) -> Vec<Problem>,
) -> Result<T, Vec<Problem>> {
    let text = text::decode(bytes).map_err(|problem| vec![problem])?;
    let (nodes, mut problems) = yaml::parse(text);
    let broken = !problems.is_empty();
    let written: Vec<_> = nodes.iter().filter(|node| !node.is_null()).collect();
    let [node] = written.as_slice() else {
        if !broken {
            let message = format!("{} documents where one belongs", written.len());
            let hint = "a service's configuration is one YAML document";
            problems.push(Problem::error("", message).hint(hint));
        }
        return Err(told(problems));
    };
    let places = Places::of(node);
    if !matches!(node.value, Value::Mapping(_)) {
        let message = format!("the configuration is {}, not a mapping", node.describe());
        problems.push(located(Problem::error("", message), &places));
        return Err(told(problems));
    }
    let checked = check::check("", node, schema, false);
    let (document, more) = finish(checked, places, broken, &wrong);
    problems.extend(more);
    let Some(document) = document else {
        return Err(told(problems));
    };
    judged(document, problems, wrong)
}

fn judged<T>(
    document: Document<T>,
    mut problems: Vec<Problem>,
    wrong: impl Fn(&T) -> Vec<Problem>,
) -> Result<T, Vec<Problem>> {
    let more = wrong(&document.object);
    problems.extend(more.into_iter().map(|problem| document.place(problem)));
    if problems.is_empty() {
        Ok(document.object)
    } else {
        Err(told(problems))
    }
}

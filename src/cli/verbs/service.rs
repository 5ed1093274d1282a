//! `service list`, `service show`: what a VM can ask for.

use serde::Serialize;
use serde_json::json;
use trustnet_api::service::{Artifact, Service};
use trustnet_core::service::{Definition, Origin, builtin_text};

use super::get::serialise;
use super::service_files;
use crate::args::{Output, ServiceVerb};
use crate::failure::{Exit, Failure};
use crate::{Program, table};

/// Runs a verb of services.
///
/// # Errors
/// As for each.
pub fn run(program: &Program, verb: &ServiceVerb) -> Result<Exit, Failure> {
    match verb {
        ServiceVerb::List => list(program),
        ServiceVerb::Show(args) => show(program, &args.name),
        ServiceVerb::Add(args) => service_files::add(program, args),
        ServiceVerb::Remove(args) => service_files::remove(program, &args.name),
    }
}

/// A row of the list: the stable form of `service list -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    version: String,
    aliases: Vec<String>,
    /// `url`, `packages`, `oci`, `file`.
    artifacts: Vec<&'static str>,
    /// `built in`, or the file.
    origin: String,
    /// Whether it stands in the place of one that the program brings.
    replaces_built_in: bool,
    description: Option<String>,
}

fn list(program: &Program) -> Result<Exit, Failure> {
    let catalogue = program.catalogue()?;
    let rows: Vec<Row> = catalogue.iter().map(|one| row(one)).collect();
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => {
            let wide = form == Output::Wide;
            let mut headers = vec!["NAME", "VERSION", "ALIASES", "ARTIFACTS", "ORIGIN"];
            if wide {
                headers.push("DESCRIPTION");
            }
            let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, wide)).collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &cells));
        }
        Output::Name => rows
            .iter()
            .for_each(|row| program.ui.result(format!("{}\n", row.name))),
        form => {
            let value = json!({ "kind": "ServiceList", "items": rows });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}

fn row(definition: &Definition) -> Row {
    let spec = definition.spec();
    let mut artifacts: Vec<&'static str> = spec.artifacts.iter().map(kind).collect();
    artifacts.sort_unstable();
    artifacts.dedup();
    let own = matches!(definition.origin(), Origin::File(_));
    Row {
        name: definition.name().to_owned(),
        version: spec.version.clone(),
        aliases: spec.aliases.clone(),
        artifacts,
        origin: origin(definition),
        replaces_built_in: own && builtin_text(definition.name()).is_some(),
        description: spec.description.clone(),
    }
}

fn kind(artifact: &Artifact) -> &'static str {
    if artifact.url.is_some() {
        "url"
    } else if artifact.packages.is_some() {
        "packages"
    } else if artifact.oci.is_some() {
        "oci"
    } else {
        "file"
    }
}

fn origin(definition: &Definition) -> String {
    match definition.origin() {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::File(path) => path.clone(),
    }
}

fn cells(row: &Row, wide: bool) -> Vec<String> {
    let or_dash = |text: String| Some(text).filter(|text| !text.is_empty());
    let or_dash = |text: String| or_dash(text).unwrap_or_else(|| "-".to_owned());
    let instead = if row.replaces_built_in {
        " (instead of the built-in one)"
    } else {
        ""
    };
    let mut cells = vec![
        row.name.clone(),
        row.version.clone(),
        or_dash(row.aliases.join(",")),
        or_dash(row.artifacts.join(",")),
        format!("{}{instead}", row.origin),
    ];
    if wide {
        cells.push(or_dash(row.description.clone().unwrap_or_default()));
    }
    cells
}

fn show(program: &Program, name: &str) -> Result<Exit, Failure> {
    let catalogue = program.catalogue()?;
    let definition = catalogue.find(name).map_err(|hint| unknown(name, hint))?;
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(describe(definition)),
        Output::Name => program.ui.result(format!("{}\n", definition.name())),
        // As it was written: it is what one copies to write one's own.
        Output::Yaml if *definition.origin() == Origin::BuiltIn => {
            let text = builtin_text(definition.name());
            program.ui.result(text.unwrap_or_default());
        }
        form => program.ui.result(serialise(form, definition.wire())?),
    }
    Ok(Exit::Done)
}

/// What is said of a service that is not there.
pub fn unknown(name: &str, hint: String) -> Failure {
    Failure::new(Exit::Usage, format!("there is no service `{name}`")).hint(hint)
}

fn describe(definition: &Definition) -> String {
    let Service { spec, .. } = definition.wire();
    let dash = || "-".to_owned();
    let rows: Vec<Vec<String>> = [
        ("Name:", definition.name().to_owned()),
        (
            "Description:",
            spec.description.clone().unwrap_or_else(dash),
        ),
        ("Version:", spec.version.clone()),
        (
            "Aliases:",
            Some(spec.aliases.join(", "))
                .filter(|text| !text.is_empty())
                .unwrap_or_else(dash),
        ),
        ("Origin:", origin(definition)),
        (
            "Data:",
            spec.data
                .as_ref()
                .map_or_else(dash, |data| data.path.clone()),
        ),
    ]
    .into_iter()
    .map(|(key, value)| vec![key.to_owned(), value])
    .collect();
    let mut text = table::lay_out(None, &rows);
    let mut section = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|mut row| {
                    // What is not said leaves no blanks at the end of a line.
                    if row.last().is_some_and(String::is_empty) {
                        row.pop();
                    }
                    row.insert(0, " ".to_owned());
                    row
                })
                .collect();
            text.push_str(&format!("{title}:\n{}", table::lay_out(None, &rows)));
        }
    };
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    section(
        "Artifacts",
        spec.artifacts
            .iter()
            .map(|one| vec![one.name.clone(), kind(one).to_owned()])
            .collect(),
    );
    section("Parameters", parameters(definition));
    let secrets = spec.secrets.iter().map(|(name, secret)| {
        let how = if secret.required == Some(true) {
            "to be given"
        } else {
            "generated"
        };
        vec![name.clone(), how.to_owned(), said(&secret.description)]
    });
    section("Secrets", secrets.collect());
    let ports = spec.ports.iter().map(|port| {
        let protocol = if port.is_tcp() { "TCP" } else { "UDP" };
        vec![port.name.clone(), format!("{}/{protocol}", port.port)]
    });
    section("Ports", ports.collect());
    let needs = spec.dependencies.iter().map(|need| {
        let how = if need.optional == Some(true) {
            "optional"
        } else {
            "needed"
        };
        vec![
            need.service.clone(),
            how.to_owned(),
            said(&need.description),
        ]
    });
    section("Dependencies", needs.collect());
    section(
        "Tests",
        spec.tests
            .iter()
            .map(|test| vec![test.name.clone()])
            .collect(),
    );
    section(
        "Diagnoses",
        spec.diagnose
            .iter()
            .map(|one| vec![one.name.clone()])
            .collect(),
    );
    text
}

/// Name, type, default, description.
fn parameters(definition: &Definition) -> Vec<Vec<String>> {
    let parameters = definition.spec().parameters.iter();
    let rows = parameters.map(|(name, parameter)| {
        let kind = if parameter.allowed.is_empty() {
            format!("{:?}", parameter.kind).to_lowercase()
        } else {
            parameter.allowed.join("|")
        };
        let default = match &parameter.default {
            Some(value) => format!("default {}", json!(value)),
            None => "to be given".to_owned(),
        };
        let said = parameter.description.clone().unwrap_or_default();
        vec![name.clone(), kind, default, said]
    });
    rows.collect()
}

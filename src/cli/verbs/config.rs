//! `config`: the settings, and where each comes from.

use serde_json::json;

use crate::args::Output;
use crate::failure::{Exit, Failure};
use crate::{Program, table};

/// Shows the settings.
///
/// # Errors
/// None beside a failure to print.
pub fn show(program: &Program) -> Result<Exit, Failure> {
    let rows = program.settings.rows();
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            let cells: Vec<Vec<String>> = rows
                .into_iter()
                .map(|(key, value, source)| vec![key.to_owned(), value, source])
                .collect();
            let headers: Option<&[&str]> =
                (!program.no_headers).then_some(&["KEY", "VALUE", "SOURCE"]);
            program.ui.result(table::lay_out(headers, &cells));
        }
        Output::Name => rows
            .iter()
            .for_each(|(key, ..)| program.ui.result(format!("{key}\n"))),
        form => {
            let items: Vec<_> = rows
                .into_iter()
                .map(|(key, value, source)| json!({ "key": key, "value": value, "source": source }))
                .collect();
            program.ui.result(super::get::serialise(
                form,
                &json!({ "kind": "SettingList", "items": items }),
            )?);
        }
    }
    Ok(Exit::Done)
}

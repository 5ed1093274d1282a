//! `diagnose`: gather, find, print.

use serde_json::json;
use trustnet_core::diagnosis::{Finding, Severity, findings, is_well};
use trustnet_core::readiness::clean;

use crate::Program;
use crate::args::Output;
use crate::evidence::gather;
use crate::failure::{Exit, Failure};
use crate::subject::Lookup;
use crate::verbs::get::serialise;

/// Says what is wrong with a VM.
///
/// # Errors
/// It is not there.
pub fn run(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let subject = Lookup::new(program, &host).subject(name)?;
    let found = findings(&gather(&host, &subject));
    print(program, &subject.name, &found)?;
    Ok(exit(&found))
}

/// How the program ends with such findings.
#[must_use]
pub fn exit(found: &[Finding]) -> Exit {
    if is_well(found) {
        Exit::Done
    } else {
        Exit::Provision
    }
}

/// Prints findings.
///
/// # Errors
/// They cannot be written.
pub fn print(program: &Program, name: &str, found: &[Finding]) -> Result<(), Failure> {
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            if is_well(found) {
                program
                    .ui
                    .result(format!("VM '{name}': nothing is wrong\n"));
            }
            for finding in found {
                program.ui.result(told(program, name, finding));
            }
        }
        Output::Name => {
            if !is_well(found) {
                program.ui.result(format!("{name}\n"));
            }
        }
        form => {
            let value = json!({
                "kind": "Diagnosis", "name": name, "well": is_well(found), "findings": found,
            });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(())
}

fn told(program: &Program, name: &str, finding: &Finding) -> String {
    let (color, word) = match finding.severity {
        Severity::Critical => ("31;1", "critical"),
        Severity::Error => ("31;1", "error"),
        Severity::Warning => ("33;1", "warning"),
        Severity::Note => ("36;1", "note"),
    };
    let mut lines = vec![format!(
        "{} {}: {}",
        program.ui.paint(color, &format!("{word}:")),
        clean(&finding.about),
        clean(&finding.problem)
    )];
    let details = finding.details.iter();
    lines.extend(details.map(|line| format!("  | {}", clean(line))));
    if let Some(hint) = &finding.hint {
        lines.push(format!("  hint: {}", clean(hint)));
    }
    if let Some(repair) = &finding.repair {
        let line = clean(&repair.command_line(name));
        lines.push(format!("  repair: {line} (`trustnet-vm fix {name}`)"));
    }
    lines.join("\n") + "\n"
}

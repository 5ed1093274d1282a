//! `plan`: load, resolve, observe, plan; print.

use std::fmt::Write;

use serde_json::json;
use trustnet_core::plan::Goal;

use trustnet_host::secrets::Keep;

use crate::args::{Output, Plan};
use crate::failure::{Exit, Failure};
use crate::specs::{self, Spec};
use crate::verbs::create;
use crate::{Program, capacity};

/// Prints what create would do.
///
/// # Errors
/// Anything that stands in the way.
pub fn run(program: &Program, args: &Plan) -> Result<Exit, Failure> {
    let specs = specs::load(program, &args.files.all())?;
    let host = program.connect()?;
    let mut maker = create::maker(program, &host, true)?;
    capacity::check(program, &host, &specs)?;
    maker.alone = specs.len() == 1;
    let mut text = String::new();
    let mut items = Vec::new();
    let mut difference = false;
    for spec in &specs {
        crate::make::refuse_leftover(&host, spec.vm.name().as_str())?;
        let _held = maker.planning()?;
        let mut observed = maker.observe(spec)?;
        let order = maker.images.missing(&spec.vm, &mut observed)?;
        if let Some(order) = &order {
            let url = &order.wanted.url;
            let _ = writeln!(text, "pull image `{}` from {url}", order.volume);
            observed.image = Some(maker.images.to_come(&spec.vm, &observed));
        }
        match maker.plan(spec, &observed, Keep::No)?.goal {
            Goal::Reached => {
                let _ = writeln!(
                    text,
                    "`{}` is there already, made from this spec: nothing to do",
                    spec.vm.name()
                );
                items.push(json!({ "name": spec.vm.name().as_str(), "steps": [], "services": services(spec) }));
            }
            Goal::Steps(plan) => {
                difference = true;
                let _ = write!(text, "{plan}");
                let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
                items.push(json!({
                    "name": plan.vm, "uuid": plan.uuid, "steps": steps, "services": services(spec),
                }));
            }
        }
        let names = services(spec).join(", ");
        if !names.is_empty() {
            let _ = writeln!(
                text,
                "  then, in the guest, what is not there yet of: {names}"
            );
        }
    }
    let (kind, reason) = &maker.domain_type;
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            let _ = writeln!(text, "domain type: {} ({reason})", kind.as_str());
            program.ui.result(text);
        }
        Output::Name => specs
            .iter()
            .for_each(|spec| program.ui.result(format!("{}\n", spec.vm.name()))),
        form => {
            let value = json!({
                "kind": "PlanList",
                "domainType": { "type": kind.as_str(), "reason": reason },
                "items": items,
            });
            program.ui.result(super::get::serialise(form, &value)?);
        }
    }
    Ok(if difference && args.exit_code {
        Exit::Difference
    } else {
        Exit::Done
    })
}

/// The services of a VM in the order in which they are brought, each with the version that is asked for.
fn services(spec: &Spec) -> Vec<String> {
    let services = spec.services.iter();
    services
        .map(|one| {
            let own = &one.definition.spec().version;
            format!("{} {}", one.name(), one.requested.as_ref().unwrap_or(own))
        })
        .collect()
}

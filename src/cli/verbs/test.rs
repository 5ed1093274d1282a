//! `test`: whether VMs and their services are as they are to be.

use serde_json::json;
use trustnet_core::examination::{Case, Examination, Verdict, junit};
use trustnet_core::readiness::clean;

use crate::Program;
use crate::args::{Output, Test};
use crate::failure::{Exit, Failure};
use crate::guest;
use crate::questions::Questions;
use crate::subject::Lookup;
use crate::tree::{Node, draw};
use crate::verbs::create::in_parallel;
use crate::verbs::get::serialise;

/// Tests VMs, several at once.
///
/// # Errors
/// The VMs cannot be chosen, or a file cannot be written.
pub fn run(program: &Program, args: &Test) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let names = guest::chosen(&host, &args.names, args.selector.as_deref())?;
    let lookup = Lookup::new(program, &host);
    let all = in_parallel(&names, args.parallel, |name| match lookup.subject(name) {
        Ok(subject) => Questions::ask(&host, &subject),
        Err(failure) => absent(name, &failure),
    });
    if let Some(path) = &args.junit {
        std::fs::write(path, junit(&all)).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("failed to write `{}`: {error}", path.display()),
            )
        })?;
    }
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            let trees: Vec<Node> = all.iter().map(|one| tree(program, one)).collect();
            program.ui.result(draw(&trees));
        }
        Output::Name => all
            .iter()
            .filter(|one| one.passed)
            .for_each(|one| program.ui.result(format!("{}\n", one.name))),
        form => {
            let value = json!({ "kind": "TestReport", "items": all });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(if all.iter().all(|one| one.passed) {
        Exit::Done
    } else {
        Exit::Provision
    })
}

/// A VM that cannot be asked anything.
fn absent(name: &str, failure: &Failure) -> Examination {
    let mut why = failure.message.clone();
    if let Some(hint) = &failure.hint {
        why = format!("{why}; {hint}");
    }
    let case = Case::new("it is a VM of ours", Verdict::Failed(why));
    Examination::new(name, vec![crate::questions::machine(vec![case])])
}

fn tree(program: &Program, one: &Examination) -> Node {
    let groups = one.groups.iter().map(|group| {
        let version = group.version.as_deref().unwrap_or_default();
        let title = clean(&format!("{} {version}", group.name));
        let tests = group.tests.iter().map(|test| leaf(program, test)).collect();
        Node::new(marked(program, group.passed(), &title)).below(tests)
    });
    let groups = groups.collect();
    Node::new(marked(program, one.passed, &clean(&one.name))).below(groups)
}

fn leaf(program: &Program, test: &Case) -> Node {
    let name = clean(&test.name);
    match &test.verdict {
        Verdict::Passed => Node::new(marked(program, true, &name)),
        Verdict::Failed(why) => Node {
            said: test.output.clone(),
            ..Node::new(marked(program, false, &format!("{name}: {}", clean(why))))
        },
        Verdict::Skipped(why) => {
            let dash = program.ui.paint("33;1", "-");
            Node::new(format!("{dash} {name}: skipped: {}", clean(why)))
        }
    }
}

/// A line with how it came out before it.
fn marked(program: &Program, passed: bool, text: &str) -> String {
    let mark = if passed {
        program.ui.paint("32;1", "✓")
    } else {
        program.ui.paint("31;1", "✗")
    };
    format!("{mark} {text}")
}

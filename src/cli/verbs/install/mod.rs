//! `install`: answers, a look around, a yes; then the pipeline of `create`, and a look at what came of it.

/// What was answered by flags and a file.
mod answers;
/// The machine, before anything of it is changed.
mod checks;
mod cluster;
/// What happens after the last question.
mod execute;
/// The `tnr` record.
mod record;
/// What is found out before anything is decided.
mod scout;
/// What was found, in words.
mod settings;
/// What is looked at in the end.
mod verify;
/// The questions on a terminal.
mod wizard;

use std::path::Path;

use trustnet_api::install::{InstallSpec, RegistryType};
use trustnet_core::install::{self, Found, Installation, Lack};
use trustnet_host::dns::{Names, NamesError};
use trustnet_host::interrupt::Interrupt;

use self::checks::Checks;
use self::execute::Execution;
use self::record::Record;
use self::scout::Scout;
use self::wizard::Wizard;
use crate::Program;
use crate::args::Install;
use crate::failure::{Exit, Failure};

/// Installs a registry or a node.
///
/// # Errors
/// An answer is missing or no good one, nobody says yes, or something on the way fails.
pub fn run(program: &Program, args: &Install) -> Result<Exit, Failure> {
    let interrupt = crate::interruption()?;
    let said = answers::gather(program, args)?;
    let names = Names::from_environment().map_err(NamesError::from)?;
    let scout = Scout {
        program,
        names: &names,
        here: args.root == Path::new("/"),
    };
    let record = Record {
        program,
        args,
        names: &names,
        interrupt: &interrupt,
    };
    let terminal = program.env.stdin_terminal && program.env.stderr_terminal;
    let asks = terminal && !program.yes && !args.dry_run;
    let checks = Checks { program, args };
    let (installation, publication, findings) = if asks {
        Wizard::new(program, &scout, &record, &checks, said).ask()?
    } else {
        let (mut installation, mut found) = plainly(&scout, &said)?;
        if !args.dry_run {
            consent(program)?;
        }
        let publication = record.before(&mut installation, &mut found, None)?;
        follow(&scout, &mut installation, &found);
        let findings = checks.run(&installation)?;
        show(program, &installation, &found);
        (installation, publication, findings)
    };
    let execution = Execution {
        program,
        args,
        installation: &installation,
        record: &record,
        findings: &findings,
        publishes: publication.is_some(),
        interrupt: &interrupt,
    };
    if args.dry_run {
        return execution.rehearse();
    }
    execution.run(publication)
}

/// Ends it where the user has asked for that while nobody listened at the terminal.
fn heed(interrupt: &Interrupt) -> Result<(), Failure> {
    if interrupt.stop() {
        return Err(Failure::new(
            Exit::Interrupted,
            "interrupted; nothing was made",
        ));
    }
    Ok(())
}

/// Warns where the root does not answer: it is gone on without it.
fn follow(scout: &Scout<'_>, installation: &mut Installation, found: &Found) {
    if installation.role == RegistryType::Root {
        return;
    }
    if let Some(Err(why)) = scout.root(installation, found) {
        let on = if installation.has_node() {
            "the node starts all the same, and registers once a root answers"
        } else {
            "the secondary starts all the same, and syncs once the root answers"
        };
        let warning = format!("no root registry answers: {why}; {on}: it is tried every 60 s");
        installation.warnings.push(warning);
        installation.root_is_away = true;
    }
}

/// What is installed by the answers that are there; nobody is asked.
fn plainly(scout: &Scout<'_>, said: &InstallSpec) -> Result<(Installation, Found), Failure> {
    let found = scout.look(said)?;
    match install::resolve(said, &found) {
        Ok(installation) => Ok((installation, found)),
        Err(lacks) => Err(incomplete(&lacks)),
    }
}

/// Everything that is missing or wrong, with the flags that say it.
fn incomplete(lacks: &[Lack]) -> Failure {
    let lines: Vec<String> = lacks.iter().map(|lack| format!("\n  {lack}")).collect();
    let missing = lacks.iter().filter(|lack| lack.wrong.is_none()).count();
    let what = match (missing, lacks.len() - missing) {
        (_, 0) => "answers are missing, and nobody can be asked",
        (0, _) => "there are answers that are no good",
        _ => "answers are missing or no good, and nobody can be asked",
    };
    Failure::new(Exit::Usage, format!("{what}:{}", lines.concat())).hint(
        "give the flags, or `--answers FILE` with them (`trustnet-vm explain install.spec`); on a terminal, without `--yes`, you are asked",
    )
}

/// Says what is about to be installed.
fn show(program: &Program, installation: &Installation, found: &Found) {
    for warning in &installation.warnings {
        program.ui.warn(warning);
    }
    if !program.in_words() {
        return;
    }
    let rows = install::overview(installation, &found.tnr);
    let width = rows.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let mut text = String::from("Configuration\n");
    for (what, value) in rows {
        text.push_str(&format!(
            "  {:width$}  {value}\n",
            format!("{what}:"),
            width = width + 1
        ));
    }
    program.ui.result(text);
}

/// Needs a yes where nobody was asked.
fn consent(program: &Program) -> Result<(), Failure> {
    if program.yes {
        return Ok(());
    }
    let message = "installing needs a yes, and there is no terminal to ask on";
    Err(Failure::new(Exit::Usage, message).hint("give `--yes`"))
}

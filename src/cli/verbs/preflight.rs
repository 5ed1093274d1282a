//! `preflight`: look, judge, print; and where it is asked for, switch IPv6 on and look again.

use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use trustnet_api::preflight::{CheckStatus, Finding, PreflightReport, SwitchChange};
use trustnet_core::ipv6::{self, Blocked, Change, FILE, Ipv6Facts};
use trustnet_core::preflight::{self, Facts, Need, Wanted, judge};
use trustnet_host::error::chain;
use trustnet_host::interrupt::Interrupt;

use crate::Program;
use crate::args::{Output, Preflight, Role};
use crate::failure::{Exit, Failure};
use crate::preflight::{Examination, wanted};
use crate::specs;
use crate::table::lay_out;
use crate::verbs::get::serialise;

/// How long is slept before it is looked whether the user wants to stop.
const NAP: Duration = Duration::from_millis(100);

/// Says whether everything is there that is asked for.
///
/// # Errors
/// The specs are wrong, or something could not be looked at.
pub fn run(program: &Program, args: &Preflight) -> Result<Exit, Failure> {
    if args.undo_ipv6 {
        return undo(program, &args.root);
    }
    let files = args.files();
    let specs = match files.as_slice() {
        [] => Vec::new(),
        files => specs::load(program, files)?,
    };
    let role = args.role.map(role);
    let mut wanted = wanted(&specs, args.domain.as_deref(), role, args.offline);
    if args.ipv6_auto_enable && wanted.ipv6 == Need::No {
        wanted.ipv6 = Need::Wished;
    }
    let examination = Examination {
        program,
        root: &args.root,
        wanted: &wanted,
        specs: &specs,
    };
    let (mut facts, mut findings) = examination.run()?;
    let mut change = None;
    if args.ipv6_auto_enable {
        let switching = Switching {
            root: &args.root,
            tries: args.ipv6_tries,
            pause: args.ipv6_pause,
        };
        change = switch_on(program, &switching, &wanted, &mut facts)?;
        findings = judge(&facts, &wanted);
    }
    let shown_only = change.as_ref().is_some_and(|change| !change.applied);
    let good = preflight::is_good(&findings);
    print(program, &PreflightReport::new(findings, change))?;
    Ok(match (shown_only, good) {
        (true, _) => Exit::Difference,
        (false, true) => Exit::Done,
        (false, false) => Exit::Provision,
    })
}

fn role(role: Role) -> preflight::Role {
    match role {
        Role::Root => preflight::Role::Root,
        Role::Secondary => preflight::Role::Secondary,
        Role::Node => preflight::Role::Node,
    }
}

/// Switches IPv6 on where a switch stands against it, and waits until it is there.
pub fn switch_on(
    program: &Program,
    switching: &Switching<'_>,
    wanted: &Wanted,
    facts: &mut Facts,
) -> Result<Option<SwitchChange>, Failure> {
    let Some(seen) = &facts.ipv6 else {
        return Ok(None);
    };
    let change = match ipv6::enable(seen) {
        Ok(Some(change)) => change,
        Ok(None) => {
            if !seen.works() {
                program
                    .ui
                    .say("no switch of the kernel stands against IPv6: nothing was changed");
            }
            return Ok(None);
        }
        Err(Blocked::Kernel) => {
            program.ui.say(Blocked::Kernel);
            return Ok(None);
        }
        Err(blocked) => return Err(foreign(&blocked)),
    };
    // From before the first switch: who interrupts then is heard, too.
    let interrupt = crate::interruption()?;
    let applied = make(program, switching.root, &change, "--ipv6-auto-enable")?;
    if applied {
        wait(program, switching, wanted, facts, &interrupt)?;
    }
    Ok(Some(change.wire(applied)))
}

/// Takes back what was switched.
fn undo(program: &Program, root: &Path) -> Result<Exit, Failure> {
    let seen: Ipv6Facts = trustnet_host::ipv6::look(root);
    let change = ipv6::undo(&seen).map_err(|blocked| foreign(&blocked))?;
    let Some(change) = change else {
        let report = PreflightReport::new(Vec::new(), None);
        match program.in_words() {
            true => program
                .ui
                .result("nothing of IPv6 was changed here: nothing to take back\n"),
            false => print(program, &report)?,
        }
        return Ok(Exit::Done);
    };
    let applied = make(program, root, &change, "--undo-ipv6")?;
    match (program.in_words(), applied) {
        (true, true) => program.ui.result("IPv6 is as it was before\n"),
        (true, false) => {}
        (false, _) => {
            let report = PreflightReport::new(Vec::new(), Some(change.wire(applied)));
            print(program, &report)?;
        }
    }
    Ok(if applied {
        Exit::Done
    } else {
        Exit::Difference
    })
}

/// Shows a change, asks, and makes it. Whether it was made.
fn make(program: &Program, root: &Path, change: &Change, flag: &str) -> Result<bool, Failure> {
    program.ui.always(change.shown().trim_end());
    if !trustnet_host::ipv6::may_switch(root) {
        let message = "only root may change the kernel's switches: nothing was changed";
        return Err(Failure::new(Exit::Provision, message)
            .hint(format!("`sudo trustnet-vm preflight {flag}`")));
    }
    if !program.yes {
        if !program.env.stdin_terminal {
            program
                .ui
                .say("nothing was changed: `--yes` does it, without a terminal to ask on");
            return Ok(false);
        }
        if !crate::asked(&program.ui, "make this change?")? {
            program.ui.say("nothing was changed");
            return Ok(false);
        }
    }
    trustnet_host::ipv6::apply(root, change).map_err(|error| {
        Failure::new(Exit::Provision, chain(&error))
            .hint("what was there before stands in the file: the same again goes on from there")
    })?;
    Ok(true)
}

fn foreign(blocked: &Blocked) -> Failure {
    Failure::new(Exit::Provision, blocked.to_string()).hint(match blocked {
        Blocked::Edited(_) => {
            format!("move what is yours from {FILE} into another file of that folder")
        }
        _ => format!("look at {FILE}, and move it away if nothing needs it"),
    })
}

/// Looks again and again whether IPv6 is there.
fn wait(
    program: &Program,
    switching: &Switching<'_>,
    wanted: &Wanted,
    facts: &mut Facts,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let progress = program.ui.progress("ipv6");
    for round in 1..=switching.tries {
        progress.begin(format!(
            "waiting for an address and a router, {round} of {}",
            switching.tries
        ));
        pause(switching.pause, interrupt)?;
        trustnet_host::preflight::look_again(wanted, switching.root, facts);
        if facts.ipv6.as_ref().is_some_and(Ipv6Facts::works) {
            return Ok(());
        }
    }
    if switching.tries > 0 {
        progress.note(format!(
            "no address and router after {} looks: what is left is told below",
            switching.tries
        ));
    }
    Ok(())
}

fn pause(time: Duration, interrupt: &Interrupt) -> Result<(), Failure> {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if interrupt.stop() {
            let message = "interrupted while waiting for IPv6; it is switched on";
            return Err(Failure::new(Exit::Interrupted, message)
                .hint("`trustnet-vm preflight --undo-ipv6` takes that back"));
        }
        thread::sleep(left.min(NAP));
    }
    Ok(())
}

/// How IPv6 is switched on.
pub struct Switching<'a> {
    /// Below which folder the machine's files are.
    pub root: &'a Path,
    /// How often is looked whether IPv6 is there.
    pub tries: u32,
    /// How long is waited before each look.
    pub pause: Duration,
}

/// Prints a report.
///
/// # Errors
/// It cannot be written.
pub fn print(program: &Program, report: &PreflightReport) -> Result<(), Failure> {
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(told(program, report)),
        Output::Name => {
            let failed = report.findings.iter();
            failed
                .filter(|finding| finding.status == CheckStatus::Failed)
                .for_each(|finding| program.ui.result(format!("{}\n", finding.check.as_str())));
        }
        form => program.ui.result(serialise(form, report)?),
    }
    Ok(())
}

/// The table; below it what is to be said of each check that is not as it should be; then the sum.
pub fn told(program: &Program, report: &PreflightReport) -> String {
    let rows: Vec<Vec<String>> = report
        .findings
        .iter()
        .map(|finding| {
            vec![
                finding.check.as_str().to_owned(),
                finding.status.as_str().to_owned(),
                finding.found.clone(),
            ]
        })
        .collect();
    let headers = (!program.no_headers).then_some(&["CHECK", "STATUS", "FOUND"][..]);
    let mut text = lay_out(headers, &rows);
    let ill = report.findings.iter().filter(|finding| {
        finding.status != CheckStatus::Ok && (finding.reason.is_some() || finding.fix.is_some())
    });
    for (index, finding) in ill.enumerate() {
        if index == 0 {
            text.push('\n');
        }
        text.push_str(&explained(program, finding));
    }
    let count = |status| {
        let all = report.findings.iter();
        all.filter(|finding| finding.status == status).count()
    };
    let (failed, warnings) = (count(CheckStatus::Failed), count(CheckStatus::Warning));
    let _ = match (failed, warnings) {
        (0, 0) if count(CheckStatus::Skipped) > 0 => {
            writeln!(text, "\nnothing is wrong, as far as it was looked at")
        }
        (0, 0) => writeln!(text, "\nall is as it should be"),
        (0, warnings) => writeln!(text, "\n{}", counted(warnings, "warning")),
        (failed, _) => writeln!(
            text,
            "\n{} of {} failed",
            failed,
            counted(report.findings.len(), "check")
        ),
    };
    text
}

fn explained(program: &Program, finding: &Finding) -> String {
    let color = match finding.status {
        CheckStatus::Failed => "31;1",
        CheckStatus::Warning => "33;1",
        CheckStatus::Ok | CheckStatus::Skipped => "36;1",
    };
    let label = program
        .ui
        .paint(color, &format!("{}:", finding.check.as_str()));
    let mut text = String::new();
    let reason = finding.reason.as_deref().unwrap_or(&finding.found);
    let mut lines = reason.lines().map(trustnet_core::readiness::clean);
    let _ = writeln!(text, "{label} {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "  fix: {}", trustnet_core::readiness::clean(fix));
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}

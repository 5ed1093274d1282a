//! `dns`: the record under which a network's registries are found.

use std::net::Ipv6Addr;

use trustnet_api::dns::DnsResult;
use trustnet_core::readiness::clean;
use trustnet_core::tnr::{self, Change, Record, Verdict, Wish};
use trustnet_host::dns::{Look, Names, NamesError, ProviderError, ServersError, Watch, carry_out};
use trustnet_host::error::chain;

use super::cache::confirm_to;
use super::get::serialise;
use crate::args::{
    DnsChange, DnsCheck, DnsInstructions, DnsPublish, DnsRecord, DnsVerb, DnsWatch, Output,
};
use crate::failure::{Exit, Failure};
use crate::{Program, keeper, table};

/// Does it.
///
/// # Errors
/// As for each.
pub fn run(program: &Program, verb: &DnsVerb) -> Result<Exit, Failure> {
    match verb {
        DnsVerb::Check(args) => check(program, args),
        DnsVerb::Instructions(args) => instructions(program, args),
        DnsVerb::Publish(args) => publish(program, args),
        DnsVerb::Remove(args) => {
            change(program, args, Wish::Remove)?;
            Ok(Exit::Done)
        }
    }
}

fn check(program: &Program, args: &DnsCheck) -> Result<Exit, Failure> {
    let mut names = names()?;
    if args.no_public {
        names = names.without_public();
    }
    let tries = if args.wait { args.watch.tries } else { 1 };
    let watch = Watch {
        tries,
        pause: args.watch.pause,
    };
    let look = watched(program, &names, (&args.domain, &args.addresses), &watch)?;
    print(program, &args.addresses, &look)?;
    Ok(if look.verdict.is_published() {
        Exit::Done
    } else {
        Exit::Provision
    })
}

/// Looks for a record, and says how far it has come.
fn watched(
    program: &Program,
    names: &Names,
    (domain, wanted): (&str, &[Ipv6Addr]),
    watch: &Watch,
) -> Result<Look, Failure> {
    let interrupt = crate::interruption()?;
    let told = &mut |look: &Look| {
        if look.of > 1 {
            let Look { number, of, .. } = look;
            program
                .ui
                .say(clean(&format!("[{number}/{of}] {}", look.verdict)));
        }
    };
    let look = names.watch(domain, wanted, watch, &|| interrupt.stop(), told)?;
    if interrupt.stop() {
        let message = format!("interrupted while the record of `{domain}` was looked for");
        return Err(Failure::new(Exit::Interrupted, message));
    }
    Ok(look)
}

fn print(program: &Program, wanted: &[Ipv6Addr], look: &Look) -> Result<(), Failure> {
    let sighting = &look.sighting;
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => {
            let wide = form == Output::Wide;
            let mut headers = vec!["SERVER", "ROLE", "ANSWER"];
            if wide {
                headers.insert(1, "ADDRESS");
            }
            let rows = sighting.views.iter().map(|view| {
                let mut row = vec![
                    view.server.clone(),
                    view.role.word().to_owned(),
                    view.seen.words(),
                ];
                if wide {
                    let at = view.address.map(|at| at.to_string());
                    row.insert(1, at.unwrap_or_else(|| "-".to_owned()));
                }
                row
            });
            let rows: Vec<Vec<String>> = rows.collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &rows));
            let verdict = format!("{}: {}", sighting.name, look.verdict);
            program.ui.say(clean(&verdict));
        }
        Output::Name => sighting
            .addresses()
            .iter()
            .for_each(|address| program.ui.result(format!("{address}\n"))),
        form => {
            let value = tnr::check(wanted, sighting);
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(())
}

fn instructions(program: &Program, args: &DnsInstructions) -> Result<Exit, Failure> {
    let record = record(&args.record)?;
    let section = args
        .keeper
        .section(keeper::configured(&program.env)?.as_ref());
    let told = tnr::instructions(&record, &section);
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(tnr::text(&told)),
        Output::Name => program.ui.result(format!("{}\n", told.name)),
        form => program.ui.result(serialise(form, &told)?),
    }
    Ok(Exit::Done)
}

fn publish(program: &Program, args: &DnsPublish) -> Result<Exit, Failure> {
    change(program, &args.change, Wish::Publish)?;
    if args.no_wait {
        return Ok(Exit::Done);
    }
    let DnsWatch { tries, pause } = args.watch;
    let record = record(&args.change.record)?;
    let wanted = (record.domain(), record.addresses());
    let look = watched(program, &names()?, wanted, &Watch { tries, pause })?;
    match &look.verdict {
        Verdict::Published { .. } => {}
        // It is there, where it was put: that others see it takes its time.
        verdict => program.ui.warn(format!(
            "{verdict}; `trustnet-vm dns check {}` looks again",
            record.domain()
        )),
    }
    Ok(Exit::Done)
}

/// Shows what changes, asks, does it, and says what was done.
fn change(program: &Program, args: &DnsChange, wish: Wish) -> Result<(), Failure> {
    let record = record(&args.record)?;
    let section = args
        .keeper
        .section(keeper::configured(&program.env)?.as_ref());
    let provider = keeper::provider(program, &section, &names()?)?;
    let Some(provider) = provider else {
        let failure = Failure::new(Exit::Usage, "the zone is kept by hand");
        let hint = "say who keeps it with `--dns-provider`, or see `trustnet-vm dns instructions`";
        return Err(failure.hint(hint));
    };
    let held = provider.read(&record.name())?;
    let shown = wish.change(&record, held.set.clone());
    let zone = clean(&held.zone);
    if !shown.is_empty() {
        program.ui.always(format!(
            "zone `{zone}` ({}):\n{shown}",
            provider.kind().word()
        ));
        match wish {
            Wish::Publish => confirm_to(program, "publishing", "published")?,
            Wish::Remove => confirm_to(program, "removing", "removed")?,
        }
    }
    let done = carry_out(provider.as_ref(), &record, wish, held, &shown)?;
    let result = match wish {
        _ if done.is_empty() => "unchanged",
        Wish::Publish => "published",
        Wish::Remove => "removed",
    };
    let value = DnsResult {
        kind: "DnsResult",
        name: record.name(),
        zone,
        provider: provider.kind(),
        result,
        added: done.added(),
        removed: done.removed(),
        kept: done.kept(),
    };
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(words(&record, wish, &done)),
        Output::Name => program.ui.result(format!("{}\n", record.name())),
        form => program.ui.result(serialise(form, &value)?),
    }
    Ok(())
}

fn words(record: &Record, wish: Wish, done: &Change) -> String {
    let name = record.name();
    let list = |addresses: Vec<Ipv6Addr>| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    match wish {
        Wish::Publish if done.is_empty() => {
            format!("'{name}' has all of these addresses already: nothing to do\n")
        }
        Wish::Remove if done.is_empty() => {
            format!("'{name}' has none of these addresses: nothing to do\n")
        }
        Wish::Publish => format!("Published '{name}': {}\n", list(done.added())),
        Wish::Remove => format!("Removed from '{name}': {}\n", list(done.removed())),
    }
}

fn record(args: &DnsRecord) -> Result<Record, Failure> {
    let record = Record::new(&args.domain, args.addresses.iter().copied());
    record.map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

fn names() -> Result<Names, Failure> {
    let names = Names::from_environment();
    names.map_err(|error| NamesError::from(error).into())
}

impl From<NamesError> for Failure {
    fn from(error: NamesError) -> Self {
        let exit = match &error {
            NamesError::Record(_) | NamesError::Servers(ServersError::Form(_)) => Exit::Usage,
            NamesError::Servers(ServersError::System(_)) | NamesError::Runtime(_) => {
                Exit::Provision
            }
        };
        Self::new(exit, chain(&error))
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        let exit = if error.is_usage() {
            Exit::Usage
        } else {
            Exit::Provision
        };
        // What others say is no command to a terminal.
        let failure = Self::new(exit, clean(&chain(&error)));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

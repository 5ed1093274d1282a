//! `registry promote`: a secondary becomes the root, in its guest over SSH.

use std::time::{Duration, Instant};

use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::{RegistryHealth, RegistryRole};
use trustnet_api::secret::SecretString;
use trustnet_core::kind::REGISTRY_SERVICE;
use trustnet_core::masks::Masks;
use trustnet_host::examine::{self, Ended, UnitVerb};

use crate::Program;
use crate::args::RegistryPromote;
use crate::contact::{self, Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;
use crate::outcome::{self, Outcome};
use crate::verbs::provision;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the registry may take to be the root.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(500);
/// Makes the directory a root's, as the user whom it belongs to.
const PROMOTE: &str = "exec trustnet-registry --config /etc/trustnet/registry.yaml --promote";

/// Promotes a secondary.
///
/// # Errors
/// It is none, or a step fails.
pub fn run(program: &Program, args: &RegistryPromote) -> Result<Exit, Failure> {
    let name = args.name.as_str();
    let host = program.connect()?;
    let guest = Guest::find(&host, name)?;
    let Some(registry) = contact::service(&guest.record, REGISTRY_SERVICE) else {
        let message = format!("`{}` has no registry of its own", guest.name);
        return Err(Failure::new(Exit::Usage, message));
    };
    if contact::text(registry, "role") != Some("secondary") {
        let message = format!("`{}` is a root already", guest.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    refuse_unrecorded(&guest)?;
    program.ui.always(format!(
        "promoting `{name}`, in its guest:\n\
         \x20 - stop {REGISTRY_SERVICE}\n\
         \x20 - make its directory a root's: trustnet-registry --config /etc/trustnet/registry.yaml --promote\n\
         \x20 - write `role: root` into its configuration, and start it\n\
         a network has one root: the old one must not come back as one",
    ));
    confirm(program, "promoting")?;
    let mut shell = guest.connect(&host)?;
    let names = (REGISTRY_SERVICE, REGISTRY_SERVICE);
    let stopped = examine::unit(&mut *shell, UnitVerb::Stop, names);
    succeeded(
        "stop the registry",
        &stopped.map_err(|error| guest.failure(error))?,
    )?;
    let words = ["su", "-s", "/bin/sh", "keeper", "-c", PROMOTE].map(str::to_owned);
    let promoted = examine::command(&mut *shell, &words, LIMIT);
    let well = promoted
        .map_err(|error| guest.failure(error))
        .and_then(|ended| succeeded("make its directory a root's", &ended));
    if let Err(failure) = well {
        // A secondary that was there is there again.
        let started = examine::unit(&mut *shell, UnitVerb::Start, names);
        succeeded(
            "start the registry again",
            &started.map_err(|error| guest.failure(error))?,
        )?;
        return Err(failure);
    }
    drop(shell);
    note(&host, &guest)?;
    provision::quietly(program, &guest.name).map_err(|failure| {
        let hint =
            format!("its directory is a root's already: `trustnet-vm provision {name}` goes on");
        failure.hint(hint)
    })?;
    let mut contact = Contact::find(&host, name, Sought::Registry, args.ca.as_deref())?;
    await_root(&mut contact)?;
    let text = format!(
        "`{name}` is the root of its network now; write `role: root` into its file before you create or provision it again"
    );
    let outcome = Outcome::new("promoted", text);
    if program.in_words() {
        program.ui.result(outcome.text);
    }
    program.print_entries(&[outcome::entry(&guest.name, Ok(outcome.result))])?;
    Ok(Exit::Done)
}

/// Its configuration is written anew from what is recorded, where secrets of the file itself are left out: that is to be
/// known before anything is done.
fn refuse_unrecorded(guest: &Guest) -> Result<(), Failure> {
    let services = &guest.record.spec.spec.services;
    let mut secrets = services.iter().flat_map(|one| {
        one.secrets
            .iter()
            .map(move |(name, value)| (one, name, value))
    });
    let found = secrets.find(|(_, _, value)| matches!(value, SecretString::Redacted(_)));
    let Some((service, secret, _)) = found else {
        return Ok(());
    };
    let message = format!(
        "the secret `{secret}` of `{}` in `{}` stands in its file itself, and is not recorded: its configuration could not be written anew",
        service.name, guest.name
    );
    let hint = format!(
        "write it there as `valueFrom: …`, run `trustnet-vm provision {} -f FILE`, and promote then",
        guest.name
    );
    Err(Failure::new(Exit::Usage, message).hint(hint))
}

/// Notes on the domain that the registry is a root: it follows nobody any more.
fn note(host: &Host, guest: &Guest) -> Result<(), Failure> {
    let mut record = guest.record.clone();
    let mut services = record.spec.spec.services.iter_mut();
    let registry = services.find(|one| [REGISTRY_SERVICE, "registry"].contains(&one.name.as_str()));
    if let Some(registry) = registry {
        let root = ConfigValue::Text("root".to_owned());
        registry.config.insert("role".to_owned(), root);
        registry.config.remove("root");
        registry
            .dependencies
            .retain(|need| need.service != REGISTRY_SERVICE);
    }
    let records = host.hypervisor.records();
    Ok(records.write(&guest.uuid, &record.to_text())?)
}

/// Goes on only with a yes.
///
/// # Errors
/// There is none, or nobody to ask.
pub fn confirm(program: &Program, doing: &str) -> Result<(), Failure> {
    if program.yes {
        return Ok(());
    }
    if !program.env.stdin_terminal {
        let message = format!("{doing} needs a yes, and there is no terminal to ask on");
        return Err(Failure::new(Exit::Usage, message).hint("give `--yes`"));
    }
    if crate::asked(&program.ui, "go on?")? {
        Ok(())
    } else {
        Err(Failure::new(Exit::Usage, "nothing was done"))
    }
}

/// Refuses what did not go well, with its last lines.
///
/// # Errors
/// It did not.
pub fn succeeded(what: &str, ended: &Ended) -> Result<(), Failure> {
    if ended.is_success() {
        return Ok(());
    }
    let lines = ended.last_lines(&Masks::default());
    let lines: String = lines.iter().map(|line| format!("\n    {line}")).collect();
    let message = format!("failed to {what}: {}{lines}", ended.why(LIMIT));
    Err(Failure::new(Exit::Provision, message))
}

fn await_root(contact: &mut Contact) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let why = match contact.get::<RegistryHealth>("/api/health") {
            Ok((health, _)) if health.role == RegistryRole::Root => return Ok(()),
            Ok(_) => Failure::new(
                Exit::Provision,
                "the registry still says that it is a secondary",
            ),
            Err(failure) => failure,
        };
        if begun.elapsed() > PATIENCE {
            return Err(why);
        }
        std::thread::sleep(EVERY);
    }
}

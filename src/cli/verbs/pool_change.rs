//! `pool add`, `pool delete`, `pool refresh`.

use trustnet_core::pool::{self, Pool, PoolKind, PoolRequest};
use trustnet_core::units::bytes;
use trustnet_core::xml;
use trustnet_host::doors::ListedPool;

use super::pool::find;
use crate::Program;
use crate::args::{PoolAdd, PoolRefresh, PoolType, YesNo};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::images::left_plans;
use crate::outcome::{Outcome, entry};

/// Adds a pool.
///
/// # Errors
/// It is no pool, the hypervisor cannot have such, or there is another of its name.
pub fn add(program: &Program, args: &PoolAdd) -> Result<Exit, Failure> {
    let wanted = request(args)
        .resolve()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    let _planning = host.lock_planning(&interrupt)?;
    let outcome = make(&host, &wanted)?;
    tell(program, &[(wanted.name, Ok(outcome))])
}

fn make(host: &Host, wanted: &Pool) -> Result<Outcome, Failure> {
    let xml = xml::storage_pool(wanted);
    let Pool { name, source } = wanted;
    let pools = host.hypervisor.pools();
    let there = pools.find(name)?;
    match &there {
        Some(there) => {
            let differences = pool::differences(&there.xml, &xml::read_pool(&xml));
            if !differences.is_empty() {
                return Err(another(name, &differences));
            }
        }
        None => {
            let capabilities = host.hypervisor.survey().pools()?;
            pool::supports(capabilities.as_ref(), source.kind()).map_err(|error| {
                Failure::new(Exit::Storage, error.to_string()).hint(error.hint())
            })?;
        }
    }
    if there.as_ref().is_some_and(|there| there.active) {
        let line = format!("pool '{name}' is there already: nothing to do");
        return Ok(Outcome::new("unchanged", line));
    }
    pools.ensure(name, &xml)?;
    let facts = pools.find(name)?.unwrap_or_default();
    let room = format!("{}, {} free", bytes(facts.capacity), bytes(facts.available));
    Ok(match there {
        Some(_) => Outcome::new("started", format!("Started pool '{name}' ({room})")),
        None => Outcome::new(
            "created",
            format!("Added pool '{name}' ({}: {room})", facts.xml.kind),
        ),
    })
}

fn another(name: &str, differences: &[String]) -> Failure {
    Failure::new(
        Exit::Storage,
        format!(
            "pool `{name}` is there already, and is another; different: {}",
            differences.join(", ")
        ),
    )
    .hint(format!(
        "choose another name, or `trustnet-vm pool delete {name}` first: what it holds stays"
    ))
}

fn request(args: &PoolAdd) -> PoolRequest {
    PoolRequest {
        name: args.name.clone(),
        kind: match args.kind {
            PoolType::Dir => PoolKind::Dir,
            PoolType::Fs => PoolKind::Fs,
            PoolType::Netfs => PoolKind::Netfs,
            PoolType::Logical => PoolKind::Logical,
            PoolType::Zfs => PoolKind::Zfs,
            PoolType::Rbd => PoolKind::Rbd,
        },
        target: args.target.clone(),
        source: args.source.clone(),
        hosts: args.hosts.clone(),
        format: args.format.clone(),
        user: args.user.clone(),
        secret: args.secret.clone(),
        cow: args.cow.map(|word| word == YesNo::Yes),
    }
}

/// Deletes a pool; its volumes stay.
///
/// # Errors
/// It is one that trustnet-vm makes by itself, a VM uses something in it, or nobody says yes.
pub fn delete(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    if host.hypervisor.pools().find(name)?.is_none() {
        let line = format!("pool '{name}' is not there: nothing to do");
        return tell(
            program,
            &[(name.to_owned(), Ok(Outcome::new("absent", line)))],
        );
    }
    let pool = find(&host, name)?;
    refuse_used(&host, &pool)?;
    let place = Some(pool.facts.xml.path.as_str()).filter(|path| !path.is_empty());
    let place = place.map_or_else(|| pool.facts.xml.source.to_string(), str::to_owned);
    program.ui.say(format!(
        "forgetting pool `{name}` ({}); what is in {place} stays",
        pool.facts.xml.kind
    ));
    super::cache::confirm(program)?;
    // Nobody waits for an answer with the lock: what came in between is looked at again.
    let _planning = host.lock_planning(&interrupt)?;
    refuse_used(&host, &pool)?;
    host.hypervisor.pools().forget(name)?;
    let line = format!("Deleted pool '{name}'");
    tell(
        program,
        &[(name.to_owned(), Ok(Outcome::new("removed", line)))],
    )
}

fn refuse_used(host: &Host, pool: &ListedPool) -> Result<(), Failure> {
    let name = &pool.name;
    if pool::is_default(name) {
        return Err(Failure::new(
            Exit::Storage,
            format!("`{name}` is a pool that trustnet-vm makes by itself, and stays"),
        )
        .hint("`trustnet-vm create --pool NAME` puts VMs elsewhere"));
    }
    let domains = host.hypervisor.survey().domains()?;
    let users = pool::users(name, &pool.facts, &domains);
    if !users.is_empty() {
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        return Err(Failure::new(
            Exit::Storage,
            format!(
                "pool `{name}` stays: VMs use what is in it: {}",
                users.join("; ")
            ),
        )
        .hint("destroy those first; `trustnet-vm pool info` shows all volumes"));
    }
    for plan in left_plans(host)? {
        if plan.pools().contains(&name.as_str()) {
            let left = &plan.vm;
            return Err(Failure::new(
                Exit::Storage,
                format!("pool `{name}` stays: interrupted work on `{left}` has something in it"),
            )
            .hint(format!(
                "`trustnet-vm resume {left}` or `rollback {left}` first"
            )));
        }
    }
    Ok(())
}

/// Looks again which volumes pools hold.
///
/// # Errors
/// One of them is not there, is not active, or cannot be looked at.
pub fn refresh(program: &Program, args: &PoolRefresh) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    // No pool is looked through while another run writes to it.
    let _planning = host.lock_planning(&interrupt)?;
    let names = if args.all {
        let pools = host.hypervisor.pools().list()?;
        let active = pools.into_iter().filter(|pool| pool.facts.active);
        active.map(|pool| pool.name).collect()
    } else {
        args.names.clone()
    };
    let done = names.into_iter().map(|name| {
        let result = refresh_one(&host, &name);
        (name, result)
    });
    tell(program, &done.collect::<Vec<_>>())
}

fn refresh_one(host: &Host, name: &str) -> Result<Outcome, Failure> {
    if !find(host, name)?.facts.active {
        return Err(
            Failure::new(Exit::Storage, format!("pool `{name}` is not active")).hint(format!(
                "start it: `virsh -c {} pool-start {name}`",
                host.uri
            )),
        );
    }
    host.hypervisor.pools().refresh(name)?;
    let facts = host.hypervisor.pools().find(name)?.unwrap_or_default();
    Ok(Outcome::new(
        "refreshed",
        format!("Refreshed pool '{name}' ({} free)", bytes(facts.available)),
    ))
}

/// Says what came of each; the first failure decides how the program ends.
fn tell(
    program: &Program,
    results: &[(String, Result<Outcome, Failure>)],
) -> Result<Exit, Failure> {
    let mut first = None;
    let mut entries = Vec::new();
    for (name, result) in results {
        entries.push(entry(name, result.as_ref().map(|outcome| outcome.result)));
        match result {
            Ok(outcome) if program.in_words() => program.ui.result(&outcome.text),
            Ok(_) => {}
            Err(failure) => {
                program.ui.fail(failure);
                first.get_or_insert(failure.exit);
            }
        }
    }
    program.print_entries(&entries)?;
    Ok(first.unwrap_or(Exit::Done))
}

//! `provision`: what the services of VMs need is got, and brought into their guests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use trustnet_api::service_ref::RemoteService;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::guest_os;
use trustnet_core::service::{Instance, select};
use trustnet_core::vm::VmName;
use trustnet_host::secrets::Keep;

use crate::Program;
use crate::args::Provision;
use crate::bring::{Bringer, brought, warn_of_left};
use crate::failure::{Exit, Failure};
use crate::fleet::{self, Board, Member};
use crate::host::Host;
use crate::make::{lock_vm, refuse_leftover};
use crate::outcome::entry;
use crate::prepare::{Asked, Preparer};
use crate::prune::Pruner;
use crate::specs;
use crate::verbs::create::in_parallel;
use crate::verbs::power::ours;

/// A VM whose services are brought.
struct Target {
    name: VmName,
    wire: VirtualMachine,
    folder: PathBuf,
    services: Vec<Instance>,
}

impl Target {
    fn member(&self) -> Member<'_> {
        Member {
            name: self.name.as_str(),
            services: &self.services,
            depends_on: &self.wire.spec.depends_on,
        }
    }
}

/// Provisions VMs, several at once.
///
/// # Errors
/// One of them failed, or what they ask for is wrong.
pub fn run(program: &Program, args: &Provision) -> Result<Exit, Failure> {
    let (targets, results) = bring_all(program, args)?;
    summarise(program, &targets, results)
}

/// Provisions a VM by the spec that is recorded, and prints no result; gives how many steps were taken.
///
/// # Errors
/// It failed.
pub fn quietly(program: &Program, name: &str) -> Result<usize, Failure> {
    let args = Provision {
        names: vec![name.to_owned()],
        filename: Vec::new(),
        offline: false,
        prune: false,
        parallel: 1,
        timeout: None,
    };
    let results = bring_all(program, &args)?.1;
    results.into_iter().sum()
}

type Brought = Vec<Result<usize, Failure>>;

fn bring_all(program: &Program, args: &Provision) -> Result<(Vec<Target>, Brought), Failure> {
    let host = program.connect()?;
    let targets = fleet::sorted(targets(program, &host, args)?, Target::member)?;
    let interrupt = crate::interruption()?;
    let info = host.hypervisor.survey().host()?;
    let preparer = Preparer::new(program, &info.arch, args.offline, &interrupt)?;
    let blobs = preparer.blobs();
    let bringer = Bringer {
        program,
        host: &host,
        blobs: &blobs,
        interrupt: &interrupt,
    };
    let known = targets.iter().map(|target| {
        (
            target.name.as_str(),
            (&target.wire, target.services.as_slice()),
        )
    });
    let known: BTreeMap<_, _> = known.collect();
    let catalogue = program.catalogue()?;
    let at =
        |remote: &RemoteService| fleet::locate(&host, &catalogue, &known, preparer.arch(), remote);
    let pruner = Pruner::new(&bringer, &catalogue, preparer.arch());
    let asks = targets.iter().map(|target| {
        let os = guest_os::of(&target.wire);
        (target.services.as_slice(), target.folder.as_path(), os)
    });
    preparer.refuse_missing(asks, &program.ui.progress("services"))?;
    let board = Board::default();
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let bring = |target: &Target| -> Result<usize, Failure> {
        let name = target.name.as_str();
        let progress = program.ui.progress(name);
        board.await_ahead(&target.member(), &names, &interrupt)?;
        board.await_needed(&target.member(), &names, &interrupt)?;
        let _mine = lock_vm(&host, name)?;
        refuse_leftover(&host, name)?;
        let asked = Asked {
            name: &target.name,
            wire: &target.wire,
            folder: &target.folder,
            services: &target.services,
        };
        let prepared = preparer.prepare(&asked, &at, Keep::Yes, &progress)?;
        let before = ours(&host, name)?.1.spec.spec.services;
        let outcome = bringer.bring(name, &target.wire, &prepared, &progress)?;
        drop(progress);
        if args.prune && !outcome.left.is_empty() {
            let gone =
                pruner.prune(&target.name, &target.wire, &before, prepared, &outcome.left)?;
            return Ok(outcome.taken + gone);
        }
        warn_of_left(program, name, &outcome);
        Ok(outcome.taken)
    };
    let results = in_parallel(&targets, args.parallel, |target| {
        let result = bring(target);
        board.end(target.name.as_str(), result.is_ok());
        result
    });
    Ok((targets, results))
}

fn summarise(program: &Program, targets: &[Target], results: Brought) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut items = Vec::new();
    for (target, result) in targets.iter().zip(results) {
        let name = target.name.as_str();
        match result {
            Ok(taken) => {
                let word = if taken == 0 {
                    "unchanged"
                } else {
                    "provisioned"
                };
                items.push(entry(name, Ok(word)));
                if program.in_words() {
                    program.ui.result(brought(name, taken));
                }
            }
            Err(failure) => {
                items.push(entry(name, Err(&failure)));
                if targets.len() > 1 {
                    program.ui.fail(&failure);
                    worst.get_or_insert(Failure {
                        message: String::new(),
                        hint: None,
                        ..failure
                    });
                } else {
                    worst.get_or_insert(failure);
                }
            }
        }
    }
    program.print_entries(&items)?;
    worst.map_or(Ok(Exit::Done), Err)
}

/// The VMs: by spec files, or by name with the spec that is recorded.
fn targets(program: &Program, host: &Host, args: &Provision) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    if !args.filename.is_empty() {
        for spec in specs::load(program, &args.filename)? {
            let wanted = args.names.is_empty()
                || args
                    .names
                    .iter()
                    .any(|name| name == spec.vm.name().as_str());
            if wanted {
                targets.push(Target {
                    name: spec.vm.name().clone(),
                    wire: spec.vm.wire().clone(),
                    folder: spec.folder,
                    services: spec.services,
                });
            }
        }
        return Ok(targets);
    }
    let catalogue = program.catalogue()?;
    for name in &args.names {
        let (domain, record) = ours(host, name)?;
        let services = select(&record.spec.spec.services, &catalogue).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Spec, format!("`{name}`: {}", problems.join("; ")))
                .hint("provision with the spec's file: `trustnet-vm provision -f FILE`")
        })?;
        targets.push(Target {
            name: VmName::parse(&domain.xml.name)
                .map_err(|why| Failure::new(Exit::Vm, why.to_string()))?,
            folder: record
                .folder
                .as_ref()
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
            wire: record.spec,
            services,
        });
    }
    Ok(targets)
}

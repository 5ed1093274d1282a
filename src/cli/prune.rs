//! Services that a guest has and that its spec no longer asks for, taken out of it. Their data stays.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use trustnet_api::service_ref::ServiceRef;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::artifact::Arch;
use trustnet_core::provision::{Action, Program, ServiceInput, uninstall};
use trustnet_core::service::{Catalogue, Instance};
use trustnet_core::vm::VmName;

use crate::bring::Bringer;
use crate::failure::{Exit, Failure};
use crate::prepare::Prepared;

/// Takes services out of guests.
pub struct Pruner<'a> {
    bringer: &'a Bringer<'a>,
    catalogue: &'a Catalogue,
    arch: Arch,
    /// One question at a time.
    asking: Mutex<()>,
}

impl<'a> Pruner<'a> {
    /// By the definitions of a catalogue.
    pub fn new(bringer: &'a Bringer<'a>, catalogue: &'a Catalogue, arch: Arch) -> Self {
        Self {
            bringer,
            catalogue,
            arch,
            asking: Mutex::default(),
        }
    }

    /// Takes the services away that are left in a guest, after showing what goes. `known` is what the VM said
    /// of its services before; `prepared` is what stays. Gives how many steps were taken.
    ///
    /// # Errors
    /// There is no definition, the user does not want it, or it fails in the guest.
    pub fn prune(
        &self,
        name: &VmName,
        wire: &VirtualMachine,
        known: &[ServiceRef],
        prepared: Prepared,
        left: &[(String, String)],
    ) -> Result<usize, Failure> {
        let mut program = Program::default();
        for (service, version) in left {
            let away = self.away(name, known, service, version)?;
            program.steps.extend(away.steps);
        }
        self.agree(name, &program, left)?;
        let progress = self.bringer.program.ui.progress(name.as_str());
        let prepared = Prepared {
            program,
            ..prepared
        };
        let outcome = self
            .bringer
            .bring(name.as_str(), wire, &prepared, &progress)?;
        Ok(outcome.taken)
    }

    fn away(
        &self,
        name: &VmName,
        known: &[ServiceRef],
        service: &str,
        version: &str,
    ) -> Result<Program, Failure> {
        let failed = |why: String| {
            let message = format!("`{name}`: failed to take `{service}` away: {why}");
            Failure::new(Exit::Provision, message)
        };
        let definition = self.catalogue.find(service).map_err(|_| {
            failed("the catalogue has no definition of it any more".to_owned())
                .hint("`trustnet-vm service add FILE` gives it back")
        })?;
        let names = |one: &&ServiceRef| {
            let found = self.catalogue.find(&one.name);
            found.is_ok_and(|found| found.name() == definition.name())
        };
        let instance = Instance::departed(definition, known.iter().find(names));
        let input = ServiceInput {
            scope: instance.scope(name.as_str(), version, self.arch),
            instance: &instance,
            secrets: BTreeMap::new(),
            artifacts: BTreeMap::new(),
        };
        uninstall(&input).map_err(failed)
    }

    /// Shows what goes, and asks.
    fn agree(
        &self,
        name: &VmName,
        program: &Program,
        left: &[(String, String)],
    ) -> Result<(), Failure> {
        let tool = self.bringer.program;
        let _alone = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let services: Vec<&str> = left.iter().map(|(service, _)| service.as_str()).collect();
        let services = services.join(", ");
        tool.ui.say(format!("taking {services} out of `{name}`:"));
        for line in program.steps.iter().flat_map(|step| lines(&step.action)) {
            tool.ui.say(format!("  - {line}"));
        }
        if tool.yes {
            return Ok(());
        }
        if !tool.env.stdin_terminal {
            let message = format!(
                "`{name}`: taking services away needs a yes, and there is no terminal to ask on"
            );
            return Err(Failure::new(Exit::Usage, message).hint("give `--yes`"));
        }
        if crate::asked(&tool.ui, "go on?")? {
            Ok(())
        } else {
            let message = format!("`{name}`: {services} stays");
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// What a step of leaving does, for people.
fn lines(action: &Action) -> Vec<String> {
    match action {
        Action::Stop { unit, .. } => vec![format!("stop `{unit}`")],
        Action::Run { command, .. } => vec![format!("run `{}`", command.join(" "))],
        Action::Remove { packages, paths } => paths
            .iter()
            .map(|path| format!("remove `{path}`"))
            .chain(
                packages
                    .iter()
                    .map(|package| format!("remove the package `{package}`")),
            )
            .collect(),
        _ => Vec::new(),
    }
}

//! The VMs of an invocation among each other: their order, where their services answer, and who waits for whom.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use trustnet_api::service_ref::RemoteService;
use trustnet_core::artifact::Arch;
use trustnet_core::service::{At, Catalogue, Instance, select};
use trustnet_host::interrupt::Interrupt;

use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::prepare::{address_of, spec_of};
use crate::specs::Spec;

/// How often an interruption is looked for while a VM waits for another.
const LOOK: Duration = Duration::from_millis(200);

/// A VM of an invocation.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its services.
    pub services: &'a [Instance],
    /// Whom it says that it depends on.
    pub depends_on: &'a [String],
}

/// The VMs of an invocation, each behind those that it and its services depend on.
///
/// # Errors
/// They depend on each other in a circle.
pub fn sorted<T>(mut specs: Vec<T>, member: impl Fn(&T) -> Member<'_>) -> Result<Vec<T>, Failure> {
    let mut sorted: Vec<T> = Vec::new();
    while !specs.is_empty() {
        let free = |spec: &T| {
            let one = member(spec);
            !specs.iter().any(|other| one.waits_for(member(other).name))
        };
        let Some(next) = specs.iter().position(free) else {
            let names: Vec<&str> = specs.iter().map(|spec| member(spec).name).collect();
            let names = names.join(", ");
            return Err(Failure::new(
                Exit::Spec,
                format!("the VMs {names} depend on each other"),
            ));
        };
        sorted.push(specs.remove(next));
    }
    Ok(sorted)
}

impl<'a> Member<'a> {
    fn waits_for(&self, name: &str) -> bool {
        let mut said = self.depends_on.iter();
        said.any(|one| one.eq_ignore_ascii_case(name)) || self.needed().contains(&name)
    }

    /// The VMs that its services depend on.
    #[must_use]
    pub fn needed(&self) -> Vec<&'a str> {
        let needs = self
            .services
            .iter()
            .flat_map(|service| &service.dependencies);
        needs
            .filter_map(|need| need.remote.as_ref()?.vm.as_deref())
            .collect()
    }
}

impl Spec {
    /// As one of an invocation.
    #[must_use]
    pub fn member(&self) -> Member<'_> {
        Member {
            name: self.vm.name().as_str(),
            services: &self.services,
            depends_on: &self.vm.wire().spec.depends_on,
        }
    }
}

/// Where a service of another VM answers: as the file says, else by that VM's spec; nothing, where neither says it.
///
/// # Errors
/// The hypervisor does not say what that VM's spec is.
pub fn locate(
    host: &Host,
    catalogue: &Catalogue,
    known: &BTreeMap<&str, (&trustnet_api::vm::VirtualMachine, &[Instance])>,
    arch: Arch,
    remote: &RemoteService,
) -> Result<Option<At>, Failure> {
    if let (Some(host), Some(port)) = (&remote.host, remote.port) {
        let host = host.clone();
        return Ok(Some(At { host, port }));
    }
    let Some(vm) = remote.vm.as_deref() else {
        return Ok(None);
    };
    let recorded;
    let (wire, services) = if let Some((wire, services)) = known.get(vm) {
        (*wire, *services)
    } else {
        let Some(wire) = spec_of(host, vm)? else {
            return Ok(None);
        };
        // What does not fit the catalogue any more has no port that is known.
        let services = select(&wire.spec.services, catalogue).unwrap_or_default();
        recorded = (wire, services);
        (&recorded.0, recorded.1.as_slice())
    };
    let port = || {
        let mut all = services.iter();
        let service = all.find(|one| one.answers_to(&remote.service))?;
        let version = &service.definition.spec().version;
        let scope = service.scope(&wire.metadata.name, version, arch);
        service.port(None, &scope).ok()?
    };
    let host = remote.host.clone().or_else(|| address_of(wire));
    let at = host.zip(remote.port.or_else(port));
    Ok(at.map(|(host, port)| At { host, port }))
}

/// How the VMs of an invocation have fared so far, for those that wait for them.
#[derive(Default)]
pub struct Board {
    ended: Mutex<BTreeMap<String, bool>>,
    news: Condvar,
}

impl Board {
    /// Notes how a VM ended.
    pub fn end(&self, name: &str, well: bool) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(name.to_owned(), well);
        self.news.notify_all();
    }

    /// Waits for those VMs of the invocation that this one's services depend on.
    ///
    /// # Errors
    /// One of them failed, or the user interrupts.
    pub fn await_needed(
        &self,
        member: &Member<'_>,
        all: &[&str],
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        for name in member.needed() {
            if all.contains(&name) && !self.await_one(name, interrupt)? {
                let message = format!("its services depend on `{name}`, which is not ready");
                let hint = format!("once `{name}` is, `trustnet-vm provision {}`", member.name);
                return Err(Failure::new(Exit::Provision, message).hint(hint));
            }
        }
        Ok(())
    }

    /// Waits for those VMs of the invocation that are to be ready before this one is begun.
    ///
    /// # Errors
    /// One of them failed, or the user interrupts.
    pub fn await_ahead(
        &self,
        member: &Member<'_>,
        all: &[&str],
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        for name in member.depends_on {
            let name = name.to_ascii_lowercase();
            if all.contains(&name.as_str()) && !self.await_one(&name, interrupt)? {
                let message = format!("it depends on `{name}`, which is not ready");
                let hint = format!("once `{name}` is, do the same again");
                return Err(Failure::new(Exit::Vm, message).hint(hint));
            }
        }
        Ok(())
    }

    /// Waits until a VM has ended; whether it ended well.
    fn await_one(&self, name: &str, interrupt: &Interrupt) -> Result<bool, Failure> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(well) = ended.get(name) {
                return Ok(*well);
            }
            if interrupt.stop() {
                return Err(Failure::new(Exit::Interrupted, "interrupted"));
            }
            let waited = self.news.wait_timeout(ended, LOOK);
            ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

//! Everything that is checked before anything is changed: what is asked for, what is seen, what comes of it.

use std::path::Path;

use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};
use trustnet_api::preflight::Finding;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::guest_os;
use trustnet_core::kind::{NODE_SERVICE, REGISTRY_SERVICE};
use trustnet_core::preflight::{
    Accelerator, Facts, Need, Role, Unmet, Wanted, WantedDomain, WantedPort, judge,
};
use trustnet_core::vm::Attachment;
use trustnet_core::xml::DomainType;
use trustnet_host::dns::Names;
use trustnet_host::doors::HostInfo;
use trustnet_host::preflight::{Connected, Look, by_names, gather};

use crate::Program;
use crate::args::VirtType;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::images::Images;
use crate::prepare::Preparer;
use crate::specs::Spec;

/// What is looked at, and where.
pub struct Examination<'a> {
    /// The program.
    pub program: &'a Program,
    /// Below which folder the machine's files are: `/` for this one.
    pub root: &'a Path,
    /// What is asked for. Its VMs are those of the specs.
    pub wanted: &'a Wanted,
    /// The specs.
    pub specs: &'a [Spec],
}

impl Examination<'_> {
    /// Looks at everything, and judges it. Nothing is changed.
    ///
    /// # Errors
    /// Something could not be looked at for a reason that is none of the machine's.
    pub fn run(&self) -> Result<(Facts, Vec<Finding>), Failure> {
        let facts = self.facts()?;
        let findings = judge(&facts, self.wanted);
        Ok((facts, findings))
    }

    fn facts(&self) -> Result<Facts, Failure> {
        if !self.wanted.hypervisor {
            return self.gather(None);
        }
        let host = match self.program.connect() {
            Ok(host) => host,
            Err(failure) => return self.gather(Some(Err(unmet(failure)))),
        };
        let info = match host.hypervisor.survey().host() {
            Ok(info) => info,
            Err(error) => return self.gather(Some(Err(unmet(error.into())))),
        };
        let interrupt = crate::interruption()?;
        // No pool is looked through while another run writes to it.
        let _held = host.lock_planning(&interrupt)?;
        let connected = Connected {
            hypervisor: &*host.hypervisor,
            info: &info,
            accelerator: self.accelerator(&host, &info)?,
            data_dir: &host.data_dir(&info),
            pool: &self.program.settings.pool.value,
        };
        let mut facts = self.gather(Some(Ok(connected)))?;
        let images = Images::with(self.program, &host, info.clone(), interrupt.clone());
        self.look_for_images(&images, &mut facts)?;
        let serving = self.specs.iter().any(|spec| !spec.services.is_empty());
        if serving {
            let preparer = Preparer::new(self.program, &info.arch, true, &interrupt)?;
            facts.cache = self.look_into_cache(&preparer.looking_for_damage(true))?;
        }
        Ok(facts)
    }

    fn gather(&self, hypervisor: Option<Result<Connected<'_>, Unmet>>) -> Result<Facts, Failure> {
        let names = Names::from_environment();
        let names = names.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let look = Look {
            root: self.root,
            resolve: &|name| by_names(&names, name),
            hypervisor,
        };
        Ok(gather(self.wanted, look)?)
    }

    fn accelerator(&self, host: &Host, info: &HostInfo) -> Result<Accelerator, Failure> {
        let asked = self.program.settings.virt_type.value != VirtType::Auto;
        let (kind, reason): (DomainType, String) = self.program.choose_domain_type(host, info)?;
        Ok(Accelerator {
            kind,
            reason,
            asked,
        })
    }

    /// Which images are to be had, and which are not what they were.
    fn look_for_images(&self, images: &Images<'_>, facts: &mut Facts) -> Result<(), Failure> {
        let Some(Ok(seen)) = &mut facts.hypervisor else {
            return Ok(());
        };
        for (spec, machine) in self.specs.iter().zip(&mut seen.machines) {
            let order = images.missing(&spec.vm, &mut machine.observed)?;
            machine.obtainable = order.map(|order| order.wanted.url);
            if machine.obtainable.is_some() {
                continue;
            }
            let progress = self.program.ui.progress(spec.vm.name().as_str());
            match images.check(&spec.vm, &machine.observed, &progress) {
                Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
                Err(failure) => machine.changed = Some(unmet(failure)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Whether everything is there that services need. What may be fetched is not looked for.
    fn look_into_cache(
        &self,
        preparer: &Preparer<'_>,
    ) -> Result<Option<Result<(), Unmet>>, Failure> {
        let asks = self.specs.iter().map(|spec| {
            let os = guest_os::of(spec.vm.wire());
            (spec.services.as_slice(), spec.folder.as_path(), os)
        });
        let looked = if self.wanted.offline {
            let progress = self.program.ui.progress("services");
            preparer.refuse_missing(asks, &progress)
        } else {
            let mut asks = asks;
            asks.try_for_each(|(services, _, os)| preparer.refuse_unbuilt(services, os.as_deref()))
        };
        match looked {
            Ok(()) => Ok(self.wanted.offline.then_some(Ok(()))),
            Err(failure) if failure.exit == Exit::Provision => Ok(Some(Err(unmet(failure)))),
            Err(failure) => Err(failure),
        }
    }
}

fn unmet(failure: Failure) -> Unmet {
    Unmet {
        why: failure.message,
        fix: failure.hint,
    }
}

/// What specs ask for, and the flags besides: a domain and a role.
#[must_use]
pub fn wanted(specs: &[Spec], domain: Option<&str>, role: Option<Role>, offline: bool) -> Wanted {
    let least = Wanted {
        offline,
        ..Wanted::default()
    };
    if specs.is_empty() {
        return Wanted {
            domain: domain.map(|name| WantedDomain {
                name: name.to_owned(),
                role,
                root_known: false,
            }),
            ports: role.map(ports).unwrap_or_default(),
            ..least
        };
    }
    let members: Vec<Member> = specs.iter().filter_map(Member::of).collect();
    // Only what looks for its root in the DNS needs the domain's record.
    let seeks = members.iter().find(|member| member.seeks_root);
    let asked = seeks.or_else(|| members.first());
    let domain = match (domain, seeks) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(member)) => Some(member.domain.clone()),
        (None, None) => None,
    };
    Wanted {
        // Guests on a segment of this machine alone need nothing of it; of those on a bridge the machine's own IPv6
        // tells whether there is any.
        ipv6: match members.iter().any(|member| member.reaches_out) {
            true => Need::Wished,
            false => Need::No,
        },
        domain: domain.map(|name| WantedDomain {
            name,
            role: role.or_else(|| asked.map(|member| member.role)),
            root_known: seeks.is_none(),
        }),
        vms: specs.iter().map(|spec| spec.vm.clone()).collect(),
        ..least
    }
}

/// The ports of a service that runs on this machine itself.
fn ports(role: Role) -> Vec<WantedPort> {
    let port = |port: u16, of: &str| WantedPort {
        port,
        of: of.to_owned(),
        need: Need::Wished,
    };
    let registry = port(REGISTRY_PORT, "the registry");
    match role {
        Role::Root | Role::Secondary => vec![registry],
        Role::Node => vec![registry, port(NODE_PORT, "the node")],
    }
}

/// A registry or a node among the VMs.
struct Member {
    role: Role,
    domain: String,
    /// Whether it finds its root by the domain's record.
    seeks_root: bool,
    /// Whether its VM is on a bridge or a network.
    reaches_out: bool,
}

impl Member {
    fn of(spec: &Spec) -> Option<Self> {
        let wire: &VirtualMachine = spec.vm.wire();
        let service =
            wire.spec.services.iter().find(|service| {
                [REGISTRY_SERVICE, NODE_SERVICE].contains(&service.name.as_str())
            })?;
        let text = |key: &str| match service.config.get(key) {
            Some(trustnet_api::config_value::ConfigValue::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let role = match (service.name.as_str(), text("role")) {
            (NODE_SERVICE, _) => Role::Node,
            (_, Some("root")) => Role::Root,
            _ => Role::Secondary,
        };
        // The root of the same file, or of a VM that is named.
        let mut needs = service.dependencies.iter();
        let waits = needs.any(|need| need.service == REGISTRY_SERVICE);
        let mut interfaces = spec.vm.interfaces().iter();
        Some(Self {
            role,
            domain: text("domain")?.to_owned(),
            seeks_root: role != Role::Root && text("root").is_none() && !waits,
            reaches_out: interfaces.any(|one| {
                matches!(
                    one.attachment,
                    Attachment::Bridge(_) | Attachment::Network(_)
                )
            }),
        })
    }
}

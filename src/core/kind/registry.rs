//! A registry as a VM.

use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::{REGISTRY_PORT, RegistryRole};
use trustnet_api::registry::Registry;
use trustnet_api::service_ref::ServiceRef;

use super::expansion::{Expansion, Origin};
use super::fields::{self, AdministratorKey, Sought};
use super::vm::{Defaults, Inside};
use super::{REGISTRY_SERVICE, Siblings};
use crate::problem::Problem;

const DEFAULTS: Defaults = Defaults {
    kind: trustnet_api::REGISTRY,
    vcpus: 2,
    memory: "4Gi",
    boot: "30Gi",
};

/// The VM that a registry becomes, with the registry as its first service.
#[must_use]
pub fn expand(wire: &Registry, siblings: &Siblings) -> Expansion {
    let spec = &wire.spec;
    let name = wire.metadata.name.to_ascii_lowercase();
    let mut problems = Vec::new();
    let mut origin = Origin::default();
    let domain = fields::domain(&spec.domain, &mut problems);
    let address = fields::own_address(&spec.address, &mut problems);
    fields::port("spec.port", spec.port, &mut problems);
    let port = spec.port.unwrap_or(REGISTRY_PORT);
    let (token, secret) = fields::join_token(
        spec.join_token_from.as_ref(),
        &domain,
        siblings,
        &mut problems,
    );
    let of_token = format!("spec.services[0].secrets.{token}");
    origin.note(format!("{of_token}.valueFrom"), "spec.joinTokenFrom");
    origin.note(of_token, "spec.joinTokenFrom");
    let mut service = ServiceRef {
        name: REGISTRY_SERVICE.to_owned(),
        secrets: [(token, secret)].into(),
        ..ServiceRef::default()
    };
    let text = |text: &str| ConfigValue::Text(text.to_owned());
    let at = address.addr().to_string();
    let role = match spec.role {
        RegistryRole::Root => "root",
        RegistryRole::Secondary => "secondary",
    };
    for (key, value) in [
        ("role", text(role)),
        ("domain", text(&domain)),
        ("address", text(&at)),
        ("port", ConfigValue::Integer(i64::from(port))),
    ] {
        origin.note(
            format!("spec.services[0].config.{key}"),
            format!("spec.{key}"),
        );
        service.config.insert(key.to_owned(), value);
    }
    let key = AdministratorKey {
        path: "spec.administratorKey",
        written: spec.administrator_key.as_deref(),
        domain: &domain,
    };
    key.tell(&mut service, siblings, &mut origin, &mut problems);
    match spec.role {
        RegistryRole::Root => {
            if spec.root_registry.is_some() {
                let message = "a root follows nobody";
                let hint = "leave `rootRegistry` out, or write `role: secondary`";
                problems.push(Problem::error("spec.rootRegistry", message).hint(hint));
            }
            problems.extend(siblings.second_root(&name, &domain));
        }
        RegistryRole::Secondary => {
            let sought = Sought {
                path: "spec.rootRegistry",
                written: spec.root_registry.as_deref(),
                domain: &domain,
                by: &name,
                root: true,
            };
            let root = sought.find(siblings, &mut problems);
            root.tell(&mut service, "root", sought.path, &mut origin);
        }
    }
    DEFAULTS.around(Inside {
        metadata: &wire.metadata,
        fields: spec.vm.as_ref(),
        address,
        domain: &domain,
        depends_on: &spec.depends_on,
        service,
        origin,
        problems,
    })
}

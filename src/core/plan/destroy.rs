//! From a domain and its record to the steps that remove it.

use trustnet_api::disk::ReclaimPolicy;

use super::{Plan, Refusal, Step, Verb};
use crate::observed::{DomainFacts, Owner};
use crate::record::Role;

/// How to destroy.
#[derive(Debug, Clone, Copy)]
pub struct DestroyOptions {
    /// Seconds before power is cut; 0 cuts it at once.
    pub deadline_s: u64,
    /// Whether every data volume stays.
    pub keep_data: bool,
}

/// Plans a destroy. Only volumes and the key that the record names go.
///
/// # Errors
/// The VM is protected, or not ours.
pub fn destroy(domain: &DomainFacts, options: DestroyOptions) -> Result<Plan, Refusal> {
    let name = &domain.xml.name;
    let record = match &domain.owner {
        Owner::Ours(record) => record,
        Owner::Unreadable(why) => {
            return Err(
                Refusal::vm(format!("the record of `{name}` cannot be read: {why}"))
                    .hint("it may have been made by a newer version; use that one"),
            );
        }
        Owner::Foundry(_) => {
            return Err(Refusal::vm(format!(
                "`{name}` was made by Foundry, and has no record of its volumes"
            ))
            .hint(format!("remove it with `foundry destroy {name}`")));
        }
        Owner::Foreign => {
            return Err(
                Refusal::vm(format!("`{name}` was not made by trustnet-vm")).hint(format!(
                    "remove it with the tool that made it, or `virsh undefine {name}`"
                )),
            );
        }
    };
    if record.spec.spec.protected == Some(true) {
        return Err(Refusal::vm(format!("`{name}` is protected"))
            .hint("its spec says `protected: true`; nothing is destroyed while it does"));
    }
    let mut steps = Vec::new();
    if domain.state.is_active() {
        steps.push(Step::ShutDown {
            deadline_s: options.deadline_s,
        });
    }
    steps.push(Step::UndefineDomain);
    for volume in &record.volumes {
        let keep = volume.role == Role::Data
            && (options.keep_data || volume.reclaim == ReclaimPolicy::Retain);
        if !keep {
            steps.push(Step::DeleteVolume {
                pool: volume.pool.clone(),
                volume: volume.name.clone(),
            });
        }
    }
    steps.extend(
        record
            .login_key
            .as_ref()
            .map(|public| Step::RemoveLoginKey {
                public: public.clone(),
            }),
    );
    Ok(Plan {
        verb: Verb::Destroy,
        vm: name.clone(),
        uuid: domain.xml.uuid.clone(),
        steps,
    })
}

//! The network's domain: whether it is there, and where it says that its registries are.

use std::net::IpAddr;

use trustnet_api::network::REGISTRY_LABEL;

use super::facts::{DomainSeen, Resolved};
use super::wanted::{Role, WantedDomain};
use super::{Check, CheckStatus, Findings};

pub(super) fn judge(asked: &WantedDomain, seen: Option<&DomainSeen>, all: &mut Findings) {
    let name = &asked.name;
    let registries = format!("{REGISTRY_LABEL}.{name}");
    let Some(seen) = seen else {
        all.skipped(Check::Domain, "nothing may be asked");
        return;
    };
    match &seen.registries {
        Resolved::NotAsked => all.skipped(Check::Domain, "nothing may be asked"),
        Resolved::Failed(why) => {
            let status = if needs_record(asked) {
                CheckStatus::Failed
            } else {
                CheckStatus::Warning
            };
            all.add(
                Check::Domain,
                status,
                format!("`{registries}` was not looked up"),
            )
            .because(why.clone())
            .fix("see whether the name servers of /etc/resolv.conf answer");
        }
        Resolved::Addresses(found) => {
            let listed = format!("{registries}: {}", listed(found));
            if asked.role == Some(Role::Root) {
                all.add(Check::Domain, CheckStatus::Warning, listed)
                    .because("the domain names a registry already, and a network has one root")
                    .fix("where that is another machine's, join its network instead of making a root");
            } else if found.iter().any(IpAddr::is_ipv6) {
                all.ok(Check::Domain, listed);
            } else {
                missing(asked, &registries, &listed, all);
            }
        }
        Resolved::NoName | Resolved::NoAddress => without_record(asked, seen, &registries, all),
    }
}

fn without_record(asked: &WantedDomain, seen: &DomainSeen, registries: &str, all: &mut Findings) {
    let name = &asked.name;
    let there = match &seen.addresses {
        Resolved::NoName => {
            // A root can go without: its nodes may be told its address.
            let status = if needs_record(asked) {
                CheckStatus::Failed
            } else {
                CheckStatus::Warning
            };
            all.add(Check::Domain, status, format!("there is no domain `{name}`"))
                .because("the name servers know no such name")
                .fix("write it as it was registered; a domain that was registered today may take a day to show");
            return;
        }
        Resolved::Addresses(found) => format!("{name}: {}", listed(found)),
        _ => format!("`{name}` is there"),
    };
    if needs_record(asked) {
        missing(asked, registries, &there, all);
    } else {
        all.ok(
            Check::Domain,
            format!("{there}; no record `{registries}` yet"),
        );
    }
}

fn missing(asked: &WantedDomain, registries: &str, found: &str, all: &mut Findings) {
    let status = if needs_record(asked) {
        CheckStatus::Failed
    } else {
        CheckStatus::Warning
    };
    all.add(Check::Domain, status, found)
        .because(format!(
            "there is no AAAA record `{registries}`, by which the root is found"
        ))
        .fix(format!(
            "make it where the domain is kept (`trustnet-vm dns instructions {} --address ADDRESS` says how), or name the root's address",
            asked.name
        ));
}

/// Whether the root has to be found by the domain's record.
fn needs_record(asked: &WantedDomain) -> bool {
    matches!(asked.role, Some(Role::Secondary | Role::Node)) && !asked.root_known
}

fn listed(addresses: &[IpAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

//! This machine itself: its ports and its clock.

use std::net::IpAddr;

use super::facts::{Clock, Facts, Listener};
use super::wanted::{Need, Wanted};
use super::{Check, CheckStatus, Findings};
use crate::vm::Attachment;

/// A clock that differs by more seconds is wrong: signatures are taken for too old.
const SKEW_S: u64 = 60;
/// 2100-01-01: no clock is right that says more.
const MOST_S: u64 = 4_102_444_800;
const SECONDS_A_DAY: u64 = 86_400;

pub(super) fn ports(wanted: &Wanted, facts: &Facts, all: &mut Findings) {
    let asked: Vec<(u16, &str, Need)> = wanted
        .ports
        .iter()
        .filter(|one| one.need != Need::No)
        .map(|one| (one.port, one.of.as_str(), one.need))
        .chain(forwarded(wanted, facts))
        .collect();
    if asked.is_empty() {
        return;
    }
    let mut free = Vec::new();
    for (port, of, need) in asked {
        let mut listeners = facts.listeners.iter().filter(|one| one.port == port);
        let Some(listener) = listeners.next() else {
            free.push(port.to_string());
            continue;
        };
        let reason = match need {
            Need::Required => format!("{of} needs it"),
            _ => format!("{of} needs it where it runs on this machine itself, and not in a VM"),
        };
        all.add(
            Check::Ports,
            need.unmet(),
            format!("port {port} is taken {}", holder(listener)),
        )
        .because(reason)
        .fix(match &listener.program {
            Some((program, id)) => {
                format!("stop `{program}` (process {id}), or choose another port")
            }
            None => "stop who listens there (`ss -ltnp` as root says who), or choose another port"
                .to_owned(),
        });
    }
    if !free.is_empty() {
        all.ok(Check::Ports, format!("free: {}", free.join(", ")));
    }
}

/// The ports of this machine that VMs name themselves, as long as they are not there yet.
fn forwarded<'a>(
    wanted: &'a Wanted,
    facts: &'a Facts,
) -> impl Iterator<Item = (u16, &'a str, Need)> {
    let seen = facts
        .hypervisor
        .as_ref()
        .and_then(|seen| seen.as_ref().ok());
    let there = move |name: &str| {
        let machines = seen.iter().flat_map(|seen| &seen.machines);
        let mut domains = machines.flat_map(|machine| &machine.observed.domains);
        domains.any(|domain| domain.xml.name == name)
    };
    let new = wanted
        .vms
        .iter()
        .filter(move |vm| !there(vm.name().as_str()));
    new.flat_map(|vm| {
        let ports = vm
            .interfaces()
            .iter()
            .filter_map(|one| match one.attachment {
                Attachment::User { ssh_port } => ssh_port,
                _ => None,
            });
        ports.map(|port| (port, vm.name().as_str(), Need::Required))
    })
}

fn holder(listener: &Listener) -> String {
    let at = match listener.address {
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    };
    match &listener.program {
        Some((program, id)) => format!("by `{program}` (process {id}) at {at}"),
        None => format!("by somebody else at {at}"),
    }
}

pub(super) fn clock(clock: &Clock, all: &mut Findings) {
    let now = date(clock.now_s);
    let keep = "run a time service, such as chrony or systemd-timesyncd";
    if clock.now_s < clock.least_s {
        all.add(Check::Clock, CheckStatus::Failed, now)
            .because(
                "that is before this program was made: certificates and signatures are refused",
            )
            .fix(format!("set the clock, and {keep}"));
        return;
    }
    if clock.now_s > MOST_S {
        all.add(Check::Clock, CheckStatus::Failed, now)
            .because("no clock is right that says so: certificates are over by then")
            .fix(format!("set the clock, and {keep}"));
        return;
    }
    if let Some((told, who)) = &clock.told {
        let skew = told.abs_diff(clock.now_s);
        if skew > SKEW_S {
            let side = if clock.now_s > *told {
                "ahead of"
            } else {
                "behind"
            };
            all.add(Check::Clock, CheckStatus::Failed, now)
                .because(format!(
                    "it is {skew} s {side} {who}: what is signed here is refused there"
                ))
                .fix(format!("set the clock, and {keep}"));
            return;
        }
    }
    match (&clock.kept_by, clock.synchronised) {
        (Some(who), Some(false)) => all
            .add(Check::Clock, CheckStatus::Warning, format!("{now}, kept by {who}"))
            .because(format!("{who} has not come to the right time yet"))
            .fix("see whether it reaches its servers: `timedatectl timesync-status`, `chronyc sources`"),
        (Some(who), _) => all.ok(Check::Clock, format!("{now}, kept by {who}")),
        (None, _) => all
            .add(Check::Clock, CheckStatus::Warning, now)
            .because("nobody keeps this machine's clock: its guests go by it, and what they sign has a time")
            .fix(keep),
    }
}

/// The day, such as 2026-11-22.
fn date(seconds: u64) -> String {
    let at = i64::try_from(seconds / SECONDS_A_DAY * SECONDS_A_DAY)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    match at {
        Some(at) => at.strftime("%Y-%m-%d").to_string(),
        None => format!("{seconds} s after 1970"),
    }
}

//! Everything that is checked before anything is changed: from what is asked for and what was seen to findings, each with
//! what was found, why it does not do, and what mends it. A check that does not apply is not listed.

mod domain;
mod facts;
mod hypervisor;
mod ipv6;
mod machine;
mod room;
#[cfg(test)]
mod tests;
mod wanted;

pub use facts::{
    Accelerator, Clock, DomainSeen, Echo, Facts, HypervisorSeen, Listener, MachineSeen, Resolved,
    RoomSeen, Unmet,
};
pub use trustnet_api::preflight::{Check, CheckStatus, Finding, PreflightReport};
pub use wanted::{Need, Role, Wanted, WantedDomain, WantedPort};

/// What came of each check that applies, in the order in which one stands on the other.
#[must_use]
pub fn judge(facts: &Facts, wanted: &Wanted) -> Vec<Finding> {
    let mut all = Findings::default();
    if let Some(seen) = &facts.ipv6 {
        ipv6::judge(seen, &facts.echo, wanted, &mut all);
    }
    if let Some(asked) = &wanted.domain {
        domain::judge(asked, facts.domain.as_ref(), &mut all);
    }
    machine::ports(wanted, facts, &mut all);
    machine::clock(&facts.clock, &mut all);
    if wanted.hypervisor {
        hypervisor::judge(facts, wanted, &mut all);
    }
    room::judge(facts, wanted, &mut all);
    hypervisor::images(facts, wanted, &mut all);
    hypervisor::cache(facts, &mut all);
    all.0.sort_by_key(|finding| finding.check);
    // What two VMs lack in the same words is told once.
    all.0.dedup();
    all.0
}

/// Whether nothing failed.
#[must_use]
pub fn is_good(findings: &[Finding]) -> bool {
    let mut all = findings.iter();
    all.all(|finding| finding.status != CheckStatus::Failed)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: Check, status: CheckStatus, found: impl Into<String>) -> Told<'_> {
        self.0.push(Finding {
            check,
            status,
            found: found.into(),
            reason: None,
            fix: None,
        });
        let last = self.0.len() - 1;
        Told(&mut self.0[last])
    }

    fn ok(&mut self, check: Check, found: impl Into<String>) {
        self.add(check, CheckStatus::Ok, found);
    }

    fn skipped(&mut self, check: Check, reason: impl Into<String>) {
        self.add(check, CheckStatus::Skipped, "not looked at")
            .because(reason);
    }
}

/// A finding that more is to be said of.
struct Told<'a>(&'a mut Finding);

impl Told<'_> {
    fn because(self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    fn fix(self, fix: impl Into<String>) {
        self.0.fix = Some(fix.into());
    }

    fn fix_if(self, fix: Option<String>) {
        self.0.fix = fix;
    }
}

//! The machine, before anything of it is changed.

use std::path::PathBuf;

use serde_json::json;
use trustnet_api::install::Deployment;
use trustnet_api::preflight::{CheckStatus, Finding, PreflightReport};
use trustnet_core::install::{self, Installation};
use trustnet_core::preflight::{self, Need, judge};
use trustnet_host::journal::Journal;

use super::execute::holds_secret;
use crate::Program;
use crate::args::Install;
use crate::failure::{Exit, Failure};
use crate::preflight::{Examination, wanted};
use crate::specs::{self, Spec};
use crate::verbs::preflight::{Switching, switch_on, told};

/// Who looks at the machine.
pub struct Checks<'a> {
    /// The program.
    pub program: &'a Program,
    /// How it was called.
    pub args: &'a Install,
}

impl Checks<'_> {
    /// Whether everything is there that the installation needs; IPv6 is switched on where that was asked for.
    ///
    /// # Errors
    /// The answers make no good spec, or a check failed: which, and what mends it, has been said then.
    pub fn run(&self, installation: &Installation) -> Result<Vec<Finding>, Failure> {
        let specs = self.specs(installation)?;
        if installation.deployment == Deployment::Kubernetes || self.is_begun(installation) {
            return Ok(Vec::new());
        }
        let auto = installation.answers.ipv6_auto_enable;
        let mut wanted = wanted(&specs, None, None, self.args.offline);
        // The record was looked for already, and what is missing of it is told.
        wanted.domain = None;
        if auto.is_some() {
            wanted.ipv6 = Need::Required;
        }
        let examination = Examination {
            program: self.program,
            root: &self.args.root,
            wanted: &wanted,
            specs: &specs,
        };
        let (mut facts, mut findings) = examination.run()?;
        let mut change = None;
        if auto == Some(true) && !self.args.dry_run {
            let switching = Switching {
                root: &self.args.root,
                tries: self.args.ipv6_tries,
                pause: self.args.ipv6_pause,
            };
            change = switch_on(self.program, &switching, &wanted, &mut facts)?;
            findings = judge(&facts, &wanted);
        }
        let good = preflight::is_good(&findings);
        let calm =
            |one: &Finding| one.status == CheckStatus::Ok || one.status == CheckStatus::Skipped;
        let report = PreflightReport::new(findings, change);
        let count = report.findings.len();
        if report.findings.iter().all(calm) && !self.program.ui.verbose() {
            self.say(&format!("Pre-flight: {count} checks, nothing is wrong\n"));
        } else {
            self.say(&format!("Pre-flight:\n{}\n", told(self.program, &report)));
        }
        if good {
            return Ok(report.findings);
        }
        let message = "the machine is not ready: a check failed; nothing was made";
        let failure = Failure::new(Exit::Provision, message);
        Err(match auto {
            None => failure.hint("`trustnet-vm preflight` looks again"),
            Some(_) => failure.hint(
                "`trustnet-vm preflight --ipv6-auto-enable` shows what it would switch; what it cannot is told above",
            ),
        })
    }

    fn say(&self, text: &str) {
        if self.program.in_words() {
            self.program.ui.result(text);
        } else {
            self.program.ui.say(text.trim_end());
        }
    }

    /// The spec as `create` will have it.
    fn specs(&self, installation: &Installation) -> Result<Vec<Spec>, Failure> {
        let text = install::spec_text(installation).into_bytes();
        let source = "the spec that the answers make".to_owned();
        let folder = PathBuf::from("/");
        let specs = specs::load_texts(self.program, vec![(source, text, folder)])?;
        let inline = |spec: &Spec| holds_secret(&json!(spec.vm.wire()));
        if specs.iter().any(inline) {
            let message =
                "a secret stands in the answers themselves, and they are written to a file";
            return Err(Failure::new(Exit::Spec, message)
                .hint("refer to it: `valueFrom` with `file`, `env`, `generate` or `age`"));
        }
        Ok(specs)
    }

    /// Whether it is there already, or half made: then what it takes is its own.
    fn is_begun(&self, installation: &Installation) -> bool {
        let Ok(host) = self.program.connect() else {
            return false;
        };
        let name = installation.name.as_str();
        let there = matches!(host.hypervisor.domains().find(name), Ok(Some(_)));
        there || matches!(Journal::open(&host.journal_dir(name)), Ok(Some(_)))
    }
}

//! The `tnr` record: shown, waited for, and where the zone is ours to change, published.

use std::net::Ipv6Addr;

use trustnet_api::dns::{DnsProvider, DnsSection};
use trustnet_core::install::{Found, Installation, Tnr};
use trustnet_core::tnr::{self, Change, Verdict, Wish};
use trustnet_host::dns::{Held, Look, Names, Provider, Watch, carry_out};
use trustnet_host::interrupt::Interrupt;

use super::heed;
use crate::args::Install;
use crate::failure::{Exit, Failure};
use crate::{Program, keeper};

/// Who looks after the record of an installation.
pub struct Record<'a> {
    /// The program.
    pub program: &'a Program,
    /// How it was called.
    pub args: &'a Install,
    /// Who looks names up.
    pub names: &'a Names,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
}

/// Asks whether to go on, and waits for the answer; nothing is asked where there is nobody.
pub type Confirm<'a> = &'a dyn Fn(&str) -> Result<(), Failure>;

/// A change of the record that was shown, and is made after the last question.
pub struct Publication {
    provider: Box<dyn Provider>,
    record: tnr::Record,
    held: Held,
    shown: Change,
}

impl Record<'_> {
    /// Sees to it that the record is there, as far as that is somebody's to do by hand: says how, waits for it, and goes on
    /// without it in the end.
    ///
    /// # Errors
    /// The user interrupts, or nobody can be asked.
    pub fn before(
        &self,
        installation: &mut Installation,
        found: &mut Found,
        confirm: Option<Confirm<'_>>,
    ) -> Result<Option<Publication>, Failure> {
        let own = installation.address.addr();
        if installation.is_advertised() {
            let section = installation.dns();
            if section.provider.unwrap_or_default() != DnsProvider::Manual {
                return self.read(installation, &section);
            }
            if !found.tnr.addresses().contains(&own) {
                self.instruct(installation, &section)?;
                self.wait(installation, found, &[own], confirm)?;
            }
            return Ok(None);
        }
        if installation.root.is_some() || !found.tnr.addresses().is_empty() {
            return Ok(None);
        }
        let domain = &installation.domain;
        self.say(&format!(
            "The root of this network is not found: there is no record tnr.{domain} (AAAA).\n  \
             Who runs the root publishes it: trustnet-vm dns publish {domain} --address ROOT\n  \
             (trustnet-vm dns instructions {domain} --address ROOT says how by hand);\n  \
             or say where it is: --root-registry-ip ROOT"
        ));
        self.wait(installation, found, &[], confirm)?;
        Ok(None)
    }

    /// Reads what the provider has, and shows what is to be changed of it.
    fn read(
        &self,
        installation: &Installation,
        section: &DnsSection,
    ) -> Result<Option<Publication>, Failure> {
        let Some(provider) = keeper::provider(self.program, section, self.names)? else {
            return Ok(None);
        };
        let record = record_of(installation)?;
        let held = provider.read(&record.name())?;
        let shown = Wish::Publish.change(&record, held.set.clone());
        let zone = format!("zone `{}` ({})", held.zone, provider.kind().word());
        if shown.is_empty() {
            self.say(&format!("{zone} has the record already"));
            return Ok(None);
        }
        self.say(&format!("What is changed in {zone}:\n{shown}"));
        Ok(Some(Publication {
            provider,
            record,
            held,
            shown,
        }))
    }

    /// Publishes the record, and waits until others see it.
    ///
    /// # Errors
    /// The provider does not take it, or the user interrupts.
    pub fn publish(&self, publication: Publication) -> Result<Look, Failure> {
        let Publication {
            provider,
            record,
            held,
            shown,
        } = publication;
        carry_out(provider.as_ref(), &record, Wish::Publish, held, &shown)?;
        let look = self.watch(record.domain(), record.addresses())?;
        if self.interrupt.stop() {
            let message = "interrupted; the VM is made and the record published";
            return Err(Failure::new(Exit::Interrupted, message)
                .hint("the same `install` once more looks at both"));
        }
        Ok(look)
    }

    /// Says how the record is added by hand.
    fn instruct(&self, installation: &Installation, section: &DnsSection) -> Result<(), Failure> {
        let record = record_of(installation)?;
        self.say(&tnr::text(&tnr::instructions(&record, section)));
        Ok(())
    }

    fn say(&self, text: &str) {
        if self.program.in_words() {
            self.program.ui.result(format!("\n{text}\n"));
        } else {
            self.program.ui.say(text);
        }
    }

    /// Waits for the record, and goes on without it.
    fn wait(
        &self,
        installation: &mut Installation,
        found: &mut Found,
        wanted: &[Ipv6Addr],
        confirm: Option<Confirm<'_>>,
    ) -> Result<(), Failure> {
        if self.args.dry_run {
            return Ok(());
        }
        if let Some(confirm) = confirm {
            confirm("Add the record, then press Enter to continue")?;
        }
        let look = self.watch(&installation.domain, wanted)?;
        heed(self.interrupt)?;
        found.tnr = tnr_of(&look);
        found.awaited = look.verdict.is_published() && !wanted.is_empty();
        let name = &look.sighting.name;
        if look.verdict.is_published() {
            self.say(&format!("✓ {name}: {}", look.verdict));
            return Ok(());
        }
        let on = if wanted.is_empty() {
            "it goes on all the same, and looks again by itself"
        } else {
            "it goes on all the same; others do not find this registry before it is there"
        };
        installation
            .warnings
            .push(format!("{name}: {}; {on}", look.verdict));
        Ok(())
    }

    /// Looks for the record until it is there, the tries are used up, or the user interrupts.
    ///
    /// # Errors
    /// Nobody can be asked.
    pub fn watch(&self, domain: &str, wanted: &[Ipv6Addr]) -> Result<Look, Failure> {
        let progress = self.program.ui.progress("dns");
        let watch = Watch {
            tries: self.args.dns_tries,
            pause: self.args.dns_pause,
        };
        let stop = || self.interrupt.stop();
        let mut told = |look: &Look| {
            let said = format!("look {} of {}: {}", look.number, look.of, look.verdict);
            progress.begin(&said);
            progress.note(said);
        };
        let look = self.names.watch(domain, wanted, &watch, &stop, &mut told);
        Ok(look?)
    }
}

fn record_of(installation: &Installation) -> Result<tnr::Record, Failure> {
    tnr::Record::new(&installation.domain, [installation.address.addr()])
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// What a look says for an installation.
pub fn tnr_of(look: &Look) -> Tnr {
    let addresses = look.sighting.addresses();
    match &look.verdict {
        Verdict::Unknown { why } => Tnr::Unknown(why.clone()),
        Verdict::Absent => Tnr::None(look.verdict.to_string()),
        _ if addresses.is_empty() => Tnr::None(look.verdict.to_string()),
        _ => Tnr::At(addresses),
    }
}

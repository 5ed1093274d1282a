//! The questions on a terminal: each with its default and its help, checked at once; back to the one before, and to any
//! of them from the summary.

use std::collections::BTreeMap;
use std::path::Path;

use trustnet_api::dns::DnsSection;
use trustnet_api::install::{Deployment, InstallSpec, RegistryType};
use trustnet_api::preflight::Finding;
use trustnet_core::install::{self, Form, Found, Installation, Key, put, shown};
use trustnet_core::readiness::clean;

use super::checks::Checks;
use super::record::{Publication, Record};
use super::scout::Scout;
use super::{answers, follow, heed, incomplete, settings};
use crate::Program;
use crate::failure::{Exit, Failure};
use crate::prompt::{self, Said};

/// Who asks.
pub struct Wizard<'a> {
    /// The program.
    pub program: &'a Program,
    /// Who looks around between the questions.
    pub scout: &'a Scout<'a>,
    /// Who looks after the record.
    pub record: &'a Record<'a>,
    /// Who looks at the machine.
    pub checks: &'a Checks<'a>,
    answers: InstallSpec,
    found: Found,
    /// What was asked, in order: the way back.
    asked: Vec<Key>,
    /// The record that was asked to be added last.
    confirmed: Option<Confirmed>,
    publication: Option<Publication>,
    findings: Vec<Finding>,
    /// The spec for which the machine was looked at last, and where it was to run.
    checked: Option<(Deployment, String)>,
    /// Answers that were the proposed ones.
    proposed: BTreeMap<Key, String>,
}

/// What a record was looked at for: with another of these it is another.
#[derive(PartialEq)]
struct Confirmed {
    role: RegistryType,
    domain: String,
    address: String,
    dns: Option<DnsSection>,
    /// Whether the root that is followed is known without the record.
    names_root: bool,
}

impl Confirmed {
    fn of(installation: &Installation) -> Self {
        Self {
            role: installation.role,
            domain: installation.domain.clone(),
            address: installation.address.to_string(),
            dns: installation.answers.dns.clone(),
            names_root: installation.root.is_some(),
        }
    }
}

/// What is installed, what is published of it, and what was found of the machine.
pub type Ready = (Installation, Option<Publication>, Vec<Finding>);

/// What comes after the summary.
enum Next {
    Install,
    Change(Key),
    Back,
}

impl<'a> Wizard<'a> {
    /// A wizard that asks for what these answers leave open.
    pub fn new(
        program: &'a Program,
        scout: &'a Scout<'a>,
        record: &'a Record<'a>,
        checks: &'a Checks<'a>,
        said: InstallSpec,
    ) -> Self {
        Self {
            program,
            scout,
            record,
            checks,
            findings: Vec::new(),
            confirmed: None,
            publication: None,
            checked: None,
            answers: said,
            found: Found::default(),
            asked: Vec::new(),
            proposed: BTreeMap::new(),
        }
    }

    /// Asks until somebody says yes.
    ///
    /// # Errors
    /// Somebody says no or interrupts, or flags contradict each other.
    pub fn ask(mut self) -> Result<Ready, Failure> {
        self.say("=== TrustNet installation ===\n\nAnswer, or press Enter for what stands in brackets; `?` explains, `back` goes back, Ctrl-C ends it: nothing is made before the last question.\n");
        self.found = self.scout.look(&self.answers)?;
        heed(self.record.interrupt)?;
        self.tell_found();
        loop {
            while let Some(key) = self.open() {
                self.question(key)?;
            }
            self.scout.ports(&self.answers, &mut self.found);
            let mut installation =
                install::resolve(&self.answers, &self.found).map_err(|lacks| incomplete(&lacks))?;
            self.see_to_record(&mut installation)?;
            follow(self.scout, &mut installation, &self.found);
            self.see_to_machine(&installation)?;
            match self.summary(&installation)? {
                Next::Install => return Ok((installation, self.publication, self.findings)),
                Next::Change(key) => self.change(key)?,
                Next::Back => self.back(),
            }
        }
    }

    /// Has the record added where that is done by hand, once for each.
    fn see_to_record(&mut self, installation: &mut Installation) -> Result<(), Failure> {
        let wanted = Confirmed::of(installation);
        if self.confirmed.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let confirm = |what: &str| prompt::ask(what, None, |_| Ok(())).map(|_| ());
        self.publication = self
            .record
            .before(installation, &mut self.found, Some(&confirm))?;
        self.confirmed = Some(wanted);
        Ok(())
    }

    /// Looks at the machine, once for each spec.
    fn see_to_machine(&mut self, installation: &Installation) -> Result<(), Failure> {
        let spec = (installation.deployment, install::spec_text(installation));
        if self.checked.as_ref() != Some(&spec) {
            self.findings = self.checks.run(installation)?;
            heed(self.record.interrupt)?;
            self.checked = Some(spec);
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        self.program.ui.always(text);
    }

    fn form(&self) -> Form<'_> {
        Form {
            answers: &self.answers,
            found: &self.found,
        }
    }

    /// The first question that is open.
    fn open(&self) -> Option<Key> {
        let form = self.form();
        let open = |key: &Key| {
            form.applies(*key) && shown(&self.answers, *key).is_none() && !self.asked.contains(key)
        };
        Key::ALL.into_iter().find(open)
    }

    /// Asks a question until there is a good answer, or goes back to the one before.
    fn question(&mut self, key: Key) -> Result<(), Failure> {
        let suggestion = self.form().suggestion(key);
        let default = suggestion.as_ref().map(|one| one.text.as_str());
        self.say_choices(key);
        let said = prompt::ask(
            &question_text(key),
            default.filter(|text| !text.is_empty()),
            |text| {
                if text.is_empty() && default == Some("") {
                    return Ok(());
                }
                self.form().check(key, &meant(key, text))?;
                // A file is looked for at once, and not when it is needed.
                if key == Key::JoinToken && !Path::new(text).is_file() {
                    return Err(format!("there is no file `{}`", clean(text)));
                }
                Ok(())
            },
        )?;
        match said {
            Said::Help => self.say(&format!("  {}", key.help())),
            Said::Back => self.back(),
            Said::Text(text) => {
                let mut text = meant(key, &text);
                if key == Key::JoinToken {
                    text = answers::absolute(Path::new("."), &text)?;
                }
                if default == Some(text.as_str()) {
                    self.proposed.insert(key, text.clone());
                }
                put(&mut self.answers, key, &text);
                self.asked.push(key);
                self.after(key)?;
            }
        }
        Ok(())
    }

    /// What an answer changes for the others.
    fn after(&mut self, key: Key) -> Result<(), Failure> {
        if key == Key::Domain {
            self.found = self.scout.look(&self.answers)?;
            heed(self.record.interrupt)?;
            self.tell_found();
        }
        Ok(())
    }

    /// Back to the question before.
    fn back(&mut self) {
        match self.asked.pop() {
            Some(key) => self.forget(key),
            None => self.say("  this is the first question"),
        }
    }

    fn forget(&mut self, key: Key) {
        put(&mut self.answers, key, "");
        self.proposed.remove(&key);
        self.asked.retain(|asked| *asked != key);
    }

    /// Another answer to a question that was answered; what followed from the one before is proposed anew.
    fn change(&mut self, key: Key) -> Result<(), Failure> {
        let before = shown(&self.answers, key);
        self.forget(key);
        let mut again = true;
        while again {
            self.question(key)?;
            again = !self.asked.contains(&key) && shown(&self.answers, key).is_none();
            if again && before.is_none() {
                break;
            }
        }
        let later: Vec<Key> = Key::ALL.into_iter().filter(|one| *one > key).collect();
        for one in later {
            let now = self.form().suggestion(one).map(|one| one.text);
            let then = self.proposed.get(&one);
            let stale = then.is_some() && then != now.as_ref();
            if (stale || !self.form().applies(one)) && self.asked.contains(&one) {
                self.forget(one);
            }
        }
        Ok(())
    }

    fn say_choices(&self, key: Key) {
        let choices = key.choices();
        if choices.is_empty() {
            return;
        }
        self.say(&format!("\n{}", key.help()));
        for (index, choice) in choices.iter().enumerate() {
            self.say(&format!(
                "  {}. {}: {}",
                index + 1,
                choice.word,
                choice.text
            ));
        }
    }

    fn tell_found(&self) {
        if let Some(text) = settings::tnr_words(self.answers.domain.as_deref(), &self.found.tnr) {
            self.say(&format!("  {}", clean(&text)));
        }
    }

    /// Everything once more, and the last question.
    fn summary(&self, installation: &Installation) -> Result<Next, Failure> {
        for warning in &installation.warnings {
            self.program.ui.warn(warning);
        }
        let rows = install::overview(installation, &self.found.tnr);
        let width = rows.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
        self.say("\nConfiguration");
        for (index, (what, value)) in rows.iter().enumerate() {
            self.say(&format!(
                "  {:2}. {what:width$}  {}",
                index + 1,
                clean(value)
            ));
        }
        let keys: Vec<Option<Key>> = rows.iter().map(|(what, _)| of_title(what)).collect();
        let said = prompt::ask(
            "Ready to install? (yes, no, or the number of what is to be changed)",
            None,
            |text| match text {
                "yes" | "y" | "no" | "n" => Ok(()),
                number => match number
                    .parse::<usize>()
                    .ok()
                    .and_then(|n| keys.get(n.wrapping_sub(1)))
                {
                    Some(Some(_)) => Ok(()),
                    Some(None) => Err("this follows from the others".to_owned()),
                    None => Err("write `yes`, `no`, or one of the numbers".to_owned()),
                },
            },
        )?;
        match said {
            Said::Back => Ok(Next::Back),
            Said::Help => {
                self.say("  `yes` installs, and nothing is asked any more; `no` ends it, and nothing is made");
                self.summary(installation)
            }
            Said::Text(text) => match text.as_str() {
                "yes" | "y" => Ok(Next::Install),
                "no" | "n" => Err(Failure::new(Exit::Usage, "nothing was installed")),
                number => {
                    let index: usize = number.parse().unwrap_or(1);
                    let key = keys.get(index.wrapping_sub(1)).copied().flatten();
                    Ok(key.map_or(Next::Back, Next::Change))
                }
            },
        }
    }
}

/// What is asked, in a line.
fn question_text(key: Key) -> String {
    let choices = key.choices();
    if choices.is_empty() {
        return key.title().to_owned();
    }
    let numbers: Vec<String> = (1..=choices.len()).map(|n| n.to_string()).collect();
    format!("{}: select {}", key.title(), numbers.join("/"))
}

/// A choice by its number is meant as its word.
fn meant(key: Key, text: &str) -> String {
    let number = text.trim().parse::<usize>().ok();
    let choice = number.and_then(|n| key.choices().get(n.wrapping_sub(1)));
    choice.map_or(text.trim().to_owned(), |choice| choice.word.to_owned())
}

/// The question whose answer a row of the summary shows.
fn of_title(title: &str) -> Option<Key> {
    Key::ALL.into_iter().find(|key| key.title() == title)
}

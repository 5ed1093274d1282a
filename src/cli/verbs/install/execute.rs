//! What happens after the last question: the stages one by one, each told as it goes on. Nobody is asked any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trustnet_api::install::Deployment;
use trustnet_api::preflight::Finding;
use trustnet_core::install::{self, Aftermath, Installation, Stage, Verdict};
use trustnet_core::readiness::clean;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::paths::{private_dir, write_private};

use super::heed;
use super::record::{Publication, Record};
use super::verify::Verify;
use crate::Program;
use crate::args::{Install, Output};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::make::Made;
use crate::specs::{self, Spec};
use crate::tree::{self, Node};
use crate::verbs::create::{self, Brought};
use crate::verbs::get::serialise;
use crate::verbs::resume;

/// An installation under way.
pub struct Execution<'a> {
    /// The program.
    pub program: &'a Program,
    /// How it was called.
    pub args: &'a Install,
    /// What is installed.
    pub installation: &'a Installation,
    /// Who looks after the record.
    pub record: &'a Record<'a>,
    /// What was found of the machine before.
    pub findings: &'a [Finding],
    /// Whether the record is published after the last question.
    pub publishes: bool,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
}

/// The files of an installation.
pub(super) struct Files {
    pub answers: PathBuf,
    pub spec: PathBuf,
}

impl Execution<'_> {
    /// Shows what would be done.
    ///
    /// # Errors
    /// The spec is no good.
    pub fn rehearse(&self) -> Result<Exit, Failure> {
        let installation = self.installation;
        let spec = install::spec_text(installation);
        match self.program.settings.output.value {
            form @ (Output::Json | Output::Yaml) => {
                let documents = install::documents(installation);
                let mut value = install::json(installation, &Aftermath::default(), "planned");
                value["documents"] = json!(documents);
                value["preflight"] = json!(self.findings);
                self.program.ui.result(serialise(form, &value)?);
            }
            Output::Name => self.program.ui.result(format!("{}\n", installation.name)),
            Output::Table | Output::Wide => {
                let mut text = String::from("\nWhat would be done\n");
                for (index, stage) in self.stages().iter().enumerate() {
                    text.push_str(&format!(
                        "  {}. {}\n",
                        index + 1,
                        stage.title(installation.role)
                    ));
                }
                text.push_str(&format!("\n{spec}\nnothing was done: this is a dry run\n"));
                self.program.ui.result(text);
            }
        }
        Ok(Exit::Done)
    }

    /// Installs.
    ///
    /// # Errors
    /// A stage fails. What was done stays, and the same once more goes on.
    pub fn run(&self, publication: Option<Publication>) -> Result<Exit, Failure> {
        let program = self.program;
        let installation = self.installation;
        let name = installation.name.as_str();
        heed(self.interrupt)?;
        if installation.deployment == Deployment::Kubernetes {
            return self.run_in_cluster(publication);
        }
        let spec = install::spec_text(installation);
        let host = program.connect()?;
        if program.in_words() {
            program
                .ui
                .result("\nInstalling: no more questions from here on\n\n");
        }
        self.begin(Stage::Configuration);
        let files = self.write(&spec)?;
        self.done(&format!("answers: {}", files.answers.display()));
        self.done(&format!("spec: {}", files.spec.display()));
        self.begin(Stage::Dependencies);
        if resume::finish_create(program, &host, name, self.interrupt)? {
            self.done("what was interrupted before is finished");
        }
        let specs = specs::load(program, std::slice::from_ref(&files.spec))?;
        let made = self.create(&host, &specs)?;
        // A node of its own registry is in no record, whatever was answered before.
        if let Some(publication) = publication.filter(|_| self.installation.is_advertised()) {
            self.publish(publication)?;
        }
        let after = self.verify(&host, made.1)?;
        self.close(&after, made, &files)
    }

    /// Publishes the record, and looks until all have it.
    pub(super) fn publish(&self, publication: Publication) -> Result<(), Failure> {
        self.begin(Stage::Record);
        let look = self.record.publish(publication)?;
        let verdict = if look.verdict.is_published() {
            Verdict::Ok
        } else {
            Verdict::Warning
        };
        self.told(verdict, &format!("published; {}", look.verdict));
        Ok(())
    }

    /// Makes the VM with its services.
    fn create(&self, host: &Host, specs: &[Spec]) -> Result<(Made, Brought), Failure> {
        let program = self.program;
        let order = create::Order {
            wait: !self.args.waiting.no_wait,
            offline: self.args.offline,
            parallel: 1,
            interrupt: self.interrupt,
            listen: &|spec, stage| match (spec, stage) {
                (_, create::Stage::Prepared) => {
                    let services = specs.iter().flat_map(|spec| &spec.services);
                    for service in services {
                        self.done(&format!("{} is there", service.name()));
                    }
                    self.begin(Stage::Machine);
                }
                (Some(spec), create::Stage::Made(made)) => {
                    let name = spec.vm.name();
                    self.done(&match made {
                        Made::Created => format!("VM `{name}` made"),
                        Made::Unchanged => {
                            format!("VM `{name}` is there already, made from this spec")
                        }
                    });
                    self.begin(Stage::Services);
                }
                (Some(_), create::Stage::Ended(_, brought)) => self.done(&match brought {
                    Brought::Ready(0) => "services are as they are to be: nothing to do".to_owned(),
                    Brought::Ready(steps) => format!("services ready, {steps} steps taken"),
                    Brought::Later => "services are not in the guest yet".to_owned(),
                    Brought::None => "there are no services".to_owned(),
                }),
                (None, _) => {}
            },
        };
        let mut results = create::make(program, host, specs, &order)?;
        match results.pop() {
            Some(Ok(made)) => Ok(made),
            Some(Err(failure)) => Err(self.goes_on(failure)),
            None => Err(Failure::new(Exit::Spec, "the spec holds no VM")),
        }
    }

    /// A failure, and that the same once more goes on from there.
    fn goes_on(&self, failure: Failure) -> Failure {
        let Failure {
            exit,
            message,
            hint,
        } = failure;
        let name = &self.installation.name;
        let again = "the same `install` once more goes on from there";
        let hint = hint.map_or(again.to_owned(), |hint| format!("{hint}; {again}"));
        Failure::new(exit, format!("failed to install `{name}`: {message}")).hint(hint)
    }

    /// Looks at what came of it.
    fn verify(&self, host: &Host, brought: Brought) -> Result<Aftermath, Failure> {
        if !matches!(brought, Brought::Ready(_)) {
            return Ok(Aftermath::default());
        }
        let verify = Verify {
            program: self.program,
            host,
            installation: self.installation,
            names: self.record.names,
            interrupt: self.interrupt,
        };
        let mut node = None;
        if self.installation.has_node() {
            self.begin(Stage::Registration);
            node = verify.registered()?;
            let registered = node.as_ref();
            let registered = registered.is_some_and(|(node, _)| node.registry.registered);
            self.told(
                if registered {
                    Verdict::Ok
                } else {
                    Verdict::Warning
                },
                if registered {
                    "registered"
                } else {
                    "not registered yet: the node goes on trying"
                },
            );
        }
        self.begin(Stage::Verification);
        let after = verify.look(node);
        for look in &after.looks {
            self.told(
                look.verdict,
                &format!("{}: {}", look.what, clean(&look.text)),
            );
        }
        Ok(after)
    }

    /// The end, in words or for machines.
    fn close(
        &self,
        after: &Aftermath,
        (made, brought): (Made, Brought),
        files: &Files,
    ) -> Result<Exit, Failure> {
        let installation = self.installation;
        let result = match (made, brought) {
            (Made::Created, _) => "installed",
            (Made::Unchanged, Brought::Ready(1..)) => "provisioned",
            (Made::Unchanged, _) => "unchanged",
        };
        let ui = &self.program.ui;
        match self.program.settings.output.value {
            form @ (Output::Json | Output::Yaml) => {
                let mut value = install::json(installation, after, result);
                value["preflight"] = json!(self.findings);
                value["files"] = json!({ "answers": files.answers, "spec": files.spec });
                ui.result(serialise(form, &value)?);
            }
            Output::Name => ui.result(format!("{}\n", installation.name)),
            Output::Table | Output::Wide => {
                ui.result(self.words(after, result, brought));
            }
        }
        Ok(match after.worst() {
            Verdict::Failed => Exit::Provision,
            Verdict::Ok | Verdict::Warning | Verdict::Skipped => Exit::Done,
        })
    }

    fn words(&self, after: &Aftermath, result: &str, brought: Brought) -> String {
        let installation = self.installation;
        let mut text = match result {
            _ if brought == Brought::Later => {
                "\nThe VM is there; its services are not in it yet\n".to_owned()
            }
            "unchanged" => "\nEverything is there already: nothing was changed\n".to_owned(),
            _ => "\nInstallation complete\n".to_owned(),
        };
        for (title, rows) in install::sections(installation, after) {
            let rows = rows
                .iter()
                .map(|(what, is)| Node::new(format!("{what}: {}", clean(is))));
            let section = Node::new(format!("\n{title}")).below(rows.collect());
            text.push_str(&tree::draw(&[section]));
        }
        text.push_str("\nNext steps:\n");
        let mut steps = install::next_steps(installation);
        if brought == Brought::Later {
            let name = &installation.name;
            steps.insert(
                0,
                (
                    "Bring the services into it",
                    format!("trustnet-vm provision {name}"),
                ),
            );
        }
        for (index, (what, command)) in steps.iter().enumerate() {
            text.push_str(&format!("{}. {what}: {command}\n", index + 1));
        }
        text
    }

    fn stages(&self) -> Vec<Stage> {
        self.installation.stages(self.publishes)
    }

    /// A stage begins.
    pub fn begin(&self, stage: Stage) {
        let stages = self.stages();
        if let Some(index) = stages.iter().position(|one| *one == stage)
            && self.program.in_words()
        {
            let title = stage.title(self.installation.role);
            let number = format!("[{}/{}]", index + 1, stages.len());
            self.program.ui.result(format!("{number} {title}\n"));
        }
    }

    /// Something of a stage is done.
    pub(super) fn done(&self, what: &str) {
        self.told(Verdict::Ok, what);
    }

    pub(super) fn told(&self, verdict: Verdict, what: &str) {
        if self.program.in_words() {
            let code = match verdict {
                Verdict::Ok => "32",
                Verdict::Warning | Verdict::Skipped => "33",
                Verdict::Failed => "31",
            };
            let sign = self.program.ui.paint(code, verdict.sign());
            self.program.ui.result(format!("  {sign} {what}\n"));
        }
    }

    /// Writes the answers and the spec, for the user only.
    pub(super) fn write(&self, spec: &str) -> Result<Files, Failure> {
        let folder = self.folder()?;
        private_dir(&folder)?;
        let name = &self.installation.name;
        let files = Files {
            answers: folder.join(format!("{name}.answers.yaml")),
            spec: folder.join(format!("{name}.yaml")),
        };
        let answers = install::answers_text(self.installation);
        let both = [(&files.answers, answers.as_str()), (&files.spec, spec)];
        for (path, text) in both {
            make_way(path, text)?;
        }
        for (path, text) in both {
            write_private(path, text.as_bytes()).map_err(|error| unwritten(path, &error))?;
        }
        Ok(files)
    }

    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.args.out {
            Some(folder) => Ok(folder.clone()),
            None => {
                let data = &self.program.env.paths()?.data;
                Ok(data.join("installs").join(&self.installation.domain))
            }
        }
    }
}

/// Sees to it that nothing is lost where a file is written: another one of ours is kept beside it, and what is not ours
/// stays.
fn make_way(path: &Path, text: &str) -> Result<(), Failure> {
    let there = match fs::read_to_string(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritten(path, &error)),
    };
    if there.lines().next() != text.lines().next() {
        let message = format!(
            "`{}` is there, and `install` has not written it",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message).hint("name another folder with `--out`"));
    }
    if there == text {
        return Ok(());
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    write_private(&old, there.as_bytes()).map_err(|error| unwritten(&old, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to write `{}`: {error}", path.display());
    Failure::new(Exit::Usage, message)
}

/// Whether a VM holds a secret itself: such a one is redacted where the VM is shown.
pub fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.contains_key("redacted") || fields.values().any(holds_secret)
        }
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

//! `install --deployment kubernetes`: the same spec, as objects of a cluster; written, and applied where a cluster is named.

use serde_json::{Value, json};
use trustnet_core::install::{self, Aftermath, Stage, Verdict};
use trustnet_host::kubernetes::{Change, Cluster, Event, How, apply};

use super::execute::Execution;
use super::record::Publication;
use crate::args::Output;
use crate::failure::{Exit, Failure};
use crate::specs;
use crate::verbs::get::serialise;
use crate::verbs::render_cluster;

impl Execution<'_> {
    /// Installs into a cluster.
    ///
    /// # Errors
    /// The spec cannot be so in a cluster, a file cannot be written, or the cluster does not take the objects. The same
    /// once more goes on from there.
    pub fn run_in_cluster(&self, publication: Option<Publication>) -> Result<Exit, Failure> {
        let program = self.program;
        let name = self.installation.name.as_str();
        if program.in_words() {
            program
                .ui
                .result("\nInstalling: no more questions from here on\n\n");
        }
        self.begin(Stage::Configuration);
        let files = self.write(&install::spec_text(self.installation))?;
        self.done(&format!("answers: {}", files.answers.display()));
        self.done(&format!("spec: {}", files.spec.display()));
        let specs = specs::load(program, std::slice::from_ref(&files.spec))?;
        let objects = render_cluster::of_kubernetes(program, &specs, &self.args.manifests, true)?;
        let folder = self.folder()?.join(format!("{name}.objects"));
        render_cluster::write(&folder, Output::Yaml, &objects)?;
        self.done(&format!("{} objects: {}", objects.len(), folder.display()));
        let cluster = self.args.access.cluster();
        let changed = match &cluster {
            Some(cluster) => self.apply(cluster, &objects)?,
            None => None,
        };
        if let (Some(publication), Some(_)) = (publication, &cluster) {
            self.publish(publication)?;
        }
        let (result, end) = match (&cluster, changed) {
            (None, _) => (
                "written",
                "The objects are written; no cluster was named, and none was changed",
            ),
            (Some(_), Some(false)) => (
                "unchanged",
                "Everything is there already: nothing was changed",
            ),
            (Some(_), _) => ("installed", "Installation complete"),
        };
        let mut steps = install::next_steps(self.installation);
        if cluster.is_none() {
            let command = format!(
                "kubectl apply --server-side --filename {}",
                folder.display()
            );
            steps.insert(0, ("Apply them", command));
        }
        match program.settings.output.value {
            form @ (Output::Json | Output::Yaml) => {
                let mut value = install::json(self.installation, &Aftermath::default(), result);
                value["files"] =
                    json!({ "answers": files.answers, "spec": files.spec, "objects": folder });
                program.ui.result(serialise(form, &value)?);
            }
            Output::Name => program.ui.result(format!("{name}\n")),
            Output::Table | Output::Wide => {
                let mut text = format!("\n{end}\n\nNext steps:\n");
                for (index, (what, command)) in steps.iter().enumerate() {
                    text.push_str(&format!("{}. {what}: {command}\n", index + 1));
                }
                program.ui.result(text);
            }
        }
        Ok(Exit::Done)
    }

    /// Applies the objects; whether that changed any.
    fn apply(&self, cluster: &Cluster, objects: &[Value]) -> Result<Option<bool>, Failure> {
        let waiting = &self.args.waiting;
        let how = How {
            force_conflicts: self.args.access.force_conflicts,
            wait: (!waiting.no_wait).then_some(self.program.settings.timeout.value),
            stop: &|| self.interrupt.stop(),
            ..How::default()
        };
        self.begin(Stage::Services);
        let applied = apply(objects, cluster, &how, &mut |event| match event {
            Event::Checked { count } => {
                self.done(&format!("the cluster takes all {count} objects"))
            }
            Event::Applied { object, change } => {
                let word = match change {
                    Change::Created => "created",
                    Change::Changed => "changed",
                    Change::Unchanged => "as it is to be",
                    Change::Left => "there, and left alone",
                };
                self.done(&format!("{object} {word}"));
            }
            Event::Waiting { object, said } => {
                self.told(Verdict::Skipped, &format!("{object}: {said}"));
            }
            Event::Ready { object } => self.done(&format!("{object} ready")),
        })?;
        let changes = |change: &Change| matches!(change, Change::Created | Change::Changed);
        Ok(Some(applied.iter().any(|(_, change)| changes(change))))
    }
}

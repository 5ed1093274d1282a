//! How a service leaves a guest.

use super::{Builder, ServiceInput};
use crate::provision::{Action, Program, Then};
use crate::service::{TemplateError, is_shared, refuse_filled};

/// The program that takes a service out of a guest; its data stays.
///
/// # Errors
/// A template cannot be filled.
pub fn uninstall(service: &ServiceInput<'_>) -> Result<Program, String> {
    let mut builder = Builder {
        service,
        mounts: &[],
        steps: Vec::new(),
    };
    builder
        .leave()
        .map_err(|why| format!("service `{}`: {why}", service.instance.name()))?;
    Ok(Program {
        steps: builder.steps,
    })
}

impl Builder<'_> {
    fn leave(&mut self) -> Result<(), TemplateError> {
        let spec = self.service.instance.definition.spec();
        refuse_filled(spec, &self.service.scope)?;
        let unit = self.unit_names()?;
        if let Some((unit, openrc)) = unit {
            let action = Action::Stop { unit, openrc };
            self.step("stop".to_owned(), action, Then::Nothing, 120);
        }
        let leave = spec.uninstall.clone().unwrap_or_default();
        for (index, command) in leave.commands.iter().enumerate() {
            let action = Action::Run {
                command: self.all(command)?,
                unless: Vec::new(),
                user: "root".to_owned(),
                environment: Vec::new(),
                input: None,
            };
            self.step(format!("command {}", index + 1), action, Then::Nothing, 300);
        }
        let mut paths = Vec::new();
        for file in &spec.files {
            paths.push(self.path(&file.path)?);
        }
        paths.extend(self.service.scope.secret_files.values().cloned());
        for artifact in &spec.artifacts {
            if let Some(install) = &artifact.install {
                paths.push(self.path(&install.path)?);
            }
            if let Some(unpack) = &artifact.unpack {
                paths.push(self.own_folder(&unpack.into)?);
                for link in unpack.links.keys() {
                    paths.push(self.path(link)?);
                }
            }
        }
        // What a template has made of a path may be a folder that others have files in.
        if let Some(path) = paths.iter().find(|path| is_shared(path)) {
            return Err(TemplateError::new(format!(
                "`{path}` is not the service's own: what is there would go"
            )));
        }
        let action = Action::Remove {
            packages: self.all(&leave.packages)?,
            paths,
        };
        self.step("remove".to_owned(), action, Then::Nothing, 900);
        Ok(())
    }
}

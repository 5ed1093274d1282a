//! Values filled into what a definition says.

use std::collections::BTreeMap;

use trustnet_api::service::Format;

use super::Builder;
use crate::service::{Escape, Scope, TemplateError, is_shared, render};

impl Builder<'_> {
    pub(super) fn whole(&self, template: &str) -> Result<String, TemplateError> {
        render(template, &self.service.scope, Escape::Whole)
    }

    /// A path, which a value in it cannot lead elsewhere.
    pub(super) fn path(&self, template: &str) -> Result<String, TemplateError> {
        let path = self.whole(template)?;
        if crate::service::is_path(&path) {
            Ok(path)
        } else {
            Err(TemplateError::new(format!(
                "`{path}` is no absolute path without `..`"
            )))
        }
    }

    /// The path of a folder that goes whole, and so must be the artifact's own.
    pub(super) fn own_folder(&self, template: &str) -> Result<String, TemplateError> {
        let path = self.path(template)?;
        if is_shared(&path) {
            return Err(TemplateError::new(format!(
                "`{path}` is not the artifact's own: what is there would go"
            )));
        }
        Ok(path)
    }

    pub(super) fn all(&self, templates: &[String]) -> Result<Vec<String>, TemplateError> {
        templates
            .iter()
            .map(|template| self.whole(template))
            .collect()
    }

    pub(super) fn pairs(
        &self,
        templates: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, TemplateError> {
        templates
            .iter()
            .map(|(name, template)| Ok((name.clone(), self.whole(template)?)))
            .collect()
    }

    /// A text that may hold secrets, and whether it does.
    pub(super) fn text(
        &self,
        template: &str,
        format: Format,
    ) -> Result<(String, bool), TemplateError> {
        let open = match render(template, &self.service.scope, Escape::Text(format)) {
            Ok(text) => return Ok((text, false)),
            Err(error) => error,
        };
        if !template.contains("secrets") {
            return Err(open);
        }
        let scope = Scope {
            secrets: Some(self.service.secrets.clone()),
            ..self.service.scope.clone()
        };
        // The engine's words may quote what it was given.
        let text = render(template, &scope, Escape::Text(format)).map_err(|_| {
            TemplateError::new(
                "a text with secrets in it cannot be filled: a name or a filter does not fit",
            )
        })?;
        Ok((text, true))
    }
}

/// How values are written into a file of that name.
pub(crate) fn format_of(path: &str) -> Format {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        Some("toml") => Format::Toml,
        Some("ini") => Format::Ini,
        Some("sh") => Format::Shell,
        Some("sql") => Format::Sql,
        Some("service" | "socket" | "timer") => Format::Systemd,
        _ => Format::Plain,
    }
}

pub(super) fn archive_format(name: &str) -> Result<String, TemplateError> {
    let known = [
        (".tar.gz", "tar.gz"),
        (".tgz", "tar.gz"),
        (".tar.xz", "tar.xz"),
        (".txz", "tar.xz"),
        (".tar.zst", "tar.zst"),
        (".tar.bz2", "tar.bz2"),
        (".tar", "tar"),
        (".zip", "zip"),
    ];
    let name = name.split(['?', '#']).next().unwrap_or_default();
    known
        .iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, format)| (*format).to_owned())
        .ok_or_else(|| TemplateError::new(format!("`{name}` is no archive that can be unpacked")))
}

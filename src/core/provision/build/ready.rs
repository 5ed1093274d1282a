//! How the readiness of a service is seen.

use std::collections::BTreeMap;

use trustnet_api::service::{HttpCheck, Ready};

use super::{Builder, ServiceInput};
use crate::provision::{Action, HttpQuestion, ReadyCheck, Then};
use crate::service::{Escape, Instance, Scope, TemplateError, render, seconds};

/// How the readiness of a service is seen, with its values filled in.
///
/// # Errors
/// A template cannot be filled.
pub fn ready_check(instance: &Instance, scope: &Scope) -> Result<ReadyCheck, TemplateError> {
    let service = ServiceInput {
        instance,
        scope: scope.clone(),
        secrets: BTreeMap::new(),
        artifacts: BTreeMap::new(),
    };
    let builder = Builder {
        service: &service,
        mounts: &[],
        steps: Vec::new(),
    };
    let ready = instance.definition.spec().ready.as_ref();
    builder.check(ready.unwrap_or(&Ready::default()))
}

impl Builder<'_> {
    pub(super) fn ready(&mut self, ready: Option<&Ready>) -> Result<(), TemplateError> {
        let unit = self.unit_names()?;
        let default = Ready::default();
        let asked = ready.unwrap_or(&default);
        let check = self.check(asked)?;
        if unit.is_none() && check == ReadyCheck::Unit {
            return Ok(());
        }
        let grace_s = asked.grace.as_deref().and_then(seconds).unwrap_or(5);
        let limit = asked.timeout.as_deref().and_then(seconds).unwrap_or(90);
        let action = Action::Ready {
            check,
            unit,
            grace_s,
        };
        self.step("ready".to_owned(), action, Then::Nothing, limit);
        Ok(())
    }

    fn check(&self, ready: &Ready) -> Result<ReadyCheck, TemplateError> {
        if let Some(http) = &ready.http {
            return http_check(http, &self.service.scope).map(ReadyCheck::Http);
        }
        if let Some(tcp) = &ready.tcp {
            let scope = &self.service.scope;
            return Ok(ReadyCheck::Tcp {
                host: scope.address.clone(),
                port: port(&tcp.port.to_string(), scope)?,
            });
        }
        if !ready.command.is_empty() {
            let command = self.all(&ready.command)?;
            return Ok(ReadyCheck::Command { command });
        }
        if let Some(text) = &ready.journal {
            let contains = self.whole(text)?;
            return Ok(ReadyCheck::Journal { contains });
        }
        if let Some(text) = &ready.console {
            let contains = self.whole(text)?;
            return Ok(ReadyCheck::Console { contains });
        }
        Ok(ReadyCheck::Unit)
    }
}

/// An answer over HTTP, with its values filled in.
///
/// # Errors
/// A template cannot be filled.
pub(crate) fn http_check(http: &HttpCheck, scope: &Scope) -> Result<HttpQuestion, TemplateError> {
    let path = render(http.path.as_deref().unwrap_or("/"), scope, Escape::Whole)?;
    if !path.starts_with('/') || path.contains(|c: char| c.is_control() || c == ' ') {
        return Err(TemplateError::new(format!("`{path}` is no path of a URL")));
    }
    let contains = http.contains.as_deref();
    let contains = contains.map(|text| render(text, scope, Escape::Whole));
    Ok(HttpQuestion {
        host: scope.address.clone(),
        port: port(&http.port.to_string(), scope)?,
        path,
        status: http.status,
        contains: contains.transpose()?,
    })
}

/// A port, filled in.
pub(crate) fn port(template: &str, scope: &Scope) -> Result<u16, TemplateError> {
    let text = render(template, scope, Escape::Whole)?;
    let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or_else(|| TemplateError::new(format!("`{text}` is no port")))
}

//! A guest that never reports is asked over SSH: in a process of its own, so that nobody waits for it.

use std::process::{Child, Stdio};
use std::time::Duration;

use trustnet_core::record::Record;

use crate::doors::Hypervisor;
use crate::error::HostError;
use crate::ready::ReadyOptions;
use crate::ssh::{self, Session};

/// The time between two tries.
const EVERY: Duration = Duration::from_secs(10);
/// How long a try may take: a guest can hold a connection for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries to log in, one after the other, in turns with the VM's own key alone and with the agent's too. Times are counted from when the waiting began.
#[derive(Debug)]
pub struct Knock {
    next: Duration,
    /// Whether the next try offers the agent's keys too.
    agent: bool,
    trying: Option<(Child, Duration)>,
}

impl Knock {
    /// The first try comes after this time.
    #[must_use]
    pub fn after(silence: Duration) -> Self {
        Self {
            next: silence,
            agent: false,
            trying: None,
        }
    }

    /// Goes on; true once a login has worked: the host key is the pinned one, and a command ran.
    ///
    /// # Errors
    /// The hypervisor does not say who the guest is, or the file of known hosts cannot be written.
    pub fn answered(
        &mut self,
        now: Duration,
        hypervisor: &dyn Hypervisor,
        uuid: &str,
        options: &ReadyOptions<'_>,
    ) -> Result<bool, HostError> {
        if let Some((child, since)) = &mut self.trying {
            match child.try_wait() {
                Ok(Some(status)) => {
                    self.trying = None;
                    return Ok(status.success());
                }
                Ok(None) if now.saturating_sub(*since) < PATIENCE => {}
                _ => self.give_up(),
            }
        } else if now >= self.next {
            self.next = now + EVERY;
            let child = start(hypervisor, uuid, options, self.agent)?;
            self.trying = child.map(|child| (child, now));
            self.agent = !self.agent;
        }
        Ok(false)
    }

    fn give_up(&mut self) {
        if let Some((mut child, _)) = self.trying.take() {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn start(
    hypervisor: &dyn Hypervisor,
    uuid: &str,
    options: &ReadyOptions<'_>,
    agent: bool,
) -> Result<Option<Child>, HostError> {
    let texts = hypervisor.records().read(&[uuid.to_owned()])?;
    let text = texts.into_iter().find_map(|metadata| metadata.record);
    let Some(record) = text.and_then(|text| Record::parse(&text).ok()) else {
        return Ok(None);
    };
    let Some(endpoint) = ssh::endpoint(&record) else {
        return Ok(None);
    };
    let session = Session {
        paths: options.paths,
        uri: options.uri,
        uuid,
        record: &record,
    };
    let only = if agent {
        "IdentitiesOnly=no"
    } else {
        "IdentitiesOnly=yes"
    };
    let options = ["BatchMode=yes", "ConnectTimeout=5", only];
    let mut command = ssh::command(&session, &endpoint, &options)?;
    command
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // No ssh on this machine is no answer.
    Ok(command.spawn().ok())
}

//! Provisioning as data: the steps that bring the services of a VM into its guest.

mod build;
mod delivery;
mod fared;
mod plan;
mod report;
mod unit;
mod wire;

use serde::Serialize;

use crate::artifact::Digest;
pub(crate) use build::format_of;
pub use build::{Input, Pinned, PinnedDeb, ServiceInput, build, ready_check, uninstall};
pub(crate) use build::{http_check, port};
pub use delivery::{Circumstances, Delivery, TooLarge, delivery};
pub use fared::{End, Fared};
pub use plan::{Stage, plan};
pub use report::{Facts, Report, Said, Standing};
pub use wire::files;

/// The steps that bring the services of a VM into its guest, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step: something of the guest that is as it is to be, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The service that it belongs to.
    pub service: String,
    /// The service's version.
    pub version: String,
    /// What it is, once in a service: `file /etc/x`.
    pub id: String,
    /// What is to be.
    pub action: Action,
    /// What a change asks of the service's unit.
    pub then: Then,
    /// How long it may take, in seconds.
    pub limit_s: u32,
}

/// What a change asks of the service's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Nothing.
    Nothing,
    /// To read its configuration again.
    Reload,
    /// To be restarted.
    Restart,
}

/// Bytes for the guest. They print as their digest: a secret may stand in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    digest: Digest,
}

/// What is to be in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// A service somewhere else that has to be there first.
    Depend {
        /// The service.
        service: String,
        /// The VM that runs it, where its record has to say that it is ready.
        vm: Option<String>,
        /// Host name or address, as the guest reaches it.
        host: String,
        /// Port.
        port: u16,
    },
    /// A system user.
    User {
        /// Login name.
        name: String,
        /// Home.
        home: String,
        /// Shell.
        shell: String,
        /// Supplementary groups.
        groups: Vec<String>,
    },
    /// A folder; on a data disk, if `on` names a folder there.
    Directory {
        /// Its path.
        path: String,
        /// The folder that is bound to it.
        on: Option<String>,
        /// Mode bits, where they matter.
        mode: Option<String>,
    },
    /// A folder's owner, once its user is there.
    Owner {
        /// Its path.
        path: String,
        /// `user:group`.
        owner: String,
    },
    /// Packages, by the guest's package manager.
    Packages {
        /// For apt, with the files of the closure.
        apt: Vec<String>,
        /// The closure: file name and digest.
        debs: Vec<(String, Digest)>,
        /// The index of the closure, as apt reads it.
        index: Option<Payload>,
        /// For dnf.
        dnf: Vec<String>,
        /// For apk.
        apk: Vec<String>,
    },
    /// An artifact as one file.
    Install {
        /// The artifact.
        artifact: Digest,
        /// Where.
        path: String,
        /// Mode, octal.
        mode: String,
    },
    /// An artifact unpacked.
    Unpack {
        /// The artifact.
        artifact: Digest,
        /// `tar`, `tar.gz`, `tar.xz`, `tar.zst`, `tar.bz2` or `zip`.
        format: String,
        /// Into which folder.
        into: String,
        /// How many leading parts of names go.
        strip: u32,
        /// Links to be made: link, target.
        links: Vec<(String, String)>,
    },
    /// A container image, loaded into Docker.
    Image {
        /// The artifact.
        artifact: Digest,
        /// The image with its tag, as it is to be called.
        name: String,
    },
    /// A file.
    File {
        /// Where.
        path: String,
        /// `user:group`.
        owner: String,
        /// Mode, octal.
        mode: String,
        /// What.
        content: Payload,
    },
    /// A command.
    Run {
        /// The command.
        command: Vec<String>,
        /// A command that ends with 0 where there is nothing to do.
        unless: Vec<String>,
        /// The user.
        user: String,
        /// Variables.
        environment: Vec<(String, String)>,
        /// Its input.
        input: Option<Payload>,
    },
    /// A unit of ours, for whichever init is there.
    Unit {
        /// Its name.
        name: String,
        /// For systemd.
        systemd: Payload,
        /// For OpenRC.
        openrc: Payload,
    },
    /// The unit runs, with the configuration that is there now.
    Start {
        /// Its name under systemd.
        unit: String,
        /// Its name under OpenRC.
        openrc: String,
    },
    /// The service is ready.
    Ready {
        /// How that is seen.
        check: ReadyCheck,
        /// The unit that must not fail meanwhile; systemd's and OpenRC's name.
        unit: Option<(String, String)>,
        /// How long the unit may be seen failed, in seconds.
        grace_s: u32,
    },
    /// A unit stopped and no longer started.
    Stop {
        /// Its name under systemd.
        unit: String,
        /// Its name under OpenRC.
        openrc: String,
    },
    /// What our steps have left in the guest, removed.
    Remove {
        /// Packages.
        packages: Vec<String>,
        /// Files and folders.
        paths: Vec<String>,
    },
}

/// How readiness is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ReadyCheck {
    /// The unit runs, or there is none.
    Unit,
    /// An answer over HTTP inside the guest.
    Http(HttpQuestion),
    /// A port inside the guest takes connections.
    Tcp {
        /// Where in the guest.
        #[serde(skip_serializing_if = "is_local")]
        host: String,
        /// The port.
        port: u16,
    },
    /// A command in the guest ends with 0.
    Command {
        /// The command.
        command: Vec<String>,
    },
    /// A text in the unit's log since its start.
    Journal {
        /// The text.
        contains: String,
    },
    /// A text on the serial console.
    Console {
        /// The text.
        contains: String,
    },
}

/// A question over HTTP, to a port inside the guest, and the answer that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpQuestion {
    /// Where in the guest.
    #[serde(skip_serializing_if = "is_local")]
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: String,
    /// The status, if a certain one.
    pub status: Option<u16>,
    /// A text in the body.
    pub contains: Option<String>,
}

/// What goes without saying: a step that does not name another place is what it was before one could be named.
fn is_local(host: &str) -> bool {
    host == "localhost"
}

impl ReadyCheck {
    /// Whether the host sees it, and not the guest.
    #[must_use]
    pub fn from_host(&self) -> bool {
        matches!(
            self,
            Self::Http(_) | Self::Tcp { .. } | Self::Console { .. }
        )
    }
}

impl Payload {
    /// Wraps bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Their digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.digest.serialize(serializer)
    }
}

impl Step {
    /// The digest of all that decides what the step does.
    #[must_use]
    pub fn digest(&self) -> Digest {
        #[expect(clippy::expect_used, reason = "an action has string keys only")]
        let text = serde_json::to_vec(&self.action).expect("an action serialises");
        Digest::of(&text)
    }

    /// The name under which the guest keeps the step's state: no path, and no two alike.
    #[must_use]
    pub fn key(&self) -> String {
        Digest::of(format!("{}\0{}", self.service, self.id).as_bytes()).short()
    }

    /// The artifacts that the guest has to have for the step.
    #[must_use]
    pub fn artifacts(&self) -> Vec<Digest> {
        match &self.action {
            Action::Install { artifact, .. }
            | Action::Unpack { artifact, .. }
            | Action::Image { artifact, .. } => vec![*artifact],
            Action::Packages { debs, .. } => debs.iter().map(|(_, digest)| *digest).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the host takes the step, and not the guest.
    #[must_use]
    pub fn from_host(&self) -> bool {
        match &self.action {
            Action::Ready { check, .. } => check.from_host(),
            Action::Depend { .. } => true,
            _ => false,
        }
    }
}

impl Program {
    /// The services, in order, each once.
    #[must_use]
    pub fn services(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for step in &self.steps {
            if names.last() != Some(&step.service.as_str()) {
                names.push(&step.service);
            }
        }
        names
    }

    /// Whether there is nothing to bring.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

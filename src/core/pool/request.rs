//! From what a user asks for to a pool that can be made.

use super::{Ceph, CephSecret, Cow, Monitor, Pool, Source};

/// The types of pools that can be made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// A directory.
    Dir,
    /// A file system on a block device.
    Fs,
    /// A directory of an NFS server.
    Netfs,
    /// An LVM volume group.
    Logical,
    /// A ZFS pool.
    Zfs,
    /// A pool of a Ceph cluster.
    Rbd,
}

/// A pool, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: PoolKind,
    /// The directory of its volumes.
    pub target: Option<String>,
    /// What it is made from.
    pub source: Option<String>,
    /// The servers, as `NAME` or `NAME:PORT`.
    pub hosts: Vec<String>,
    /// The type of the file system.
    pub format: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// The UUID or the usage of libvirt's secret.
    pub secret: Option<String>,
    /// Whether files are copied on write.
    pub cow: Option<bool>,
}

/// Why what was asked for is no pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// No pool can have this name.
    #[error(
        "`{0}` is no name of a pool: use letters, digits, `.`, `_` and `-`, with a letter or digit first"
    )]
    Name(String),
    /// Something is missing.
    #[error("a pool of type `{kind}` needs `{flag}`: {what}")]
    Missing {
        /// The type.
        kind: &'static str,
        /// Which.
        flag: &'static str,
        /// What it says.
        what: &'static str,
    },
    /// Something means nothing there.
    #[error("`{flag}` means nothing for a pool of type `{kind}`")]
    Meaningless {
        /// The type.
        kind: &'static str,
        /// Which.
        flag: &'static str,
    },
    /// A value is not of its form.
    #[error("failed to read `{flag} {value}`: {expected}")]
    Form {
        /// Of what.
        flag: &'static str,
        /// What was written.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
}

type Result<T> = std::result::Result<T, PoolError>;

impl PoolKind {
    /// libvirt's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Fs => "fs",
            Self::Netfs => "netfs",
            Self::Logical => "logical",
            Self::Zfs => "zfs",
            Self::Rbd => "rbd",
        }
    }

    /// The options that say something of such a pool.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Dir => &["--target", "--cow"],
            Self::Fs => &["--target", "--source", "--format", "--cow"],
            Self::Netfs => &["--target", "--source"],
            Self::Logical | Self::Zfs => &["--source"],
            Self::Rbd => &["--source", "--host", "--user", "--secret"],
        }
    }
}

impl PoolRequest {
    /// The pool that is meant.
    ///
    /// # Errors
    /// Something is missing, means nothing, or is not of its form.
    pub fn resolve(&self) -> Result<Pool> {
        if !is_name(&self.name) {
            return Err(PoolError::Name(self.name.clone()));
        }
        self.refuse_meaningless()?;
        let cow = match self.cow {
            None => Cow::Unsaid,
            Some(true) => Cow::Yes,
            Some(false) => Cow::No,
        };
        let source = match self.kind {
            PoolKind::Dir => Source::Dir {
                path: self.target("the directory")?,
                cow,
            },
            PoolKind::Fs => Source::Fs {
                device: path(
                    "--source",
                    self.source("the block device, such as /dev/sdb1")?,
                )?,
                format: self.format.clone(),
                path: self.target("the directory where it is mounted")?,
                cow,
            },
            PoolKind::Netfs => self.netfs()?,
            PoolKind::Logical => Source::Logical {
                group: word("--source", self.source("the volume group")?)?,
            },
            PoolKind::Zfs => Source::Zfs {
                dataset: dataset(self.source("the ZFS pool, or a dataset in one")?)?,
            },
            PoolKind::Rbd => Source::Rbd(self.ceph()?),
        };
        Ok(Pool {
            name: self.name.clone(),
            source,
        })
    }

    fn refuse_meaningless(&self) -> Result<()> {
        let said = [
            ("--target", self.target.is_some()),
            ("--source", self.source.is_some()),
            ("--host", !self.hosts.is_empty()),
            ("--format", self.format.is_some()),
            ("--user", self.user.is_some()),
            ("--secret", self.secret.is_some()),
            ("--cow", self.cow.is_some()),
        ];
        let known = self.kind.options();
        let strange = |(flag, said): &&(&'static str, bool)| *said && !known.contains(flag);
        match said.iter().find(strange) {
            None => Ok(()),
            Some((flag, _)) => Err(PoolError::Meaningless {
                kind: self.kind.name(),
                flag,
            }),
        }
    }

    fn target(&self, what: &'static str) -> Result<String> {
        path("--target", self.needed("--target", &self.target, what)?)
    }

    fn source(&self, what: &'static str) -> Result<&str> {
        self.needed("--source", &self.source, what)
    }

    fn needed<'a>(
        &self,
        flag: &'static str,
        value: &'a Option<String>,
        what: &'static str,
    ) -> Result<&'a str> {
        value.as_deref().ok_or(PoolError::Missing {
            kind: self.kind.name(),
            flag,
            what,
        })
    }

    fn netfs(&self) -> Result<Source> {
        let source = self.source("HOST:/DIRECTORY of the NFS server")?;
        let form = || PoolError::Form {
            flag: "--source",
            value: source.to_owned(),
            expected: "expected HOST:/DIRECTORY, an IPv6 address in brackets",
        };
        let (host, export) = source.split_once(":/").ok_or_else(form)?;
        let host = unbracketed(host).filter(|host| is_host(host));
        Ok(Source::Netfs {
            host: host.ok_or_else(form)?.to_owned(),
            export: path("--source", &format!("/{export}"))?,
            path: self.target("the directory where it is mounted")?,
        })
    }

    fn ceph(&self) -> Result<Ceph> {
        let pool = word("--source", self.source("the name of the pool in Ceph")?)?;
        if self.hosts.is_empty() {
            return Err(PoolError::Missing {
                kind: self.kind.name(),
                flag: "--host",
                what: "a monitor of the cluster; may be given several times",
            });
        }
        let monitors: Result<Vec<Monitor>> = self.hosts.iter().map(|text| monitor(text)).collect();
        let auth = match (&self.user, &self.secret) {
            (None, None) => None,
            (Some(user), Some(named)) => {
                Some((word("--user", user)?, secret(&word("--secret", named)?)))
            }
            (Some(_), None) => {
                return Err(PoolError::Missing {
                    kind: self.kind.name(),
                    flag: "--secret",
                    what: "which of libvirt's secrets holds the user's key, by UUID or usage",
                });
            }
            (None, Some(_)) => {
                return Err(PoolError::Missing {
                    kind: self.kind.name(),
                    flag: "--user",
                    what: "the Ceph user that the secret is of",
                });
            }
        };
        Ok(Ceph {
            pool,
            monitors: monitors?,
            auth,
        })
    }
}

/// A name that is good for a pool anywhere: libvirt keeps it in a file of that name.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 64
        && name.chars().all(good)
}

fn path(flag: &'static str, value: &str) -> Result<String> {
    let up = value.split('/').any(|part| part == "..");
    if !value.starts_with('/')
        || value.trim_end_matches('/').is_empty()
        || up
        || !is_printable(value)
    {
        return Err(PoolError::Form {
            flag,
            value: value.to_owned(),
            expected: "expected an absolute path on the hypervisor, without `..`",
        });
    }
    Ok(value.trim_end_matches('/').to_owned())
}

fn word(flag: &'static str, value: &str) -> Result<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if value.is_empty() || value.starts_with('-') || !value.chars().all(good) {
        return Err(PoolError::Form {
            flag,
            value: value.to_owned(),
            expected: "expected a name of letters, digits, `.`, `_`, `+` and `-`",
        });
    }
    Ok(value.to_owned())
}

fn dataset(value: &str) -> Result<String> {
    match value.split('/').all(|part| word("--source", part).is_ok()) {
        true => Ok(value.to_owned()),
        false => Err(PoolError::Form {
            flag: "--source",
            value: value.to_owned(),
            expected: "expected POOL or POOL/DATASET",
        }),
    }
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// `NAME`, `NAME:PORT`, `[IPv6]` or `[IPv6]:PORT`.
fn monitor(text: &str) -> Result<Monitor> {
    let form = || PoolError::Form {
        flag: "--host",
        value: text.to_owned(),
        expected: "expected HOST or HOST:PORT, an IPv6 address in brackets",
    };
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => {
            let port: u16 = port.parse().map_err(|_| form())?;
            (
                name,
                Some(port).filter(|port| *port > 0).ok_or_else(form)?.into(),
            )
        }
        _ => (text, None),
    };
    let name = unbracketed(name).filter(|name| is_host(name));
    Ok(Monitor {
        name: name.ok_or_else(form)?.to_owned(),
        port,
    })
}

/// A host without the brackets of an IPv6 address; none where one of them is missing.
fn unbracketed(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|inner| inner.contains(':')),
        None => (!host.contains([':', ']'])).then_some(host),
    }
}

fn is_host(host: &str) -> bool {
    if host.contains(':') {
        return host.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let good = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    !host.is_empty() && !host.starts_with('-') && host.chars().all(good)
}

fn secret(named: &str) -> CephSecret {
    match uuid::Uuid::try_parse(named) {
        Ok(uuid) => CephSecret::Uuid(uuid.to_string()),
        Err(_) => CephSecret::Usage(named.to_owned()),
    }
}

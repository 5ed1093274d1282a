//! Storage pools. <https://libvirt.org/formatstorage.html>

use std::fmt;
use std::io;

use super::{Xml, document, empty, nest, read, text};
use crate::pool::{Ceph, CephSecret, Cow, Pool, Source};

/// Facts of a pool's XML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolXml {
    /// The type, such as `dir` or `logical`.
    pub kind: String,
    /// The target's path.
    pub path: String,
    /// Where it comes from; nothing for a directory.
    pub source: PoolSourceXml,
}

/// Where a pool comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolSourceXml {
    /// Its name there: the volume group, the ZFS or Ceph pool.
    pub name: String,
    /// Block devices.
    pub devices: Vec<String>,
    /// The exported directory.
    pub dir: String,
    /// The servers, with their ports where these are named.
    pub hosts: Vec<String>,
    /// The format, such as `ext4` or `nfs`.
    pub format: String,
    /// Who logs in there, and the UUID or usage of the secret in libvirt that proves it.
    pub auth: Option<(String, CephSecret)>,
}

impl fmt::Display for PoolSourceXml {
    /// In a few words: `nas:/export`, `/dev/sdb1`, `vg0`, `vms at mon1, mon2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.join(", ");
        match (self.dir.as_str(), hosts.as_str(), self.name.as_str()) {
            ("", "", "") => f.write_str(&self.devices.join(", ")),
            ("", "", name) => f.write_str(name),
            ("", hosts, name) => write!(f, "{name} at {hosts}"),
            (dir, hosts, _) => write!(f, "{}:{dir}", bracketed(hosts)),
        }
    }
}

/// Sizes in a pool's XML, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSizes {
    /// What it can hold in all.
    pub capacity: u64,
    /// What is taken.
    pub allocation: u64,
    /// What is free.
    pub available: u64,
}

/// A directory pool.
#[must_use]
pub fn pool(name: &str, path: &str) -> String {
    storage_pool(&Pool {
        name: name.to_owned(),
        source: Source::Dir {
            path: path.to_owned(),
            cow: Cow::Unsaid,
        },
    })
}

/// The XML of a pool of any type.
#[must_use]
pub fn storage_pool(pool: &Pool) -> String {
    document(|w| {
        nest(w, "pool", &[("type", pool.source.kind())], |w| {
            text(w, "name", &[], &pool.name)?;
            if let Source::Dir { cow, .. } | Source::Fs { cow, .. } = &pool.source {
                copy_on_write(w, *cow)?;
            }
            source(w, &pool.source)?;
            match pool.source.target() {
                Some(path) => nest(w, "target", &[], |w| text(w, "path", &[], &path)),
                None => Ok(()),
            }
        })
    })
}

fn copy_on_write(w: &mut Xml, cow: Cow) -> io::Result<()> {
    let state = match cow {
        Cow::Unsaid => return Ok(()),
        Cow::Yes => "yes",
        Cow::No => "no",
    };
    nest(w, "features", &[], |w| empty(w, "cow", &[("state", state)]))
}

fn source(w: &mut Xml, source: &Source) -> io::Result<()> {
    match source {
        Source::Dir { .. } => Ok(()),
        Source::Fs { device, format, .. } => nest(w, "source", &[], |w| {
            empty(w, "device", &[("path", device)])?;
            empty(
                w,
                "format",
                &[("type", format.as_deref().unwrap_or("auto"))],
            )
        }),
        Source::Netfs { host, export, .. } => nest(w, "source", &[], |w| {
            empty(w, "host", &[("name", host)])?;
            empty(w, "dir", &[("path", export)])?;
            empty(w, "format", &[("type", "nfs")])
        }),
        Source::Logical { group } => nest(w, "source", &[], |w| {
            text(w, "name", &[], group)?;
            empty(w, "format", &[("type", "lvm2")])
        }),
        Source::Zfs { dataset } => nest(w, "source", &[], |w| text(w, "name", &[], dataset)),
        Source::Rbd(ceph) => nest(w, "source", &[], |w| rbd(w, ceph)),
    }
}

fn rbd(w: &mut Xml, ceph: &Ceph) -> io::Result<()> {
    text(w, "name", &[], &ceph.pool)?;
    for monitor in &ceph.monitors {
        let port = monitor.port.map(|port| port.to_string());
        let mut attributes = vec![("name", monitor.name.as_str())];
        attributes.extend(port.as_deref().map(|port| ("port", port)));
        empty(w, "host", &attributes)?;
    }
    let Some((user, secret)) = &ceph.auth else {
        return Ok(());
    };
    // libvirt keeps the key itself: here it is named, and no more.
    nest(w, "auth", &[("type", "ceph"), ("username", user)], |w| {
        empty(w, "secret", &[secret.attribute()])
    })
}

/// Reads what planning needs of a pool's XML; what is missing stays empty.
#[must_use]
pub fn read_pool(xml: &str) -> PoolXml {
    let mut facts = PoolXml::default();
    let mut user = None;
    read::walk(xml, |path, event| match (path, event) {
        (["pool"], read::Seen::Start(tag)) => {
            facts.kind = tag.attribute("type").unwrap_or_default()
        }
        (["pool", "target", "path"], read::Seen::Text(value)) => facts.path = value.to_owned(),
        (["pool", "source", "name"], read::Seen::Text(value)) => {
            facts.source.name = value.to_owned();
        }
        (["pool", "source", "device"], read::Seen::Start(tag)) => {
            facts.source.devices.extend(tag.attribute("path"));
        }
        (["pool", "source", "dir"], read::Seen::Start(tag)) => {
            facts.source.dir = tag.attribute("path").unwrap_or_default();
        }
        (["pool", "source", "format"], read::Seen::Start(tag)) => {
            facts.source.format = tag.attribute("type").unwrap_or_default();
        }
        (["pool", "source", "host"], read::Seen::Start(tag)) => {
            let name = tag.attribute("name").unwrap_or_default();
            facts.source.hosts.push(match tag.attribute("port") {
                Some(port) => format!("{}:{port}", bracketed(&name)),
                None => name,
            });
        }
        (["pool", "source", "auth"], read::Seen::Start(tag)) => user = tag.attribute("username"),
        (["pool", "source", "auth", "secret"], read::Seen::Start(tag)) => {
            let uuid = tag.attribute("uuid").map(CephSecret::Uuid);
            let secret = uuid.or_else(|| tag.attribute("usage").map(CephSecret::Usage));
            facts.source.auth = user.take().zip(secret);
        }
        _ => {}
    });
    facts
}

/// An IPv6 address in brackets, where a port is to follow.
fn bracketed(name: &str) -> String {
    if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    }
}

/// Host and port of `NAME`, `NAME:PORT`, `[ADDRESS]:PORT`, or an IPv6 address alone.
pub(super) fn host_and_port(host: &str) -> (&str, Option<&str>) {
    if let Some((address, port)) = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"))
    {
        return (address, Some(port));
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, Some(port)),
        _ => (host, None),
    }
}

/// Reads the sizes of a pool's XML; what is missing is 0. libvirt itself writes bytes.
#[must_use]
pub fn read_pool_sizes(xml: &str) -> PoolSizes {
    let mut sizes = PoolSizes::default();
    read::walk(xml, |path, event| {
        let (["pool", name], read::Seen::Text(value)) = (path, event) else {
            return;
        };
        let place = match *name {
            "capacity" => &mut sizes.capacity,
            "allocation" => &mut sizes.allocation,
            "available" => &mut sizes.available,
            _ => return,
        };
        *place = value.parse().unwrap_or(0);
    });
    sizes
}

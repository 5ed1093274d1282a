//! Who stands on an image: the domains whose disks have it in their chains, and disks that no domain has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::plan::{Plan, Step};
use crate::xml::{DomainXml, VolumeXml, read_domain, read_volume};

/// Somebody who stands on an image. Its form for machines is stable: `{"domain": "web"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum User {
    /// A domain, running or not.
    Domain(String),
    /// A VM whose `create` was interrupted, and may be gone on with.
    Interrupted(String),
    /// A domain with a disk of which nobody here can tell what it stands on.
    Unseen {
        /// The domain.
        domain: String,
        /// The disk.
        disk: String,
    },
    /// A volume that no domain has.
    Volume {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => write!(f, "`{name}`"),
            Self::Interrupted(name) => write!(f, "the interrupted create of `{name}`"),
            Self::Unseen { domain, disk } => write!(
                f,
                "perhaps `{domain}`, whose disk {disk} cannot be looked at,"
            ),
            Self::Volume { pool, name } => write!(f, "volume `{pool}/{name}`"),
        }
    }
}

/// All chains of disks that are known of a hypervisor. Files go by their paths.
#[derive(Debug, Default)]
pub struct Chains {
    /// From a file to what it stands on.
    below: BTreeMap<String, BTreeSet<String>>,
    /// The paths of volumes, by pool and name.
    volumes: BTreeMap<(String, String), String>,
    /// The files that somebody opens first.
    tops: BTreeMap<User, BTreeSet<String>>,
    /// Volumes that somebody opens first and that were named, not found.
    named: BTreeMap<User, BTreeSet<(String, String)>>,
    /// Disks of which only they themselves can say what they stand on: the domain, and the disk as its definition has it.
    open: Vec<(String, Top)>,
    /// Files of which it is known what they stand on, if on anything.
    seen: BTreeSet<String>,
}

/// What a domain opens first, as its definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Top {
    File(String),
    Volume(String, String),
}

impl Chains {
    /// Takes a file that stands on another.
    pub fn link(&mut self, file: &str, backing: &str) {
        let below = self.below.entry(file.to_owned()).or_default();
        below.insert(backing.to_owned());
    }

    /// Takes a volume.
    pub fn volume(&mut self, pool: &str, volume: &VolumeXml) {
        let name = (pool.to_owned(), volume.name.clone());
        self.volumes.insert(name, volume.path.clone());
        if let Some(backing) = &volume.backing {
            self.link(&volume.path, backing);
        }
    }

    /// Takes a domain.
    pub fn domain(&mut self, domain: &DomainXml) {
        self.disks(&User::Domain(domain.name.clone()), domain);
    }

    /// Takes what an interrupted run goes on to make.
    pub fn plan(&mut self, plan: &Plan) {
        let user = User::Interrupted(plan.vm.clone());
        for step in &plan.steps {
            match step {
                Step::DefineDomain { xml } => self.disks(&user, &read_domain(xml)),
                Step::CreateVolume { xml, .. } => {
                    let tops = self.tops.entry(user.clone()).or_default();
                    tops.extend(read_volume(xml).backing);
                }
                Step::CopyVolume {
                    image_pool, image, ..
                } => {
                    let named = self.named.entry(user.clone()).or_default();
                    named.insert((image_pool.clone(), image.clone()));
                }
                _ => {}
            }
        }
    }

    fn disks(&mut self, user: &User, domain: &DomainXml) {
        for disk in &domain.disks {
            let named = self.named.entry(user.clone()).or_default();
            named.extend(disk.volume.clone());
            let tops = self.tops.entry(user.clone()).or_default();
            tops.extend(disk.file.clone());
            tops.extend(disk.network.clone());
            // Where each file of the chain stands does not matter: the domain opens all of them.
            tops.extend(disk.backing.iter().cloned());
            // A raw disk stands on nothing, whatever is in it.
            if disk.format == "raw" {
                continue;
            }
            // A definition may have the chain in part only: its last file says what it stands on itself.
            let file = disk.backing.last().or(disk.file.as_ref());
            let file = file.cloned().map(Top::File);
            let volume = disk.volume.clone();
            let top = file.or(volume.map(|(pool, name)| Top::Volume(pool, name)));
            self.open.extend(top.map(|top| (domain.name.clone(), top)));
        }
    }

    /// Takes a file of which it is known what it stands on: what was linked, if anything was.
    pub fn seen(&mut self, file: &str) {
        self.seen.insert(file.to_owned());
    }

    /// The files that domains open first and that are no volume's: what these stand on, only they can say.
    pub fn strangers(&self) -> impl Iterator<Item = &str> {
        let known: BTreeSet<&String> = self.volumes.values().collect();
        let open = self.open.iter().filter_map(|(_, top)| match top {
            Top::File(file) => Some(file),
            Top::Volume(..) => None,
        });
        let open: BTreeSet<&String> = open.collect();
        open.into_iter()
            .filter(move |file| !known.contains(file))
            .map(String::as_str)
    }

    /// All files that are named: by domains, as volumes, as what others stand on.
    #[must_use]
    pub fn files(&self) -> BTreeSet<String> {
        let tops = self.tops.values().flatten();
        let below = self.below.values().flatten();
        let all = tops.chain(self.volumes.values()).chain(below);
        all.cloned().collect()
    }

    /// The domains with a disk of which nobody here can tell what it stands on: in a pool that was stopped, out of
    /// reach, not to be read.
    fn unseen(&self) -> impl Iterator<Item = User> {
        let known: BTreeSet<&String> = self.volumes.values().collect();
        let hidden = move |top: &Top| match top {
            Top::File(file) => !known.contains(file) && !self.seen.contains(file),
            Top::Volume(pool, name) => !self.volumes.contains_key(&(pool.clone(), name.clone())),
        };
        let unseen = self.open.iter().filter(move |(_, top)| hidden(top));
        unseen.map(|(domain, top)| User::Unseen {
            domain: domain.clone(),
            disk: match top {
                Top::File(file) => format!("`{file}`"),
                Top::Volume(pool, name) => format!("`{pool}/{name}`"),
            },
        })
    }

    /// Who stands on the file of a volume; of volumes only those that no domain has. Who cannot be shown not to is one.
    #[must_use]
    pub fn users(&self, pool: &str, volume: &VolumeXml) -> Vec<User> {
        let mut users: BTreeSet<User> = self.unseen().collect();
        let mut reached = BTreeSet::new();
        let everyone: BTreeSet<&User> = self.tops.keys().chain(self.named.keys()).collect();
        for user in everyone {
            let named = self.named.get(user).into_iter().flatten();
            let itself = named
                .clone()
                .any(|(p, name)| p == pool && *name == volume.name);
            let named = named.filter_map(|name| self.volumes.get(name));
            let tops = self.tops.get(user).into_iter().flatten().chain(named);
            let files = self.closure(tops);
            if itself || files.contains(volume.path.as_str()) {
                users.insert(user.clone());
            }
            reached.extend(files);
        }
        for ((pool, name), path) in &self.volumes {
            let free = !reached.contains(path.as_str()) && *path != volume.path;
            if free && self.closure([path]).contains(volume.path.as_str()) {
                users.insert(User::Volume {
                    pool: pool.clone(),
                    name: name.clone(),
                });
            }
        }
        // Who is known to need not be suspected.
        let sure: BTreeSet<String> = users
            .iter()
            .filter_map(|user| match user {
                User::Domain(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        users.retain(|user| !matches!(user, User::Unseen { domain, .. } if sure.contains(domain)));
        users.into_iter().collect()
    }

    /// These files and all that they stand on, once each: a chain may be bent into a ring.
    fn closure<'a>(&'a self, from: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&str> = from.into_iter().map(String::as_str).collect();
        while let Some(file) = left.pop() {
            if found.insert(file) {
                let below = self.below.get(file).into_iter().flatten();
                left.extend(below.map(String::as_str));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Chains, User};
    use crate::plan::{Plan, Step, Verb};
    use crate::xml::{self, DiskFacts, DomainXml, VolumeXml};

    fn volume(name: &str, backing: Option<&str>) -> VolumeXml {
        VolumeXml {
            name: name.to_owned(),
            path: format!("/pool/{name}"),
            backing: backing.map(|name| format!("/pool/{name}")),
            ..VolumeXml::default()
        }
    }

    fn domain(name: &str, disk: DiskFacts) -> DomainXml {
        DomainXml {
            name: name.to_owned(),
            disks: vec![disk],
            ..DomainXml::default()
        }
    }

    fn file(path: &str) -> DiskFacts {
        DiskFacts {
            file: Some(path.to_owned()),
            format: "qcow2".to_owned(),
            ..DiskFacts::default()
        }
    }

    fn users(change: impl FnOnce(&mut Chains)) -> Vec<String> {
        let mut chains = Chains::default();
        chains.volume("images", &volume("debian", None));
        chains.volume("vms", &volume("web", Some("debian")));
        chains.volume("vms", &volume("over", Some("web")));
        change(&mut chains);
        let users = chains.users("images", &volume("debian", None));
        users.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_disk_that_no_domain_has_stands_on_its_image_all_the_same() {
        assert_eq!(users(|_| {}), ["volume `vms/over`", "volume `vms/web`"]);
    }

    #[test]
    fn a_domain_stands_on_an_image_directly_through_a_chain_and_by_a_volumes_name() {
        for disk in [
            file("/pool/debian"),
            file("/pool/over"),
            DiskFacts {
                volume: Some(("vms".to_owned(), "over".to_owned())),
                ..DiskFacts::default()
            },
            DiskFacts {
                volume: Some(("images".to_owned(), "debian".to_owned())),
                ..DiskFacts::default()
            },
            // A chain that only the running domain knows.
            DiskFacts {
                backing: vec!["/elsewhere".to_owned(), "/pool/debian".to_owned()],
                ..file("/pool/snapshot")
            },
        ] {
            let found = users(|chains| chains.domain(&domain("web", disk.clone())));
            assert!(found.contains(&"`web`".to_owned()), "{disk:?}: {found:?}");
        }
        let found = users(|chains| chains.domain(&domain("web", file("/pool/over"))));
        assert_eq!(found, ["`web`"]);
        let ceph = DiskFacts {
            network: Some("/pool/debian".to_owned()),
            ..DiskFacts::default()
        };
        let found = users(|chains| chains.domain(&domain("web", ceph)));
        assert!(found.contains(&"`web`".to_owned()), "{found:?}");
        let found = users(|chains| chains.domain(&domain("other", file("/pool/over-there"))));
        assert!(!found.contains(&"`other`".to_owned()), "{found:?}");
    }

    #[test]
    fn who_cannot_be_shown_not_to_stand_on_an_image_is_counted() {
        let stopped = |format: &str| DiskFacts {
            volume: Some(("stopped".to_owned(), "disk".to_owned())),
            format: format.to_owned(),
            ..DiskFacts::default()
        };
        for (disk, suspected) in [
            (file("/out/of/reach"), true),
            (stopped("qcow2"), true),
            (stopped(""), true),
            // What is opened as raw stands on nothing.
            (stopped("raw"), false),
            (file("/pool/web"), false),
        ] {
            let mut chains = Chains::default();
            chains.volume("images", &volume("debian", None));
            chains.volume("vms", &volume("web", None));
            chains.domain(&domain("db", disk.clone()));
            let found = chains.users("images", &volume("debian", None));
            let is = matches!(found.as_slice(), [User::Unseen { domain, .. }] if domain == "db");
            assert_eq!(is, suspected, "{disk:?}: {found:?}");
        }
        // Looked at, it stands on nothing, or on what it says.
        let mut chains = Chains::default();
        chains.volume("images", &volume("debian", None));
        chains.domain(&domain("db", file("/home/ada/disk")));
        chains.seen("/home/ada/disk");
        assert_eq!(chains.users("images", &volume("debian", None)), []);
    }

    #[test]
    fn a_file_beside_the_pools_is_asked_for_and_counts() {
        let mut chains = Chains::default();
        chains.volume("images", &volume("debian", None));
        chains.domain(&domain("web", file("/home/ada/snapshot")));
        chains.domain(&domain("db", file("/pool/debian")));
        assert_eq!(
            chains.strangers().collect::<Vec<_>>(),
            ["/home/ada/snapshot"]
        );
        chains.link("/home/ada/snapshot", "/pool/debian");
        chains.seen("/home/ada/snapshot");
        let found = chains.users("images", &volume("debian", None));
        assert_eq!(
            found,
            [
                User::Domain("db".to_owned()),
                User::Domain("web".to_owned())
            ]
        );
    }

    #[test]
    fn an_interrupted_run_keeps_what_it_stands_on() {
        let over = xml::volume(
            "db_boot",
            1 << 30,
            trustnet_api::disk::DiskFormat::Qcow2,
            Some(("/pool/debian", "qcow2")),
        );
        let plan = Plan {
            verb: Verb::Create,
            vm: "db".to_owned(),
            uuid: String::new(),
            steps: vec![Step::CreateVolume {
                pool: "vms".to_owned(),
                volume: "db_boot".to_owned(),
                size: 1 << 30,
                xml: over,
            }],
        };
        let found = users(|chains| chains.plan(&plan));
        assert!(found.contains(&"the interrupted create of `db`".to_owned()));
    }

    #[test]
    fn a_ring_of_files_comes_to_an_end() {
        let found = users(|chains| {
            chains.link("/pool/debian", "/pool/web");
            chains.domain(&domain("web", file("/pool/web")));
        });
        assert!(found.contains(&"`web`".to_owned()), "{found:?}");
    }
}

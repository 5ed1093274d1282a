//! What a node is configured to do: its file, checked and complete.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use trustnet_api::network::{
    GossipSection, LogFormat, LogLevel, NODE_PORT, NodeConfig, NodeRegistrySection,
    NodeRegistryType, REGISTRY_PORT,
};

use super::{CA, Check, RootPlace, TlsFiles};
use crate::network::{Endpoint, PublicKey, is_node_name};
use crate::problem::Problem;

/// The folder of a node's data, where no other is given.
const DATA: &str = "/var/lib/trustnet-node";
/// The database of an integrated registry, where no other is given.
const DATABASE: &str = "registry-replica.db";

/// What a node is configured to do. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSettings {
    /// Its name.
    pub name: String,
    /// The network's domain, in lower case.
    pub domain: String,
    /// The address that it answers at; unspecified, if it is to take one that the machine has.
    pub address: Ipv6Addr,
    /// The port that it answers at.
    pub port: u16,
    /// The folder of its key and of what it remembers.
    pub data: PathBuf,
    /// The files of its TLS, and of its integrated registry's.
    pub tls: Option<TlsFiles>,
    /// Where its registry is.
    pub registry: NodeRegistry,
    /// Registries are looked up as `tnr.` and this domain.
    pub lookup_domain: String,
    /// A file with the network's join token.
    pub join_token_file: Option<PathBuf>,
    /// The authorities that vouch for registries, if these are called by TLS.
    pub ca: Option<PathBuf>,
    /// How it gossips, if it does.
    pub gossip: Option<GossipPlan>,
    /// The sections of its file that are carried, and have no effect.
    pub carried: Vec<&'static str>,
    /// How often it sends a heartbeat.
    pub heartbeat_interval: u64,
    /// How long it waits for an answer.
    pub heartbeat_timeout: u64,
    /// The least that is logged.
    pub log_level: LogLevel,
    /// The form of the lines.
    pub log_format: LogFormat,
}

/// Where a node's registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRegistry {
    /// In the node's own process.
    Integrated {
        /// The port that it answers at, or the next free one after it.
        port: u16,
        /// Its database.
        database: PathBuf,
        /// Where it finds its root.
        root: RootPlace,
        /// The administrator's key.
        administrator: Option<PublicKey>,
    },
    /// Elsewhere: there, if that is given, and where the domain says.
    External {
        /// Its address.
        address: Option<Endpoint>,
    },
}

/// How a node gossips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GossipPlan {
    /// The UDP port; that of the node, if none is given.
    pub port: Option<u16>,
    /// How often peers are asked for theirs.
    pub interval: u64,
    /// How many are asked at a time.
    pub peers_per_batch: usize,
}

impl NodeSettings {
    /// Checks a configuration, and fills in what it does not say.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn resolve(config: &NodeConfig) -> Result<Self, Vec<Problem>> {
        let mut check = Check::default();
        let node = &config.node;
        let registry = config.registry.clone().unwrap_or_default();
        let heartbeat = config.heartbeat.clone().unwrap_or_default();
        let logging = config.logging.clone().unwrap_or_default();
        let data = check
            .path("node.data", node.data.as_ref())
            .unwrap_or_else(|| PathBuf::from(DATA));
        let domain = check
            .domain("node.domain", Some(&node.domain))
            .unwrap_or_default();
        if !is_node_name(&node.name) {
            let message = format!("`{}` is no name of a node", node.name);
            let hint =
                "1 to 63 lower-case letters, digits, `-` and `_`, a letter or digit at both ends";
            check.wrong("node.name", message, hint);
        }
        let lookup = check.domain(
            "registry.fallback_domain",
            registry.fallback_domain.as_deref(),
        );
        let lookup_domain = lookup.unwrap_or_else(|| domain.clone());
        let settings = Self {
            name: node.name.clone(),
            address: check.node_address(&node.ipv6_address),
            port: check
                .given_port("node.port", node.port, "9000 is usual")
                .unwrap_or(NODE_PORT),
            registry: check.node_registry(&registry, &data, &lookup_domain),
            join_token_file: check.path(
                "registry.join_token_file",
                registry.join_token_file.as_ref(),
            ),
            tls: check.tls("node.tls", node.tls.as_ref()),
            ca: check.registries_ca(config),
            gossip: check.gossip(&config.gossip.clone().unwrap_or_default()),
            carried: carried(config),
            heartbeat_interval: check.time(
                "heartbeat.registry_interval",
                heartbeat.registry_interval,
                30,
            ),
            heartbeat_timeout: check.time("heartbeat.timeout", heartbeat.timeout, 5),
            log_level: logging.level.unwrap_or(LogLevel::Info),
            log_format: logging.format.unwrap_or(LogFormat::Json),
            domain,
            data,
            lookup_domain,
        };
        check.done(settings)
    }
}

/// The sections that are there, and for which nothing is.
fn carried(config: &NodeConfig) -> Vec<&'static str> {
    let given = [
        ("consensus", config.consensus.is_some()),
        ("transaction_pool", config.transaction_pool.is_some()),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    given.map(|(name, _)| name).collect()
}

impl Check {
    fn given_port(&mut self, path: &str, port: Option<u16>, hint: &str) -> Option<u16> {
        if port == Some(0) {
            self.wrong(path, "no one answers at port 0", hint);
        }
        port
    }

    fn node_address(&mut self, text: &String) -> Ipv6Addr {
        let path = "node.ipv6_address";
        let address: Option<Ipv6Addr> = self.parsed(path, Some(text), "write an IPv6 address");
        if address.is_some_and(|address| address.is_multicast()) {
            let hint = "write an address of the machine, or `::`";
            self.wrong(path, "no node answers at a multicast address", hint);
        }
        address.unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    fn node_registry(
        &mut self,
        written: &NodeRegistrySection,
        data: &std::path::Path,
        lookup_domain: &str,
    ) -> NodeRegistry {
        let address: Option<Endpoint> = self.parsed(
            "registry.address",
            written.address.as_ref(),
            "write an address and a port, as in `[2001:db8::1]:8000`",
        );
        let integrated = written.kind == Some(NodeRegistryType::Integrated);
        for (key, given) in [
            ("database", written.database.is_some()),
            ("root_registry", written.root_registry.is_some()),
            ("administrator_key", written.administrator_key.is_some()),
        ] {
            if given && !integrated {
                let message = format!("`{key}` is for an integrated registry");
                let hint = "take it out, or write `type: integrated`";
                self.wrong(&format!("registry.{key}"), message, hint);
            }
        }
        if !integrated {
            return NodeRegistry::External { address };
        }
        let root = written.root_registry.clone().unwrap_or_default();
        NodeRegistry::Integrated {
            port: address.map_or(REGISTRY_PORT, |address| address.socket().port()),
            database: self
                .path("registry.database", written.database.as_ref())
                .unwrap_or_else(|| data.join(DATABASE)),
            root: RootPlace {
                address: self.parsed(
                    "registry.root_registry.address",
                    root.address.as_ref(),
                    "write an address and a port, as in `[2001:db8::1]:8000`",
                ),
                domain: self
                    .domain("registry.root_registry.domain", root.domain.as_deref())
                    .or_else(|| Some(lookup_domain.to_owned())),
            },
            administrator: self.administrator(written.administrator_key.as_ref()),
        }
    }

    /// An integrated registry is one of the network's: it speaks TLS if they do, and is verified as they are.
    fn registries_ca(&mut self, config: &NodeConfig) -> Option<PathBuf> {
        let registry = config.registry.as_ref()?;
        let integrated = registry.kind == Some(NodeRegistryType::Integrated);
        match (&config.node.tls, &registry.ca) {
            (None, Some(_)) if integrated => self.wrong(
                "node.tls",
                "registries speak TLS, and the node's own is one of them",
                "add `tls` with `certificate` and `key`, or leave `registry.ca` out",
            ),
            (Some(_), None) if integrated => {
                let message = "the node's own registry speaks TLS, and others have to, too";
                self.wrong("registry.ca", message, CA);
            }
            _ => {}
        }
        self.path("registry.ca", registry.ca.as_ref())
    }

    fn gossip(&mut self, written: &GossipSection) -> Option<GossipPlan> {
        let batch = self.positive("gossip.peers_per_batch", written.peers_per_batch, 5);
        let plan = GossipPlan {
            port: self.given_port(
                "gossip.port",
                written.port,
                "leave it out: the node's port is taken",
            ),
            interval: self.time("gossip.interval", written.interval, 30),
            peers_per_batch: usize::try_from(batch).unwrap_or(usize::MAX),
        };
        written.enabled.unwrap_or(true).then_some(plan)
    }
}

#[cfg(test)]
mod tests;

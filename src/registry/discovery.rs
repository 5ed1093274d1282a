//! Registries found by a domain: the addresses of `tnr.<domain>`, and no other name ever.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use trustnet_api::network::{REGISTRY_LABEL, REGISTRY_PORT};
use trustnet_core::network::Endpoint;

/// The environment variable with the name servers to ask instead of the machine's: `[address]:port`, with commas between.
pub const NAME_SERVERS: &str = "TRUSTNET_NAME_SERVERS";

/// How long one name server may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks name servers where a domain's registries are.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// None: those of `/etc/resolv.conf`, which is read anew each time.
    servers: Vec<SocketAddr>,
}

/// Why a look-up gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The variable [`NAME_SERVERS`] holds something else.
    #[error("`{NAME_SERVERS}` holds `{0}`: write `[address]:port`, with commas between several")]
    Servers(String),
    /// There is no such name.
    #[error("`{0}` is no domain")]
    Domain(String),
    /// `/etc/resolv.conf` is of no use.
    #[error("read the machine's name servers: {0}")]
    System(String),
    /// The name servers did not answer, or know no address.
    #[error("look up the AAAA records of `{name}`: {why}")]
    Lookup {
        /// The name.
        name: String,
        /// What they said.
        why: String,
    },
}

impl Discovery {
    /// Asks the machine's name servers, or those of the variable [`NAME_SERVERS`].
    ///
    /// # Errors
    /// [`DiscoveryError::Servers`].
    pub fn from_environment() -> Result<Self, DiscoveryError> {
        let Ok(text) = env::var(NAME_SERVERS) else {
            return Ok(Self::default());
        };
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let servers = parts.map(str::parse).collect::<Result<_, _>>();
        let servers = servers.map_err(|_| DiscoveryError::Servers(text.clone()))?;
        Ok(Self { servers })
    }

    /// Asks these name servers.
    #[must_use]
    pub fn with(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// Where the domain's registries are, in the order of the answer: the root first.
    ///
    /// # Errors
    /// There is no answer with an address.
    pub async fn registries(&self, domain: &str) -> Result<Vec<Endpoint>, DiscoveryError> {
        let text = format!("{REGISTRY_LABEL}.{domain}.");
        let name =
            Name::from_ascii(&text).map_err(|_| DiscoveryError::Domain(domain.to_owned()))?;
        let failed = |why: String| DiscoveryError::Lookup {
            name: text.clone(),
            why,
        };
        let resolver = self.resolver()?;
        let answer = resolver
            .lookup(name, RecordType::AAAA)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let addresses = answer
            .answers()
            .iter()
            .filter_map(|record| match record.data {
                RData::AAAA(address) => Some(address.0),
                _ => None,
            });
        let usable = addresses.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        let found: Vec<Endpoint> = usable
            .map(|ip| Endpoint::new(ip.into(), REGISTRY_PORT))
            .collect();
        if found.is_empty() {
            return Err(failed("there is none".to_owned()));
        }
        Ok(found)
    }

    fn resolver(&self) -> Result<TokioResolver, DiscoveryError> {
        let unusable = |error: &dyn std::error::Error| DiscoveryError::System(error.to_string());
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| unusable(&error))?
        } else {
            let servers = self.servers.iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let provider = TokioRuntimeProvider::default();
            TokioResolver::builder_with_config(config, provider)
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = TIMEOUT;
        options.attempts = 1;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        if !self.servers.is_empty() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        builder.build().map_err(|error| unusable(&error))
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

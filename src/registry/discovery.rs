//! Registries found by a domain: the addresses of `tnr.<domain>`, and no other name ever.

use std::net::SocketAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use trustnet_api::network::{REGISTRY_LABEL, REGISTRY_PORT};
use trustnet_core::network::Endpoint;
pub use trustnet_dns::NAME_SERVERS;
use trustnet_dns::servers::TIMEOUT;
use trustnet_dns::{NameServers, ServersError};

/// Asks name servers where a domain's registries are.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    servers: NameServers,
}

/// Why a look-up gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// There is nobody to ask.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// There is no such name.
    #[error("`{0}` is no domain")]
    Domain(String),
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
        let servers = NameServers::from_environment()?;
        Ok(Self { servers })
    }

    /// Asks these name servers.
    #[must_use]
    pub fn with(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers: NameServers::with(servers),
        }
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
        let resolver = self.servers.resolver(TIMEOUT)?;
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
}

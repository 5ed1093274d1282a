//! Which name servers are asked: the machine's, or those of an environment variable.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;

/// The environment variable with the name servers to ask instead of the machine's: `[address]:port`, with commas between.
pub const NAME_SERVERS: &str = "TRUSTNET_NAME_SERVERS";

/// How long one name server may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// The port of name servers.
const PORT: u16 = 53;

/// Which name servers are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameServers {
    /// None: those of `/etc/resolv.conf`, which is read anew each time.
    given: Vec<SocketAddr>,
}

/// Why no name server can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServersError {
    /// The variable [`NAME_SERVERS`] holds something else.
    #[error("`{NAME_SERVERS}` holds `{0}`: write `[address]:port`, with commas between several")]
    Form(String),
    /// `/etc/resolv.conf` is of no use.
    #[error("read the machine's name servers: {0}")]
    System(String),
}

impl NameServers {
    /// The machine's, or those of the variable [`NAME_SERVERS`].
    ///
    /// # Errors
    /// [`ServersError::Form`].
    pub fn from_environment() -> Result<Self, ServersError> {
        let Ok(text) = env::var(NAME_SERVERS) else {
            return Ok(Self::default());
        };
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let given = parts.map(str::parse).collect::<Result<_, _>>();
        let given = given.map_err(|_| ServersError::Form(text.clone()))?;
        Ok(Self { given })
    }

    /// These.
    #[must_use]
    pub fn with(given: Vec<SocketAddr>) -> Self {
        Self { given }
    }

    /// Those that were named instead of the machine's.
    #[must_use]
    pub fn given(&self) -> &[SocketAddr] {
        &self.given
    }

    /// Where they answer.
    ///
    /// # Errors
    /// [`ServersError::System`].
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, ServersError> {
        if !self.given.is_empty() {
            return Ok(self.given.clone());
        }
        let (config, _) =
            read_system_conf().map_err(|error| ServersError::System(error.to_string()))?;
        let servers = config.name_servers().iter().map(|server| {
            let port = server.connections.first().map_or(PORT, |way| way.port);
            SocketAddr::new(server.ip, port)
        });
        Ok(servers.collect())
    }

    /// Where a name server of this address answers: at the port that was named for it, or at the usual one.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> SocketAddr {
        let named = self.given.iter().find(|server| server.ip() == address);
        named
            .copied()
            .unwrap_or_else(|| SocketAddr::new(address, PORT))
    }

    /// A resolver that asks them in their order, remembers nothing, and gives each one `timeout`.
    ///
    /// # Errors
    /// [`ServersError::System`].
    pub fn resolver(&self, timeout: Duration) -> Result<TokioResolver, ServersError> {
        let unusable = |error: &dyn std::error::Error| ServersError::System(error.to_string());
        let mut builder = if self.given.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| unusable(&error))?
        } else {
            let servers = self.given.iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = timeout;
        options.attempts = 1;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        if !self.given.is_empty() {
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

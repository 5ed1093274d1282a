//! A registry that runs.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trustnet_api::network::RegistryRole;
use trustnet_core::network::{Limits, NodeId, RegistrySettings};

use crate::clock::Clock;
use crate::discovery::{Discovery, DiscoveryError};
use crate::follower::inherited::{self, InheritedError};
use crate::follower::{Follower, FollowerError, FollowerSettings, Lookup, QUEUE};
use crate::forward::Upstream;
use crate::identity::{self, IdentityError};
use crate::registrar::{Registrar, StoreOptions};
use crate::registry::Registry;
use crate::sqlite::{self, StoreError};
use crate::tls::{Tls, TlsError};
use crate::token::{JoinToken, TokenError};
use crate::transport::Transport;
use crate::{server, snapshots};

/// How many ports after the configured one are tried.
const PORTS: u16 = 100;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;
/// How many files are kept for other things than connections.
const OTHER_FILES: u64 = 64;
/// How many snapshots are kept.
const SNAPSHOTS: usize = 24;

/// A registry that runs, until it is stopped.
pub struct RegistryService {
    address: SocketAddr,
    registry: Arc<Registry>,
    end: watch::Sender<bool>,
    serving: JoinHandle<()>,
    snapshots: Option<JoinHandle<()>>,
}

/// Why a registry does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No port is free, or the address is not this machine's.
    #[error("failed to listen at `{address}`: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The join token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What a secondary needs to follow its root.
    #[error(transparent)]
    Follower(#[from] FollowerError),
    /// What was queued before a promotion.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// The name servers to ask.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

impl RegistryService {
    /// Starts a registry. If its port is taken it answers at the next one that is free: [`Self::address`] says at which.
    /// One that has become the root first does what it queued as a secondary; whoever stops waiting for that leaves the
    /// rest to the next start.
    ///
    /// # Errors
    /// It cannot listen, or its token, key or database cannot be used.
    pub async fn start(settings: &RegistrySettings, clock: Clock) -> Result<Self, ServiceError> {
        let token = match &settings.join_token_file {
            Some(path) => JoinToken::read(path)?,
            None => {
                tracing::warn!("no join token is configured: any key is admitted to this network");
                JoinToken::none()
            }
        };
        let tls = settings.tls.as_ref().map(Tls::open).transpose()?;
        let folder = settings.database.parent().unwrap_or(Path::new("."));
        let key = identity::load_or_make(&folder.join(identity::FILE))?;
        let node_id = key.public().node_id();
        let options = StoreOptions {
            role: settings.role,
            liveness: settings.liveness,
            ..StoreOptions::default()
        };
        let registrar = Registrar::open(&settings.database, options, clock)?;
        let upstream: Option<Arc<dyn Upstream>> = match settings.role {
            RegistryRole::Root => None,
            RegistryRole::Secondary => Some(Arc::new(follow(settings, &registrar, node_id)?)),
        };
        let registry = Registry::new(registrar.clone(), settings, node_id, token, upstream);
        let registry = Arc::new(registry);
        if settings.role == RegistryRole::Root {
            inherit(settings, &registry).await?;
        }
        // Not before it can answer: until then, whoever calls is told at once that nobody does.
        let (address, listener) = listen(settings)?;
        let snapshots = settings.snapshots.clone().map(|snapshots| {
            let every = Duration::from_millis(snapshots.interval);
            tokio::spawn(snapshots::keep_writing(
                registrar,
                snapshots.folder,
                every,
                SNAPSHOTS,
            ))
        });
        let (end, ending) = watch::channel(false);
        let limits = within_files(settings.limits, 1);
        let serving = tokio::spawn(server::run(
            listener,
            Arc::clone(&registry),
            limits,
            tls.map(Arc::new),
            ending,
        ));
        let tls = settings.tls.is_some();
        tracing::info!(%address, %node_id, role = ?settings.role, tls, "the registry answers");
        Ok(Self {
            address,
            registry,
            end,
            serving,
            snapshots,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its routes share.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Answers what has begun, writes what waits, and ends.
    pub async fn stop(self) {
        self.end.send_replace(true);
        // Serving ends by itself; only a bug in it would make this fail.
        let _ = self.serving.await;
        if let Some(snapshots) = self.snapshots {
            snapshots.abort();
        }
        if let Some(upstream) = self.registry.upstream() {
            upstream.end();
        }
        self.registry.registrar().clone().close().await;
        tracing::info!("the registry has ended");
    }
}

/// Looks whether the files of a configuration's TLS can be used.
///
/// # Errors
/// They cannot: why, and what to do.
pub fn check_tls(settings: &RegistrySettings) -> Result<(), TlsError> {
    settings.tls.as_ref().map(Tls::open).transpose()?;
    transport(settings).map(|_| ())
}

/// How the root of a configuration is called.
fn transport(settings: &RegistrySettings) -> Result<Transport, TlsError> {
    let root = settings.root.address.map(|root| root.socket().ip());
    Transport::new(
        settings.ca.as_deref(),
        settings.root.domain.as_deref(),
        root.as_slice(),
    )
}

/// Follows the root of a configuration.
fn follow(
    settings: &RegistrySettings,
    registrar: &Registrar,
    own: NodeId,
) -> Result<Follower, ServiceError> {
    let token = settings.join_token_file.as_deref();
    let token = token.map(JoinToken::text).transpose()?;
    let lookup = match &settings.root.domain {
        Some(domain) => Some(lookup(domain)?),
        None => None,
    };
    let transport = transport(settings)?;
    let settings = FollowerSettings::new(settings, own, token, transport, lookup);
    Ok(Follower::start(registrar.clone(), settings)?)
}

/// Does what was queued before a promotion, while nobody else can write.
async fn inherit(
    settings: &RegistrySettings,
    registry: &Arc<Registry>,
) -> Result<(), ServiceError> {
    let token = settings.join_token_file.as_deref();
    let token = token.map(JoinToken::text).transpose()?;
    let queue = sqlite::folder(&settings.database).join(QUEUE);
    Ok(inherited::take_over(registry, &queue, token.as_deref()).await?)
}

/// Asks for the addresses of `tnr.<domain>`.
fn lookup(domain: &str) -> Result<Lookup, ServiceError> {
    let (discovery, domain) = (Discovery::from_environment()?, domain.to_owned());
    Ok(Arc::new(move || {
        let (discovery, domain) = (discovery.clone(), domain.clone());
        Box::pin(async move { discovery.registries(&domain).await })
    }))
}

/// Listens at the configured port, or at the next one that is free.
fn listen(settings: &RegistrySettings) -> Result<(SocketAddr, TcpListener), ServiceError> {
    let mut port = settings.port;
    loop {
        let address = SocketAddr::V6(SocketAddrV6::new(settings.address, port, 0, 0));
        let failed = |source| ServiceError::Listen { address, source };
        match bind(address) {
            Ok(listener) => {
                let address = listener.local_addr().map_err(failed)?;
                return Ok((address, listener));
            }
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && port - settings.port < PORTS
                    && port < u16::MAX =>
            {
                port += 1;
            }
            Err(source) => return Err(failed(source)),
        }
    }
}

/// Listens at an IPv6 address, where many may come at once.
///
/// # Errors
/// As the system says: the port is taken, or the address is not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// As many open files as this process may have, and no more connections than its share of that: `servers` of them run in
/// this process.
#[must_use]
pub fn within_files(limits: Limits, servers: u64) -> Limits {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => files.maximum,
        Err(_) => files.current,
    };
    let most = files.map_or(usize::MAX, |files| share(files, servers));
    let connections = limits.connections.min(most);
    if connections < limits.connections {
        tracing::warn!(
            connections,
            configured = limits.connections,
            "fewer connections than configured: the system allows this process no more open files"
        );
    }
    Limits {
        connections,
        ..limits
    }
}

/// How many connections one of some servers may have in a process with so many files.
fn share(files: u64, servers: u64) -> usize {
    let share = files.saturating_sub(OTHER_FILES) / servers.max(1);
    usize::try_from(share.max(16)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn servers_of_one_process_share_its_files() {
        for (files, servers, connections) in [
            (1024, 1, 960),
            (1024, 2, 480),
            (20_064, 2, 10_000),
            (10, 1, 16),
            (10, 2, 16),
        ] {
            assert_eq!(share(files, servers), connections, "{files} {servers}");
        }
    }
}

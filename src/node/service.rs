//! A node that runs.

use std::fs::DirBuilder;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_core::{OsRng, RngCore as _};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use trustnet_api::network::RegisterRequest;
use trustnet_core::network::signature::SigningKey;
use trustnet_core::network::{
    Backoff, Endpoint, Member, MemberSettings, NodeRegistry, NodeSettings,
};
use trustnet_registry::clock::Clock;
use trustnet_registry::discovery::Discovery;
use trustnet_registry::identity::{self, IdentityError};
use trustnet_registry::service::{RegistryService, ServiceError};
use trustnet_registry::tls::{Tls, TlsError};
use trustnet_registry::token::{JoinToken, TokenError};
use trustnet_registry::transport::Transport;

use crate::address;
use crate::bans::Bans;
use crate::client::{Client, ClientError};
use crate::driver::Driver;
use crate::gossip::{CardError, Claim, Gossip, GossipSettings, Seal};
use crate::integrated;
use crate::memory::Memory;
use crate::peers::PeerBook;
use crate::ports::{self, Ports, PortsError};
use crate::routes::{Shared, routes};
use crate::server;
use crate::view::{View, Who};

/// How long what has begun may take after the end was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// A call to a registry counts as not answered a little later than it ends by itself. Milliseconds.
const GRACE: u64 = 1000;

/// A node that runs, until it is stopped.
pub struct NodeService {
    address: SocketAddr,
    who: Arc<Who>,
    view: watch::Receiver<Arc<View>>,
    registry: Option<RegistryService>,
    end: watch::Sender<bool>,
    going: JoinHandle<()>,
    serving: JoinHandle<()>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("make the data folder `{path}`: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The join token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The integrated registry.
    #[error("start the integrated registry: {0}")]
    Registry(#[from] ServiceError),
    /// Calls to registries.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The machine has no address that others can be told.
    #[error(
        "the machine has no IPv6 address that others could reach: give it one, or write one as `node.ipv6_address`"
    )]
    NoAddress,
    /// The sockets.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// A socket that is open says not where.
    #[error("look at an open socket: {0}")]
    Socket(io::Error),
    /// What the node would say of itself.
    #[error(transparent)]
    Card(#[from] CardError),
}

impl NodeService {
    /// Starts a node. It finds its registry by and by; if its port is taken, it answers at the next free one.
    ///
    /// # Errors
    /// It cannot listen, or its key, token or folder cannot be used.
    pub async fn start(
        settings: &NodeSettings,
        discovery: Discovery,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Tls::open).transpose()?;
        folder(&settings.data)?;
        let key = identity::load_or_make(&settings.data.join(identity::FILE))?;
        let token = settings.join_token_file.as_deref();
        let token = token.map(JoinToken::text).transpose()?;
        let memory = Memory::load(&settings.data);
        let told = told(settings.address).await?;
        let registry = integrated::start(settings, &clock).await?;
        let integrated = registry.as_ref().map(|registry| {
            let port = registry.address().port();
            Endpoint::new(told.into(), port)
        });
        let ports = Ports::open(settings.address, settings.port, settings.gossip.as_ref()).await?;
        let address = ports.listener.local_addr().map_err(StartError::Socket)?;
        let plan = Plan {
            settings,
            key,
            token,
            memory,
            integrated,
            told,
            port: address.port(),
        };
        let who = Arc::new(plan.who());
        let (view, seen) = watch::channel(Arc::new(View::default()));
        let driver = plan.driver(ports.gossip, discovery, clock, view)?;
        let (end, ending) = watch::channel(false);
        let going = tokio::spawn(driver.run(ending.clone()));
        let router = routes(Shared {
            who: Arc::clone(&who),
            view: seen.clone(),
        });
        let servers = integrated::servers(settings);
        let serving = tokio::spawn(server::run(
            ports.listener,
            router,
            tls.map(Arc::new),
            server::Patience::of_process(servers),
            ending,
        ));
        tracing::info!(%address, node_id = %who.id, name = who.name, "the node answers");
        if !settings.carried.is_empty() {
            let sections = settings.carried.join(", ");
            tracing::info!(
                sections,
                "these sections of the configuration have no effect: what they are about is not included"
            );
        }
        Ok(Self {
            address,
            who,
            view: seen,
            registry,
            end,
            going,
            serving,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its integrated registry answers, if it has one.
    #[must_use]
    pub fn registry_address(&self) -> Option<SocketAddr> {
        self.registry.as_ref().map(RegistryService::address)
    }

    /// Who it is.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// How it is, now and later.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Says goodbye to its peers, answers what has begun, and ends. Its entry in the directory stays.
    pub async fn stop(self) {
        self.end.send_replace(true);
        let ended = timeout(DRAIN, async {
            // They end by themselves; only a bug in them would make this fail.
            let _ = self.going.await;
            let _ = self.serving.await;
        });
        if ended.await.is_err() {
            tracing::warn!("some requests were not at their end in time: they are cut");
        }
        if let Some(registry) = self.registry {
            registry.stop().await;
        }
        tracing::info!("the node has ended");
    }
}

/// Looks whether the files of a configuration's TLS can be used.
///
/// # Errors
/// They cannot: why, and what to do.
pub fn check_tls(settings: &NodeSettings) -> Result<(), TlsError> {
    settings.tls.as_ref().map(Tls::open).transpose()?;
    transport(settings).map(|_| ())
}

/// How registries are called.
fn transport(settings: &NodeSettings) -> Result<Transport, TlsError> {
    // An integrated one is this machine's own; its root is called by the registry itself.
    let registry = match &settings.registry {
        NodeRegistry::External { address } => address.map(|at| at.socket().ip()),
        NodeRegistry::Integrated { .. } => Some(settings.address.into()),
    };
    Transport::new(
        settings.ca.as_deref(),
        Some(&settings.lookup_domain),
        registry.as_slice(),
    )
}

fn folder(path: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// The address that others are told, once the machine has it.
async fn told(configured: Ipv6Addr) -> Result<Ipv6Addr, StartError> {
    if !configured.is_unspecified() {
        ports::wait_for(configured).await;
        return Ok(configured);
    }
    for _ in 0..ports::PATIENCE {
        if let Some(address) = address::of_machine() {
            return Ok(address);
        }
        sleep(ports::PAUSE).await;
    }
    Err(StartError::NoAddress)
}

/// What a node is made of.
struct Plan<'a> {
    settings: &'a NodeSettings,
    key: SigningKey,
    token: Option<String>,
    memory: Memory,
    integrated: Option<Endpoint>,
    told: Ipv6Addr,
    port: u16,
}

impl Plan<'_> {
    fn who(&self) -> Who {
        Who {
            id: self.key.public().node_id(),
            name: self.settings.name.clone(),
            domain: self.settings.domain.clone(),
            integrated: self.integrated,
        }
    }

    fn driver(
        self,
        socket: Option<UdpSocket>,
        discovery: Discovery,
        clock: Clock,
        view: watch::Sender<Arc<View>>,
    ) -> Result<Driver, StartError> {
        let settings = self.settings;
        let now = clock.now();
        let edition = self.memory.edition.saturating_add(1).max(now.seconds());
        let gossip = socket
            .map(|socket| self.gossip(socket, edition))
            .transpose()?;
        let timeout = Duration::from_millis(settings.heartbeat_timeout);
        let (key, token) = (self.key.clone(), self.token.as_deref());
        let client = Client::new(key, token, transport(settings)?, timeout)?;
        let mut book = PeerBook::new(self.key.public().node_id());
        book.told(self.memory.peers.iter().cloned(), now.steady);
        let plan = settings.gossip.as_ref();
        Ok(Driver {
            clock,
            member: Member::new(self.member()),
            book,
            bans: Bans::remembered(&self.memory.bans),
            gossip,
            gossip_interval: plan.map_or(30_000, |plan| plan.interval),
            peers_per_batch: plan.map_or(5, |plan| plan.peers_per_batch),
            client: Arc::new(client),
            discovery,
            lookup_domain: settings.lookup_domain.clone(),
            request: RegisterRequest {
                node_name: settings.name.clone(),
                ipv6_address: self.told.to_string(),
                port: self.port,
                domain: settings.domain.clone(),
                registry_address: String::new(),
                public_key: self.key.public().to_string(),
            },
            data: settings.data.clone(),
            memory: Memory {
                edition,
                ..self.memory
            },
            learnt: false,
            random: StdRng::seed_from_u64(OsRng.next_u64()),
            view,
        })
    }

    fn member(&self) -> MemberSettings {
        let settings = self.settings;
        let registries = self.memory.registries.iter();
        let id = self.key.public().node_id();
        MemberSettings {
            integrated: self.integrated,
            configured: match settings.registry {
                NodeRegistry::External { address } => address,
                NodeRegistry::Integrated { .. } => None,
            },
            lookup: true,
            remembered: registries.filter_map(|text| text.parse().ok()).collect(),
            interval: settings.heartbeat_interval,
            timeout: settings.heartbeat_timeout.saturating_add(GRACE),
            peers_interval: settings
                .gossip
                .as_ref()
                .map_or(30_000, |plan| plan.interval),
            backoff: Backoff::default(),
            spread: u64::from_be_bytes(*id.as_bytes()),
        }
    }

    fn gossip(&self, socket: UdpSocket, edition: u64) -> Result<(Gossip, UdpSocket), StartError> {
        let settings = self.settings;
        let gossip_port = socket.local_addr().map_err(StartError::Socket)?.port();
        let claim = Claim {
            key: *self.key.public().as_bytes(),
            name: settings.name.clone(),
            address: self.told,
            port: self.port,
            gossip_port,
            registry: self.integrated.map(|at| at.socket()),
            edition,
        };
        let seal = self
            .token
            .as_deref()
            .map_or_else(Seal::open_network, |token| {
                Seal::of_token(token.as_bytes(), &settings.domain)
            });
        let plan = settings.gossip.as_ref();
        let how = GossipSettings {
            interval: plan.map_or(30_000, |plan| plan.interval),
            peers_per_batch: plan.map_or(5, |plan| plan.peers_per_batch),
        };
        let (key, seed) = (self.key.clone(), OsRng.next_u64());
        let gossip = Gossip::new(&how, claim, key, &settings.domain, seal, seed)?;
        Ok((gossip, socket))
    }
}

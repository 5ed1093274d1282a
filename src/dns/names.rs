//! Names, as the machine's resolver, resolvers for everybody, and a zone's own name servers know them.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{CLOUDFLARE, GOOGLE, ServerGroup};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use tokio::runtime::{Builder, Runtime};
use trustnet_core::tnr::{self, RecordError, Role, Seen, Sighting, View, suffixes};

use crate::exchange::{ask, question};
use crate::seen;
use crate::servers::{NameServers, ServersError, TIMEOUT};

/// The resolvers for everybody that are asked what others see.
const PUBLIC: [ServerGroup<'static>; 2] = [CLOUDFLARE, GOOGLE];

/// The most addresses of one name server that are tried.
const TRIED: usize = 4;

/// Looks names up.
#[derive(Debug, Clone)]
pub struct Names {
    servers: NameServers,
    public: Vec<(String, NameServers)>,
    timeout: Duration,
}

/// Why nothing can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// There is nobody to ask.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// It is no name.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The look-ups cannot be run.
    #[error("look names up: {0}")]
    Runtime(String),
}

/// A zone, and its name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its name, without a dot at its end.
    pub(crate) name: String,
    /// What its name servers are called.
    pub(crate) servers: Vec<String>,
}

/// One resolver, and what its look-ups run on. Not to be used where look-ups run already.
pub(crate) struct Resolving {
    runtime: Runtime,
    resolver: TokioResolver,
}

impl Names {
    /// As the machine looks names up, and everybody; or where the variable [`crate::NAME_SERVERS`] names servers, as those do,
    /// and nobody else is asked.
    ///
    /// # Errors
    /// [`ServersError::Form`].
    pub fn from_environment() -> Result<Self, ServersError> {
        let servers = NameServers::from_environment()?;
        if !servers.given().is_empty() {
            return Ok(Self::with(servers));
        }
        let public = PUBLIC.iter().map(|group| {
            // One of each family: a machine may have but one of them.
            let one = |v6: bool| group.ips.iter().find(|ip| ip.is_ipv6() == v6).copied();
            let ips = [one(true), one(false)].into_iter().flatten();
            let servers = NameServers::with(ips.map(|ip| SocketAddr::new(ip, 53)).collect());
            (group.server_name.to_owned(), servers)
        });
        Ok(Self {
            public: public.collect(),
            ..Self::with(servers)
        })
    }

    /// As these name servers do, and nobody else is asked.
    #[must_use]
    pub fn with(servers: NameServers) -> Self {
        Self {
            servers,
            public: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    /// The same without resolvers for everybody.
    #[must_use]
    pub fn without_public(self) -> Self {
        Self {
            public: Vec::new(),
            ..self
        }
    }

    /// The same with a resolver for everybody besides.
    #[must_use]
    pub fn and_public(mut self, name: &str, servers: NameServers) -> Self {
        self.public.push((name.to_owned(), servers));
        self
    }

    /// The same, where each server is given so long. 2 s unless said.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Which name servers are asked.
    #[must_use]
    pub fn servers(&self) -> &NameServers {
        &self.servers
    }

    /// How long each server is given.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What everybody says of the record of a domain's registries. Who does not answer is among them.
    ///
    /// # Errors
    /// It is no domain, or there is nobody to ask.
    pub fn sight(&self, domain: &str) -> Result<Sighting, NamesError> {
        let name = tnr::name(domain)?;
        let (zone, mut views) = thread::scope(|scope| {
            let own = scope.spawn(|| self.authoritative(&name));
            let resolver = scope.spawn(|| self.by(&self.servers, &name));
            let public: Vec<_> = self
                .public
                .iter()
                .map(|(_, servers)| scope.spawn(|| self.by(servers, &name)))
                .collect();
            let (zone, mut views) = ended(own.join())?;
            views.push(View {
                server: "the machine's resolver".to_owned(),
                address: self.servers.given().first().copied(),
                role: Role::Resolver,
                seen: ended(resolver.join())?,
            });
            for ((server, servers), seen) in self.public.iter().zip(public) {
                views.push(View {
                    server: server.clone(),
                    address: servers.given().first().copied(),
                    role: Role::Public,
                    seen: ended(seen.join())?,
                });
            }
            Ok::<_, NamesError>((zone, views))
        })?;
        views.sort_by_key(|view| view.role != Role::Authoritative);
        Ok(Sighting { name, zone, views })
    }

    /// The addresses of any name, of both families, as the name servers in use know them.
    ///
    /// # Errors
    /// There is nobody to ask. Inside: what was said instead of an address.
    pub fn addresses(&self, name: &str) -> Result<Result<Vec<IpAddr>, Seen>, NamesError> {
        let resolving = Resolving::new(&self.servers, self.timeout)?;
        Ok(resolving.addresses(name))
    }

    /// What one server says of the AAAA records of a name, where it is asked itself.
    #[must_use]
    pub fn at(&self, server: SocketAddr, name: &str) -> Seen {
        match absolute(name) {
            Ok(name) => {
                let question = question(&name, RecordType::AAAA, true);
                seen::directly(ask(server, &question, self.timeout).as_ref(), false)
            }
            Err(seen) => seen,
        }
    }

    fn by(&self, servers: &NameServers, name: &str) -> Result<Seen, NamesError> {
        let resolving = Resolving::new(servers, self.timeout)?;
        Ok(match absolute(name) {
            Ok(name) => seen::by_resolver(resolving.lookup(name, RecordType::AAAA)),
            Err(seen) => seen,
        })
    }

    /// The zone of a name, and what each of its name servers says of the name.
    fn authoritative(&self, name: &str) -> Result<(Option<String>, Vec<View>), NamesError> {
        let zone = match Resolving::new(&self.servers, self.timeout)?.zone(name) {
            Ok(zone) => zone,
            Err(seen) => {
                let view = View {
                    server: "the zone's name servers".to_owned(),
                    address: None,
                    role: Role::Authoritative,
                    // Who finds no name server has not asked one.
                    seen: Seen::Unreachable(format!("they were not found: {}", seen.words())),
                };
                return Ok((None, vec![view]));
            }
        };
        let views = thread::scope(|scope| {
            let asked: Vec<_> = zone
                .servers
                .iter()
                .map(|server| scope.spawn(|| self.own(server, name)))
                .collect();
            let views = asked.into_iter().map(|view| ended(view.join()));
            views.collect::<Result<Vec<View>, NamesError>>()
        })?;
        Ok((Some(zone.name), views))
    }

    /// What a zone's own name server says, at the first of its addresses that answers.
    fn own(&self, server: &str, name: &str) -> Result<View, NamesError> {
        let resolving = Resolving::new(&self.servers, self.timeout)?;
        let mut view = View {
            server: server.to_owned(),
            address: None,
            role: Role::Authoritative,
            seen: Seen::Unreachable("it has no address".to_owned()),
        };
        let found = match (resolving.addresses(server), absolute(name)) {
            (Ok(found), Ok(name)) => Ok((found, question(&name, RecordType::AAAA, false))),
            (Err(seen), _) | (_, Err(seen)) => Err(seen),
        };
        match found {
            Err(seen) => {
                view.seen = Seen::Unreachable(format!("its address: {}", seen.words()));
            }
            Ok((addresses, question)) => {
                for address in addresses.into_iter().take(TRIED) {
                    let at = self.servers.at(address);
                    let answer = ask(at, &question, self.timeout);
                    view.address = Some(at);
                    view.seen = seen::directly(answer.as_ref(), true);
                    if !matches!(view.seen, Seen::Silent | Seen::Unreachable(_)) {
                        break;
                    }
                }
            }
        }
        Ok(view)
    }
}

/// What a thread came to; none of ours ends by itself.
fn ended<T>(joined: thread::Result<Result<T, NamesError>>) -> Result<T, NamesError> {
    joined.unwrap_or_else(|_| Err(NamesError::Runtime("a look-up ended by itself".to_owned())))
}

impl Resolving {
    pub(crate) fn new(servers: &NameServers, timeout: Duration) -> Result<Self, NamesError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| NamesError::Runtime(error.to_string()))?;
        let resolver = {
            let _inside = runtime.enter();
            servers.resolver(timeout)?
        };
        Ok(Self { runtime, resolver })
    }

    pub(crate) fn lookup(&self, name: Name, record_type: RecordType) -> Result<Lookup, NetError> {
        self.runtime
            .block_on(self.resolver.lookup(name, record_type))
    }

    /// The addresses of a name, IPv6 first, or what was said of its AAAA records.
    pub(crate) fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Seen> {
        let name = absolute(name)?;
        let mut found = Vec::new();
        let mut said = None;
        for record_type in [RecordType::AAAA, RecordType::A] {
            match self.lookup(name.clone(), record_type) {
                Ok(lookup) => {
                    found.extend(
                        lookup
                            .answers()
                            .iter()
                            .filter_map(|record| match record.data {
                                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                                RData::A(address) => Some(IpAddr::V4(address.0)),
                                _ => None,
                            }),
                    )
                }
                Err(error) => {
                    said.get_or_insert(seen::failed(&error));
                }
            }
        }
        if found.is_empty() {
            Err(said.unwrap_or(Seen::NoData))
        } else {
            Ok(found)
        }
    }

    /// The zone that a name is in: the nearest name above it, or itself, that has name servers.
    pub(crate) fn zone(&self, name: &str) -> Result<Zone, Seen> {
        // Whoever keeps a top-level domain does not keep what is in it; a network's own may be one.
        let deep = name.matches('.').count() > 1;
        for above in suffixes(name).filter(|above| !deep || above.contains('.')) {
            let owner = absolute(above)?;
            match self.lookup(owner.clone(), RecordType::NS) {
                Ok(lookup) => {
                    let records = lookup.answers().iter();
                    // Another name's name servers are not this one's.
                    let own = records.filter(|record| record.name == owner);
                    let mut servers: Vec<String> = own
                        .filter_map(|record| match &record.data {
                            RData::NS(server) => Some(plain(&server.0)),
                            _ => None,
                        })
                        .collect();
                    servers.sort();
                    if !servers.is_empty() {
                        return Ok(Zone {
                            name: above.to_owned(),
                            servers,
                        });
                    }
                }
                Err(error) => match seen::failed(&error) {
                    Seen::NoName | Seen::NoData => {}
                    // Said of what it is another name of, perhaps.
                    Seen::Failed | Seen::Refused | Seen::Alias(_) if above == name => {}
                    // Whoever does not answer now would be waited for at each name above.
                    other => return Err(other),
                },
            }
        }
        Err(Seen::NoName)
    }
}

/// A name from its root down.
pub(crate) fn absolute(name: &str) -> Result<Name, Seen> {
    let name = Name::from_ascii(name.trim_end_matches('.'));
    name.map(|mut name| {
        name.set_fqdn(true);
        name
    })
    .map_err(|error| Seen::Other(format!("it is no name: {error}")))
}

/// A name without a dot at its end, in lower case.
pub(crate) fn plain(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

//! Where a registry or a node answers, and asking it: at an address, or inside a guest over its verified connection.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::{ErrorBody, NODE_PORT, REGISTRY_PORT};
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::kind::{NODE_SERVICE, REGISTRY_SERVICE};
use trustnet_core::network::Endpoint;
use trustnet_core::observed::Owner;
use trustnet_core::readiness::clean;
use trustnet_core::record::Record;
use trustnet_host::error::chain;
use trustnet_host::inquiry::{self, Answer, InquiryError, Question};
use trustnet_host::shell::Shell;
use trustnet_host::trust::Trust;

use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it is tried to reach a guest without SSH.
const DIRECT: Duration = Duration::from_secs(1);
/// How long its SSH may take to answer.
const CONNECTING: Duration = Duration::from_secs(15);

/// What is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// A registry, of its own or in a node's process.
    Registry,
    /// A node.
    Node,
}

/// A registry or a node that can be asked.
pub struct Contact {
    /// The VM's name, or the address.
    pub name: String,
    /// Where it answers.
    pub at: String,
    route: Route,
    /// Who is trusted to vouch for it, where it speaks TLS.
    trust: Option<Trust>,
}

enum Route {
    Direct(SocketAddr),
    Guest {
        shell: Box<dyn Shell>,
        host: String,
        port: u16,
    },
}

impl Contact {
    /// One at an address, or in a VM.
    ///
    /// # Errors
    /// There is no such VM, it does not run, it has none, or it cannot be reached.
    pub fn find(
        host: &Host,
        place: &str,
        sought: Sought,
        ca: Option<&Path>,
    ) -> Result<Self, Failure> {
        if let Some(contact) = Self::at_address(place, ca)? {
            return Ok(contact);
        }
        let guest = Guest::find(host, place)?;
        let Some((address, port)) = listens(&guest.record, sought) else {
            let what = match sought {
                Sought::Registry => "registry",
                Sought::Node => "node",
            };
            let failure = Failure::new(Exit::Usage, format!("`{}` has no {what}", guest.name));
            return Err(failure.hint("`trustnet-vm list -o wide` shows what there is"));
        };
        let route = match reached(&guest.record, &address, port) {
            Some(address) => Route::Direct(address),
            None => Route::Guest {
                shell: guest.connect_within(host, CONNECTING)?,
                host: address.clone(),
                port,
            },
        };
        let trust = trust(ca, address.parse().ok(), domain(&guest.record))?;
        let at = match address.contains(':') {
            true => format!("[{address}]:{port}"),
            false => format!("{address}:{port}"),
        };
        Ok(Self {
            name: guest.name,
            at,
            route,
            trust,
        })
    }

    /// One at an address; none where the text is a name. With `ca`, a file of who vouches for it, it speaks TLS.
    ///
    /// # Errors
    /// The text is an address that cannot be read, or the file has no certificate.
    pub fn at_address(place: &str, ca: Option<&Path>) -> Result<Option<Self>, Failure> {
        if !place.contains([':', '[', '.']) {
            return Ok(None);
        }
        let refused = |why: &str| Failure::new(Exit::Usage, format!("`{}`: {why}", clean(place)));
        let address = match (place.strip_prefix("https://"), ca) {
            (Some(_), None) => {
                let failure = refused("TLS is verified by who signed the certificate");
                return Err(failure.hint("give `--ca FILE`, the certificate of who did; `/etc/ssl/certs/ca-certificates.crt` has the public ones on Debian"));
            }
            (Some(address), Some(_)) => address.trim_end_matches('/'),
            (None, _) => place,
        };
        let endpoint = address
            .parse::<Endpoint>()
            .map_err(|error| refused(&error.to_string()))?;
        let trust = trust(ca, Some(endpoint.socket().ip()), None)?;
        Ok(Some(Self {
            name: endpoint.to_string(),
            at: endpoint.to_string(),
            route: Route::Direct(endpoint.socket()),
            trust,
        }))
    }

    /// Whether it is asked through its guest.
    #[must_use]
    pub fn through_guest(&self) -> bool {
        matches!(self.route, Route::Guest { .. })
    }

    /// Asks; what the answer says is not looked at.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ask(&mut self, question: &Question<'_>) -> Result<Answer, Failure> {
        let trust = self.trust.as_ref();
        let answer = match &mut self.route {
            Route::Direct(address) => inquiry::at(*address, trust, question, ANSWER),
            Route::Guest { shell, host, port } => {
                inquiry::through(&mut **shell, (host, *port), trust, question, ANSWER)
                    .unwrap_or_else(|error| Err(InquiryError::Closed(error)))
            }
        };
        answer.map_err(|error| {
            let failure = Failure::new(
                Exit::Provision,
                format!(
                    "`{}` at {} does not answer: {}",
                    self.name,
                    self.at,
                    chain(&error)
                ),
            );
            match &self.route {
                _ if matches!(error, InquiryError::Tls { .. }) => failure.hint(
                    "does it speak TLS, is `--ca` who signed its certificate, and is that one good for the address?",
                ),
                _ if matches!(error, InquiryError::NotHttp) && self.trust.is_none() => {
                    failure.hint("where it speaks TLS, give `--ca FILE`, the certificate of who signed its own")
                }
                Route::Direct(_) => {
                    failure.hint("is it the right address, and is the service running there?")
                }
                Route::Guest { .. } => failure.hint(format!(
                    "`trustnet-vm diagnose {}` says what is wrong",
                    self.name
                )),
            }
        })
    }

    /// What is at a path, whatever status it comes with, and how long that took.
    ///
    /// # Errors
    /// There is no answer, or it is something else.
    pub fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<(T, Duration), Failure> {
        let answer = self.ask(&Question::get(path))?;
        match serde_json::from_slice(&answer.body) {
            Ok(value) => Ok((value, answer.took)),
            Err(error) => Err(self.refused(path, &answer, &error.to_string())),
        }
    }

    /// What an answer that is not the one wanted says.
    #[must_use]
    pub fn refused(&self, what: &str, answer: &Answer, otherwise: &str) -> Failure {
        let said = serde_json::from_slice::<ErrorBody>(&answer.body);
        let why = said.map_or_else(|_| otherwise.to_owned(), |body| body.message);
        let message = format!(
            "`{}` at {} answers {what} with status {}: {}",
            self.name,
            self.at,
            answer.status,
            clean(&why)
        );
        Failure::new(Exit::Provision, message)
    }
}

/// The running VMs of ours that have what is sought: name and record, by name.
///
/// # Errors
/// The hypervisor does not answer.
pub fn running(host: &Host, sought: Sought) -> Result<Vec<(String, Record)>, Failure> {
    let domains = host.hypervisor.domains().list()?;
    let uuids: Vec<String> = domains.iter().map(|domain| domain.uuid.clone()).collect();
    let records = host.hypervisor.records().read(&uuids)?;
    let mut found = Vec::new();
    for (domain, metadata) in domains.into_iter().zip(&records) {
        let Owner::Ours(record) = Owner::of(metadata) else {
            continue;
        };
        if domain.state.is_active() && listens(&record, sought).is_some() {
            found.push((domain.name, *record));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// The service of a VM that has one of these names.
#[must_use]
pub fn service<'a>(record: &'a Record, name: &str) -> Option<&'a ServiceRef> {
    let alias = name.trim_start_matches("trustnet-");
    let mut services = record.spec.spec.services.iter();
    services.find(|one| one.name == name || one.name == alias)
}

/// Who is trusted, if a file says it.
fn trust(
    ca: Option<&Path>,
    address: Option<IpAddr>,
    domain: Option<&str>,
) -> Result<Option<Trust>, Failure> {
    let trust = ca.map(|ca| Trust::read(ca, address, domain)).transpose();
    trust.map_err(|error| Failure::new(Exit::Usage, chain(&error)))
}

/// The domain of a VM's network.
fn domain(record: &Record) -> Option<&str> {
    let services = [REGISTRY_SERVICE, NODE_SERVICE];
    let mut services = services.iter().filter_map(|name| service(record, name));
    services.find_map(|service| text(service, "domain"))
}

/// A text parameter of a service.
#[must_use]
pub fn text<'a>(service: &'a ServiceRef, key: &str) -> Option<&'a str> {
    match service.config.get(key) {
        Some(ConfigValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// Where the guest itself reaches it.
pub fn listens(record: &Record, sought: Sought) -> Option<(String, u16)> {
    let node = service(record, NODE_SERVICE);
    let (service, key, default) = match (sought, service(record, REGISTRY_SERVICE), node) {
        (Sought::Registry, Some(registry), _) => (registry, "port", REGISTRY_PORT),
        (Sought::Registry, None, Some(node)) if text(node, "registry") != Some("external") => {
            (node, "registryPort", REGISTRY_PORT)
        }
        (Sought::Node, _, Some(node)) => (node, "port", NODE_PORT),
        _ => return None,
    };
    let port = match service.config.get(key) {
        Some(ConfigValue::Integer(port)) => u16::try_from(*port).ok()?,
        _ => default,
    };
    let address = text(service, "address").filter(|text| !matches!(*text, "" | "::"));
    Some((address.unwrap_or("localhost").to_owned(), port))
}

/// The address, if this machine reaches the guest there by itself: a bridge or a network leads to it.
fn reached(record: &Record, address: &str, port: u16) -> Option<SocketAddr> {
    let mut interfaces = record.spec.spec.network_interfaces.iter();
    let has_it = |text: &String| text.split('/').next() == Some(address);
    let outward = interfaces.any(|one| {
        (one.bridge.is_some() || one.network.is_some()) && one.ip.iter().chain(&one.ips).any(has_it)
    });
    let address = SocketAddr::new(address.parse().ok()?, port);
    (outward && TcpStream::connect_timeout(&address, DIRECT).is_ok()).then_some(address)
}

//! What a node says of itself.

use std::net::Ipv6Addr;

use trustnet_api::network::RegisterRequest;

use super::{Endpoint, NodeId, PublicKey, Refusal};

/// What a node says of itself, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    name: Box<str>,
    address: Ipv6Addr,
    port: u16,
    domain: Box<str>,
    registry: Endpoint,
    key: PublicKey,
}

impl Registration {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] names the first field that is wrong.
    pub fn check(request: &RegisterRequest) -> Result<Self, Refusal> {
        let key = request
            .public_key
            .parse::<PublicKey>()
            .map_err(|error| Refusal::invalid("public_key", error))?;
        if !is_node_name(&request.node_name) {
            let rule = "a name is 1 to 63 lower-case letters, digits, `-` and `_`, with a letter or digit at both ends";
            return Err(Refusal::invalid("node_name", rule));
        }
        let address = request
            .ipv6_address
            .parse::<Ipv6Addr>()
            .map_err(|_| Refusal::invalid("ipv6_address", "it is no IPv6 address"))?;
        if address.is_unspecified() || address.is_multicast() {
            let rule = "no node answers at a multicast or the unspecified address";
            return Err(Refusal::invalid("ipv6_address", rule));
        }
        if request.port == 0 {
            return Err(Refusal::invalid("port", "no one answers at port 0"));
        }
        if !is_domain(&request.domain) {
            let rule = "a domain is labels of letters, digits and `-` with dots between, at most 253 characters";
            return Err(Refusal::invalid("domain", rule));
        }
        let registry = request
            .registry_address
            .parse::<Endpoint>()
            .map_err(|error| Refusal::invalid("registry_address", error))?;
        Ok(Self {
            name: request.node_name.as_str().into(),
            address,
            port: request.port,
            domain: request.domain.to_ascii_lowercase().into(),
            registry,
            key,
        })
    }

    /// The node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.key.node_id()
    }

    /// The node's key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the node answers.
    #[must_use]
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// The port that the node answers at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The network's domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The registry nearest to the node.
    #[must_use]
    pub fn registry(&self) -> Endpoint {
        self.registry
    }
}

/// Whether a node may be called that: 1 to 63 lower-case letters, digits, `-` and `_`, a letter or digit at both ends.
#[must_use]
pub fn is_node_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && bytes
            .iter()
            .all(|&byte| inner(byte) || matches!(byte, b'-' | b'_'))
}

/// Whether a text is a domain: labels of letters, digits and `-` with dots between.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.first().copied().is_some_and(inner)
            && bytes.last().copied().is_some_and(inner)
            && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

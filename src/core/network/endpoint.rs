//! Where something answers.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// An address and a port. Names are not looked up for nodes and registries, but for `tnr.<domain>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(SocketAddr);

/// A text that says no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// An IPv6 address whose port cannot be told from it.
    #[error("an IPv6 address stands in brackets before its port, as in `[2001:db8::1]:8000`")]
    Brackets,
    /// Anything else.
    #[error("an address and a port are wanted, as in `[2001:db8::1]:8000`")]
    Form,
    /// A port that cannot be called.
    #[error("no one answers at port 0")]
    Port,
}

impl Endpoint {
    /// An endpoint of an address and a port.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self(SocketAddr::new(address, port))
    }

    /// The address and the port, as sockets take them.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl Display for Endpoint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => Err(EndpointError::Port),
            Ok(address) => Ok(Self(address)),
            Err(_) if text.parse::<Ipv6Addr>().is_ok() => Err(EndpointError::Brackets),
            Err(_) => Err(EndpointError::Form),
        }
    }
}

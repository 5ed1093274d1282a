//! Where a node listens.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::time::sleep;
use trustnet_core::network::GossipPlan;
use trustnet_registry::service::bind;

/// So many ports are tried, from the configured one on.
const PORTS: u16 = 100;
/// So often an address is waited for that the machine does not have yet: one comes up a second or two after its interface.
pub(crate) const PATIENCE: u32 = 60;
/// How long is waited each time.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// The sockets of a node.
#[derive(Debug)]
pub struct Ports {
    /// For requests.
    pub listener: TcpListener,
    /// For gossip, if the node does it.
    pub gossip: Option<UdpSocket>,
}

/// No sockets.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// The address, or a port, is not to be had.
    #[error("listen at `{address}`: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// All are taken.
    #[error(
        "listen at `{address}`: this port and the {PORTS} after it are taken: free one, or configure another one"
    )]
    Taken {
        /// The first that was tried.
        address: SocketAddr,
    },
}

impl Ports {
    /// Listens at the port, or at the next free one. Gossip without a port of its own has the same.
    ///
    /// # Errors
    /// No port is free, or the machine does not have the address.
    pub async fn open(
        address: Ipv6Addr,
        port: u16,
        gossip: Option<&GossipPlan>,
    ) -> Result<Self, PortsError> {
        for port in port..=port.saturating_add(PORTS) {
            let at = SocketAddr::new(address.into(), port);
            let Some(listener) = free(at, bind(at))? else {
                continue;
            };
            let Some(plan) = gossip else {
                let gossip = None;
                return Ok(Self { listener, gossip });
            };
            let at = SocketAddr::new(address.into(), plan.port.unwrap_or(port));
            match free(at, UdpSocket::bind(at).await)? {
                Some(socket) => {
                    let gossip = Some(socket);
                    return Ok(Self { listener, gossip });
                }
                None if plan.port.is_some() => return Err(PortsError::Taken { address: at }),
                None => {}
            }
        }
        let address = SocketAddr::new(address.into(), port);
        Err(PortsError::Taken { address })
    }
}

/// What was bound; nothing, if the port is taken.
fn free<T>(address: SocketAddr, bound: io::Result<T>) -> Result<Option<T>, PortsError> {
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(source) => Err(PortsError::Listen { address, source }),
    }
}

/// Waits until the machine has the address, for half a minute at most.
pub async fn wait_for(address: Ipv6Addr) {
    for attempt in 0..PATIENCE {
        let bound = UdpSocket::bind(SocketAddr::new(address.into(), 0)).await;
        let missing = bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable);
        if !missing {
            return;
        }
        if attempt == 0 {
            tracing::warn!(%address, "the machine does not have the address yet");
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::Ports;
    use trustnet_core::network::GossipPlan;

    const PLAN: GossipPlan = GossipPlan {
        port: None,
        interval: 30_000,
        peers_per_batch: 5,
    };

    #[tokio::test]
    async fn the_next_port_is_taken_that_is_free_for_requests_and_for_gossip() {
        let first = Ports::open(Ipv6Addr::LOCALHOST, 29_000, Some(&PLAN)).await;
        let first = first
            .expect("some port")
            .listener
            .local_addr()
            .expect("an address");
        // The first one's UDP socket is gone, and its listener too.
        let only_udp = tokio::net::UdpSocket::bind(first)
            .await
            .expect("free again");
        let second = Ports::open(Ipv6Addr::LOCALHOST, first.port(), Some(&PLAN)).await;
        let second = second.expect("some port");
        let port = second.listener.local_addr().expect("an address").port();
        assert!(port > first.port());
        let gossip = second
            .gossip
            .expect("a socket")
            .local_addr()
            .expect("an address");
        assert_eq!(gossip.port(), port);
        drop(only_udp);
    }
}

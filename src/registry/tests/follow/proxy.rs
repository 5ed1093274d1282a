//! The network between two registries: a proxy that can be told to fail.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// As it should be.
    Well,
    /// What is sent comes so much later, and so does the answer.
    Slow(Duration),
    /// Nothing comes back, and nothing says so.
    Silent,
    /// Connections are ended, and new ones refused.
    Cut,
}

/// What two registries talk through.
pub struct Proxy {
    pub address: SocketAddr,
    network: watch::Sender<(Network, SocketAddr)>,
}

impl Proxy {
    pub async fn start(to: SocketAddr, network: Network) -> Self {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (network, seen) = watch::channel((network, to));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, seen.clone()));
            }
        });
        Self { address, network }
    }

    pub fn set(&self, network: Network) {
        self.network.send_modify(|(now, _)| *now = network);
    }

    /// Another one answers there from now on.
    pub fn lead(&self, to: SocketAddr) {
        self.network.send_modify(|(_, target)| *target = to);
    }
}

async fn carry(mut from: TcpStream, mut network: watch::Receiver<(Network, SocketAddr)>) {
    let (state, target) = *network.borrow_and_update();
    match state {
        Network::Cut => return,
        Network::Slow(by) => tokio::time::sleep(by).await,
        Network::Silent | Network::Well => {}
    }
    let Ok(mut to) = TcpStream::connect(target).await else {
        return;
    };
    loop {
        let state = network.borrow_and_update().0;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut from, &mut to), if state != Network::Silent => return,
            changed = network.changed() => {
                let (state, now) = *network.borrow();
                // What is on its way may be lost: that is what a cut does.
                if changed.is_err() || state == Network::Cut || now != target {
                    return;
                }
            }
        }
    }
}

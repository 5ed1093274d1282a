//! What a member wants done, done: each call is a task of its own, and tells what came of it.

use std::sync::Arc;

use rand::Rng as _;
use tokio::sync::mpsc;
use trustnet_api::network::{Heartbeat, RegisterRequest};
use trustnet_core::network::{Action, Endpoint, Event, NodeId, PublicKey};

use super::{Driver, Report, Turns};

/// The most peers that a registry is asked for.
const MAX_ASKED: usize = 100;
/// Of so many peers that are silent the directory is asked whether it has them, whenever peers are asked for.
const LOOKED_UP: usize = 2;

impl Driver {
    pub(super) fn act(&mut self, action: Action, turns: &Turns) {
        let (client, reporter) = (Arc::clone(&self.client), turns.reporter.clone());
        let seconds = self.clock.now().seconds();
        match action {
            Action::Remember { registries } => {
                let registries = registries.iter().map(Endpoint::to_string).collect();
                self.learnt |= self.memory.registries != registries;
                self.memory.registries = registries;
            }
            Action::Resolve { ticket } => {
                let (discovery, domain) = (self.discovery.clone(), self.lookup_domain.clone());
                tokio::spawn(async move {
                    let registries = discovery.registries(&domain).await.unwrap_or_else(|error| {
                        tracing::info!(%error, "no registry by the domain");
                        Vec::new()
                    });
                    let event = Event::Resolved { ticket, registries };
                    report(&reporter, Report::Event(event)).await;
                });
            }
            Action::Register { ticket, at } => {
                let request = self.request_to(at);
                tokio::spawn(async move {
                    let (answer, peers) = client.register(at, &request, seconds).await;
                    let event = Event::Answered { ticket, answer };
                    report(&reporter, Report::Event(event)).await;
                    report(&reporter, Report::Peers(peers)).await;
                });
            }
            Action::Find { ticket, at } => {
                let request = self.request_to(at);
                tokio::spawn(async move {
                    let answer = client.find(at, &request).await;
                    let event = Event::Answered { ticket, answer };
                    report(&reporter, Report::Event(event)).await;
                });
            }
            Action::Beat {
                ticket,
                at,
                sequence,
            } => {
                let beat = self.heartbeat(sequence);
                tokio::spawn(async move {
                    let answer = client.beat(at, &beat, seconds).await;
                    let event = Event::Answered { ticket, answer };
                    report(&reporter, Report::Event(event)).await;
                });
            }
            Action::FetchPeers { at } => {
                let count = self.peers_per_batch.min(MAX_ASKED);
                let unheard = self.book.unheard(LOOKED_UP, self.random.next_u64());
                tokio::spawn(async move {
                    if let Some(list) = client.banned(at).await {
                        report(&reporter, Report::Banned(list)).await;
                    }
                    let peers = client.peers(at, count).await;
                    report(&reporter, Report::Peers(peers)).await;
                    for id in unheard {
                        if client.lacks(at, id).await {
                            report(&reporter, Report::Absent(id)).await;
                        }
                    }
                });
            }
        }
    }

    fn request_to(&self, at: Endpoint) -> RegisterRequest {
        RegisterRequest {
            registry_address: at.to_string(),
            ..self.request.clone()
        }
    }

    fn heartbeat(&self, sequence: u64) -> Heartbeat {
        let key: Option<PublicKey> = self.request.public_key.parse().ok();
        let id = key.map_or_else(|| NodeId::new([0; 8]), |key| key.node_id());
        Heartbeat {
            node_id: id.to_string(),
            sequence,
            peers_known: u32::try_from(self.book.counts().known).unwrap_or(u32::MAX),
            uptime_seconds: self.now() / 1000,
        }
    }
}

/// Nobody waits for a report any more when the node is at its end.
async fn report(reporter: &mpsc::Sender<Report>, report: Report) {
    let _ = reporter.send(report).await;
}

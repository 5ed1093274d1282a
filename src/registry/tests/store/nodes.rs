//! Nodes for the tests, as many as wanted.

use tokio::task::JoinSet;
use trustnet_api::network::RegisterRequest;
use trustnet_core::network::{NodeId, Proof, PublicKey, Registration, Write};
use trustnet_registry::registrar::Registrar;

/// The key of the node of a number. Nothing here checks signatures: any bytes are a key.
pub fn key(number: u64) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PublicKey::new(bytes)
}

/// Its id.
pub fn id(number: u64) -> NodeId {
    key(number).node_id()
}

/// What it says of itself.
pub fn registration(number: u64, port: u16) -> Registration {
    let request = RegisterRequest {
        node_name: format!("node-{number}"),
        ipv6_address: format!("2001:db8::{:x}:{:x}", number >> 16, number & 0xffff),
        port,
        domain: "example.org".to_owned(),
        registry_address: "[2001:db8::1]:8000".to_owned(),
        public_key: key(number).to_string(),
    };
    Registration::check(&request).expect("a registration")
}

/// The proof that a write of a moment bears.
pub fn proof(created: u64) -> Proof {
    let signature = created.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Proof { created, signature }
}

/// It registers.
pub fn register(number: u64, port: u16, created: u64) -> Write {
    Write::Register {
        registration: registration(number, port),
        proof: proof(created),
        admitted: true,
    }
}

/// They register, all at once.
pub async fn register_all(registrar: &Registrar, numbers: std::ops::Range<u64>) {
    let mut writes = JoinSet::new();
    for number in numbers {
        let registrar = registrar.clone();
        writes.spawn(async move { registrar.write(register(number, 9000, 1)).await });
    }
    for written in writes.join_all().await {
        written.expect("there is room");
    }
}

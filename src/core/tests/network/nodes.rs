//! Nodes for the tests, as many as wanted.

use trustnet_api::network::RegisterRequest;
use trustnet_core::network::{
    Batch, Directory, LogEntry, NodeId, Now, Offer, Proof, PublicKey, Refusal, Registration, Write,
};

/// When the tests play, by the wall clock: milliseconds since 1970.
pub const WALL: i64 = 1_800_000_000_000;

/// So many milliseconds after the start, by both clocks.
pub fn at(steady: u64) -> Now {
    Now {
        wall: WALL + i64::try_from(steady).expect("a short test"),
        steady,
    }
}

fn key(number: u8) -> PublicKey {
    PublicKey::new([number; 32])
}

pub fn id(number: u8) -> NodeId {
    key(number).node_id()
}

pub fn proof(created: u64, signature: u64) -> Proof {
    Proof { created, signature }
}

pub fn registration(number: u8, name: &str, port: u16) -> Registration {
    let request = RegisterRequest {
        node_name: name.to_owned(),
        ipv6_address: "2001:db8::7".to_owned(),
        port,
        domain: "Example.ORG".to_owned(),
        registry_address: "[2001:db8::1]:8000".to_owned(),
        public_key: key(number).to_string(),
    };
    Registration::check(&request).expect("a registration")
}

pub fn register(number: u8, name: &str, created: u64) -> Write {
    Write::Register {
        registration: registration(number, name, 9000),
        proof: proof(created, created),
        admitted: true,
    }
}

pub fn remove(number: u8, created: u64) -> Write {
    Write::Remove {
        id: id(number),
        proof: proof(created, created),
        by_administrator: false,
    }
}

/// As [`remove`], by the administrator.
pub fn expel(number: u8, created: u64) -> Write {
    Write::Remove {
        id: id(number),
        proof: proof(created, created),
        by_administrator: true,
    }
}

pub fn ban(number: u8, banned: bool, created: u64) -> Write {
    Write::Ban {
        id: id(number),
        banned,
        proof: proof(created, created),
        inherited: false,
    }
}

/// Writes one thing, as a registry does; what changed.
pub fn write(
    directory: &mut Directory,
    write: &Write,
    now: &Now,
) -> Result<Option<LogEntry>, Refusal> {
    let mut batch = Batch::new(directory);
    let offer = batch.offer(directory, write, now);
    for (id, signed) in batch.noted() {
        directory.remember_administered(*id, signed.clone());
    }
    directory
        .apply(batch.from(), batch.into_entries(), now)
        .expect("it follows");
    match offer {
        Offer::Taken(entry) => Ok(Some(entry)),
        Offer::Noted | Offer::Unchanged => Ok(None),
        Offer::Refused(refusal) => Err(refusal),
        Offer::Later => panic!("the batch was empty"),
    }
}

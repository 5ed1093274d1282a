//! A name server of a test: it answers on loopback for one domain, and remembers what it was asked.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::AAAA;
use hickory_resolver::proto::rr::{RData, Record, RecordType};

/// What is answered, by name.
type Names = Arc<Mutex<BTreeMap<String, Vec<Ipv6Addr>>>>;

/// A name server on loopback. Its thread ends with the process.
pub struct NameServer {
    address: SocketAddr,
    names: Names,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl NameServer {
    /// A server that knows no name yet.
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a socket on loopback");
        let server = Self {
            address: socket.local_addr().expect("it is bound"),
            names: Names::default(),
            asked: Arc::default(),
        };
        let (names, asked) = (Arc::clone(&server.names), Arc::clone(&server.asked));
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Ok(question) = Message::from_vec(&buffer[..length]) else {
                    continue;
                };
                for query in &question.queries {
                    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                    asked.push((query.name().to_ascii(), query.query_type()));
                }
                let names = names.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = answer(&question, &names).to_vec().expect("an answer");
                socket.send_to(&answer, from).expect("loopback takes it");
            }
        });
        server
    }

    /// From now on the name has these addresses, in this order.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses
            .iter()
            .map(|text| text.parse().expect("an address"));
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), addresses.collect());
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, each question once.
    pub fn asked(&self) -> Vec<(String, RecordType)> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = asked.clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

fn answer(question: &Message, names: &BTreeMap<String, Vec<Ipv6Addr>>) -> Message {
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.metadata.authoritative = true;
    answer.queries.clone_from(&question.queries);
    for query in &question.queries {
        let Some(addresses) = names.get(&query.name().to_ascii()) else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            continue;
        };
        if query.query_type() != RecordType::AAAA {
            continue;
        }
        for address in addresses {
            let data = RData::AAAA(AAAA(*address));
            answer.add_answer(Record::from_rdata(query.name().clone(), 300, data));
        }
    }
    answer
}

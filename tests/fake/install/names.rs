//! A name server of a test, on loopback: it knows the record of one network, and says of everything else that there is no
//! such name.

use std::net::{Ipv6Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The name that it knows, as it stands in a question: `tnr.example.org`.
const NAME: &[u8] = b"\x03tnr\x07example\x03org\x00";
const AAAA: u16 = 28;
/// Where the question begins.
const QUESTION: usize = 12;

/// The name server. Its thread ends with the process.
pub struct Names {
    pub at: String,
    addresses: Arc<Mutex<Vec<Ipv6Addr>>>,
}

impl Names {
    /// One whose record has these addresses; none for no record.
    pub fn with(addresses: &[&str]) -> Self {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a socket");
        let names = Self {
            at: socket.local_addr().expect("bound").to_string(),
            addresses: Arc::default(),
        };
        names.set(addresses);
        let known = Arc::clone(&names.addresses);
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let known = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let _ = socket.send_to(&answer(&buffer[..length], &known), from);
            }
        });
        names
    }

    /// From now on the record has these.
    pub fn set(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().expect("IPv6"));
        let mut known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = addresses.collect();
    }
}

/// The answer to a question (RFC 1035, section 4).
fn answer(asked: &[u8], known: &[Ipv6Addr]) -> Vec<u8> {
    let labels = asked[QUESTION..].iter().position(|byte| *byte == 0);
    let end = QUESTION + labels.unwrap_or(0) + 1;
    let kind = u16::from_be_bytes([asked[end], asked[end + 1]]);
    let name = asked[QUESTION..end].to_ascii_lowercase();
    let there = name == NAME && !known.is_empty();
    let records: &[Ipv6Addr] = if there && kind == AAAA { known } else { &[] };
    let mut said = asked[..end + 4].to_vec();
    // A response, authoritative, recursion available; and whether there is such a name.
    said[2] = 0x84 | (asked[2] & 1);
    said[3] = if there { 0x80 } else { 0x83 };
    said[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few").to_be_bytes());
    said[8..12].fill(0);
    for address in records {
        // The question's name, AAAA, IN, for 300 seconds.
        said.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 44, 0, 16]);
        said.extend(address.octets());
    }
    said
}

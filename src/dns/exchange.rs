//! One message to a name server, and its answer: over UDP, and over TCP where the answer is too long for that.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};

/// The longest answer over UDP: we ask for no more than the protocol allows everybody.
const DATAGRAM: usize = 4096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// None came in time.
    #[error("no answer in time")]
    Silent,
    /// Nothing could be sent.
    #[error("not reached: {0}")]
    Unreachable(io::Error),
    /// What came is no message.
    #[error("the answer is not to be read: {0}")]
    Garbled(String),
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Silent,
            _ => Self::Unreachable(error),
        }
    }
}

/// How a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over UDP, twice where nothing comes; over TCP where the answer was cut off.
    Either,
    /// Over TCP: it arrives once.
    #[cfg_attr(
        not(feature = "providers"),
        expect(dead_code, reason = "updates go this way")
    )]
    Tcp,
}

/// A question for records of a name.
pub(crate) fn question(name: &Name, record_type: RecordType, recursion: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = recursion;
    message.add_query(Query::query(name.clone(), record_type));
    message
}

/// Asks a server, and gives its answer.
pub(crate) fn ask(
    at: SocketAddr,
    question: &Message,
    limit: Duration,
) -> Result<Message, ExchangeError> {
    let sent = question.to_vec().map_err(|error| garbled(&error))?;
    let answer = exchange(at, &sent, Way::Either, limit)?;
    let answer = Message::from_vec(&answer).map_err(|error| garbled(&error))?;
    if answer.queries.is_empty() || answer.queries == question.queries {
        Ok(answer)
    } else {
        Err(garbled(&"it answers another question"))
    }
}

/// Sends a message, and gives the one that comes back for it.
pub(crate) fn exchange(
    at: SocketAddr,
    sent: &[u8],
    way: Way,
    limit: Duration,
) -> Result<Vec<u8>, ExchangeError> {
    if way == Way::Either {
        let answer = over_udp(at, sent, limit)?;
        if !is_truncated(&answer) {
            return Ok(answer);
        }
    }
    over_tcp(at, sent, limit)
}

pub(crate) fn garbled(why: &dyn ToString) -> ExchangeError {
    ExchangeError::Garbled(why.to_string())
}

fn over_udp(at: SocketAddr, sent: &[u8], limit: Duration) -> Result<Vec<u8>, ExchangeError> {
    let any: SocketAddr = match at {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(at)?;
    let mut buffer = vec![0; DATAGRAM];
    // A datagram may be lost: half of the time is for the first.
    for _ in 0..2 {
        socket.send(sent)?;
        let until = Instant::now() + limit / 2;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) if answers(&buffer[..length], sent) => {
                    return Ok(buffer[..length].to_vec());
                }
                Ok(_) => {}
                Err(error) => match ExchangeError::from(error) {
                    ExchangeError::Silent => break,
                    other => return Err(other),
                },
            }
        }
    }
    Err(ExchangeError::Silent)
}

fn over_tcp(at: SocketAddr, sent: &[u8], limit: Duration) -> Result<Vec<u8>, ExchangeError> {
    let length = u16::try_from(sent.len()).map_err(|error| garbled(&error))?;
    let end = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(&at, limit)?;
    stream.set_write_timeout(Some(limit))?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(sent);
    stream.write_all(&framed)?;
    let mut length = [0; 2];
    read_until(&mut stream, &mut length, end)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read_until(&mut stream, &mut answer, end)?;
    if answers(&answer, sent) {
        Ok(answer)
    } else {
        Err(garbled(&"it belongs to another message"))
    }
}

/// Fills a buffer before a time: who sends a byte now and then holds nobody up.
fn read_until(
    stream: &mut TcpStream,
    mut left: &mut [u8],
    end: Instant,
) -> Result<(), ExchangeError> {
    while !left.is_empty() {
        let time = end.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return Err(ExchangeError::Silent);
        }
        stream.set_read_timeout(Some(time))?;
        match stream.read(left)? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            read => left = &mut left[read..],
        }
    }
    Ok(())
}

/// Whether a message is a response, and to this one: its id, and the bit that says so.
fn answers(message: &[u8], sent: &[u8]) -> bool {
    message.len() > 2 && message[..2] == sent[..2] && message[2] & 0x80 != 0
}

fn is_truncated(message: &[u8]) -> bool {
    message.len() > 2 && message[2] & 0x02 != 0
}

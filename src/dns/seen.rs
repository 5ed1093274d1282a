//! From answers to what was seen.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use trustnet_core::tnr::Seen;

use crate::exchange::ExchangeError;

/// What a resolver found.
pub(crate) fn by_resolver(found: Result<Lookup, NetError>) -> Seen {
    match found {
        Ok(lookup) => addresses(lookup.answers()).unwrap_or(Seen::NoData),
        Err(error) => failed(&error),
    }
}

/// What a resolver's failure says.
pub(crate) fn failed(error: &NetError) -> Seen {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Seen::NoName,
            ResponseCode::NoError => Seen::NoData,
            code => by_code(code),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => by_code(*code),
        NetError::Timeout => Seen::Silent,
        NetError::NoConnections | NetError::Io(_) => Seen::Unreachable(error.to_string()),
        other => Seen::Other(other.to_string()),
    }
}

/// What a name server that is asked itself says. `own`: of a zone that is said to be its own.
pub(crate) fn directly(answer: Result<&Message, &ExchangeError>, own: bool) -> Seen {
    let message = match answer {
        Ok(message) => message,
        Err(ExchangeError::Silent) => return Seen::Silent,
        Err(ExchangeError::Unreachable(error)) => return Seen::Unreachable(error.to_string()),
        Err(error @ ExchangeError::Garbled(_)) => return Seen::Other(error.to_string()),
    };
    let lame = own && !message.metadata.authoritative;
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if lame => Seen::Lame,
        ResponseCode::NoError => addresses(&message.answers).unwrap_or(Seen::NoData),
        ResponseCode::NXDomain => addresses(&message.answers).unwrap_or(Seen::NoName),
        code => by_code(code),
    }
}

fn by_code(code: ResponseCode) -> Seen {
    match code {
        ResponseCode::ServFail => Seen::Failed,
        ResponseCode::Refused => Seen::Refused,
        other => Seen::Other(format!("it says: {other}")),
    }
}

/// The addresses of an answer; where there are none, what the name is another name of.
fn addresses(answers: &[Record]) -> Option<Seen> {
    let mut found = Vec::new();
    let mut ttl = u32::MAX;
    let mut alias = None;
    for record in answers {
        match &record.data {
            RData::AAAA(address) => {
                found.push(address.0);
                ttl = ttl.min(record.ttl);
            }
            RData::CNAME(target) => {
                alias = Some(Seen::Alias(crate::names::plain(&target.0)));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        alias
    } else {
        Some(Seen::Addresses {
            addresses: found,
            ttl,
        })
    }
}

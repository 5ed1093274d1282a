//! A name server that takes updates (RFC 2136), signed with a shared key (RFC 8945).

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode, UpdateMessage as _};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm as Algorithm, TsigError};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};
use trustnet_api::dns::{DnsProvider, TsigAlgorithm};
use trustnet_core::tnr::{Change, RecordSet, host_in};

use super::error::{KeyFault, ProviderError};
use super::patience::{Fault, Patience};
use super::{Held, Provider};
use crate::exchange::{ExchangeError, Way, exchange, garbled, question};
use crate::names::{Names, Resolving, absolute, plain};

/// How many seconds the clocks may be apart.
const FUDGE: u16 = 300;

/// A zone's primary name server.
pub struct Rfc2136 {
    server: Option<String>,
    zone: Option<String>,
    signer: Option<Signer>,
    names: Names,
    patience: Patience,
    now: fn() -> u64,
}

/// A key, ready to sign.
#[derive(Clone)]
pub struct Signer(TSigner);

impl Signer {
    /// A key in Base64, bare or in a file of `tsig-keygen`'s, under its name.
    ///
    /// # Errors
    /// It is not Base64, or its name is none.
    pub fn new(name: &str, algorithm: TsigAlgorithm, key: &str) -> Result<Self, ProviderError> {
        let bad = |why: &str| ProviderError::Bad {
            what: format!("the key `{name}`"),
            why: why.to_owned(),
        };
        let algorithm = match algorithm {
            TsigAlgorithm::HmacSha256 => Algorithm::HmacSha256,
            TsigAlgorithm::HmacSha384 => Algorithm::HmacSha384,
            TsigAlgorithm::HmacSha512 => Algorithm::HmacSha512,
        };
        // The error of decoding would show a piece of it.
        let key = STANDARD
            .decode(bare(key))
            .map_err(|_| bad("it is not Base64"))?;
        if key.is_empty() {
            return Err(bad("it is empty"));
        }
        let owner = absolute(name).map_err(|_| bad("its name is no name"))?;
        let signer = TSigner::new(key, algorithm, owner, FUDGE);
        signer.map(Self).map_err(|error| bad(&error.to_string()))
    }
}

impl Rfc2136 {
    /// A server (the zone's own primary, where none is named) that keeps a zone (the one that the server says, where
    /// none is named).
    #[must_use]
    pub fn new(
        server: Option<&str>,
        zone: Option<&str>,
        signer: Option<Signer>,
        names: Names,
    ) -> Self {
        Self {
            server: server.map(str::to_owned),
            zone: zone.map(|zone| zone.trim_end_matches('.').to_ascii_lowercase()),
            signer,
            names,
            patience: Patience::default(),
            now: seconds,
        }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn patient(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same with another clock, in seconds since 1970.
    #[must_use]
    pub fn at(self, now: fn() -> u64) -> Self {
        Self { now, ..self }
    }

    /// Where the server answers.
    fn place(&self, name: &str) -> Result<SocketAddr, ProviderError> {
        match &self.server {
            Some(server) => self.named(server),
            None => {
                let resolving = Resolving::new(self.names.servers(), self.names.timeout())?;
                let primary = primary(&resolving, name)?;
                self.resolved(&primary, None)
            }
        }
    }

    /// Where a server answers that was named: an address or a name, and maybe a port.
    fn named(&self, server: &str) -> Result<SocketAddr, ProviderError> {
        if let Ok(at) = server.parse::<SocketAddr>() {
            return Ok(at);
        }
        let bare = server.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(self.names.servers().at(address));
        }
        match server.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| ProviderError::Bad {
                    what: format!("the name server `{server}`"),
                    why: format!("`{port}` is no port"),
                })?;
                self.resolved(host, Some(port))
            }
            None => self.resolved(server, None),
        }
    }

    fn resolved(&self, host: &str, port: Option<u16>) -> Result<SocketAddr, ProviderError> {
        let found = self.names.addresses(host)?;
        let address = match &found {
            Ok(addresses) => addresses
                .first()
                .copied()
                .ok_or("it has no address".to_owned()),
            Err(seen) => Err(seen.words()),
        };
        let address = address.map_err(|why| ProviderError::Failed {
            what: format!("find the name server `{host}`"),
            why,
        })?;
        let at = self.names.servers().at(address);
        Ok(SocketAddr::new(address, port.unwrap_or(at.port())))
    }

    /// The zone that a name is in, as the server says.
    fn zone(&self, at: SocketAddr, name: &str) -> Result<String, ProviderError> {
        let no_zone = |why: String| ProviderError::NoZone {
            name: name.to_owned(),
            why,
        };
        if let Some(zone) = &self.zone {
            return match host_in(name, zone) {
                Some(_) => Ok(zone.clone()),
                None => Err(no_zone(format!("it is not in `{zone}`"))),
            };
        }
        let answer = self.send(
            at,
            &question(&owner(name)?, RecordType::SOA, false),
            Way::Either,
        )?;
        let records = answer.answers.iter().chain(&answer.authorities);
        let mut zones = records
            .filter(|record| record.record_type() == RecordType::SOA)
            .map(|record| plain(&record.name));
        let found = zones.find(|zone| host_in(name, zone).is_some());
        match found {
            Some(zone) if answer.metadata.authoritative => Ok(zone),
            _ => Err(no_zone(format!(
                "the name server at {at} keeps none that it is in ({})",
                answer.metadata.response_code
            ))),
        }
    }

    /// Sends a message, signed, and gives the answer, verified.
    fn send(&self, at: SocketAddr, message: &Message, way: Way) -> Result<Message, ProviderError> {
        let what = match message.metadata.op_code {
            OpCode::Update => format!("update the zone at {at}"),
            _ => format!("ask the name server at {at}"),
        };
        self.patience.persist(&what, || {
            let failed = |why: String| ProviderError::Failed {
                what: what.clone(),
                why,
            };
            // Signed anew each time: the time is in it.
            let mut message = message.clone();
            let verifier = match &self.signer {
                None => None,
                Some(Signer(signer)) => message
                    .finalize(signer, (self.now)())
                    .map_err(|error| failed(error.to_string()))?,
            };
            let sent = message
                .to_vec()
                .map_err(|error| failed(error.to_string()))?;
            let bytes =
                exchange(at, &sent, way, self.patience.answer).map_err(|error| match error {
                    ExchangeError::Garbled(why) => Fault::Lasting(failed(why)),
                    passing => Fault::Passing(passing.to_string(), None),
                })?;
            let answer =
                Message::from_vec(&bytes).map_err(|error| failed(garbled(&error).to_string()))?;
            if let Some(fault) = key_fault(&answer) {
                let what = what.clone();
                return Err(ProviderError::Key { what, fault }.into());
            }
            if answer.metadata.response_code == ResponseCode::ServFail {
                return Err(Fault::Passing(
                    "it could not do it (SERVFAIL)".to_owned(),
                    None,
                ));
            }
            if let Some(mut verifier) = verifier
                && !is_plain_no(&answer)
                && verifier.verify(&bytes).is_err()
            {
                let (what, fault) = (what.clone(), KeyFault::Unsigned);
                return Err(ProviderError::Key { what, fault }.into());
            }
            Ok(answer)
        })
    }
}

impl Provider for Rfc2136 {
    fn kind(&self) -> DnsProvider {
        DnsProvider::Rfc2136
    }

    fn read(&self, name: &str) -> Result<Held, ProviderError> {
        let at = self.place(name)?;
        let zone = self.zone(at, name)?;
        let answer = self.send(
            at,
            &question(&owner(name)?, RecordType::AAAA, false),
            Way::Either,
        )?;
        let what = || format!("read `{name}` at {at}");
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            ResponseCode::Refused | ResponseCode::NotAuth => {
                return Err(ProviderError::Denied {
                    what: what(),
                    why: answer.metadata.response_code.to_string(),
                });
            }
            code => {
                return Err(ProviderError::Failed {
                    what: what(),
                    why: code.to_string(),
                });
            }
        }
        if !answer.metadata.authoritative {
            return Err(ProviderError::NoZone {
                name: name.to_owned(),
                why: format!("the name server at {at} does not keep it"),
            });
        }
        Ok(Held {
            set: set(&answer, name)?,
            zone_id: at.to_string(),
            zone,
            ids: Vec::new(),
        })
    }

    fn write(&self, held: &Held, change: &Change) -> Result<(), ProviderError> {
        let at = self.place(change.name())?;
        let answer = self.send(at, &update(&held.zone, change)?, Way::Tcp)?;
        let what = || format!("change `{}` at {at}", change.name());
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(()),
            // One of the conditions did not hold.
            ResponseCode::NXRRSet
            | ResponseCode::YXRRSet
            | ResponseCode::NXDomain
            | ResponseCode::YXDomain => Err(ProviderError::Changed {
                name: change.name().to_owned(),
            }),
            code @ (ResponseCode::Refused | ResponseCode::NotAuth) => Err(ProviderError::Denied {
                what: what(),
                why: code.to_string(),
            }),
            ResponseCode::NotZone => Err(ProviderError::NoZone {
                name: change.name().to_owned(),
                why: format!("it is not in `{}`", held.zone),
            }),
            code => Err(ProviderError::Failed {
                what: what(),
                why: code.to_string(),
            }),
        }
    }
}

/// What the name has, as the server says.
fn set(answer: &Message, name: &str) -> Result<Option<RecordSet>, ProviderError> {
    let mut set: Option<RecordSet> = None;
    for record in &answer.answers {
        match &record.data {
            RData::AAAA(address) => {
                let set = set.get_or_insert(RecordSet {
                    addresses: Vec::new(),
                    ttl: record.ttl,
                });
                set.addresses.push(address.0);
            }
            RData::CNAME(target) => {
                return Err(ProviderError::Special {
                    name: name.to_owned(),
                    what: format!("it is another name of `{}` (CNAME)", plain(&target.0)),
                });
            }
            _ => {}
        }
    }
    if let Some(set) = &mut set {
        // Name servers give them in any order.
        set.addresses.sort();
    }
    Ok(set)
}

/// The key itself, where it stands in a clause of a name server's configuration: `secret "…"`.
fn bare(text: &str) -> &str {
    // The key's own name may have the word in it, and stands before.
    let clause = text
        .rsplit_once("secret")
        .map(|(_, from)| from.trim_start());
    let quoted = clause.and_then(|from| from.strip_prefix('"')?.split_once('"'));
    quoted.map_or(text, |(key, _)| key).trim()
}

/// The update: on condition that the set is as it was read, our values come or go.
fn update(zone: &str, change: &Change) -> Result<Message, ProviderError> {
    let name = owner(change.name())?;
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(Query::query(owner(zone)?, RecordType::SOA));
    let value = |address, ttl, class| {
        let mut record = Record::from_rdata(name.clone(), ttl, RData::AAAA(AAAA(address)));
        record.dns_class = class;
        record
    };
    match change.before() {
        Some(set) => {
            let all = set.addresses.iter();
            message.add_pre_requisites(all.map(|address| value(*address, 0, DNSClass::IN)));
        }
        None => {
            let mut none = Record::update0(name.clone(), 0, RecordType::AAAA);
            none.dns_class = DNSClass::NONE;
            message.add_pre_requisite(none);
        }
    }
    let removed = change.removed().into_iter();
    message.add_updates(removed.map(|address| value(address, 0, DNSClass::NONE)));
    if let Some(set) = change.after() {
        let added = change.added().into_iter();
        message.add_updates(added.map(|address| value(address, set.ttl, DNSClass::IN)));
    }
    Ok(message)
}

/// Whether it is a refusal that is not signed: who does not keep a zone has no key for it. Nothing is believed by it.
fn is_plain_no(answer: &Message) -> bool {
    let code = answer.metadata.response_code;
    answer.signature().is_none() && matches!(code, ResponseCode::Refused | ResponseCode::NotAuth)
}

/// What the server says is wrong with the key.
fn key_fault(answer: &Message) -> Option<KeyFault> {
    Some(match answer.signature()?.data.error? {
        TsigError::BadKey => KeyFault::Unknown,
        TsigError::BadTime => KeyFault::Time,
        TsigError::BadSig | TsigError::BadTrunc | TsigError::Unknown(_) => KeyFault::Wrong,
    })
}

/// The primary that the zone of a name says it has.
fn primary(resolving: &Resolving, name: &str) -> Result<String, ProviderError> {
    let no_zone = |why: String| ProviderError::NoZone {
        name: name.to_owned(),
        why,
    };
    let zone = resolving.zone(name).map_err(|seen| no_zone(seen.words()))?;
    let found = resolving.lookup(owner(&zone.name)?, RecordType::SOA);
    let found = found.map_err(|error| no_zone(crate::seen::failed(&error).words()))?;
    let primary = found
        .answers()
        .iter()
        .find_map(|record| match &record.data {
            RData::SOA(soa) => Some(plain(&soa.mname)),
            _ => None,
        });
    primary.ok_or_else(|| no_zone(format!("`{}` names no primary", zone.name)))
}

fn owner(name: &str) -> Result<Name, ProviderError> {
    absolute(name).map_err(|seen| ProviderError::Bad {
        what: format!("`{name}`"),
        why: seen.words(),
    })
}

fn seconds() -> u64 {
    // A clock before 1970 is wrong in any case, and the server says so.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

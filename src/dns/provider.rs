//! Those who keep zones, and change them: each reads the record's set, and makes a change of it. Others' values stay.

mod cloudflare;
mod error;
mod patience;
mod rfc2136;
#[cfg(feature = "route53")]
mod route53;

use std::net::Ipv6Addr;

use trustnet_api::dns::{DnsProvider, DnsSection};
use trustnet_api::secret::ValueFrom;
use trustnet_core::tnr::{Change, Record, RecordSet, Wish};

use crate::names::Names;

pub use cloudflare::Cloudflare;
pub use error::{KeyFault, ProviderError};
pub use patience::Patience;
pub use rfc2136::{Rfc2136, Signer};
#[cfg(feature = "route53")]
pub use route53::Route53;

/// How often a change is made anew because somebody else made one meanwhile.
const TRIES: u32 = 4;

/// Somebody who keeps zones.
pub trait Provider {
    /// Who.
    fn kind(&self) -> DnsProvider;

    /// What is there of a name's AAAA records, in the zone with the longest name that it is in.
    ///
    /// # Errors
    /// There is no such zone, or it may not be read.
    fn read(&self, name: &str) -> Result<Held, ProviderError>;

    /// Makes a change of what was read.
    ///
    /// # Errors
    /// [`ProviderError::Changed`] where something else is there by now: nothing is done then. Or it may not be changed.
    fn write(&self, held: &Held, change: &Change) -> Result<(), ProviderError>;
}

/// What somebody holds of a name's AAAA records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The zone, without a dot at its end.
    pub zone: String,
    /// What is there; none: no such record.
    pub set: Option<RecordSet>,
    /// What the provider calls the zone.
    pub(crate) zone_id: String,
    /// What it calls each value.
    pub(crate) ids: Vec<(Ipv6Addr, String)>,
}

/// How a secret is read from where it is kept.
pub type ReadSecret<'a> =
    &'a dyn Fn(&ValueFrom) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// Who keeps a zone, as a section says it; none where that is done by hand.
///
/// # Errors
/// The section lacks something, its secret cannot be read, or the provider is not built in.
pub fn provider(
    section: &DnsSection,
    names: &Names,
    secret: ReadSecret<'_>,
) -> Result<Option<Box<dyn Provider>>, ProviderError> {
    let read = |from: &ValueFrom| secret(from).map_err(ProviderError::Secret);
    Ok(match section.provider.unwrap_or_default() {
        DnsProvider::Manual => None,
        DnsProvider::Rfc2136 => {
            let signer = section.tsig.as_ref().map(|tsig| {
                let key = read(&tsig.key_from)?;
                Signer::new(&tsig.name, tsig.algorithm.unwrap_or_default(), &key)
            });
            Some(Box::new(Rfc2136::new(
                section.server.as_deref(),
                section.zone.as_deref(),
                signer.transpose()?,
                names.clone(),
            )))
        }
        DnsProvider::Cloudflare => {
            let Some(from) = &section.token_from else {
                return Err(ProviderError::Lacks("an API token"));
            };
            let (server, zone) = (section.server.as_deref(), section.zone.as_deref());
            let cloudflare = Cloudflare::new(server, zone, &read(from)?)?;
            Some(Box::new(cloudflare))
        }
        DnsProvider::Route53 => Some(route53(section)?),
    })
}

#[cfg(feature = "route53")]
fn route53(section: &DnsSection) -> Result<Box<dyn Provider>, ProviderError> {
    let (profile, zone) = (section.aws_profile.as_deref(), section.zone.as_deref());
    Ok(Box::new(Route53::new(profile, zone)?))
}

#[cfg(not(feature = "route53"))]
fn route53(_: &DnsSection) -> Result<Box<dyn Provider>, ProviderError> {
    Err(ProviderError::NotBuilt)
}

/// Makes the change that was shown. Where somebody else changes the record meanwhile, it is read anew, and the change made if
/// it still brings and takes the same. What was done comes back.
///
/// # Errors
/// It may not be changed, or what is there changed so that something else would have to be done.
pub fn carry_out(
    provider: &dyn Provider,
    record: &Record,
    wish: Wish,
    held: Held,
    shown: &Change,
) -> Result<Change, ProviderError> {
    let (mut held, mut change) = (held, shown.clone());
    for attempt in 1.. {
        if change.is_empty() {
            break;
        }
        match provider.write(&held, &change) {
            Err(ProviderError::Changed { .. }) if attempt < TRIES => {
                held = provider.read(&record.name())?;
                let anew = wish.change(record, held.set.clone());
                // What is done by now, by whomever, need not be done again.
                if !anew.is_empty() && !anew.is_like(shown) {
                    return Err(ProviderError::Changed {
                        name: record.name(),
                    });
                }
                change = anew;
            }
            Ok(()) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(change)
}

//! Amazon Route 53, by Amazon's own kit.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::types as wire;
use aws_smithy_http_client::tls::Provider as Tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::runtime::{Builder, Runtime};
use trustnet_api::dns::DnsProvider;
use trustnet_core::tnr::{Change, RecordSet, TTL, longest_zone};

use super::error::ProviderError;
use super::patience::Patience;
use super::{Held, Provider};

/// Where the zones of all regions are kept, unless the profile says another partition's.
const REGION: &str = "us-east-1";

/// Codes of those who may not, whatever the status.
const DENIED: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Amazon Route 53.
pub struct Route53 {
    runtime: Runtime,
    client: Client,
    zone: Option<String>,
    tries: u32,
}

/// A hosted zone.
struct Zone {
    id: String,
    name: String,
}

impl Route53 {
    /// The account of a profile; of the environment, where none is named.
    ///
    /// # Errors
    /// Nothing can be run.
    pub fn new(profile: Option<&str>, zone: Option<&str>) -> Result<Self, ProviderError> {
        let runtime = runtime()?;
        // Of the environment or the profile; not of the machine, which would be asked for a while.
        let mut of_profile = ProfileFileRegionProvider::builder();
        if let Some(profile) = profile {
            of_profile = of_profile.profile_name(profile);
        }
        let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(of_profile.build())
            .or_else(REGION);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .http_client(http());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        let config = runtime.block_on(loader.load());
        Self::with(&config, zone, &Patience::default())
    }

    /// The account of a configuration of Amazon's kit.
    ///
    /// # Errors
    /// Nothing can be run.
    pub fn with(
        config: &SdkConfig,
        zone: Option<&str>,
        patience: &Patience,
    ) -> Result<Self, ProviderError> {
        let retry = RetryConfig::standard()
            .with_max_attempts(patience.tries)
            .with_initial_backoff(patience.pause)
            .with_max_backoff(patience.longest);
        let config = aws_sdk_route53::config::Builder::from(config)
            .retry_config(retry)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(patience.answer)
                    .build(),
            )
            .build();
        Ok(Self {
            runtime: runtime()?,
            client: Client::from_conf(config),
            zone: zone.map(|zone| zone.trim_end_matches('.').to_owned()),
            tries: patience.tries,
        })
    }

    /// The public zone of a name.
    fn zone_of(&self, name: &str) -> Result<Zone, ProviderError> {
        let zones = self.zones()?;
        let known = || zones.iter().map(|zone| zone.name.as_str());
        let named = |zone: &&Zone| {
            self.zone
                .as_ref()
                .is_none_or(|wanted| zone.name.eq_ignore_ascii_case(wanted) || zone.id == *wanted)
        };
        let candidates = zones.iter().filter(named).map(|zone| zone.name.as_str());
        let no_zone = |why: String| ProviderError::NoZone {
            name: name.to_owned(),
            why,
        };
        let wanted = longest_zone(name, candidates).ok_or_else(|| {
            no_zone(match known().collect::<Vec<_>>().as_slice() {
                [] => "the account has no public zone".to_owned(),
                names => format!("the account's public zones are {}", names.join(", ")),
            })
        })?;
        let wanted = wanted.to_owned();
        let mut found = zones
            .iter()
            .filter(named)
            .filter(|zone| zone.name == wanted);
        match (found.next(), found.next()) {
            (Some(zone), None) => Ok(Zone {
                id: zone.id.clone(),
                name: zone.name.clone(),
            }),
            (Some(one), Some(other)) => Err(no_zone(format!(
                "there are several zones `{wanted}`, such as {} and {}: name one by its id",
                one.id, other.id
            ))),
            (None, _) => Err(no_zone("it is gone".to_owned())),
        }
    }

    /// All public zones of the account.
    fn zones(&self) -> Result<Vec<Zone>, ProviderError> {
        let what = "list Route 53's zones";
        self.runtime.block_on(async {
            let mut zones = Vec::new();
            let mut pages = self.client.list_hosted_zones().into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| self.failed(what, &error))?;
                let public = page.hosted_zones().iter().filter(|zone| {
                    !zone
                        .config()
                        .is_some_and(wire::HostedZoneConfig::private_zone)
                });
                zones.extend(public.map(|zone| Zone {
                    id: zone.id().trim_start_matches("/hostedzone/").to_owned(),
                    name: zone.name().trim_end_matches('.').to_owned(),
                }));
            }
            Ok(zones)
        })
    }

    /// The AAAA records of a name; more than one set only where they are routed.
    fn sets(&self, zone: &Zone, name: &str) -> Result<Vec<wire::ResourceRecordSet>, ProviderError> {
        let what = format!("read `{name}` at Route 53");
        let request = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&zone.id)
            .start_record_name(name)
            .start_record_type(wire::RrType::Aaaa)
            .max_items(3);
        let answer = self
            .runtime
            .block_on(request.send())
            .map_err(|error| self.failed(&what, &error))?;
        let mut sets = answer.resource_record_sets;
        sets.retain(|set| {
            set.name().trim_end_matches('.').eq_ignore_ascii_case(name)
                && *set.r#type() == wire::RrType::Aaaa
        });
        Ok(sets)
    }

    fn failed<E>(&self, what: &str, error: &SdkError<E>) -> ProviderError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let what = what.to_owned();
        let unavailable = |why: String| ProviderError::Unavailable {
            what: what.clone(),
            why,
            tries: self.tries,
        };
        match error {
            SdkError::TimeoutError(_) => unavailable("no answer in time".to_owned()),
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let body = body(answer.raw());
                let code = answer.err().code().unwrap_or("no code");
                let said = answer.err().message().or_else(|| message(&body));
                let why = format!("{} ({code})", said.unwrap_or("no reason given"));
                if DENIED.contains(&code) || matches!(status, 401 | 403) {
                    ProviderError::Denied { what, why }
                } else if code == "NoSuchHostedZone" {
                    ProviderError::NoZone { name: what, why }
                } else if status >= 500
                    || status == 429
                    || code.contains("Thrott")
                    || code == "PriorRequestNotComplete"
                {
                    unavailable(why)
                } else {
                    ProviderError::Failed { what, why }
                }
            }
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                unavailable("not reached".to_owned())
            }
            other => ProviderError::Failed {
                what,
                why: chain(other),
            },
        }
    }
}

impl Provider for Route53 {
    fn kind(&self) -> DnsProvider {
        DnsProvider::Route53
    }

    fn read(&self, name: &str) -> Result<Held, ProviderError> {
        let zone = self.zone_of(name)?;
        let sets = self.sets(&zone, name)?;
        let special = |what: &str| ProviderError::Special {
            name: name.to_owned(),
            what: what.to_owned(),
        };
        let routed = |set: &wire::ResourceRecordSet| set.set_identifier().is_some();
        let set = match sets.as_slice() {
            [] => None,
            [one] if one.alias_target().is_some() => {
                return Err(special("it is an alias of something else in AWS"));
            }
            [one] if !routed(one) => Some(one),
            _ => return Err(special("it has a routing policy")),
        };
        let set = set.map(|set| -> Result<RecordSet, ProviderError> {
            let addresses = set.resource_records().iter().map(|record| {
                record.value().parse().map_err(|_| ProviderError::Failed {
                    what: format!("read `{name}` at Route 53"),
                    why: format!("`{}` is no IPv6 address", record.value()),
                })
            });
            Ok(RecordSet {
                addresses: addresses.collect::<Result<_, _>>()?,
                ttl: set.ttl().and_then(|ttl| ttl.try_into().ok()).unwrap_or(TTL),
            })
        });
        Ok(Held {
            set: set.transpose()?,
            zone: zone.name,
            zone_id: zone.id,
            ids: Vec::new(),
        })
    }

    /// The set as it was read goes, and the new one comes, in one batch: Route 53 takes both or neither, and the old one goes only
    /// where it is exactly that.
    fn write(&self, held: &Held, change: &Change) -> Result<(), ProviderError> {
        let what = format!("change `{}` at Route 53", change.name());
        let bad = |error: &dyn std::error::Error| ProviderError::Failed {
            what: what.clone(),
            why: error.to_string(),
        };
        let mut batch = wire::ChangeBatch::builder();
        for (action, set) in [
            (wire::ChangeAction::Delete, change.before()),
            (wire::ChangeAction::Create, change.after()),
        ] {
            if let Some(set) = set {
                batch =
                    batch.changes(one(action, change.name(), set).map_err(|error| bad(&error))?);
            }
        }
        let request = self
            .client
            .change_resource_record_sets()
            .hosted_zone_id(&held.zone_id)
            .change_batch(batch.build().map_err(|error| bad(&error))?);
        let sent = self.runtime.block_on(request.send());
        match sent {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(answer)) if is_other(&body(answer.raw())) => {
                Err(ProviderError::Changed {
                    name: change.name().to_owned(),
                })
            }
            Err(error) => Err(self.failed(&what, &error)),
        }
    }
}

fn one(
    action: wire::ChangeAction,
    name: &str,
    set: &RecordSet,
) -> Result<wire::Change, aws_sdk_route53::error::BuildError> {
    let mut records = wire::ResourceRecordSet::builder()
        .name(format!("{name}."))
        .r#type(wire::RrType::Aaaa)
        .ttl(set.ttl.into());
    for address in &set.addresses {
        let record = wire::ResourceRecord::builder().value(address.to_string());
        records = records.resource_records(record.build()?);
    }
    wire::Change::builder()
        .action(action)
        .resource_record_set(records.build()?)
        .build()
}

/// Whether a batch was refused because something else is there by now: what is to go is not that, or what is to come is there.
fn is_other(body: &str) -> bool {
    let signs = ["already exists", "not found", "do not match"];
    body.contains("InvalidChangeBatch") && signs.iter().any(|sign| body.contains(sign))
}

/// An answer as it came. Refused batches come in two forms, of which Amazon's kit reads one.
fn body(answer: &HttpResponse) -> String {
    String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).into_owned()
}

/// What a refused batch says, in the form that the kit does not read.
fn message(body: &str) -> Option<&str> {
    let (_, from) = body.split_once("<Message>")?;
    from.split_once("</Message>").map(|(message, _)| message)
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}

/// TLS by ring, as everywhere here, with the system's authorities.
fn http() -> aws_sdk_route53::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Tls::Rustls(CryptoMode::Ring))
        .build_https()
}

fn runtime() -> Result<Runtime, ProviderError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ProviderError::Failed {
            what: "run Amazon's kit".to_owned(),
            why: error.to_string(),
        })
}

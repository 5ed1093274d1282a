//! Cloudflare, through its API (version 4).

use std::net::Ipv6Addr;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trustnet_api::dns::DnsProvider;
use trustnet_core::tnr::{Change, RecordSet, TTL, longest_zone};

use super::error::ProviderError;
use super::patience::{Fault, Patience};
use super::{Held, Provider};

/// Where the API is.
const API: &str = "https://api.cloudflare.com/client/v4";
/// The most pages of a list that are read.
const PAGES: u32 = 200;
/// How a TTL is written that Cloudflare chooses: 300 s.
const AUTOMATIC: u32 = 1;
/// Their code for a record that is there already.
const IDENTICAL: [u32; 2] = [81057, 81058];
/// Their code for a record that is not there.
const GONE: u32 = 81044;

/// Cloudflare.
pub struct Cloudflare {
    client: Client,
    api: Url,
    token: HeaderValue,
    zone: Option<String>,
    patience: Patience,
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    errors: Vec<Complaint>,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    result_info: Option<Pages>,
}

#[derive(Deserialize)]
struct Complaint {
    code: u32,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Pages {
    #[serde(default)]
    total_pages: u32,
}

#[derive(Deserialize)]
struct Zone {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    content: String,
    ttl: u32,
    #[serde(default)]
    proxied: bool,
}

/// What they say to a request.
enum Said {
    /// What was asked for.
    Good(Envelope),
    /// No, with their codes.
    No(StatusCode, Vec<Complaint>),
}

impl Cloudflare {
    /// The account that a token is of. `server` is another address of the API: over https, or on this machine.
    ///
    /// # Errors
    /// The address is none, or the token cannot stand in a header.
    pub fn new(
        server: Option<&str>,
        zone: Option<&str>,
        token: &str,
    ) -> Result<Self, ProviderError> {
        let api = address(server.unwrap_or(API))?;
        let token = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        // The error names no byte of it.
        let mut token = token.map_err(|_| ProviderError::Bad {
            what: "the API token".to_owned(),
            why: "it has signs that no token has".to_owned(),
        })?;
        token.set_sensitive(true);
        let patience = Patience::default();
        Ok(Self {
            client: client(&patience, &api)?,
            api,
            token,
            zone: zone.map(|zone| zone.trim_end_matches('.').to_ascii_lowercase()),
            patience,
        })
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// As for [`Cloudflare::new`].
    pub fn patient(self, patience: Patience) -> Result<Self, ProviderError> {
        Ok(Self {
            client: client(&patience, &self.api)?,
            patience,
            ..self
        })
    }

    /// One request, tried again where that may help.
    fn call(
        &self,
        what: &str,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Said, ProviderError> {
        self.patience.persist(what, || {
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .header(AUTHORIZATION, self.token.clone());
            if let Some(body) = body {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.to_string());
            }
            let passing =
                |error: reqwest::Error| Fault::Passing(error.without_url().to_string(), None);
            let response = request.send().map_err(passing)?;
            let status = response.status();
            let after = retry_after(&response);
            let text = response.bytes().map_err(passing)?;
            if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                return Err(Fault::Passing(format!("it answers {status}"), after));
            }
            match serde_json::from_slice::<Envelope>(&text) {
                Ok(envelope) if status.is_success() && envelope.success => Ok(Said::Good(envelope)),
                Ok(envelope) => Ok(Said::No(status, envelope.errors)),
                Err(_) if status.is_success() => Err(Fault::Lasting(ProviderError::Failed {
                    what: what.to_owned(),
                    why: "the answer is not the API's".to_owned(),
                })),
                Err(_) => Ok(Said::No(status, Vec::new())),
            }
        })
    }

    /// A whole list, page by page.
    fn list<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ProviderError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let mut url = self.url(path);
            url.query_pairs_mut()
                .extend_pairs(query)
                .append_pair("per_page", "50")
                .append_pair("page", &page.to_string());
            let envelope = match self.call(what, &Method::GET, &url, None)? {
                Said::Good(envelope) => envelope,
                Said::No(status, complaints) => return Err(refused(what, status, &complaints)),
            };
            let items: Vec<T> =
                serde_json::from_value(envelope.result).map_err(|error| ProviderError::Failed {
                    what: what.to_owned(),
                    why: format!("the answer is not the API's: {error}"),
                })?;
            all.extend(items);
            if envelope
                .result_info
                .is_none_or(|info| page >= info.total_pages)
            {
                return Ok(all);
            }
        }
        Err(ProviderError::Failed {
            what: what.to_owned(),
            why: format!("the list has more than {PAGES} pages"),
        })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.api.clone();
        // It is one that can have a path: `address` has seen to it.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn zone_of(&self, name: &str) -> Result<Zone, ProviderError> {
        let zones: Vec<Zone> = self.list("list Cloudflare's zones", &["zones"], &[])?;
        let known = || zones.iter().map(|zone| zone.name.as_str());
        let wanted = match &self.zone {
            Some(zone) => longest_zone(name, known().filter(|known| known == zone)),
            None => longest_zone(name, known()),
        };
        let wanted = wanted.map(str::to_owned);
        let why = match known().collect::<Vec<_>>().as_slice() {
            [] => "the token may read no zone".to_owned(),
            names => format!("the token's zones are {}", names.join(", ")),
        };
        let found = zones
            .into_iter()
            .find(|zone| Some(&zone.name) == wanted.as_ref());
        found.ok_or_else(|| ProviderError::NoZone {
            name: name.to_owned(),
            why,
        })
    }

    fn add(
        &self,
        zone: &str,
        name: &str,
        address: Ipv6Addr,
        ttl: u32,
    ) -> Result<(), ProviderError> {
        let what = format!("add {address} to `{name}` at Cloudflare");
        let body = json!({
            "type": "AAAA", "name": name, "content": address.to_string(), "ttl": ttl, "proxied": false,
        });
        let url = self.url(&["zones", zone, "dns_records"]);
        match self.call(&what, &Method::POST, &url, Some(&body))? {
            Said::Good(_) => Ok(()),
            // It came in, and the answer to the first try was lost; or somebody else was quicker.
            Said::No(_, complaints) if has_code(&complaints, &IDENTICAL) => Ok(()),
            Said::No(status, complaints) => Err(refused(&what, status, &complaints)),
        }
    }

    fn take(
        &self,
        zone: &str,
        name: &str,
        address: Ipv6Addr,
        id: &str,
    ) -> Result<(), ProviderError> {
        let what = format!("take {address} from `{name}` at Cloudflare");
        let url = self.url(&["zones", zone, "dns_records", id]);
        match self.call(&what, &Method::DELETE, &url, None)? {
            Said::Good(_) => Ok(()),
            Said::No(status, complaints)
                if status == StatusCode::NOT_FOUND || has_code(&complaints, &[GONE]) =>
            {
                Ok(())
            }
            Said::No(status, complaints) => Err(refused(&what, status, &complaints)),
        }
    }
}

impl Provider for Cloudflare {
    fn kind(&self) -> DnsProvider {
        DnsProvider::Cloudflare
    }

    fn read(&self, name: &str) -> Result<Held, ProviderError> {
        let zone = self.zone_of(name)?;
        let what = format!("read `{name}` at Cloudflare");
        let mut entries: Vec<Entry> = self.list(
            &what,
            &["zones", &zone.id, "dns_records"],
            &[("type", "AAAA"), ("name", name)],
        )?;
        // What is taken away is taken by its number: nothing rests on how well the other side chose.
        entries.retain(|entry| entry.kind == "AAAA" && entry.name.eq_ignore_ascii_case(name));
        if entries.iter().any(|entry| entry.proxied) {
            return Err(ProviderError::Special {
                name: name.to_owned(),
                what: "it is proxied: it gives Cloudflare's addresses, and no registry is found"
                    .to_owned(),
            });
        }
        let mut ids = Vec::new();
        let mut set: Option<RecordSet> = None;
        for entry in entries {
            let address = entry.content.parse().map_err(|_| ProviderError::Failed {
                what: what.clone(),
                why: format!("`{}` is no IPv6 address", entry.content),
            })?;
            let ttl = if entry.ttl == AUTOMATIC {
                TTL
            } else {
                entry.ttl
            };
            let set = set.get_or_insert(RecordSet {
                addresses: Vec::new(),
                ttl,
            });
            set.addresses.push(address);
            ids.push((address, entry.id));
        }
        Ok(Held {
            zone: zone.name,
            set,
            zone_id: zone.id,
            ids,
        })
    }

    /// Each value is a record of its own there: who adds or takes one changes no other.
    fn write(&self, held: &Held, change: &Change) -> Result<(), ProviderError> {
        let zone = &held.zone_id;
        // A record that somebody has given another value keeps its number.
        let is_removing = !change.removed().is_empty();
        if is_removing && self.read(change.name())?.ids != held.ids {
            return Err(ProviderError::Changed {
                name: change.name().to_owned(),
            });
        }
        let ttl = change.after().map_or(TTL, |set| set.ttl);
        for address in change.added() {
            self.add(zone, change.name(), address, ttl)?;
        }
        for address in change.removed() {
            let ids = held.ids.iter().filter(|(value, _)| *value == address);
            for (_, id) in ids {
                self.take(zone, change.name(), address, id)?;
            }
        }
        Ok(())
    }
}

/// Where the API is: a token goes over https, or stays on this machine.
fn address(text: &str) -> Result<Url, ProviderError> {
    let bad = |why: &str| ProviderError::Bad {
        what: format!("the API's address `{text}`"),
        why: why.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = bare
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" if !host.is_empty() => Ok(url),
        "http" if here => Ok(url),
        _ => Err(bad("a token goes over https only")),
    }
}

fn client(patience: &Patience, api: &Url) -> Result<Client, ProviderError> {
    // It is there already, if somebody else has put it there; then it does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder();
    // What stays on this machine goes by no proxy.
    let builder = match api.scheme() {
        "http" => builder.no_proxy(),
        _ => builder,
    };
    builder
        .user_agent(concat!("trustnet-vm/", env!("CARGO_PKG_VERSION")))
        .timeout(patience.answer)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| ProviderError::Failed {
            what: "make an HTTP client".to_owned(),
            why: error.to_string(),
        })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn has_code(complaints: &[Complaint], codes: &[u32]) -> bool {
    complaints
        .iter()
        .any(|complaint| codes.contains(&complaint.code))
}

fn refused(what: &str, status: StatusCode, complaints: &[Complaint]) -> ProviderError {
    let said: Vec<String> = complaints
        .iter()
        .map(|complaint| format!("{} ({})", complaint.message, complaint.code))
        .collect();
    let why = if said.is_empty() {
        status.to_string()
    } else {
        said.join(", ")
    };
    let what = what.to_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ProviderError::Denied { what, why },
        _ => ProviderError::Failed { what, why },
    }
}

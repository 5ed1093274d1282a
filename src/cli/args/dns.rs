//! Arguments of `dns`.

use std::net::Ipv6Addr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use trustnet_api::dns::{DnsProvider, DnsSection, Tsig, TsigAlgorithm};
use trustnet_api::secret::{Age, ValueFrom};

use super::parse_duration;

/// What to do with the record of a network's registries.
#[derive(Debug, Subcommand)]
pub enum DnsVerb {
    /// Show who has the record: the zone's own name servers, this machine's resolver, and resolvers for everybody. Exits
    /// with 0 where all who answer have it, else with 7. `TRUSTNET_NAME_SERVERS` names other name servers
    /// (`[address]:port`, with commas between), and then nobody else is asked.
    ///
    /// With `-o json` it prints `kind: DnsCheck` with `name`, `zone`, `result` (`published`, `spreading`, `missing`, `absent`, `unknown`),
    /// `meaning`, `wanted`, `addresses`, and `views`: each a `server` with `address`, `role` (`authoritative`, `resolver`, `public`), `answer`
    /// (`addresses`, `nxdomain`, `nodata`, `alias`, `servfail`, `refused`, `lame`, `timeout`, `unreachable`, `other`), `addresses`, `ttl` and
    /// `why`.
    Check(DnsCheck),
    /// Say how the record is added by hand, at whoever keeps the zone. Asks nobody.
    ///
    /// With `-o json` it prints `kind: DnsInstructions` with `provider`, `name`, `zone`, `host`, `type`, `ttl`, `addresses`, `steps` and
    /// `verify`.
    Instructions(DnsInstructions),
    /// Add the registries' addresses to the record, at whoever keeps the zone. Others' addresses stay. What changes is shown
    /// first, and asked for. Then it is waited until everybody has it; that some do not yet is a warning.
    ///
    /// With `-o json` it prints `kind: DnsResult` with `name`, `zone`, `provider`, `result` (`published`, `unchanged`), `added`, `removed`
    /// and `kept`.
    Publish(DnsPublish),
    /// Take the registries' addresses out of the record. Others' addresses stay. What changes is shown first, and asked
    /// for.
    ///
    /// With `-o json` it prints `kind: DnsResult` as `dns publish` does; its `result` is `removed` or `unchanged`.
    #[command(visible_alias = "rm")]
    Remove(DnsChange),
}

/// Arguments of `dns check`.
#[derive(Debug, Args)]
pub struct DnsCheck {
    /// The network's domain: the record is `tnr.` and this.
    #[arg(value_name = "DOMAIN")]
    pub domain: String,
    /// An address that is to be there; any will do, where none is given.
    #[arg(long = "address", value_name = "IPV6")]
    pub addresses: Vec<Ipv6Addr>,
    /// Look until everybody who answers has the record, or the tries are used up.
    #[arg(long)]
    pub wait: bool,
    /// Ask the zone's own name servers and this machine's resolver only, none for everybody.
    #[arg(long)]
    pub no_public: bool,
    /// How long to wait.
    #[command(flatten)]
    pub watch: DnsWatch,
}

/// How long a record is waited for.
#[derive(Debug, Clone, Args)]
pub struct DnsWatch {
    /// How often to look for it.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub tries: u32,
    /// How long between two looks, such as 5s.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub pause: Duration,
}

/// Arguments of `dns instructions`.
#[derive(Debug, Args)]
pub struct DnsInstructions {
    /// The record.
    #[command(flatten)]
    pub record: DnsRecord,
    /// Who keeps the zone.
    #[command(flatten)]
    pub keeper: DnsKeeper,
}

/// Arguments of `dns publish`.
#[derive(Debug, Args)]
pub struct DnsPublish {
    /// What is changed, and where.
    #[command(flatten)]
    pub change: DnsChange,
    /// Return when the provider has taken it.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait.
    #[command(flatten)]
    pub watch: DnsWatch,
}

/// What is changed, and where.
#[derive(Debug, Args)]
pub struct DnsChange {
    /// The record.
    #[command(flatten)]
    pub record: DnsRecord,
    /// Who keeps the zone.
    #[command(flatten)]
    pub keeper: DnsKeeper,
}

/// A record: a domain and addresses.
#[derive(Debug, Args)]
pub struct DnsRecord {
    /// The network's domain: the record is `tnr.` and this.
    #[arg(value_name = "DOMAIN")]
    pub domain: String,
    /// An address of one of the network's registries.
    #[arg(long = "address", value_name = "IPV6", required = true)]
    pub addresses: Vec<Ipv6Addr>,
}

/// Who keeps the zone. What no flag says comes from `dns:` of the configuration.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Who keeps the zone (else `dns:` of the configuration)")]
pub struct DnsKeeper {
    /// Who keeps it; manual: somebody, by hand [default: manual]
    #[arg(long, value_name = "PROVIDER")]
    pub dns_provider: Option<KeeperName>,
    /// The zone that holds the record, such as example.org [default: the one with the longest name]
    #[arg(long, value_name = "ZONE")]
    pub dns_zone: Option<String>,
    /// rfc2136: the name server that takes updates, as NAME, ADDRESS or with :PORT [default: the zone's primary]; cloudflare: another
    /// address of the API
    #[arg(long, value_name = "SERVER")]
    pub dns_endpoint: Option<String>,
    /// route53: the profile of ~/.aws [default: that of the environment]
    #[arg(long, value_name = "NAME")]
    pub aws_profile: Option<String>,
    /// rfc2136: what the name server calls the key that signs.
    #[arg(long, value_name = "NAME", requires = "tsig_key_from")]
    pub tsig_name: Option<String>,
    /// rfc2136: with what the key signs [default: hmac-sha256]
    #[arg(long, value_name = "ALGORITHM", requires = "tsig_name")]
    pub tsig_algorithm: Option<KeyAlgorithm>,
    /// rfc2136: where the key is read from: file:PATH, env:NAME or age:PATH.
    #[arg(long, value_name = "FROM", value_parser = secret, requires = "tsig_name")]
    pub tsig_key_from: Option<ValueFrom>,
    /// cloudflare: where the API token is read from: file:PATH, env:NAME or age:PATH.
    #[arg(long, value_name = "FROM", value_parser = secret)]
    pub dns_token_from: Option<ValueFrom>,
}

/// Who keeps a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeeperName {
    /// Somebody, by hand.
    Manual,
    /// Amazon Route 53.
    Route53,
    /// Cloudflare.
    Cloudflare,
    /// A name server that takes updates.
    Rfc2136,
}

/// With what a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl DnsKeeper {
    /// What the flags say, over what the configuration says. Where they name another provider than that, it does not count.
    #[must_use]
    pub fn section(&self, configured: Option<&DnsSection>) -> DnsSection {
        let said = self.dns_provider.map(KeeperName::wire);
        let fits = |section: &&DnsSection| {
            said.is_none_or(|said| said == section.provider.unwrap_or_default())
        };
        let mut section = configured.filter(fits).cloned().unwrap_or_default();
        section.provider = said.or(section.provider);
        let fields = [
            (&mut section.zone, &self.dns_zone),
            (&mut section.server, &self.dns_endpoint),
            (&mut section.aws_profile, &self.aws_profile),
        ];
        for (field, flag) in fields {
            if flag.is_some() {
                field.clone_from(flag);
            }
        }
        if let (Some(name), Some(key_from)) = (&self.tsig_name, &self.tsig_key_from) {
            section.tsig = Some(Tsig {
                name: name.clone(),
                algorithm: self.tsig_algorithm.map(KeyAlgorithm::wire),
                key_from: key_from.clone(),
            });
        }
        if self.dns_token_from.is_some() {
            section.token_from.clone_from(&self.dns_token_from);
        }
        section
    }
}

impl KeeperName {
    fn wire(self) -> DnsProvider {
        match self {
            Self::Manual => DnsProvider::Manual,
            Self::Route53 => DnsProvider::Route53,
            Self::Cloudflare => DnsProvider::Cloudflare,
            Self::Rfc2136 => DnsProvider::Rfc2136,
        }
    }
}

impl KeyAlgorithm {
    fn wire(self) -> TsigAlgorithm {
        match self {
            Self::HmacSha256 => TsigAlgorithm::HmacSha256,
            Self::HmacSha384 => TsigAlgorithm::HmacSha384,
            Self::HmacSha512 => TsigAlgorithm::HmacSha512,
        }
    }
}

/// Where a secret is read from; never the secret itself.
fn secret(text: &str) -> Result<ValueFrom, String> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(ValueFrom::File(path.to_owned())),
        Some(("env", name)) if !name.is_empty() => Ok(ValueFrom::Env(name.to_owned())),
        Some(("age", path)) if !path.is_empty() => Ok(ValueFrom::Age(Age {
            file: path.to_owned(),
            identity: None,
        })),
        _ => Err("expected file:PATH, env:NAME or age:PATH".to_owned()),
    }
}

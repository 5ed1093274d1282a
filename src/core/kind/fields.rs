//! Fields that the kinds share.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::Ipv6Net;
use sha2::{Digest as _, Sha256};
use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::REGISTRY_PORT;
use trustnet_api::secret::{Alphabet, Generate, SecretString, ValueFrom};
use trustnet_api::service_ref::{RemoteService, ServiceRef};

use super::expansion::Origin;
use super::{JOIN_TOKEN, REGISTRY_SERVICE, Siblings};
use crate::network::{Endpoint, EndpointError, is_domain};
use crate::problem::Problem;
use crate::vm::{VmName, check_reference, is_generated_name};

/// The prefix length of an address that is written without one.
const PREFIX: u8 = 64;
/// How many hexadecimal digits a join token has: 32 random bytes.
const TOKEN_LENGTH: u32 = 64;
/// How long is waited in a guest for the registry that its service needs.
const PATIENCE: &str = "5m";

/// An address that others reach, with its prefix length.
pub(crate) fn address(path: &str, text: &str) -> Result<Ipv6Net, Problem> {
    let refused = |why: &str| {
        Problem::error(path, format!("`{text}` {why}"))
            .hint("write an IPv6 address of the guest, such as `fd10:1234::253/64`")
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse::<u8>().ok()),
        None => (text, Some(PREFIX)),
    };
    let Ok(address) = address.parse::<Ipv6Addr>() else {
        let v4 = address.parse::<IpAddr>().is_ok();
        let why = "is no IPv6 address";
        return Err(if v4 {
            refused("is an IPv4 address")
        } else {
            refused(why)
        });
    };
    let net = prefix.and_then(|prefix| Ipv6Net::new(address, prefix).ok());
    let net = net.ok_or_else(|| refused("has no prefix length of 0 to 128"))?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(refused("is no address at which others reach a guest"));
    }
    if address.is_unicast_link_local() {
        return Err(refused(
            "means something on each link, and another thing on the next",
        ));
    }
    Ok(net)
}

/// The address of the document. Where it is none, another one stands in, so that the rest can be looked at.
pub(super) fn own_address(text: &str, problems: &mut Vec<Problem>) -> Ipv6Net {
    address("spec.address", text).unwrap_or_else(|problem| {
        problems.push(problem);
        Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), PREFIX)
    })
}

/// The domain, in lower case. Where it is none, another one stands in.
pub(super) fn domain(text: &str, problems: &mut Vec<Problem>) -> String {
    if !is_domain(text) {
        let message = format!("`{text}` is no domain");
        let hint =
            "write labels of letters, digits and `-` with dots between, such as `example.org`";
        problems.push(Problem::error("spec.domain", message).hint(hint));
        return "invalid".to_owned();
    }
    text.to_ascii_lowercase()
}

/// A port that can be called.
pub(super) fn port(path: &str, port: Option<u16>, problems: &mut Vec<Problem>) {
    if port == Some(0) {
        problems.push(Problem::error(path, "a port is one of 1 to 65535"));
    }
}

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Registrar {
    /// At this address; nothing is known of its machine.
    At(Endpoint),
    /// In a VM of this name, and of the same file where its address is known.
    Vm(String, Option<Endpoint>),
    /// Where DNS says.
    LookedUp,
}

/// What is looked for.
pub(super) struct Sought<'a> {
    /// The field that may say where.
    pub path: &'a str,
    /// What it says.
    pub written: Option<&'a str>,
    /// The network's domain.
    pub domain: &'a str,
    /// The VM that looks for it.
    pub by: &'a str,
    /// Whether it has to be the root.
    pub root: bool,
}

impl Sought<'_> {
    /// Finds a registry: as it is written, else the domain's root in the same file.
    pub fn find(&self, siblings: &Siblings, problems: &mut Vec<Problem>) -> Registrar {
        let Some(text) = self.written else {
            return match siblings.root_of(self.domain) {
                Some(root) => Registrar::Vm(root.name.clone(), Some(root.at)),
                None => Registrar::LookedUp,
            };
        };
        if let Some(endpoint) = endpoint(text) {
            return endpoint.map_or_else(
                |error| {
                    problems.push(Problem::error(self.path, format!("`{text}`: {error}")));
                    Registrar::LookedUp
                },
                Registrar::At,
            );
        }
        match VmName::parse(text) {
            Ok(name) => self.named(name.as_str(), siblings, problems),
            Err(_) => {
                let message = format!("`{text}` is neither a registry's name nor an address");
                let hint = "write the name of a registry's VM, or `[2001:db8::1]:8000`";
                problems.push(Problem::error(self.path, message).hint(hint));
                Registrar::LookedUp
            }
        }
    }

    fn named(&self, name: &str, siblings: &Siblings, problems: &mut Vec<Problem>) -> Registrar {
        let mut refuse = |message: String, hint: &str| {
            problems.push(Problem::error(self.path, message).hint(hint));
        };
        let found = siblings.named(name);
        if name == self.by {
            refuse(format!("`{name}` is this one itself"), "name another one");
        } else if let Some(one) = found
            && self.root
            && one.role != trustnet_api::network::RegistryRole::Root
        {
            refuse(
                format!("`{name}` is no root"),
                "name the registry with `role: root`",
            );
        } else if let Some(one) = found
            && one.domain != self.domain
        {
            refuse(
                format!("`{name}` is a registry of another domain, `{}`", one.domain),
                "name a registry of the same domain",
            );
        }
        Registrar::Vm(name.to_owned(), found.map(|one| one.at))
    }
}

/// What is meant as an address; none for a name.
fn endpoint(text: &str) -> Option<Result<Endpoint, EndpointError>> {
    if let Ok(alone) = text.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return Some(Ok(Endpoint::new(alone.into(), REGISTRY_PORT)));
    }
    let parsed = text.parse::<Endpoint>();
    (parsed.is_ok() || text.contains([':', '[', '.'])).then_some(parsed)
}

impl Registrar {
    /// Tells a service where the registry is: a parameter, or a dependency that is waited for. `path` is where the
    /// document says it.
    pub fn tell(&self, service: &mut ServiceRef, parameter: &str, path: &str, origin: &mut Origin) {
        match self {
            Self::At(endpoint) => {
                let value = ConfigValue::Text(endpoint.to_string());
                service.config.insert(parameter.to_owned(), value);
                origin.note(format!("spec.services[0].config.{parameter}"), path);
            }
            Self::Vm(name, at) => {
                service.dependencies.push(RemoteService {
                    service: REGISTRY_SERVICE.to_owned(),
                    vm: Some(name.clone()),
                    host: at.map(|at| at.socket().ip().to_string()),
                    port: at.map(|at| at.socket().port()),
                    condition: None,
                    timeout: Some(PATIENCE.to_owned()),
                });
                origin.note("spec.services[0].dependencies[0]", path);
            }
            Self::LookedUp => {}
        }
    }
}

/// The key of a network's administrator, for a registry of it.
pub(super) struct AdministratorKey<'a> {
    /// The field that may say it.
    pub path: &'a str,
    /// What it says.
    pub written: Option<&'a str>,
    /// The network's domain.
    pub domain: &'a str,
}

impl AdministratorKey<'_> {
    /// Tells a service the key: as it is written, else that of the domain's root in the same file. What is wrong with
    /// the root's is told of the root.
    pub fn tell(
        &self,
        service: &mut ServiceRef,
        siblings: &Siblings,
        origin: &mut Origin,
        problems: &mut Vec<Problem>,
    ) {
        let is_key = |text: &str| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        if let Some(text) = self.written.filter(|text| !is_key(text)) {
            let message = format!("`{text}` is no Ed25519 public key");
            let hint = "write its 32 bytes in Base64, 44 characters with the `=` at the end";
            problems.push(Problem::error(self.path, message).hint(hint));
        }
        let of_root = || siblings.root_of(self.domain)?.administrator.as_deref();
        let of_root = || of_root().filter(|text| is_key(text));
        if let Some(key) = self.written.or_else(of_root) {
            let key = ConfigValue::Text(key.to_owned());
            origin.note("spec.services[0].config.administratorKey", self.path);
            service.config.insert("administratorKey".to_owned(), key);
        }
    }
}

/// The join token of a network, for its service: as it is written, else that of the domain's root in the same file,
/// else the domain's own. All VMs that name the same reference have the same one.
pub(super) fn join_token(
    from: Option<&ValueFrom>,
    domain: &str,
    siblings: &Siblings,
    problems: &mut Vec<Problem>,
) -> (String, SecretString) {
    let path = "spec.joinTokenFrom";
    let of_root = || siblings.root_of(domain)?.token.as_ref();
    let from = from.or_else(of_root);
    let from = match from {
        None => ValueFrom::Generate(token(token_name(domain))),
        Some(ValueFrom::Generate(one)) => {
            if one.shared == Some(false) {
                let message = "a join token that each VM has for itself admits nobody";
                let path = format!("{path}.generate.shared");
                problems.push(Problem::error(path, message).hint("leave `shared` out"));
            }
            let own = token(one.name.clone());
            ValueFrom::Generate(Generate {
                length: one.length.or(own.length),
                alphabet: one.alphabet.or(own.alphabet),
                ..own
            })
        }
        Some(other) => other.clone(),
    };
    let strange = check_reference("", &from).into_iter();
    problems.extend(strange.map(|problem| {
        let below = problem.path.trim_start_matches(".valueFrom");
        Problem {
            path: format!("{path}{below}"),
            ..problem
        }
    }));
    (JOIN_TOKEN.to_owned(), SecretString::ValueFrom(from))
}

fn token(name: String) -> Generate {
    Generate {
        name,
        length: Some(TOKEN_LENGTH),
        alphabet: Some(Alphabet::Hex),
        shared: Some(true),
    }
}

/// The name of a domain's join token among the secrets that are kept.
#[must_use]
pub fn token_name(domain: &str) -> String {
    let name = format!("join-token.{domain}");
    if is_generated_name(&name) {
        return name;
    }
    let digest = Sha256::digest(domain.as_bytes());
    let digits: Vec<String> = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("join-token.{}", digits.concat())
}

#[cfg(test)]
mod tests {
    use super::{address, endpoint, token_name};

    #[test]
    fn an_address_is_one_at_which_others_reach_a_guest() {
        let said = |text| address("spec.address", text).map(|net| net.to_string());
        assert_eq!(said("fd10:1234::253").as_deref(), Ok("fd10:1234::253/64"));
        assert_eq!(said("2001:db8::1/48").as_deref(), Ok("2001:db8::1/48"));
        for wrong in [
            "",
            "10.0.0.1",
            "fd10::1/129",
            "fd10::1/x",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "fd10::1%eth0",
        ] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_told_from_an_address() {
        for name in ["root", "root-1", "a_b"] {
            assert_eq!(endpoint(name), None, "{name}");
        }
        for (text, meant) in [
            ("[2001:db8::1]:8001", "[2001:db8::1]:8001"),
            ("2001:db8::1", "[2001:db8::1]:8000"),
            ("[2001:db8::1]", "[2001:db8::1]:8000"),
        ] {
            let found = endpoint(text).expect("an address").expect("a good one");
            assert_eq!(found.to_string(), meant);
        }
        for wrong in ["[2001:db8::1]:0", "tnr.example.org", "host:8000"] {
            assert!(
                endpoint(wrong).expect("meant as an address").is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_token_of_a_long_domain_has_a_name_too() {
        assert_eq!(token_name("example.org"), "join-token.example.org");
        let long = "a.".repeat(100) + "org";
        assert_eq!(token_name(&long).len(), 43);
        assert_ne!(token_name(&long), token_name(&long.replace("org", "com")));
    }
}

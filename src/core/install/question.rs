//! The questions, as data: what is asked, when, with which default, and what is a good answer.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use trustnet_api::install::{Deployment, InstallSpec, RegistryType};
use trustnet_api::network::REGISTRY_PORT;

use super::{Found, shown};
use crate::network::{Endpoint, is_domain};
use crate::vm::VmName;

/// What is asked for. The order is that of the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The network's domain.
    Domain,
    /// What is installed.
    RegistryType,
    /// Where it runs.
    Deployment,
    /// The name of the node or registry.
    NodeName,
    /// Its address.
    Address,
    /// The domain once more, where it has another root.
    NewRoot,
    /// The root that is followed.
    RootRegistry,
    /// What the VM is attached to.
    Attachment,
    /// The network's join token.
    JoinToken,
    /// Who keeps the domain's zone.
    DnsProvider,
}

/// An answer that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The answer; empty for none.
    pub text: String,
    /// Whether it is taken where nobody is asked.
    pub silently: bool,
}

/// One of the answers to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The answer.
    pub word: &'static str,
    /// What it means.
    pub text: &'static str,
}

const TYPES: [Choice; 3] = [
    Choice {
        word: "root",
        text: "Root registry (the first of a network): a VM of its own, without a node; for setting the network up",
    },
    Choice {
        word: "independent",
        text: "Secondary registry: a VM of its own, without a node; follows the root; for redundancy",
    },
    Choice {
        word: "integrated",
        text: "Node with a registry inside: private, not advertised; follows the root; for most users",
    },
];

const DEPLOYMENTS: [Choice; 2] = [
    Choice {
        word: "vm",
        text: "a VM of this machine's hypervisor",
    },
    Choice {
        word: "kubernetes",
        text: "a Kubernetes cluster: manifests are written",
    },
];

const PROVIDERS: [Choice; 4] = [
    Choice {
        word: "manual",
        text: "somebody adds the record by hand",
    },
    Choice {
        word: "route53",
        text: "Amazon Route 53, with a profile of ~/.aws",
    },
    Choice {
        word: "cloudflare",
        text: "Cloudflare, with an API token (`dns.tokenFrom` of the answers or the configuration)",
    },
    Choice {
        word: "rfc2136",
        text: "a name server that takes updates (`dns.server`, `dns.tsig`)",
    },
];

impl Key {
    /// All, in the order of the questions: what a question depends on is asked before it.
    pub const ALL: [Self; 10] = [
        Self::Domain,
        Self::RegistryType,
        Self::Deployment,
        Self::NodeName,
        Self::Address,
        Self::NewRoot,
        Self::RootRegistry,
        Self::Attachment,
        Self::JoinToken,
        Self::DnsProvider,
    ];

    /// The flag, with what stands behind it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Domain => "--domain DOMAIN",
            Self::RegistryType => "--registry-type root|independent|integrated",
            Self::Deployment => "--deployment vm|kubernetes",
            Self::NodeName => "--node-name NAME",
            Self::Address => "--address IPV6",
            Self::NewRoot => "--new-root DOMAIN",
            Self::RootRegistry => "--root-registry-ip IPV6",
            Self::Attachment => "--bridge NAME or --network NAME",
            Self::JoinToken => "--join-token-file FILE",
            Self::DnsProvider => "--dns-provider manual|route53|cloudflare|rfc2136",
        }
    }

    /// The field of a file of answers.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Domain => "spec.domain",
            Self::RegistryType => "spec.registryType",
            Self::Deployment => "spec.deployment",
            Self::NodeName => "spec.nodeName",
            Self::Address => "spec.address",
            Self::NewRoot => "spec.newRoot",
            Self::RootRegistry => "spec.rootRegistryIp",
            Self::Attachment => "spec.bridge",
            Self::JoinToken => "spec.joinTokenFile",
            Self::DnsProvider => "spec.dns.provider",
        }
    }

    /// What it is called, in the summary and before the cursor.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Domain => "Domain name",
            Self::RegistryType => "Registry type",
            Self::Deployment => "Deployment",
            Self::NodeName => "Node name",
            Self::Address => "IPv6 address",
            Self::NewRoot => "A new root for the domain",
            Self::RootRegistry => "Root registry",
            Self::Attachment => "Attached to",
            Self::JoinToken => "Join token",
            Self::DnsProvider => "DNS provider",
        }
    }

    /// What somebody wants to know who has to answer.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Domain => {
                "The domain of the network, such as example.org: its registries are found as tnr.example.org."
            }
            Self::RegistryType => {
                "What would you like to run? A network has one root; everything else follows it."
            }
            Self::Deployment => "Where it is to run.",
            Self::NodeName => {
                "The name in the network's directory and of the VM: lower-case letters, digits, `-` and `_`."
            }
            Self::Address => {
                "The IPv6 address at which others reach it, such as fd10:1234::1/64. It becomes the VM's."
            }
            Self::NewRoot => {
                "The domain's record names a root that this machine has not made, and a network has one. If this one is to take its place, or the record was added for it, type the domain once more."
            }
            Self::RootRegistry => {
                "The address of the root, such as 2001:db8::1 or [2001:db8::1]:8000; empty: it is looked up in the DNS."
            }
            Self::Attachment => {
                "How others reach the VM: `segment` (VMs of this machine only), `bridge NAME`, or `network NAME` of libvirt."
            }
            Self::JoinToken => {
                "A file with the network's join token, which admits new members: the root's owner has it."
            }
            Self::DnsProvider => {
                "Who keeps the domain's zone, in which the registry's record is added?"
            }
        }
    }

    /// The answers to choose from; none where any can be given.
    #[must_use]
    pub fn choices(self) -> &'static [Choice] {
        match self {
            Self::RegistryType => &TYPES,
            Self::Deployment => &DEPLOYMENTS,
            Self::DnsProvider => &PROVIDERS,
            _ => &[],
        }
    }
}

/// The questions over what was answered and found so far.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// What was answered.
    pub answers: &'a InstallSpec,
    /// What was found.
    pub found: &'a Found,
}

impl Form<'_> {
    /// Whether a question makes sense after the answers to those before it.
    #[must_use]
    pub fn applies(&self, key: Key) -> bool {
        let role = self.answers.registry_type;
        let follows = role.is_some_and(|role| role != RegistryType::Root);
        match key {
            Key::Domain | Key::RegistryType | Key::Deployment | Key::NodeName | Key::Address => {
                true
            }
            Key::NewRoot => role == Some(RegistryType::Root) && self.has_another_root(),
            Key::RootRegistry => {
                follows
                    && (self.answers.root_registry_ip.is_some()
                        || self.found.tnr.addresses().is_empty())
            }
            Key::Attachment => self.answers.deployment != Some(Deployment::Kubernetes),
            Key::DnsProvider => role.is_some_and(|role| role != RegistryType::Integrated),
            Key::JoinToken => {
                follows && (!self.found.token || self.answers.join_token_file.is_some())
            }
        }
    }

    /// Whether the domain's record names registries, and not this one among them: one that has the address by custom, and
    /// that nobody here has made, is another.
    fn has_another_root(&self) -> bool {
        let own = self.address().map(|net| net.addr());
        let there = self.found.tnr.addresses();
        // What a cluster has is not looked at here.
        let in_cluster = self.answers.deployment == Some(Deployment::Kubernetes);
        let is_own = own.is_some_and(|own| there.contains(&own))
            && (in_cluster || self.found.own.is_some() || self.found.awaited);
        !there.is_empty() && !is_own
    }

    /// The address, where one was answered.
    fn address(&self) -> Option<Ipv6Net> {
        address(shown(self.answers, Key::Address)?.as_str()).ok()
    }

    /// The answer that is proposed.
    #[must_use]
    pub fn suggestion(&self, key: Key) -> Option<Suggestion> {
        let silently = |text: &str| {
            Some(Suggestion {
                text: text.to_owned(),
                silently: true,
            })
        };
        match key {
            Key::Domain | Key::NewRoot | Key::JoinToken => None,
            Key::RegistryType if self.found.tnr.addresses().is_empty() => Some(Suggestion {
                text: "root".to_owned(),
                silently: false,
            }),
            Key::RegistryType => silently("integrated"),
            Key::Deployment => silently("vm"),
            Key::NodeName => silently(match self.answers.registry_type? {
                RegistryType::Root => "root",
                RegistryType::Independent => "secondary",
                RegistryType::Integrated => "node-1",
            }),
            Key::Address => silently(&self.likely_address()?.to_string()),
            Key::RootRegistry => silently(""),
            Key::Attachment => silently("segment"),
            Key::DnsProvider => silently("manual"),
        }
    }

    /// An address by the network's custom: the root at `::253`, the first secondary at `::254`, node N at `::N`, in the
    /// network of the root, where that is known.
    fn likely_address(&self) -> Option<Ipv6Addr> {
        let named = self.answers.root_registry_ip.as_deref().and_then(root);
        let named = named.and_then(|root| match root.socket().ip() {
            std::net::IpAddr::V6(address) => Some(address),
            std::net::IpAddr::V4(_) => None,
        });
        let named = named.filter(|root| !root.is_loopback());
        let root = named.or(self.found.tnr.addresses().first().copied());
        let network = root.unwrap_or(Ipv6Addr::new(0xfd10, 0x1234, 0, 0, 0, 0, 0, 0));
        let host = match self.answers.registry_type? {
            RegistryType::Root => 0x253,
            RegistryType::Independent => 0x254,
            RegistryType::Integrated => {
                let number = self.answers.node_name.as_deref()?.strip_prefix("node-")?;
                // Written as it is counted: node 10 is at ::10.
                let host = u16::from_str_radix(number, 16).ok();
                host.filter(|host| ![0, 0x253, 0x254].contains(host))?
            }
        };
        let [a, b, c, d, ..] = network.segments();
        Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, host))
    }

    /// Whether an answer is a good one. An empty one is good where it is the proposed one.
    ///
    /// # Errors
    /// It is not: why, in words.
    pub fn check(&self, key: Key, text: &str) -> Result<(), String> {
        let text = text.trim();
        let wanted = |good: bool, why: &str| if good { Ok(()) } else { Err(why.to_owned()) };
        match key {
            Key::Domain => wanted(
                is_domain(text) && text.contains('.'),
                "write labels of letters, digits and `-` with dots between, such as `example.org`",
            ),
            Key::RegistryType | Key::Deployment | Key::DnsProvider => {
                let words: Vec<&str> = key.choices().iter().map(|one| one.word).collect();
                wanted(
                    words.contains(&text),
                    &format!("write one of {}", words.join(", ")),
                )
            }
            Key::NodeName => VmName::parse(text)
                .map(|_| ())
                .map_err(|why| format!("`{text}`: {why}")),
            Key::Address => address(text).map(|_| ()),
            Key::NewRoot => wanted(
                self.answers.domain.as_deref() == Some(text),
                "type the domain once more, or go back and choose another registry type",
            ),
            Key::RootRegistry => wanted(
                text.is_empty() || root(text).is_some(),
                "write an address such as `2001:db8::1` or `[2001:db8::1]:8000`, or nothing",
            ),
            Key::Attachment => wanted(
                attachment(text).is_some(),
                "write `segment`, `bridge NAME` or `network NAME`",
            ),
            Key::JoinToken => wanted(!text.is_empty(), "write the path of a file"),
        }
    }
}

/// An address that others reach, with its prefix length.
pub(super) fn address(text: &str) -> Result<Ipv6Net, String> {
    crate::kind::address("", text).map_err(|problem| problem.message)
}

/// A root's address, with the port that registries have unless said.
pub(super) fn root(text: &str) -> Option<Endpoint> {
    match text.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        Ok(alone) => Some(Endpoint::new(alone.into(), REGISTRY_PORT)),
        Err(_) => text.parse().ok(),
    }
}

/// What a VM is attached to: the kind of it, and its name.
pub(super) fn attachment(text: &str) -> Option<(&str, &str)> {
    if text == "segment" {
        return Some((text, ""));
    }
    let (kind, name) = text.split_once([' ', '='])?;
    let name = name.trim();
    let known = matches!(kind, "bridge" | "network");
    (known && !name.is_empty() && !name.contains(char::is_whitespace)).then_some((kind, name))
}

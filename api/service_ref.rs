//! The services that a VM asks for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config_value::ConfigValue;
use crate::quantity::Quantity;
use crate::secret::SecretString;

/// A service that a VM asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// The service's name, or another name of it; `trustnet-vm service list` shows them.
    pub name: String,
    /// The version: exact, `latest`, or a range such as `~1.9`; default the definition's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The service's parameters; `trustnet-vm service show` lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, ConfigValue>,
    /// The service's secrets, at least 4 bytes each; those that are not given are generated. In logs and in what
    /// is shown `***` stands for them, also where they are quoted for a shell, JSON, YAML or a URL, or in base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretString>,
    /// Where the services are that this one depends on, if not in the same guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<RemoteService>,
}

/// A service somewhere else. Give `vm`, or `host` and `port`, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteService {
    /// The service's name.
    pub service: String,
    /// The VM that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<String>,
    /// Host name or address, as this guest reaches it; default the VM's first static address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port; default the service's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is waited for; default `Ready` where `vm` is given, else `Reachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<DependencyCondition>,
    /// How long is waited for it, such as `90s`; default `90s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What is waited for of a service somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DependencyCondition {
    /// Its VM's record says that it is ready, and its port answers this guest.
    Ready,
    /// Its port answers this guest.
    Reachable,
    /// Nothing.
    None,
}

/// A read-only disk with the artifacts of the VM's services, shared by all VMs that need the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheDisk {
    /// The most that it may hold, such as `4Gi`; default no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
}

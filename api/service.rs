//! `kind: Service`: what a service of a guest is made of. Data, never code.
//!
//! Every string may hold `{{ … }}`: `version`, `arch` (`amd64`, `arm64`), `machine` (`x86_64`,
//! `aarch64`), `params.NAME`, `secrets.NAME` (in files and input only), `secretFiles.NAME`,
//! `dependencies.NAME.host` and `.port`, `data`, `vm`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config_value::ConfigValue;
use crate::meta::ObjectMeta;

/// A service that can run in a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `Service`.
    #[schemars(extend("enum" = [crate::SERVICE]))]
    pub kind: String,
    /// What the service is called.
    pub metadata: ObjectMeta,
    /// What the service is.
    pub spec: ServiceSpec,
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Other names that a VM may use for the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The version that the digests below belong to, and that is installed where a VM names none.
    pub version: String,
    /// Where other versions are looked up; without it only `version` and exact versions can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_source: Option<VersionSource>,
    /// What is brought into the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Services that must be there first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// What a VM may say about the service, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// Secrets of the service, by name; each is a file in the guest that only its owner may read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, ServiceSecret>,
    /// The system user that the service runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<ServiceUser>,
    /// The folder that holds what must outlive the VM. It lies on the VM's data disk, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDirectory>,
    /// Configuration files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ConfigFile>,
    /// Commands that bring the service into its first state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<SetupCommand>,
    /// Ports on which the service listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// The guest's address at which it listens there, where it has a certain one; default `localhost`. `::` and
    /// `0.0.0.0` are every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the guest's init runs; none for a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// When the service counts as ready; without it, when its unit runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// What `trustnet-vm test` asks of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<ServiceTest>,
    /// What `trustnet-vm diagnose` looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnose: Vec<Diagnosis>,
    /// How the service leaves the guest, beyond its unit, files and packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<Uninstall>,
}

/// Where the versions of a service are listed. Give exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct VersionSource {
    /// The URL of a text that is the latest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A repository of GitHub, as `owner/name`, whose releases are the versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<String>,
    /// The URL of a page in which versions stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// Something that is brought into the guest. Give exactly one of `url`, `packages`, `oci` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its name in the cache: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// Where it is downloaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What `url` gives or the file must be for `version`, by architecture: `sha256:…` or `sha512:…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
    /// The publisher's list of digests, for versions whose digest is not given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
    /// Packages of the guest's distribution, by the name of their package manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// An image of an OCI registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciImage>,
    /// A file of the host, relative to the definition's folder: a local build. Those of the program's own
    /// definitions are looked for in `~/.local/share/trustnet-vm`, in `lib/trustnet-vm` beside the folder of the
    /// program, and in the folder where it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Put it into the guest as one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallFile>,
    /// Unpack it in the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpack: Option<Unpack>,
}

/// A publisher's list of digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checksums {
    /// Where the list is.
    pub url: String,
    /// The name of the file in the list; default the last part of the file's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its OpenPGP signature is; needs `keyring`. Where there is a `keyring` and no `signature`, the list itself
    /// is clearsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The file of the keyring that must have signed, relative to the definition's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    /// Where its minisign signature is; needs `minisignKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minisign: Option<String>,
    /// The public key of minisign, as in the second line of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minisign_key: Option<String>,
}

/// Packages of a distribution. A guest takes the list of its own package manager.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Packages {
    /// Debian and Ubuntu: the whole closure is brought from the host's cache.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apt: Vec<String>,
    /// Fedora and its kin: from the repositories that the guest has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dnf: Vec<String>,
    /// Alpine: from the repositories that the guest has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apk: Vec<String>,
}

/// An image of an OCI registry, loaded into the guest's Docker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciImage {
    /// The image without tag, such as `docker.io/library/nginx`.
    pub image: String,
    /// The tag that a version has; default the version itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest of the manifest or index for `version`, as `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A file to be put into the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallFile {
    /// Absolute path.
    pub path: String,
    /// Mode as octal digits; default `0755`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// An archive to be unpacked in the guest; `tar`, plain or compressed, or `zip`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unpack {
    /// Absolute path of the folder that it is unpacked into. The folder is the artifact's own: what was
    /// there of an earlier version goes.
    pub into: String,
    /// How many leading parts of the names in the archive are left out; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<u32>,
    /// Symbolic links to be made: absolute path of the link, and the path in the folder that it leads to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
}

/// A service that must be there first: in the same guest, or where the VM says that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The service's name.
    pub service: String,
    /// What it is needed for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the service also works without it; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// What a VM may say about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value where a VM gives none; without it a VM must give one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ConfigValue>,
    /// The only values that are taken.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
}

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// One line of text, without control characters.
    String,
    /// Text of several lines.
    Text,
    /// A whole number.
    Integer,
    /// A port, 1 to 65535.
    Port,
    /// True or false.
    Boolean,
    /// A list of lines of text.
    List,
    /// A name for databases, users and the like: lower-case letters, digits and `_`, first a letter.
    Identifier,
    /// An absolute path.
    Path,
}

/// A secret of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSecret {
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absolute path of its file in the guest; default `/etc/trustnet-vm/secrets/SERVICE/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may read the file, as `user:group`; default root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How many characters are generated where a VM gives no value; default 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// Whether a VM must give a value instead of having one generated; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// A system user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUser {
    /// Login name; its group has the same.
    pub name: String,
    /// Home folder; default `/nonexistent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Login shell; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Supplementary groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// The folder that holds what must outlive the VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataDirectory {
    /// Absolute path.
    pub path: String,
    /// Owner as `user:group`; default what is there, else root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Mode as octal digits; default what is there, else `0755`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// How values are written into a text, so that they arrive as data whatever they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As they are, and values of more than one line only on purpose (type `text`).
    Plain,
    /// A quoted word of a POSIX shell.
    Shell,
    /// A JSON value.
    Json,
    /// A YAML value, in JSON's form.
    Yaml,
    /// A TOML value.
    Toml,
    /// A value of an INI file, quoted where it needs to be.
    Ini,
    /// A literal of SQL.
    Sql,
    /// A quoted value of a systemd unit.
    Systemd,
}

/// A configuration file of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFile {
    /// Absolute path.
    pub path: String,
    /// The text, a template.
    pub content: String,
    /// How values are written into it; default by the path's extension, else plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Owner as `user:group`; default root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Mode as octal digits; default `0644`, and `0600` where a secret stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What a change of the file asks of the unit; default `restart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_change: Option<OnChange>,
}

/// What a change of a file asks of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// The unit is restarted.
    Restart,
    /// The unit is told to read its configuration again.
    Reload,
    /// Nothing.
    Nothing,
}

/// A command that brings the service into its first state. It runs once, and again when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupCommand {
    /// What it does: part of the service's record, so each at most once.
    pub name: String,
    /// The command and its arguments. There is no shell in between.
    pub command: Vec<String>,
    /// A command that ends with 0 where there is nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// Text for the command's standard input, a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// How values are written into the input; default plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The user it runs as; default root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it runs before the unit is started; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_start: Option<bool>,
    /// How long it may take, such as `90s` or `10m`; default `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// A port on which the service listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// What it is for, such as `http`.
    pub name: String,
    /// The number.
    pub port: ConfigValue,
    /// How it is spoken to; default `TCP`. Whether a UDP port is open cannot be seen from outside: it is told, and not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// How a port is spoken to, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// By connections.
    Tcp,
    /// By datagrams.
    Udp,
}

impl Port {
    /// Whether connections are made to it.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol != Some(Protocol::Udp)
    }
}

/// What the guest's init runs, under systemd and under OpenRC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    /// Its name, without `.service`; default the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its name under OpenRC, where that is another.
    #[serde(
        default,
        rename = "openrcName",
        skip_serializing_if = "Option::is_none"
    )]
    pub openrc_name: Option<String>,
    /// The command and its arguments; none where a package brings the unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The user it runs as; default the service's user, else root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The folder it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Capabilities that it keeps although it is not root, such as `CAP_NET_BIND_SERVICE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Units that are started before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// When the service counts as ready. Give exactly one of `http`, `tcp`, `command`, `journal` and `console`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// An answer over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A port that takes connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// A command in the guest that ends with 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// A text in the unit's log since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// A text on the VM's serial console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
    /// How long it may take, such as `90s`; default `90s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How long the unit may be seen failed before that counts, such as `5s`; default `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

/// An answer over HTTP, asked for inside the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// The port.
    pub port: ConfigValue,
    /// The path; default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status; default any from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A text in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// A port that takes connections inside the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpCheck {
    /// The port.
    pub port: ConfigValue,
}

/// A question to a service that runs. Give exactly one of `http`, `tcp` and `command`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTest {
    /// What it shows, as a sentence.
    pub name: String,
    /// An answer over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A port that takes connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// A command in the guest that ends with 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// A text in the command's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// How long it may take, such as `30s`; default `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// Something that can be wrong with a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// What is looked at.
    pub name: String,
    /// A command in the guest that ends with 0 where all is well.
    pub command: Vec<String>,
    /// What is wrong where it does not, as a lower-case fragment.
    pub problem: String,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A command that mends it; `trustnet-vm fix` shows it first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

/// How a service leaves the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uninstall {
    /// Commands that run after the unit has stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Vec<String>>,
    /// Packages that are removed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

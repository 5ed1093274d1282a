//! Arguments of `registry`, `peers` and `node`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with registries.
#[derive(Debug, Subcommand)]
pub enum RegistryVerb {
    /// Show how registries are: role, nodes, how far a secondary is behind, how long the answer took. Exits with 0 where
    /// all are well, else with 7.
    Status(RegistryStatus),
    /// List the nodes of a registry's directory.
    Nodes(RegistryNodes),
    /// Make a secondary the root of its network, where the root is lost for good. What is done is shown first, and
    /// asked for.
    Promote(RegistryPromote),
}

/// Arguments of `registry status`.
#[derive(Debug, Args)]
pub struct RegistryStatus {
    /// A VM with a registry, or an address such as `[2001:db8::1]:8000`; none for all such VMs that run.
    #[arg(value_name = "NAME|ADDRESS")]
    pub place: Option<String>,
    /// A file with the certificate (PEM) of who vouches for the registry: it is asked by TLS. An address may begin with `https://`
    /// then. The certificate of who answers is to be good for its address, or for `tnr.` and the domain of its VM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Arguments of `registry nodes`.
#[derive(Debug, Args)]
pub struct RegistryNodes {
    /// A VM with a registry, or an address such as `[2001:db8::1]:8000`; none for the root among the VMs that run.
    #[arg(value_name = "NAME|ADDRESS")]
    pub place: Option<String>,
    /// A file with the certificate (PEM) of who vouches for the registry: it is asked by TLS. An address may begin with `https://`
    /// then. The certificate of who answers is to be good for its address, or for `tnr.` and the domain of its VM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Arguments of `registry promote`.
#[derive(Debug, Args)]
pub struct RegistryPromote {
    /// The VM of the secondary.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// A file with the certificate (PEM) of who vouches for the registry: it is asked by TLS. An address may begin with `https://`
    /// then. The certificate of who answers is to be good for its address, or for `tnr.` and the domain of its VM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Arguments of `peers`.
#[derive(Debug, Args)]
pub struct Peers {
    /// A VM with a node, or an address such as `[2001:db8::1]:9000`.
    #[arg(value_name = "NODE")]
    pub place: String,
    /// A file with the certificate (PEM) of who vouches for the node: it is asked by TLS. An address may begin with `https://`
    /// then. The certificate of who answers is to be good for its address, or for `tnr.` and the domain of its VM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// Take a node out of its network's directory. Signed with the node's own key, in its guest, where its service is
    /// stopped first, and then disabled: the guest's next start does not bring it back, `trustnet-vm provision` does. Or
    /// signed with the administrator's key: then the node's service is left as it is, and one that runs registers again.
    #[command(visible_alias = "rm")]
    Remove(NodeRemove),
    /// Keep a node out of its network, in the directory and among the nodes that gossip, until it is let in again. Signed
    /// with the administrator's key.
    Ban(NodeDecision),
    /// Let a node in again that was kept out. Signed with the administrator's key.
    Unban(NodeDecision),
}

/// Arguments of `node remove`.
#[derive(Debug, Args)]
pub struct NodeRemove {
    /// The node's VM; with --key also its name in the directory, or its id.
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Which registry.
    #[command(flatten)]
    pub told: ToldRegistry,
    /// The administrator's Ed25519 private key (PKCS#8, PEM), instead of the node's own.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// Arguments of `node ban` and `node unban`.
#[derive(Debug, Args)]
pub struct NodeDecision {
    /// Its name in the directory, or its id, which is also good for a node that has left.
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Which registry.
    #[command(flatten)]
    pub told: ToldRegistry,
    /// The administrator's Ed25519 private key (PKCS#8, PEM).
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// The registry that is told.
#[derive(Debug, Args)]
pub struct ToldRegistry {
    /// The registry that is told: a VM, or an address; default the root among the VMs that run.
    #[arg(long, value_name = "NAME|ADDRESS")]
    pub registry: Option<String>,
    /// A file with the certificate (PEM) of who vouches for the registry: it is asked by TLS. An address may begin with `https://`
    /// then. The certificate of who answers is to be good for its address, or for `tnr.` and the domain of its VM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

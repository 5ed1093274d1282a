//! Arguments of `install`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use trustnet_api::install::{Deployment, InstallSpec, RegistryType};
use trustnet_api::vm_fields::VmFields;

use super::dns::DnsKeeper;
use super::{Access, Manifests, Places, Waiting, parse_duration};

/// Arguments of `install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The network's domain, such as example.org: its registries are found as tnr.example.org.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// What is installed [default: integrated, where the domain has a registry already]
    #[arg(long, value_name = "TYPE")]
    pub registry_type: Option<TypeWord>,
    /// The name of the node, or of a registry without a node, and of its VM [default: root, secondary or node-1]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// Switch IPv6 on, where this machine has it off: the change is shown first, kept, and can be undone.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ipv6_auto_enable: Option<bool>,
    /// Where it runs [default: vm]
    #[arg(long, value_name = "WHERE")]
    pub deployment: Option<DeploymentWord>,
    /// The IPv6 address that it answers at, with a prefix length or 64. It becomes the VM's [default: ::253 for the root,
    /// ::254 for a secondary and ::N for node-N, in the network of the root or fd10:1234::/64]
    #[arg(long, value_name = "IPV6")]
    pub address: Option<String>,
    /// The same for a registry without a node.
    #[arg(long, value_name = "IPV6")]
    pub registry_vm_ip: Option<String>,
    /// The registry's port [default: 8000, or the next that is free]
    #[arg(long, value_name = "PORT")]
    pub registry_port: Option<u16>,
    /// The root that is followed, such as 2001:db8::1 or [2001:db8::1]:8000 [default: what tnr.DOMAIN says]
    #[arg(long, visible_alias = "root-registry", value_name = "IPV6")]
    pub root_registry_ip: Option<String>,
    /// The domain once more, where it has another root already and this one is to take its place.
    #[arg(long, value_name = "DOMAIN")]
    pub new_root: Option<String>,
    /// A bridge of the host that the VM is attached to [default: a segment of this machine's, named like the domain]
    #[arg(long, value_name = "NAME", conflicts_with = "network")]
    pub bridge: Option<String>,
    /// A network of libvirt that the VM is attached to, instead of a bridge.
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// The gateway of the address.
    #[arg(long, value_name = "IPV6")]
    pub gateway6: Option<String>,
    /// A DNS server that the guest asks; several by several flags.
    #[arg(long = "guest-dns", value_name = "ADDRESS")]
    pub dns_servers: Vec<String>,
    /// Who keeps the domain's zone.
    #[command(flatten)]
    pub keeper: DnsKeeper,
    /// How often the record is looked for before it is gone on without it.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub dns_tries: u32,
    /// How long between two looks, such as 5s.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub dns_pause: Duration,
    /// The image of the boot disk.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Virtual CPUs.
    #[arg(long, value_name = "N")]
    pub vcpus: Option<u32>,
    /// Memory, such as 2Gi.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// The size of the boot disk, such as 20Gi.
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<String>,
    /// A file with the network's join token, which the root has [default: the domain's that is kept on this machine]
    #[arg(long, value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,
    /// A file with answers, as this verb writes them (`trustnet-vm explain install.spec`). Flags say more than it.
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The folder for the answers and the spec [default: installs/DOMAIN in the user's data]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How often is looked whether IPv6 is there, once it was switched on.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub ipv6_tries: u32,
    /// How long is waited before each of these looks, such as 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub ipv6_pause: Duration,
    /// Look at a machine whose files are below this folder. For tests.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
    /// Where disks and images are.
    #[command(flatten)]
    pub places: Places,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// How objects of a cluster are to be.
    #[command(flatten)]
    pub manifests: Manifests,
    /// Which cluster is changed.
    #[command(flatten)]
    pub access: Access,
    /// Fetch nothing: what is not in the cache is an error, before anything is made.
    #[arg(long)]
    pub offline: bool,
}

/// What is installed, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TypeWord {
    /// The root registry, without a node.
    Root,
    /// A secondary registry, without a node.
    Independent,
    /// A node with a registry inside.
    Integrated,
}

/// Where it runs, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeploymentWord {
    /// In a VM of this machine's hypervisor.
    Vm,
    /// In a Kubernetes cluster.
    Kubernetes,
}

impl Install {
    /// What the flags answer.
    #[must_use]
    pub fn said(&self) -> InstallSpec {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_lowercase());
        InstallSpec {
            domain: lower(&self.domain),
            registry_type: self.registry_type.map(|word| match word {
                TypeWord::Root => RegistryType::Root,
                TypeWord::Independent => RegistryType::Independent,
                TypeWord::Integrated => RegistryType::Integrated,
            }),
            new_root: lower(&self.new_root),
            node_name: lower(&self.node_name),
            deployment: self.deployment.map(|word| match word {
                DeploymentWord::Vm => Deployment::Vm,
                DeploymentWord::Kubernetes => Deployment::Kubernetes,
            }),
            address: self.address.clone(),
            registry_vm_ip: self.registry_vm_ip.clone(),
            registry_port: self.registry_port,
            root_registry_ip: self.root_registry_ip.clone(),
            bridge: self.bridge.clone(),
            network: self.network.clone(),
            gateway6: self.gateway6.clone(),
            dns_servers: self.dns_servers.clone(),
            image: self.image.clone(),
            join_token_file: self
                .join_token_file
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
            dns: None,
            ipv6_auto_enable: self.ipv6_auto_enable,
            vm: self.vm(),
        }
    }

    /// The sizes, as fields of the VM.
    fn vm(&self) -> Option<VmFields> {
        let mut vm = Map::new();
        if let Some(vcpus) = self.vcpus {
            vm.insert("vcpus".to_owned(), json!(vcpus));
        }
        if let Some(memory) = &self.memory {
            vm.insert("memory".to_owned(), json!(memory));
        }
        if let Some(disk) = &self.disk {
            let size = Map::from_iter([("size".to_owned(), json!(disk))]);
            vm.insert("bootDisk".to_owned(), Value::Object(size));
        }
        (!vm.is_empty()).then_some(VmFields(vm))
    }
}

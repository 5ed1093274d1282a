//! Arguments of what is made for a Kubernetes cluster.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trustnet_core::artifact::Arch;
use trustnet_core::kubernetes::{self, Exposure, IpFamilies};
use trustnet_core::kubevirt;
use trustnet_host::kubernetes::Cluster;

/// What documents are rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// libvirt: the domain's XML, volumes and seed
    Libvirt,
    /// Kubernetes: registries and nodes as StatefulSets with all that they need
    Kubernetes,
    /// KubeVirt and CDI: any VM as a VirtualMachine with its DataVolumes
    Kubevirt,
}

/// How objects of a cluster are to be.
#[derive(Debug, Clone, Default, Args)]
pub struct Manifests {
    /// The namespace of the objects [default: trustnet]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The storage class of the volumes [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    pub storage_class: Option<String>,
    /// The container image with both services, as images/oci/Containerfile makes it [default: localhost/trustnet:VERSION]
    #[arg(long, value_name = "IMAGE")]
    pub container_image: Option<String>,
    /// How registries are reached from outside of the cluster [default: load-balancer]
    #[arg(long, value_name = "HOW")]
    pub expose: Option<Expose>,
    /// Which addresses Services have [default: ipv6]
    #[arg(long, value_name = "FAMILIES")]
    pub ip_families: Option<Families>,
    /// The domain of the cluster's own names [default: cluster.local]
    #[arg(long, value_name = "DOMAIN")]
    pub cluster_domain: Option<String>,
}

/// Which cluster is changed.
#[derive(Debug, Clone, Default, Args)]
pub struct Access {
    /// The kubeconfig of the cluster that the objects are applied to, server-side, as the field manager trustnet-vm; without
    /// this and --context they are only written.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Take fields of the objects that another manager has; without it they are told, and nothing is changed.
    #[arg(long)]
    pub force_conflicts: bool,
}

impl Access {
    /// The cluster, if one is meant.
    #[must_use]
    pub fn cluster(&self) -> Option<Cluster> {
        let meant = self.kubeconfig.is_some() || self.context.is_some();
        meant.then(|| Cluster {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        })
    }
}

/// How registries are reached from outside of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Expose {
    /// At the document's address, which the cluster's load balancer is asked for
    LoadBalancer,
    /// Not at all
    Cluster,
}

/// Which addresses Services have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Families {
    /// IPv6 alone, as the network itself
    Ipv6,
    /// IPv6 first, and IPv4 where the cluster has it
    DualStack,
}

/// An architecture of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GuestArch {
    /// 64-bit x86
    Amd64,
    /// 64-bit Arm
    Arm64,
}

impl Manifests {
    /// The first flag that is there.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        let all = [
            ("--namespace", self.namespace.is_some()),
            ("--storage-class", self.storage_class.is_some()),
            ("--container-image", self.container_image.is_some()),
            ("--expose", self.expose.is_some()),
            ("--ip-families", self.ip_families.is_some()),
            ("--cluster-domain", self.cluster_domain.is_some()),
        ];
        all.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
    }

    /// What they mean for Kubernetes.
    #[must_use]
    pub fn for_kubernetes(&self) -> kubernetes::Options {
        let usual = kubernetes::Options::default();
        let or = |given: &Option<String>, usual: String| given.clone().unwrap_or(usual);
        kubernetes::Options {
            namespace: or(&self.namespace, usual.namespace),
            image: or(&self.container_image, usual.image),
            storage_class: self.storage_class.clone(),
            exposure: match self.expose {
                None => usual.exposure,
                Some(Expose::LoadBalancer) => Exposure::LoadBalancer,
                Some(Expose::Cluster) => Exposure::Cluster,
            },
            families: match self.ip_families {
                None => usual.families,
                Some(Families::Ipv6) => IpFamilies::Ipv6,
                Some(Families::DualStack) => IpFamilies::DualStack,
            },
            cluster_domain: or(&self.cluster_domain, usual.cluster_domain),
        }
    }

    /// What they mean for KubeVirt.
    #[must_use]
    pub fn for_kubevirt(&self, arch: Option<GuestArch>) -> kubevirt::Options {
        let usual = kubevirt::Options::default();
        kubevirt::Options {
            namespace: self.namespace.clone().unwrap_or(usual.namespace),
            storage_class: self.storage_class.clone(),
            arch: match arch {
                None => usual.arch,
                Some(GuestArch::Amd64) => Arch::Amd64,
                Some(GuestArch::Arm64) => Arch::Arm64,
            },
        }
    }
}

//! The working type. A [`Vm`] is complete and valid by construction: its fields are private, and
//! [`Vm::resolve`] is the one way to make it.

mod digest;
mod identity;
mod name;
mod resolve;
mod secrets;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use trustnet_api::disk::{DiskFormat, Filesystem, ReclaimPolicy};
use trustnet_api::interface::Dhcp;
use trustnet_api::secret::ValueFrom;
use trustnet_api::vm::{CpuMode, Firmware, VirtualMachine};
use uuid::Uuid;

pub use identity::{MacAddr, Tap};
pub use name::{NameError, VmName};
pub use resolve::{check_reference, is_generated_name};
pub(crate) use resolve::{is_label, uuid_of};
pub use secrets::{SecretMap, SecretValue};

/// The pool of base images where the spec names none.
pub const IMAGE_POOL: &str = "foundry-images";
/// The pool of the VMs' volumes where the spec names none.
pub const VM_POOL: &str = "foundry-vms";

/// A virtual machine as it is meant: complete, valid, every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Vm {
    name: VmName,
    wire: VirtualMachine,
    digest: String,
    uuid: Uuid,
    vcpus: u32,
    memory_mib: u64,
    cpu_mode: CpuMode,
    firmware: Firmware,
    tpm: bool,
    autostart: bool,
    protected: bool,
    pool: String,
    boot_disk: BootDisk,
    data_disks: Vec<DataDisk>,
    cache_disk: Option<CacheDisk>,
    interfaces: Vec<Interface>,
    guest: Guest,
}

/// The disk that the VM boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootDisk {
    /// Size in bytes, more than 0.
    pub size: u64,
    /// What it begins as.
    pub source: BootSource,
    /// The format of the new volume.
    pub format: DiskFormat,
    /// The name of the new volume in [`Vm::pool`].
    pub volume: String,
}

/// What a boot disk begins as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootSource {
    /// Nothing.
    Empty,
    /// A copy-on-write child of a volume in a pool.
    Volume {
        /// The pool that holds the image.
        pool: String,
        /// The name of the image's volume.
        volume: String,
    },
    /// A copy-on-write child of a file, by absolute path on the hypervisor.
    Path(String),
}

/// A further disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDisk {
    /// Device name, `vdb` to `vdz`.
    pub device: String,
    /// Size in bytes, more than 0.
    pub size: u64,
    /// The format of the volume.
    pub format: DiskFormat,
    /// The name of the volume in [`Vm::pool`].
    pub volume: String,
    /// The file system to make when the disk is empty.
    pub filesystem: Option<Filesystem>,
    /// Where the guest mounts it; only with a file system.
    pub mount_path: Option<String>,
    /// What `destroy` does with it.
    pub reclaim: ReclaimPolicy,
    /// The serial number the guest sees (`/dev/disk/by-id/virtio-<serial>`), at most 20 bytes.
    pub serial: String,
}

/// A read-only disk with the artifacts of the VM's services, which the spec asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheDisk {
    /// The most bytes of artifacts that it may hold.
    pub limit: Option<u64>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// What it is attached to.
    pub attachment: Attachment,
    /// Its MAC address.
    pub mac: MacAddr,
    /// The host's tap device, for the attachments that have one.
    pub tap: Option<Tap>,
    /// Static addresses, IPv4 and IPv6.
    pub addresses: Vec<IpNet>,
    /// Which families are asked for by DHCP.
    pub dhcp: Option<Dhcp>,
    /// Gateways, at most one a family.
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    pub dns_servers: Vec<IpAddr>,
    /// Whether the default routes go through this interface.
    pub default_route: bool,
    /// VLAN tag.
    pub vlan: Option<u16>,
    /// Whether the firmware may boot from it.
    pub pxe_boot: bool,
}

/// What a network interface is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A bridge of the host.
    Bridge(String),
    /// A libvirt network.
    Network(String),
    /// QEMU's user-mode network; SSH is forwarded from this port of 127.0.0.1, or from one that the plan chooses.
    User {
        /// The forwarded port that the spec asks for.
        ssh_port: Option<u16>,
    },
    /// A named guest-to-guest segment on the host's loopback.
    Segment(String),
}

/// What the guest is told at its first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The host name: the first label of the FQDN, else the VM's name with `_` as `-`.
    pub hostname: String,
    /// The fully qualified name.
    pub fqdn: Option<String>,
    /// Keys authorised for root.
    pub ssh_authorized_keys: Vec<String>,
    /// Root's password hash.
    pub password_hash: Option<SecretValue>,
    /// Whether SSH accepts passwords.
    pub ssh_password_auth: bool,
    /// User-data that replaces the generated one.
    pub raw_user_data: Option<SecretValue>,
    /// Further users.
    pub users: Vec<User>,
    /// Packages to install.
    pub packages: Vec<String>,
    /// Files to write.
    pub files: Vec<File>,
    /// Commands to run once, as root; the first that fails fails the VM.
    pub run_commands: Vec<String>,
    /// Time zone.
    pub timezone: Option<String>,
    /// Locale.
    pub locale: String,
}

/// A user of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Keys authorised for the user.
    pub ssh_authorized_keys: Vec<String>,
    /// Supplementary groups.
    pub groups: Vec<String>,
    /// Whether sudo asks for nothing.
    pub sudo: bool,
    /// Login shell.
    pub shell: Option<String>,
    /// The password's hash.
    pub password_hash: Option<SecretValue>,
}

/// A file in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// What it holds.
    pub content: SecretValue,
    /// Owner as `user:group`.
    pub owner: String,
    /// Mode bits, at most 0o7777.
    pub mode: u32,
}

impl Vm {
    /// The name of the VM and of its domain.
    #[must_use]
    pub fn name(&self) -> &VmName {
        &self.name
    }
    /// What the user wrote.
    #[must_use]
    pub fn wire(&self) -> &VirtualMachine {
        &self.wire
    }
    /// The SHA-256 of the spec in canonical form, in hexadecimal: equal digests mean the same VM.
    /// Annotations, status, order of keys and the way a size is written do not count.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
    /// The UUID of the domain: made from the name and the digest, so that rendering is repeatable.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
    /// cloud-init's instance-id: `<name>.<uuid>`. It stays for the life of the domain and changes
    /// when the VM is made from another spec.
    #[must_use]
    pub fn instance_id(&self) -> String {
        format!("{}.{}", self.name, self.uuid)
    }
    /// Key-value labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.wire.metadata.labels
    }
    /// Number of virtual CPUs, at least 1.
    #[must_use]
    pub fn vcpus(&self) -> u32 {
        self.vcpus
    }
    /// Memory in MiB, at least 1.
    #[must_use]
    pub fn memory_mib(&self) -> u64 {
        self.memory_mib
    }
    /// How the guest sees the CPU.
    #[must_use]
    pub fn cpu_mode(&self) -> CpuMode {
        self.cpu_mode
    }
    /// The firmware.
    #[must_use]
    pub fn firmware(&self) -> Firmware {
        self.firmware
    }
    /// Whether there is a TPM.
    #[must_use]
    pub fn tpm(&self) -> bool {
        self.tpm
    }
    /// Whether libvirt starts the VM with the host.
    #[must_use]
    pub fn autostart(&self) -> bool {
        self.autostart
    }
    /// Whether `destroy` refuses.
    #[must_use]
    pub fn protected(&self) -> bool {
        self.protected
    }
    /// The pool of the VM's volumes.
    #[must_use]
    pub fn pool(&self) -> &str {
        &self.pool
    }
    /// The boot disk.
    #[must_use]
    pub fn boot_disk(&self) -> &BootDisk {
        &self.boot_disk
    }
    /// Further disks.
    #[must_use]
    pub fn data_disks(&self) -> &[DataDisk] {
        &self.data_disks
    }
    /// The cache disk that the spec asks for. It is no part of [`Vm::digest`]: like the services, it may change.
    #[must_use]
    pub fn cache_disk(&self) -> Option<CacheDisk> {
        self.cache_disk
    }
    /// Network interfaces, at least one.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
    /// What the guest is told.
    #[must_use]
    pub fn guest(&self) -> &Guest {
        &self.guest
    }
    /// The same VM with raw disks, for a pool that knows no other, under names that promise no other. Nothing else
    /// of it differs, nor does its digest.
    #[must_use]
    pub fn with_raw_disks(&self) -> Self {
        let mut vm = self.clone();
        let name = |volume: &str| {
            let bare = volume.strip_suffix(".qcow2");
            let bare = bare.or_else(|| volume.strip_suffix(".raw"));
            bare.unwrap_or(volume).to_owned()
        };
        vm.boot_disk.format = DiskFormat::Raw;
        vm.boot_disk.volume = name(&vm.boot_disk.volume);
        for disk in &mut vm.data_disks {
            disk.format = DiskFormat::Raw;
            disk.volume = name(&disk.volume);
        }
        vm
    }
    /// The name of the seed's volume in [`Vm::pool`].
    #[must_use]
    pub fn seed_volume(&self) -> String {
        format!("{}_cloudinit.iso", self.name)
    }
    /// The references that the host has to read before the seed can be made; each once.
    #[must_use]
    pub fn secret_refs(&self) -> Vec<ValueFrom> {
        let mut found: Vec<ValueFrom> = Vec::new();
        for (_, secret) in self.guest.secrets() {
            if let SecretValue::From(from) = secret
                && !found.contains(from)
            {
                found.push(from.clone());
            }
        }
        found
    }
    /// Whether its seed holds a secret: a value by reference, or one that the spec has as a secret.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        !self.guest.secrets().is_empty()
    }
    /// The paths of the values that are there as digests only; a VM cannot be made from those.
    #[must_use]
    pub fn redacted_secrets(&self) -> Vec<String> {
        let redacted = |s: &SecretValue| matches!(s, SecretValue::Redacted(_));
        let found = self.guest.secrets().into_iter();
        found
            .filter(|(_, s)| redacted(s))
            .map(|(path, _)| path)
            .collect()
    }
}

impl Guest {
    /// Every secret with its path in the document.
    fn secrets(&self) -> Vec<(String, &SecretValue)> {
        let own = [
            ("passwordHash", &self.password_hash),
            ("rawUserData", &self.raw_user_data),
        ];
        let own = own
            .into_iter()
            .filter_map(|(key, secret)| Some((format!("spec.cloudInit.{key}"), secret.as_ref()?)));
        let users = self.users.iter().enumerate().filter_map(|(index, user)| {
            let path = format!("spec.cloudInit.users[{index}].passwordHash");
            Some((path, user.password_hash.as_ref()?))
        });
        let files = self.files.iter().enumerate().map(|(index, file)| {
            (
                format!("spec.cloudInit.files[{index}].content"),
                &file.content,
            )
        });
        own.chain(users).chain(files).collect()
    }
}

//! The command line. The doc comments here are the help text, and the help text is the manual.

/// Arguments of `cache`.
mod cache;
/// Arguments of what is made for a Kubernetes cluster.
mod cluster;
/// Arguments of `dns`.
mod dns;
/// Arguments of verbs that look at VMs and their services.
mod examine;
/// Arguments of `image`.
mod image;
/// Arguments of `install`.
mod install;
/// Arguments of `registry`, `peers` and `node`.
mod network;
/// Arguments of `pool` and `storage`.
mod pool;
/// Arguments of `preflight`.
mod preflight;
/// Arguments of `service` and `schema`.
mod service;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use cache::{CacheExport, CacheFetch, CacheFilter, CachePrune, CacheVerb};
pub use cluster::{Access, GuestArch, Manifests, Target};
pub use dns::{DnsChange, DnsCheck, DnsInstructions, DnsPublish, DnsRecord, DnsVerb, DnsWatch};
pub use examine::{Logs, Status, Test};
pub use image::{
    ImageBuild, ImageDelete, ImageForm, ImageImport, ImageInfo, ImageList, ImagePrune, ImagePull,
    ImageVerb, ImageVerify,
};
pub use install::Install;
pub use network::{
    NodeVerb, Peers, RegistryNodes, RegistryPromote, RegistryStatus, RegistryVerb, ToldRegistry,
};
pub use pool::{PoolAdd, PoolRefresh, PoolType, PoolVerb, StorageVerb, YesNo};
pub use preflight::{Preflight, Role};
pub use service::{Kind, Schema, ServiceAdd, ServiceVerb};

/// Provision and manage libvirt virtual machines from Kubernetes-style YAML.
///
/// The embedded default is qemu:///session: no root, no daemon to start. Use `--connect
/// qemu:///system` for bridges and libvirt networks.
#[derive(Debug, Parser)]
#[command(name = "trustnet-vm", version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  flags or configuration
  2  the spec is invalid
  3  libvirt, or the cluster, cannot be reached
  4  a VM operation failed
  5  a storage operation failed
  6  the guest is not ready (time-out, or cloud-init failed)
  7  provisioning failed, a test did not pass, or something is wrong (test, diagnose, fix, preflight)
  8  a difference was found (plan --exit-code); repairs were shown and not made (fix, preflight)
  9  interrupted; the journal holds the rest";

/// Options of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Global {
    /// The hypervisor, as a libvirt connection URI [default: qemu:///session] [env: TRUSTNET_VM_CONNECT]
    #[arg(short = 'c', long, global = true, value_name = "URI", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub connect: Option<String>,
    /// Who executes the guest's instructions; auto proves that KVM works before it picks it
    /// [default: auto] [env: TRUSTNET_VM_VIRT_TYPE]
    #[arg(long, global = true, value_name = "TYPE")]
    pub virt_type: Option<VirtType>,
    /// The form of the output [default: table] [env: TRUSTNET_VM_OUTPUT]
    #[arg(short, long, global = true, value_name = "FORM")]
    pub output: Option<Output>,
    /// Leave the header out of tables.
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// Say nothing but the result and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: -v times in all, -vv traces for developers [env: TRUSTNET_VM_LOG]
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// When to use colour [default: auto] [env: TRUSTNET_VM_COLOR]
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<Color>,
    /// Ask nothing; do it.
    #[arg(short, long, global = true)]
    pub yes: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Install a registry or a node of a TrustNet: questions at the start, then none until it is done. Answers come from
    /// flags, else from a file, else from who sits at the terminal. The same again changes nothing.
    Install(Box<Install>),
    /// Check spec files, and say everything that is wrong with them.
    Validate(Files),
    /// Print what libvirt and cloud-init would be told; of a registry or a node the VM that it becomes. With -o yaml or
    /// json every VM as a spec with all services. With --target the objects of a Kubernetes cluster instead: registries
    /// and nodes for Kubernetes itself, or any VM for KubeVirt. Needs no hypervisor and no cluster.
    Render(Render),
    /// Print what create would do, step by step.
    Plan(Plan),
    /// Check everything that is needed before anything is changed: IPv6, the domain, ports, the clock, the hypervisor, memory,
    /// room, images, the cache. Each with what was found, why it does not do, and what mends it. Exits with 0 where nothing
    /// failed, else with 7.
    Preflight(Preflight),
    /// Make VMs and wait until they are ready. The same spec again changes nothing.
    #[command(visible_alias = "apply")]
    Create(Create),
    /// Bring the services of VMs into their guests. What is there already is left alone.
    Provision(Provision),
    /// List all domains.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one VM with its status.
    Get(Name),
    /// Show VMs as trees: disks, addresses, and services with their health. Always exits with 0.
    Status(Status),
    /// Test VMs: the domain, SSH, data disks; and each service's steps, unit, ports, readiness and tests.
    /// Exits with 0 where all passed, else with 7: what could not be tested has not passed.
    Test(Test),
    /// Gather facts about a VM and say what is wrong, the worst first, each with what to do. Exits with 0 where
    /// nothing is wrong, else with 7.
    Diagnose(Name),
    /// Repair what `diagnose` finds and a repair is known for. Each is shown first, and asked for; `--yes` does
    /// all. Without a terminal and `--yes` they are only shown, and it exits with 8.
    Fix(Name),
    /// Show what was said while a VM's services were brought, or the log of a service in its guest.
    Logs(Logs),
    /// Start VMs and wait until they are ready.
    Start(Start),
    /// Shut VMs down.
    Stop(Stop),
    /// Shut VMs down and start them again.
    Restart(Restart),
    /// Remove VMs with the volumes that their records name.
    #[command(visible_alias = "rm")]
    Destroy(Destroy),
    /// Log in, or run a command, with the guest's host key verified.
    Ssh(Ssh),
    /// Run a command in guests, many at once, and keep its exit code. Its input is empty.
    Exec(Exec),
    /// Copy files and folders into a guest, or out of it.
    Cp(Cp),
    /// Attach to the serial console; Ctrl-] leaves.
    Console(Name),
    /// Wait until VMs have come to a phase.
    Wait(Wait),
    /// Finish what was interrupted.
    Resume(Resume),
    /// Undo what was interrupted.
    Rollback(Rollback),
    /// Look after the artifacts that services are made from.
    #[command(subcommand)]
    Cache(CacheVerb),
    /// Look after the storage pools in which images and disks are.
    #[command(subcommand)]
    Pool(PoolVerb),
    /// Look at what is stored, in all pools.
    #[command(subcommand)]
    Storage(StorageVerb),
    /// Look after the base images that VMs are made from.
    #[command(subcommand)]
    Image(ImageVerb),
    /// Show the settings, and where each comes from.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Look at the registries of a network, and promote one.
    #[command(subcommand)]
    Registry(RegistryVerb),
    /// List the peers that a node knows.
    Peers(Peers),
    /// Take nodes out of a network.
    #[command(subcommand)]
    Node(NodeVerb),
    /// Look after the record under which a network's registries are found: `tnr.` and the domain.
    #[command(subcommand)]
    Dns(DnsVerb),
    /// Look at the services that VMs can ask for, and add some.
    #[command(subcommand)]
    Service(ServiceVerb),
    /// Print the JSON Schema of a kind of spec files, or of services' definitions.
    Schema(Schema),
    /// Explain a field of spec files, such as spec.bootDisk.image, service.spec.artifacts or node.spec.registry.
    Explain(Explain),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Print the manual page, or write one a verb.
    Man(Man),
}

/// Spec files.
#[derive(Debug, Args)]
pub struct Files {
    /// Spec files, folders of them, or `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present = "filename")]
    pub files: Vec<PathBuf>,
    /// The same, as kubectl has it.
    #[arg(short, long, value_name = "FILE")]
    pub filename: Vec<PathBuf>,
}

impl Files {
    /// All that were named, in either way.
    pub fn all(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.filename).cloned().collect()
    }
}

/// Where disks and images are.
#[derive(Debug, Clone, Default, Args)]
pub struct Places {
    /// The storage pool of the VMs' volumes, whatever the spec says [default: what the spec says, else foundry-vms] [env: TRUSTNET_VM_POOL]
    #[arg(long, value_name = "NAME", value_parser = pool_name)]
    pub pool: Option<String>,
    /// The storage pool of images that the spec names without one as `pool:name`, whatever its `imagePool` says
    /// [default: what the spec says, else foundry-images] [env: TRUSTNET_VM_IMAGE_POOL]
    #[arg(long, value_name = "NAME", value_parser = pool_name)]
    pub image_pool: Option<String>,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Which specs.
    #[command(flatten)]
    pub files: Files,
    /// Where disks and images are.
    #[command(flatten)]
    pub places: Places,
    /// Write a folder for each VM below this one, or a file for each object of a cluster into it, instead of printing.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What to render for.
    #[arg(long, value_name = "TARGET", default_value = "libvirt")]
    pub target: Target,
    /// How objects of a cluster are to be.
    #[command(flatten)]
    pub manifests: Manifests,
    /// The architecture of KubeVirt's guests [default: amd64]
    #[arg(long, value_name = "ARCH")]
    pub guest_arch: Option<GuestArch>,
    /// Write Secrets, too: join tokens, and seeds that hold secrets of the spec. Only with --out.
    #[arg(long, requires = "out")]
    pub with_secrets: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Which specs.
    #[command(flatten)]
    pub files: Files,
    /// Where disks and images are.
    #[command(flatten)]
    pub places: Places,
    /// Exit with 8 when there is something to do.
    #[arg(long)]
    pub exit_code: bool,
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Which specs.
    #[command(flatten)]
    pub files: Files,
    /// Where disks and images are.
    #[command(flatten)]
    pub places: Places,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// The most VMs at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub parallel: usize,
    /// Fetch nothing for services: what is not in the cache is an error, before anything is made.
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `provision`.
#[derive(Debug, Args)]
pub struct Provision {
    /// The VMs' names; with FILE, which of its VMs. Without FILE their services are those of their last spec.
    #[arg(value_name = "NAME", required_unless_present = "filename")]
    pub names: Vec<String>,
    /// Spec files that say what the services are to be.
    #[arg(short, long, value_name = "FILE")]
    pub filename: Vec<PathBuf>,
    /// Fetch nothing: what is not in the cache is an error, before anything is done.
    #[arg(long)]
    pub offline: bool,
    /// Take services out of the guests that their specs no longer ask for; data stays. What goes is shown
    /// first, and asked for unless `--yes`.
    #[arg(long)]
    pub prune: bool,
    /// The most VMs at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub parallel: usize,
    /// How long a guest that goes away may take to come back, such as 90s or 10m [default: 10m] [env: TRUSTNET_VM_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// How to wait for guests.
#[derive(Debug, Clone, Args)]
pub struct Waiting {
    /// How long to wait until a guest is ready, such as 90s or 10m [default: 10m] [env: TRUSTNET_VM_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Return when the domain runs.
    #[arg(long)]
    pub no_wait: bool,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only VMs with these labels, such as role=web,tier=front.
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<String>,
    /// Kept for habit: all domains are listed in any case.
    #[arg(short, long, hide = true)]
    pub all: bool,
}

/// One VM.
#[derive(Debug, Args)]
pub struct Name {
    /// The VM's name.
    pub name: String,
}

/// Arguments of `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// The VMs' names.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// The VMs' names.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// How long a guest may take before its power is cut, such as 30s.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub deadline: Duration,
    /// Cut the power at once.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct Restart {
    /// How to stop.
    #[command(flatten)]
    pub stop: Stop,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct Destroy {
    /// Which, and how to stop them.
    #[command(flatten)]
    pub stop: Stop,
    /// Keep every data volume, whatever its reclaimPolicy.
    #[arg(long)]
    pub keep_data: bool,
}

/// Arguments of `ssh`.
#[derive(Debug, Args)]
pub struct Ssh {
    /// The VM's name.
    pub name: String,
    /// A command to run instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// The VMs' names.
    #[arg(value_name = "NAME", required_unless_present = "selector")]
    pub names: Vec<String>,
    /// The running VMs with these labels, such as role=web,tier=front.
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<String>,
    /// The most VMs at once.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub parallel: usize,
    /// How long the command may take, such as 90s or 10m.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub timeout: Duration,
    /// The command and its arguments. They arrive as they are: for pipes and variables, `sh -c '…'`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `cp`.
#[derive(Debug, Args)]
pub struct Cp {
    /// What to copy, then where to: NAME:PATH in a guest, PATH here. Modes are kept.
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub paths: Vec<String>,
    /// Copy folders with all that is in them.
    #[arg(short, long)]
    pub recursive: bool,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// The VMs' names.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The phase to wait for.
    #[arg(long = "for", value_name = "PHASE", default_value = "ready")]
    pub phase: WaitPhase,
    /// How long to wait, such as 90s or 10m [default: 10m] [env: TRUSTNET_VM_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The VMs' names; none for all that were interrupted.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// How long to wait until a guest is ready, such as 90s or 10m [default: 10m] [env: TRUSTNET_VM_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The VMs' names; none for all that were interrupted.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show each setting, its value, and where that comes from.
    Show,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The field's path, such as spec.bootDisk.image; those of other kinds begin with `service.`, `imagecatalogue.`, `registry.`,
    /// `node.` or `install.`.
    #[arg(default_value = "")]
    pub path: String,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each verb into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Who executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VirtType {
    /// KVM if it proves to work here, else QEMU.
    Auto,
    /// The CPU, through KVM.
    Kvm,
    /// QEMU's own translator.
    Qemu,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table.
    Table,
    /// A table with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Names only, one a line.
    Name,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A phase of a guest that comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitPhase {
    /// The kernel runs and cloud-init has found its seed.
    Booted,
    /// The network is configured.
    Network,
    /// cloud-init is done.
    CloudInit,
    /// Everything is up.
    Ready,
}

/// Reads the name of a storage pool.
pub fn pool_name(text: &str) -> Result<String, String> {
    let strange = |c: char| c == '/' || c.is_control();
    if text.trim().is_empty() || text.starts_with('.') || text.contains(strange) {
        return Err("expected the name of a storage pool".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads `90`, `90s`, `10m`, `1h`, `500ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits]
        .parse()
        .map_err(|_| "expected a time such as 90s or 10m".to_owned())?;
    let milliseconds = match &text[digits..] {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        other => return Err(format!("unknown unit `{other}`; use ms, s, m or h")),
    };
    // A day is more than any guest needs, and keeps all sums of times in range.
    match milliseconds {
        Some(ms) if ms <= 86_400_000 => Ok(Duration::from_millis(ms)),
        _ => Err("more than a day".to_owned()),
    }
}

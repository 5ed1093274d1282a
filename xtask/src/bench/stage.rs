//! What the contests need in the lab: pools, a network, images, specs, a thousand domains.

use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::peers;
use crate::{paths, process};

/// Where the system's default pools are.
const POOLS: &str = "/var/lib/libvirt/images/foundry";
/// The VM of the contests.
pub const VM: &str = "bench-vm";
/// The VM whose image has 2 GiB.
pub const BIG: &str = "bench-big";
/// The libvirt network.
pub const NETWORK: &str = "bench";
/// The base image in its pool.
pub const IMAGE: &str = "debian-12.qcow2";
/// An image of 2 GiB in the same pool.
const BIG_IMAGE: &str = "big.qcow2";

/// What the contests need.
pub struct Stage {
    folder: PathBuf,
    home: PathBuf,
}

impl Stage {
    /// A home, and nothing else.
    pub fn bare() -> Result<Self> {
        let folder = peers::folder()?;
        let home = folder.join("home");
        if home.exists() {
            fs::remove_dir_all(&home).context("failed to remove the last run's home")?;
        }
        fs::create_dir_all(home.join(".ssh")).context("failed to make a home")?;
        Ok(Self { folder, home })
    }

    /// Sets it.
    pub fn set(image: &Path) -> Result<Self> {
        let stage = Self::bare()?;
        let images = Path::new(POOLS).join("images");
        for folder in [&images, Path::new("/var/lib/libvirt/boot")] {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to make `{}`", folder.display()))?;
        }
        fs::copy(image, images.join(IMAGE)).context("failed to copy the image")?;
        // All of its 2 GiB are in the file, and none of them on the disk.
        process::output(
            Command::new("qemu-img")
                .args([
                    "create",
                    "-q",
                    "-f",
                    "qcow2",
                    "-o",
                    "preallocation=metadata",
                ])
                .arg(images.join(BIG_IMAGE))
                .arg("2G"),
        )?;
        stage.write(
            "network.xml",
            &format!("<network><name>{NETWORK}</name><forward mode='bridge'/><bridge name='br-lab'/></network>"),
        )?;
        stage.virsh(&format!("net-define network.xml\nnet-start {NETWORK}\n"))?;
        stage.write("vm.yaml", &spec(VM, IMAGE, "192.0.2.5/24"))?;
        stage.write("big.yaml", &spec(BIG, BIG_IMAGE, "192.0.2.6/24"))?;
        stage.write("user-data", "#cloud-config\nhostname: bench\n")?;
        process::output(stage.at_home("ssh-keygen").args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            ".ssh/id_ed25519",
        ]))?;
        stage.take_the_floor()?;
        Ok(stage)
    }

    /// Where files of a contest may be.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Any program at home here.
    pub fn at_home(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("LC_ALL", "C.UTF-8")
            .env("TRUSTNET_VM_CONNECT", "qemu:///system")
            .env("TRUSTNET_VM_VIRT_TYPE", "qemu");
        command
    }

    /// The program.
    pub fn program<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.at_home(paths::target().join("release/trustnet-vm"));
        command.args(arguments);
        command
    }

    /// What takes a VM of ours away.
    pub fn destroy(&self, name: &str) -> Command {
        self.program(["destroy", "--yes", "--force", name])
    }

    /// A C program of tests/bench.
    pub fn tool<'a>(&self, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.at_home(self.folder.join(name));
        command.args(arguments);
        command
    }

    /// The path of an image.
    pub fn image() -> String {
        format!("{POOLS}/images/{IMAGE}")
    }

    /// Reads a file at home.
    pub fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.home.join(name)).with_context(|| format!("failed to read `{name}`"))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.home.join(name), text).with_context(|| format!("failed to write `{name}`"))
    }

    /// Runs a script of virsh's.
    fn virsh(&self, script: &str) -> Result<()> {
        let mut child = self
            .at_home("virsh")
            .arg("--quiet")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("failed to start virsh")?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(script.as_bytes())
                .context("failed to speak to virsh")?;
        }
        let status = child.wait().context("failed to wait for virsh")?;
        if !status.success() {
            bail!("virsh failed: {status}");
        }
        Ok(())
    }

    /// Makes a VM once and keeps what libvirt was told, for the program that tells it just that.
    fn take_the_floor(&self) -> Result<()> {
        process::output(&mut self.program(["create", "--no-wait", "vm.yaml"]))?;
        let volumes = [("boot.xml", "boot.qcow2"), ("seed.xml", "cloudinit.iso")];
        for (file, volume) in volumes {
            let volume = format!("{VM}_{volume}");
            let xml = self
                .at_home("virsh")
                .args(["vol-dumpxml", "--pool", "foundry-vms", &volume])
                .output();
            fs::write(
                self.home.join(file),
                xml.context("failed to start virsh")?.stdout,
            )
            .context("failed to write")?;
        }
        let seed = format!("{VM}_cloudinit.iso");
        process::output(self.at_home("virsh").args([
            "vol-download",
            "--pool",
            "foundry-vms",
            &seed,
            "seed.iso",
        ]))?;
        let xml = process::output(self.at_home("virsh").args(["dumpxml", "--inactive", VM]))?;
        self.write("domain.xml", &xml)?;
        process::output(&mut self.destroy(VM))?;
        Ok(())
    }

    /// Defines VMs of ours as create would, each with its record; none has volumes, and none runs.
    pub fn define(&self, count: u32) -> Result<()> {
        let specs: Vec<String> = (0..count)
            .map(|number| {
                let address = format!("198.18.{}.{}/15", number / 250, number % 250 + 1);
                spec(&format!("vm-{number:04}"), IMAGE, &address)
            })
            .collect();
        self.write("many.yaml", &specs.join("---\n"))?;
        let rendered = process::output(&mut self.program(["render", "many.yaml"]))?;
        let mut script = String::new();
        for (number, xml) in rendered.split_inclusive("</domain>").enumerate() {
            if xml.trim().is_empty() {
                continue;
            }
            self.write(&format!("{number}.xml"), xml)?;
            writeln!(script, "define {number}.xml").context("failed to write a script")?;
        }
        self.virsh(&script)
    }

    /// Takes them away.
    pub fn undefine(&self, count: u32) -> Result<()> {
        let lines = (0..count).map(|number| format!("undefine vm-{number:04} --nvram\n"));
        self.virsh(&lines.collect::<String>())
    }
}

fn spec(name: &str, image: &str, address: &str) -> String {
    format!(
        "apiVersion: trustnet.io/v1alpha1\n\
         kind: VirtualMachine\n\
         metadata: {{ name: {name}, labels: {{ role: bench }} }}\n\
         spec:\n  \
           vcpus: 1\n  \
           memory: 768Mi\n  \
           autostart: true\n  \
           bootDisk: {{ size: 4Gi, image: {image} }}\n  \
           networkInterfaces: [{{ network: {NETWORK}, ip: {address} }}]\n"
    )
}

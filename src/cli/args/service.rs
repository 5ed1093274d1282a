//! Arguments of `service` and `schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Name;

/// What to do with services.
#[derive(Debug, Subcommand)]
pub enum ServiceVerb {
    /// List the services that a VM can ask for.
    #[command(visible_alias = "ls")]
    List,
    /// Show what a service takes and gives; with -o yaml its definition.
    Show(Name),
    /// Add a definition to your own.
    Add(ServiceAdd),
    /// Remove one of your own definitions.
    #[command(visible_alias = "rm")]
    Remove(Name),
}

/// Arguments of `service add`.
#[derive(Debug, Args)]
pub struct ServiceAdd {
    /// The definition's file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Put it in the place of one of yours that has the same name.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// What the files are.
    #[arg(value_name = "KIND", default_value = "virtualmachine")]
    pub kind: Kind,
}

/// What a file can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A virtual machine.
    #[value(name = "virtualmachine", alias = "vm", alias = "VirtualMachine")]
    VirtualMachine,
    /// A service's definition.
    #[value(alias = "Service")]
    Service,
    /// A catalogue of images.
    #[value(name = "imagecatalogue", alias = "ImageCatalogue")]
    ImageCatalogue,
    /// A registry in a VM of its own.
    #[value(alias = "Registry")]
    Registry,
    /// A recipe that an image is built from.
    #[value(alias = "Image")]
    Image,
    /// A node in a VM of its own.
    #[value(alias = "Node")]
    Node,
    /// The answers that `install` takes.
    #[value(alias = "Install")]
    Install,
}

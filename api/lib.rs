//! What another program or a user's file depends on: the wire types, exactly as written.
//!
//! Nothing here is validated beyond its type and nothing is defaulted: an absent field stays
//! absent, so that what a user wrote can be shown again as it was. `trustnet-core` turns these
//! into its working types.

pub mod dns;
pub mod image_catalogue;
pub mod install;
pub mod meta;
pub mod network;
pub mod node;
pub mod preflight;
pub mod recipe;
pub mod registry;
pub mod schema;
pub mod service;
pub mod vm;

pub mod cloud_init;
pub mod config_value;
pub mod disk;
pub mod interface;
pub mod quantity;
pub mod secret;
pub mod service_ref;
pub mod status;
pub mod vm_fields;

/// The apiVersion of files written for trustnet-vm.
pub const TRUSTNET_V1ALPHA1: &str = "trustnet.io/v1alpha1";
/// The apiVersion of files written for Foundry, loaded unchanged.
pub const FOUNDRY_V1ALPHA1: &str = "foundry.cofront.xyz/v1alpha1";
/// The kind of a virtual machine, in both groups.
pub const VIRTUAL_MACHINE: &str = "VirtualMachine";
/// The kind of a service's definition.
pub const SERVICE: &str = "Service";
/// The kind of a catalogue of images.
pub const IMAGE_CATALOGUE: &str = "ImageCatalogue";
/// The kind of a recipe that an image is built from.
pub const IMAGE: &str = "Image";
/// The kind of a registry in a VM of its own.
pub const REGISTRY: &str = "Registry";
/// The kind of a node in a VM of its own.
pub const NODE: &str = "Node";
/// The kind of the answers that `install` takes.
pub const INSTALL: &str = "Install";
/// The label of a VM that was written as another kind: which.
pub const KIND_LABEL: &str = "trustnet.io/kind";

//! Images: in pools, and on their way there.

/// Bringing an image: from where it is to a volume that is whole, bootable and recorded.
pub mod bring;
/// Which disks stand on which images.
pub mod chains;
/// From any format to qcow2.
pub mod convert;
/// What is looked at of a file to judge it.
pub mod look;
/// An image's way into a pool.
pub mod place;
/// From a publisher into a file of this machine, whole and verified.
pub mod pull;
/// The records of images.
pub mod records;
/// The bytes of a file, with its holes told apart from its data.
pub mod sparse;
/// Whether images are still what they were, and who stands on them.
pub mod standing;
/// What killed runs have left beside the pools.
pub mod stray;
/// From something compressed to a file with holes.
pub mod unpack;

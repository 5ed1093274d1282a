//! Images: in pools, and on their way there.

/// From any format to qcow2.
pub mod convert;
/// What is looked at of a file to judge it.
pub mod look;
/// From a publisher into a file of this machine, whole and verified.
pub mod pull;
/// The bytes of a file, with its holes told apart from its data.
pub mod sparse;
/// From something compressed to a file with holes.
pub mod unpack;

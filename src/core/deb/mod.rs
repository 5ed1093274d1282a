//! Debian's package archives, as values: from the text of an archive's indexes to the packages that make
//! a few names work on a minimal system of the release.
//!
//! In the order in which data flows:

/// From names to everything they need.
pub mod closure;
/// Control stanzas, the format of every index.
pub mod control;
/// `Packages` indexes, several at once.
pub mod index;
/// A package that was chosen, and the index of a flat repository of such.
pub mod package;
/// Relations between packages: `Depends`, `Provides` and their kin.
pub mod relation;
/// The releases that are known: where their archives are, and whose signature counts.
pub mod release;
/// An archive's `Release` file: what its indexes must look like, and until when it holds.
pub mod release_file;
/// Versions and their order.
pub mod version;

#[cfg(test)]
mod tests;

pub use closure::{ClosureError, closure};
pub use index::{Index, IndexError};
pub use package::{Package, flat_index};
pub use release::{Pocket, Release};
pub use release_file::{Listed, ReleaseFile, ReleaseFileError};

//! The directory in SQLite, through the [`Registrar`](trustnet_registry::registrar::Registrar): what was acknowledged is
//! there, whatever happens to the process, the disk and the file.

/// Damaged databases, and snapshots in their place.
mod damaged;
/// Databases that were closed.
mod durable;
/// Disks that are full.
mod full_disk;
/// Processes that were killed.
mod killed;
/// Directories that live.
mod living;
mod nodes;
/// Snapshots that are written every so often.
mod snapshots;

use trustnet_core::network::Write;

/// It leaves.
fn remove(number: u64, created: u64) -> Write {
    Write::Remove {
        id: nodes::id(number),
        proof: nodes::proof(created),
        by_administrator: false,
    }
}

/// The administrator keeps it out, or lets it in.
fn ban(number: u64, banned: bool, created: u64) -> Write {
    Write::Ban {
        id: nodes::id(number),
        banned,
        proof: nodes::proof(created),
        inherited: false,
    }
}

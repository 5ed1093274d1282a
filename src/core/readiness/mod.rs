//! What the guest says of itself while it comes up.

/// The name of the virtio-serial port over which the guest reports.
pub const CHANNEL: &str = "io.trustnet.vm.status";

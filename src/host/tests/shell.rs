//! One connection to a sshd of the test's own.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

#[path = "../../../tests/support/sshd.rs"]
#[expect(dead_code, reason = "it has guests that only provisioning needs")]
mod sshd;

#[path = "shell/commands.rs"]
mod commands;
#[path = "shell/distrust.rs"]
mod distrust;
#[path = "shell/files.rs"]
mod files;
#[path = "shell/ports.rs"]
mod ports;

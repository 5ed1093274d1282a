//! One connection to a sshd of the test's own.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

#[path = "../../../tests/support/sshd.rs"]
#[expect(dead_code, reason = "not every test uses all of it")]
mod sshd;

#[path = "shell/commands.rs"]
mod commands;

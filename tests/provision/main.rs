//! Programs brought into "guests" behind real sshds on the loopback.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

#[path = "../support/sshd.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod sshd;

mod actions;
mod archives;
mod broken;
mod exchanges;
mod failing;
mod folders;
mod hostile;
mod images;
mod managers;
mod openrc;
mod packages;
mod privilege;
mod roots;
mod shells;
mod stage;
mod steps;
mod trust;

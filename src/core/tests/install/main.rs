//! `install`, decided from values: defaults, what is missing, what is in the way, and every file that comes of it.
#![expect(clippy::expect_used, reason = "a test fails where it expects")]

#[path = "../configurations/mod.rs"]
mod configurations;

mod decisions;
mod files;

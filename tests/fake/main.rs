//! The program against a hypervisor in a file: everything that needs no real guest.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod bring;
mod cache;
mod cache_disk;
mod cluster;
mod crash;
mod distrust;
mod dns;
mod elsewhere;
mod examine;
mod exit_codes;
mod farm;
mod guests;
mod home;
mod images;
mod input;
mod install;
mod interrupt;
mod jump;
mod living;
mod login;
mod namespaces;
mod network;
mod offline;
mod pitfalls;
mod places;
mod pools;
mod preflight;
mod ready;
mod recipes;
mod refuses;
mod room;
mod says;
mod secrets;
mod services;
mod several;
mod steps;
mod tried;
mod twice;
mod versions;
mod wizard;

#[path = "../../src/registry/tests/name_server/mod.rs"]
mod name_server;

#[path = "../support/sshd.rs"]
#[expect(dead_code, reason = "these tests use part of it")]
mod sshd;

#[path = "../../src/dns/tests/zone_server/mod.rs"]
mod zone_server;

#[path = "../../src/dns/tests/stand_in/mod.rs"]
#[expect(dead_code, reason = "these tests use part of it")]
mod stand_in;

#[path = "../../src/host/tests/kubernetes/server.rs"]
#[expect(dead_code, reason = "these tests use part of it")]
mod api_server;

#[path = "../../src/host/cache/tests/server.rs"]
#[expect(dead_code, reason = "these tests use part of it")]
mod server;

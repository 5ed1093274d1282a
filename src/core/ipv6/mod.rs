//! IPv6 of a machine: what was seen of it, who keeps it, and which switches of the kernel stand against it.

mod facts;
mod keeper;
mod read;
mod switch;
#[cfg(test)]
mod tests;

pub use facts::{Address, Interface, Ipv6Facts, Kernel, NameServers, Route, Switches};
pub use keeper::{Keeper, KeeperKind, KeeperTexts, keeper};
pub use read::{addresses, default_routes, interfaces, ipv4_uplinks, name_servers, turned_off};
pub use switch::{Blocked, Change, FILE, Setting, deaf, enable, undo};

//! Names that a VM has on the wire and on the host, made from who it is.

use std::fmt;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::VmName;

/// A MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

/// The name of a tap device of the host, at most 15 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tap(String);

impl MacAddr {
    /// Reads `aa:bb:cc:dd:ee:ff`; refuses group addresses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut octets = [0u8; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *octet = u8::from_str_radix(part, 16).ok()?;
        }
        (parts.next().is_none() && octets[0] & 1 == 0).then_some(Self(octets))
    }

    /// The address of the interface at `index` of a VM: `02:` (locally administered) and the first
    /// five octets of a digest over both.
    #[must_use]
    pub fn of_interface(name: &VmName, index: usize) -> Self {
        let d = identity_digest(name, index);
        Self([0x02, d[0], d[1], d[2], d[3], d[4]])
    }

    /// Foundry's rule: `be:ef:` and the four octets of the address.
    #[must_use]
    pub fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0xbe, 0xef, a, b, c, d])
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacAddr({self})")
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Tap {
    /// The tap of the interface at `index` of a VM: `tn` and eight digits of a digest over both.
    #[must_use]
    pub fn of_interface(name: &VmName, index: usize) -> Self {
        let d = identity_digest(name, index);
        Self(format!(
            "tn{:02x}{:02x}{:02x}{:02x}",
            d[0], d[1], d[2], d[3]
        ))
    }

    /// Foundry's rule: `vm` and the four octets of the address in hexadecimal.
    #[must_use]
    pub fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self(format!("vm{a:02x}{b:02x}{c:02x}{d:02x}"))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn identity_digest(name: &VmName, index: usize) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"trustnet-vm interface\0");
    hasher.update(name.as_str().as_bytes());
    hasher.update([0]);
    hasher.update((index as u64).to_be_bytes());
    hasher.finalize().into()
}

//! Who listens at ports of this machine, by `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use trustnet_core::preflight::Listener;

/// The state of a socket that listens (linux/tcp_states.h).
const LISTENS: &str = "0A";

pub(super) fn listeners(root: &Path, ports: &[u16]) -> Vec<Listener> {
    if ports.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for table in ["proc/net/tcp", "proc/net/tcp6"] {
        let text = fs::read_to_string(root.join(table)).unwrap_or_default();
        let sockets = text.lines().skip(1).filter_map(listening);
        found.extend(sockets.filter(|(_, port, _)| ports.contains(port)));
    }
    if found.is_empty() {
        return Vec::new();
    }
    let holders = holders(root);
    found
        .into_iter()
        .map(|(address, port, inode)| Listener {
            address,
            port,
            program: holders.get(&inode).cloned(),
        })
        .collect()
}

/// Address, port and inode of a socket that listens.
fn listening(line: &str) -> Option<(IpAddr, u16, u64)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (at, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    if *state != LISTENS {
        return None;
    }
    let (address, port) = at.split_once(':')?;
    Some((
        ip(address)?,
        u16::from_str_radix(port, 16).ok()?,
        inode.parse().ok()?,
    ))
}

/// An address as these tables have it: words of 32 bits in the machine's own order.
fn ip(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| -> Option<[u8; 4]> {
        let digits = digits.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: Vec<u8> = words.concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// The program behind each socket's inode, of those that this user may look into.
fn holders(root: &Path) -> BTreeMap<u64, (String, u32)> {
    let mut holders = BTreeMap::new();
    let Ok(entries) = fs::read_dir(root.join("proc")) else {
        return holders;
    };
    for entry in entries.filter_map(Result::ok) {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        let (Some(id), Ok(files)) = (id, fs::read_dir(entry.path().join("fd"))) else {
            continue;
        };
        let inodes = files.filter_map(|file| {
            let target = fs::read_link(file.ok()?.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            inode.parse::<u64>().ok()
        });
        let inodes: Vec<u64> = inodes.collect();
        if inodes.is_empty() {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        for inode in inodes {
            holders
                .entry(inode)
                .or_insert_with(|| (name.trim().to_owned(), id));
        }
    }
    holders
}

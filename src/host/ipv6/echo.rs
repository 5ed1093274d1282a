//! One question to the gateway: an ICMPv6 echo (RFC 4443, section 4), from a raw socket, which also hears that there is no
//! such neighbour; else from one for pings, where the machine lets its users have some.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use trustnet_core::preflight::Echo;

const REQUEST: u8 = 128;
const REPLY: u8 = 129;
const UNREACHABLE: u8 = 1;
/// Type, code, checksum (which the kernel fills in), identifier, sequence.
const HEAD: usize = 8;

/// Asks a neighbour, and waits this long for its answer. `scope` is the number of the interface, for an address of the
/// link.
#[must_use]
pub fn ask(neighbour: Ipv6Addr, scope: u32, patience: Duration) -> Echo {
    let socket = match open() {
        Ok(socket) => socket,
        Err(Errno::ACCESS | Errno::PERM) => {
            return Echo::NotAsked("this user may not ask for an echo; root may".to_owned());
        }
        Err(error) => return Echo::NotAsked(error.to_string()),
    };
    match exchange(&socket, neighbour, scope, patience) {
        Ok(true) => Echo::Answered,
        Ok(false) => Echo::Silent,
        Err(error) => Echo::Unreachable(error.to_string()),
    }
}

fn open() -> Result<UdpSocket, Errno> {
    let of = |kind| {
        socket_with(
            AddressFamily::INET6,
            kind,
            SocketFlags::CLOEXEC,
            Some(ipproto::ICMPV6),
        )
    };
    // The standard library's name for a socket that sends and receives datagrams.
    of(SocketType::RAW)
        .or_else(|_| of(SocketType::DGRAM))
        .map(UdpSocket::from)
}

fn exchange(
    socket: &UdpSocket,
    neighbour: Ipv6Addr,
    scope: u32,
    patience: Duration,
) -> io::Result<bool> {
    let ours = format!("trustnet-vm preflight {}", std::process::id());
    let mut question = vec![REQUEST, 0, 0, 0, 0, 0, 0, 1];
    question.extend_from_slice(ours.as_bytes());
    let scope = if neighbour.is_unicast_link_local() {
        scope
    } else {
        0
    };
    let to = SocketAddrV6::new(neighbour, 0, 0, scope);
    let deadline = Instant::now() + patience;
    socket.send_to(&question, to)?;
    let mut answer = [0; 1500];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut answer) {
            // A raw socket hears whatever else comes of ICMPv6.
            Ok(length) if length >= HEAD => {
                let said = &answer[HEAD..length];
                if answer[0] == REPLY && said == ours.as_bytes() {
                    return Ok(true);
                }
                // The kernel tells its own sockets so too, with the question behind it.
                if answer[0] == UNREACHABLE && said.ends_with(ours.as_bytes()) {
                    return Err(io::Error::other("no neighbour has that address"));
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

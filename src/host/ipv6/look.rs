//! IPv6 as the kernel's files and those of who keeps the network tell it. A file that cannot be read says nothing.

use std::fs;
use std::path::{Path, PathBuf};

use trustnet_core::ipv6::{
    self, FILE, Interface, Ipv6Facts, Keeper, KeeperTexts, Kernel, NameServers, Switches,
};

/// Files longer than this are none of those that we look for.
const LONGEST: u64 = 1 << 20;

/// Looks at the IPv6 of the machine whose files are below this folder: `/` for this one.
#[must_use]
pub fn look(root: &Path) -> Ipv6Facts {
    let files = Files { root };
    let mut facts = Ipv6Facts {
        kernel: files.kernel(),
        all: files.switches("all"),
        default: files.switches("default"),
        interfaces: files.interfaces(),
        routes: ipv6::default_routes(&files.text("proc/net/ipv6_route")),
        ipv4_uplinks: ipv6::ipv4_uplinks(&files.text("proc/net/route")),
        name_servers: files.name_servers(),
        keepers: Vec::new(),
        kept: files.read(FILE.trim_start_matches('/')),
    };
    let uplinks: Vec<Interface> = facts.uplinks().into_iter().cloned().collect();
    facts.keepers = files.keepers(&uplinks);
    facts
}

struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let path = self.root.join(path);
        let facts = fs::metadata(&path).ok()?;
        if !facts.is_file() || facts.len() > LONGEST {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn text(&self, path: &str) -> String {
        self.read(path).unwrap_or_default()
    }

    /// The files of a folder with one of these endings, by name: path as seen from `/`, and text.
    fn all(&self, folder: &str, endings: &[&str]) -> Vec<(String, String)> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| endings.is_empty() || endings.iter().any(|end| name.ends_with(end)))
            .collect();
        names.sort();
        names
            .into_iter()
            .filter_map(|name| {
                Some((
                    format!("/{folder}/{name}"),
                    self.read(&format!("{folder}/{name}"))?,
                ))
            })
            .collect()
    }

    fn kernel(&self) -> Kernel {
        let off = self.text("sys/module/ipv6/parameters/disable").trim() == "1";
        if !off && self.root.join("proc/net/if_inet6").exists() {
            return Kernel::Speaks;
        }
        let mut by = Vec::new();
        let command_line = ("/proc/cmdline".to_owned(), self.text("proc/cmdline"));
        let grub = (
            "/etc/default/grub".to_owned(),
            self.text("etc/default/grub"),
        );
        let files = [command_line, grub]
            .into_iter()
            .chain(self.all("etc/default/grub.d", &[".cfg"]))
            .chain(self.all("etc/modprobe.d", &[".conf"]))
            .chain(self.all("etc/kernel", &["cmdline"]));
        for (path, text) in files {
            if let Some(word) = ipv6::turned_off(&text) {
                by.push(format!("`{word}` in {path}"));
            }
        }
        if off || !by.is_empty() {
            Kernel::TurnedOff(by)
        } else {
            Kernel::Absent
        }
    }

    fn switches(&self, interface: &str) -> Switches {
        let number = |name: &str| -> Option<i32> {
            let path = switch(self.root, interface, name);
            fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        Switches {
            disable_ipv6: number("disable_ipv6").map(|value| value != 0),
            accept_ra: number("accept_ra"),
            forwarding: number("forwarding"),
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        let addresses = ipv6::addresses(&self.text("proc/net/if_inet6"));
        let names = ipv6::interfaces(&self.text("proc/net/dev")).into_iter();
        names
            .map(|name| {
                let own = addresses.iter().filter(|(of, _)| *of == name);
                let own: Vec<_> = own.map(|(_, address)| *address).collect();
                Interface {
                    index: own.first().map_or(0, |address| address.index),
                    switches: self.switches(&name),
                    addresses: own,
                    name,
                }
            })
            .collect()
    }

    fn name_servers(&self) -> NameServers {
        let listed = ipv6::name_servers(&self.text("etc/resolv.conf"));
        let own = !listed.is_empty() && listed.iter().all(std::net::IpAddr::is_loopback);
        let behind = if own {
            // systemd-resolved says whom it asks itself.
            let text = self.text("run/systemd/resolve/resolv.conf");
            let mut behind = ipv6::name_servers(&text);
            behind.retain(|server| !server.is_loopback());
            behind
        } else {
            Vec::new()
        };
        NameServers { listed, behind }
    }

    fn keepers(&self, uplinks: &[Interface]) -> Vec<Keeper> {
        let mut connections = self.all("etc/NetworkManager/system-connections", &[]);
        connections.extend(self.all("run/NetworkManager/system-connections", &[]));
        let mut ifupdown = self.all("etc/network", &["interfaces"]);
        ifupdown.extend(self.all("etc/network/interfaces.d", &[]));
        let common = KeeperTexts {
            connections,
            netplan: self.all("etc/netplan", &[".yaml"]),
            ifupdown,
            ..KeeperTexts::default()
        };
        let of = |interface: &Interface| {
            let number = self.index(interface);
            let link = self.read(&format!("run/systemd/netif/links/{number}"));
            let network = link.as_ref().and_then(|text| {
                let file = text
                    .lines()
                    .find_map(|line| line.strip_prefix("NETWORK_FILE="))?;
                self.read(file.trim().trim_start_matches('/'))
            });
            let texts = KeeperTexts {
                link,
                network,
                device: self.read(&format!("run/NetworkManager/devices/{number}")),
                ..common.clone()
            };
            ipv6::keeper(&interface.name, &texts)
        };
        uplinks.iter().filter_map(of).collect()
    }

    /// An interface without an address tells its number elsewhere.
    fn index(&self, interface: &Interface) -> u32 {
        if interface.index != 0 {
            return interface.index;
        }
        let text = self.text(&format!("sys/class/net/{}/ifindex", interface.name));
        text.trim().parse().unwrap_or(0)
    }
}

/// Where the kernel has a switch.
pub(super) fn switch(root: &Path, interface: &str, name: &str) -> PathBuf {
    root.join("proc/sys/net/ipv6/conf")
        .join(interface)
        .join(name)
}

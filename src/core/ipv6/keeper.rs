//! Who keeps a machine's interfaces: NetworkManager, systemd-networkd, netplan or ifupdown. What is to be changed for
//! good is changed there, in its words; the kernel's switches are not theirs alone.

/// A program that keeps interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeeperKind {
    /// NetworkManager.
    NetworkManager,
    /// systemd-networkd.
    Networkd,
    /// netplan, which writes for one of those two.
    Netplan,
    /// ifupdown, with `/etc/network/interfaces`.
    Ifupdown,
}

/// Who keeps an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// Which program.
    pub kind: KeeperKind,
    /// The interface.
    pub interface: String,
    /// Where it is told what to do: a file, or the name of a connection of NetworkManager's.
    pub place: Option<String>,
    /// Whether it is told to leave IPv6 away.
    pub refuses: bool,
}

/// What the programs have written of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeeperTexts {
    /// The state of the link, of systemd-networkd.
    pub link: Option<String>,
    /// The file that systemd-networkd has taken the link's configuration from.
    pub network: Option<String>,
    /// The state of the device, of NetworkManager.
    pub device: Option<String>,
    /// Connections of NetworkManager: path and text.
    pub connections: Vec<(String, String)>,
    /// Files of netplan: path and text.
    pub netplan: Vec<(String, String)>,
    /// Files of ifupdown: path and text.
    pub ifupdown: Vec<(String, String)>,
}

impl KeeperKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetworkManager => "NetworkManager",
            Self::Networkd => "systemd-networkd",
            Self::Netplan => "netplan",
            Self::Ifupdown => "ifupdown",
        }
    }
}

impl Keeper {
    /// What to do, in its words, so that the interface gets IPv6 and keeps it.
    #[must_use]
    pub fn advice(&self) -> String {
        let (interface, place) = (&self.interface, self.place.as_deref());
        match self.kind {
            KeeperKind::NetworkManager => match place {
                Some(name) => {
                    let name = crate::service::shell_word(name);
                    format!(
                        "`nmcli connection modify {name} ipv6.method auto`, then `nmcli connection up {name}`"
                    )
                }
                None => format!("`nmcli device modify {interface} ipv6.method auto`"),
            },
            KeeperKind::Networkd => format!(
                "write `LinkLocalAddressing=ipv6` and `IPv6AcceptRA=yes` below [Network] in {}, then `networkctl reload` and `networkctl reconfigure {interface}`",
                place.map_or_else(
                    || format!("/etc/systemd/network/{interface}.network"),
                    str::to_owned
                )
            ),
            KeeperKind::Netplan => format!(
                "write `accept-ra: true` and `dhcp6: true` below `{interface}` in {}, then `netplan try`",
                place.unwrap_or("/etc/netplan")
            ),
            KeeperKind::Ifupdown => format!(
                "write `iface {interface} inet6 auto` into {}, then `ifdown {interface} && ifup {interface}`",
                place.unwrap_or("/etc/network/interfaces")
            ),
        }
    }

    /// Whether it heeds routers by itself, so that the kernel's `accept_ra` is not to be touched.
    #[must_use]
    pub fn hears_routers(&self) -> bool {
        self.kind != KeeperKind::Ifupdown
    }
}

/// Who keeps an interface, by what the programs have written of it.
#[must_use]
pub fn keeper(interface: &str, texts: &KeeperTexts) -> Option<Keeper> {
    let known = by_networkd(interface, texts).or_else(|| by_network_manager(interface, texts));
    known.or_else(|| by_ifupdown(interface, texts)).or_else(|| {
        let place = netplan_file(interface, texts)?;
        Some(netplan(interface, Some(place), texts))
    })
}

fn by_networkd(interface: &str, texts: &KeeperTexts) -> Option<Keeper> {
    let link = texts.link.as_deref()?;
    let state = value(link, "ADMIN_STATE").unwrap_or_default();
    if ["unmanaged", "pending", ""].contains(&state) {
        return None;
    }
    let file = value(link, "NETWORK_FILE").unwrap_or_default();
    if file.contains("netplan") {
        return Some(netplan(interface, netplan_file(interface, texts), texts));
    }
    let said = |key: &str| texts.network.as_deref().and_then(|text| value(text, key));
    let off = said("LinkLocalAddressing").is_some_and(|word| ["no", "ipv4"].contains(&word))
        || said("IPv6AcceptRA").is_some_and(|word| ["no", "false", "0", "off"].contains(&word));
    Some(Keeper {
        kind: KeeperKind::Networkd,
        interface: interface.to_owned(),
        place: (!file.is_empty()).then(|| file.to_owned()),
        refuses: off,
    })
}

fn by_network_manager(interface: &str, texts: &KeeperTexts) -> Option<Keeper> {
    let device = texts.device.as_deref()?;
    let managed = value(device, "managed").is_some_and(|word| !["false", "0"].contains(&word));
    let uuid = value(device, "connection-uuid");
    if !managed && uuid.is_none() {
        return None;
    }
    let mine = |(_, text): &&(String, String)| {
        let named = value(text, "interface-name") == Some(interface);
        uuid.map_or(named, |uuid| value(text, "uuid") == Some(uuid))
    };
    let connection = texts.connections.iter().find(mine);
    let name = connection.and_then(|(_, text)| value(text, "id"));
    if name.is_some_and(|name| name.starts_with("netplan-")) {
        return Some(netplan(interface, netplan_file(interface, texts), texts));
    }
    let method = connection.and_then(|(_, text)| value(section(text, "ipv6")?, "method"));
    Some(Keeper {
        kind: KeeperKind::NetworkManager,
        interface: interface.to_owned(),
        place: name.map(str::to_owned),
        refuses: method.is_some_and(|word| ["disabled", "ignore"].contains(&word)),
    })
}

fn by_ifupdown(interface: &str, texts: &KeeperTexts) -> Option<Keeper> {
    let stanzas = |text: &str, family: Option<&str>| {
        text.lines().any(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            words.first() == Some(&"iface")
                && words.get(1) == Some(&interface)
                && family.is_none_or(|family| words.get(2) == Some(&family))
        })
    };
    let mut files = texts.ifupdown.iter();
    let (place, _) = files.clone().find(|(_, text)| stanzas(text, None))?;
    Some(Keeper {
        kind: KeeperKind::Ifupdown,
        interface: interface.to_owned(),
        place: Some(place.clone()),
        refuses: !files.any(|(_, text)| stanzas(text, Some("inet6"))),
    })
}

fn netplan(interface: &str, place: Option<String>, texts: &KeeperTexts) -> Keeper {
    let text = place.as_ref().and_then(|place| {
        let mut files = texts.netplan.iter();
        files.find(|(path, _)| path == place)
    });
    let refuses = text.is_some_and(|(_, text)| {
        let mut lines = text.lines().map(str::trim);
        lines.any(|line| ["accept-ra: false", "accept-ra: no", "link-local: []"].contains(&line))
    });
    Keeper {
        kind: KeeperKind::Netplan,
        interface: interface.to_owned(),
        place,
        refuses,
    }
}

/// The file of netplan's that speaks of an interface.
fn netplan_file(interface: &str, texts: &KeeperTexts) -> Option<String> {
    let speaks = |text: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.any(|line| {
            line.trim_matches('"')
                .strip_prefix(interface)
                .is_some_and(|rest| rest.starts_with([':', '"']))
        })
    };
    let mut files = texts.netplan.iter();
    files
        .find(|(_, text)| speaks(text))
        .map(|(path, _)| path.clone())
}

/// The value of a key, in a text of lines `key=value`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// What stands below `[name]`.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = format!("[{name}]");
    let start = text.find(&head)? + head.len();
    let rest = &text[start..];
    Some(&rest[..rest.find("\n[").unwrap_or(rest.len())])
}

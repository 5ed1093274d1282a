//! Domain XML of any origin, read for the facts that planning needs.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::record;

/// Facts of a domain's XML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainXml {
    /// The name.
    pub name: String,
    /// The UUID, as text.
    pub uuid: String,
    /// The domain type, such as `kvm`.
    pub kind: String,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// MAC addresses, in lower case; those in QEMU arguments too.
    pub macs: Vec<String>,
    /// Names of tap devices.
    pub taps: Vec<String>,
    /// Disks.
    pub disks: Vec<DiskFacts>,
    /// Ports of the host that QEMU's user-mode network forwards.
    pub forwarded_ports: Vec<u16>,
    /// Whether there is NVRAM to remove with the domain.
    pub nvram: bool,
    /// Our record: the text of the metadata element.
    pub record: Option<String>,
    /// Foundry's spec: the YAML text of its metadata element.
    pub foundry: Option<String>,
}

/// A disk of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFacts {
    /// The target device, such as `vda`.
    pub target: String,
    /// The file or the block device, if it is one.
    pub file: Option<String>,
    /// The image in the cluster, as `pool/image`, if it is one of Ceph.
    pub network: Option<String>,
    /// Pool and volume, if it is one.
    pub volume: Option<(String, String)>,
    /// Files, block devices and Ceph's images further down the backing chain.
    pub backing: Vec<String>,
    /// The format that it is opened as, such as `qcow2`; empty where that is not said.
    pub format: String,
}

/// What [`walk`] reports.
pub(super) enum Seen<'a> {
    /// An element begins (an empty one too).
    Start(Tag<'a>),
    /// The whole text of an element, entities decoded, trimmed.
    Text(&'a str),
}

/// The start tag of an element.
pub(super) struct Tag<'a>(&'a BytesStart<'a>);

impl Tag<'_> {
    /// The value of an attribute, entities decoded.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok()??;
        let raw = std::str::from_utf8(&attribute.value).ok()?;
        quick_xml::escape::unescape(raw)
            .ok()
            .map(std::borrow::Cow::into_owned)
    }
}

/// Walks a document and reports elements and texts with their path of local names (with prefix).
/// Stops quietly at the first syntax error: libvirt only returns what its own writer wrote.
pub(super) fn walk(xml: &str, mut see: impl FnMut(&[&str], Seen<'_>)) {
    let mut reader = Reader::from_str(xml);
    let mut path: Vec<(String, String)> = Vec::new();
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return,
            Ok(event) => event,
        };
        match event {
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                path.push((
                    String::from_utf8_lossy(tag.name().as_ref()).into_owned(),
                    String::new(),
                ));
                let names: Vec<&str> = path.iter().map(|(name, _)| name.as_str()).collect();
                see(&names, Seen::Start(Tag(tag)));
                if matches!(event, Event::Empty(_)) {
                    path.pop();
                }
            }
            Event::Text(piece) => {
                if let (Some((_, text)), Ok(piece)) = (path.last_mut(), piece.decode()) {
                    text.push_str(&piece);
                }
            }
            Event::CData(piece) => {
                if let (Some((_, text)), Ok(piece)) = (path.last_mut(), piece.decode()) {
                    text.push_str(&piece);
                }
            }
            Event::GeneralRef(entity) => {
                if let Some((_, text)) = path.last_mut() {
                    push_entity(text, &entity);
                }
            }
            Event::End(_) => {
                let text = path
                    .last()
                    .map(|(_, text)| text.trim().to_owned())
                    .unwrap_or_default();
                let names: Vec<&str> = path.iter().map(|(name, _)| name.as_str()).collect();
                if !text.is_empty() {
                    see(&names, Seen::Text(&text));
                }
                path.pop();
            }
            _ => {}
        }
    }
}

fn push_entity(text: &mut String, entity: &quick_xml::events::BytesRef<'_>) {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        text.push(character);
    } else if let Ok(name) = entity.decode()
        && let Some(value) = quick_xml::escape::resolve_predefined_entity(&name)
    {
        text.push_str(value);
    }
}

/// What a domain's metadata says of whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Our record.
    pub record: Option<String>,
    /// Foundry's spec.
    pub foundry: Option<String>,
}

/// The text of a metadata element that was fetched by its namespace: libvirt gives it alone, and
/// without the prefix.
#[must_use]
pub fn read_metadata(xml: &str) -> Option<String> {
    let mut found = None;
    walk(xml, |_, seen| {
        if let Seen::Text(text) = seen {
            found = Some(text.to_owned());
        }
    });
    found
}

/// Whether an element is in Foundry's namespace: its element's own name is anybody's guess, `metadata` today.
fn is_foundry(tag: &Tag<'_>) -> bool {
    [record::FOUNDRY_XMLNS, "xmlns"]
        .iter()
        .any(|name| tag.attribute(name).as_deref() == Some(record::FOUNDRY_NAMESPACE))
}

/// Reads what planning needs of a domain's XML; what is missing stays empty.
#[must_use]
pub fn read_domain(xml: &str) -> DomainXml {
    let mut facts = DomainXml::default();
    let mut memory_unit = None;
    let mut in_foundry = false;
    walk(xml, |path, seen| {
        let Some((&"domain", path)) = path.split_first() else {
            return;
        };
        match (path, seen) {
            ([], Seen::Start(tag)) => facts.kind = tag.attribute("type").unwrap_or_default(),
            (["name"], Seen::Text(value)) => facts.name = value.to_owned(),
            (["uuid"], Seen::Text(value)) => facts.uuid = value.to_owned(),
            (["vcpu"], Seen::Text(value)) => facts.vcpus = value.parse().unwrap_or(0),
            (["memory"], Seen::Start(tag)) => memory_unit = tag.attribute("unit"),
            (["memory"], Seen::Text(value)) => {
                facts.memory_mib = mebibytes(value, memory_unit.as_deref());
            }
            (["os", "nvram"], _) => facts.nvram = true,
            (["os"], Seen::Start(tag)) if tag.attribute("firmware").as_deref() == Some("efi") => {
                facts.nvram = true
            }
            (["metadata", element], Seen::Text(value)) if *element == record::ELEMENT => {
                facts.record = Some(value.to_owned());
            }
            (["metadata", _], Seen::Start(tag)) => in_foundry = is_foundry(&tag),
            (["metadata", _, ..], Seen::Text(value)) if in_foundry => {
                facts.foundry = Some(value.to_owned());
            }
            (["devices", "interface", "mac"], Seen::Start(tag)) => {
                facts
                    .macs
                    .extend(tag.attribute("address").map(|mac| mac.to_ascii_lowercase()));
            }
            (["devices", "interface", "target"], Seen::Start(tag)) => {
                facts.taps.extend(tag.attribute("dev"))
            }
            (["devices", "disk"], Seen::Start(_)) => facts.disks.push(DiskFacts::default()),
            (["devices", "disk", rest @ ..], Seen::Start(tag)) => {
                if let Some(disk) = facts.disks.last_mut() {
                    read_disk(disk, rest, &tag);
                }
            }
            (["qemu:commandline", "qemu:arg"], Seen::Start(tag)) => {
                if let Some(value) = tag.attribute("value") {
                    read_argument(&mut facts, &value);
                }
            }
            _ => {}
        }
    });
    facts
}

/// libvirt itself writes KiB, and takes a number without a unit as such.
fn mebibytes(number: &str, unit: Option<&str>) -> u64 {
    let number: u64 = number.parse().unwrap_or(0);
    match unit {
        Some("MiB" | "M") => number,
        Some("GiB" | "G") => number.saturating_mul(1024),
        Some("b" | "bytes") => number >> 20,
        _ => number >> 10,
    }
}

fn read_disk(disk: &mut DiskFacts, path: &[&str], tag: &Tag<'_>) {
    match path {
        ["source"] => {
            disk.file = tag.attribute("file").or_else(|| tag.attribute("dev"));
            let ceph = tag.attribute("protocol").as_deref() == Some("rbd");
            disk.network = tag.attribute("name").filter(|_| ceph);
            disk.volume = tag.attribute("pool").zip(tag.attribute("volume"));
        }
        ["target"] => disk.target = tag.attribute("dev").unwrap_or_default(),
        ["driver"] => disk.format = tag.attribute("type").unwrap_or_default(),
        [.., "backingStore", "source"] => {
            let file = tag.attribute("file").or_else(|| tag.attribute("dev"));
            disk.backing.extend(file.or_else(|| tag.attribute("name")));
        }
        _ => {}
    }
}

/// MAC addresses and forwarded ports in an argument of QEMU's, such as
/// `user,id=n0,hostfwd=tcp:127.0.0.1:2201-:22` or `virtio-net-pci,netdev=n0,mac=02:…`.
fn read_argument(facts: &mut DomainXml, argument: &str) {
    for part in argument.split(',') {
        if let Some(mac) = part.strip_prefix("mac=") {
            facts.macs.push(mac.to_ascii_lowercase());
        }
        if let Some(forward) = part.strip_prefix("hostfwd=")
            && let Some((host, _)) = forward.split_once('-')
            && let Some(port) = host.rsplit(':').next().and_then(|port| port.parse().ok())
        {
            facts.forwarded_ports.push(port);
        }
    }
}

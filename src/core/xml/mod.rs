//! libvirt XML, written by an XML writer and read by an XML reader.

/// What the hypervisor says that it can do.
mod capabilities;
/// Disks, channels and the other devices of a domain.
mod devices;
/// The domain: what libvirt is told of a VM.
mod domain;
/// Network interfaces of a domain, and the QEMU arguments of those that libvirt cannot express.
mod interfaces;
/// Storage pools.
mod pool;
/// The domain and the volume that prove that a domain type works.
mod probe;
/// Domain XML of any origin, read for the facts that planning needs.
mod read;
/// Volumes.
mod storage;
/// Test suites, for the readers of continuous integration.
mod suites;

pub use capabilities::{
    DomainCapabilities, PoolCapabilities, PoolTypeCapabilities, guest_arch, host_uuid,
    read_pool_capabilities,
};
pub use devices::Place;
pub use domain::{DomainInput, DomainType, Forward, domain};
pub use pool::{PoolSizes, PoolSourceXml, PoolXml, pool, read_pool, read_pool_sizes, storage_pool};
pub use probe::{probe_domain, probe_name, probe_volume};
pub use read::{DiskFacts, DomainXml, Metadata, read_domain, read_metadata};
pub use storage::{VolumeXml, image_volume, raw_volume, read_volume, volume};
pub(crate) use suites::{Suite, SuiteCase, suites};

use std::io;

use quick_xml::Writer;

use crate::record;

/// The writer that all of this module writes into; writing to memory cannot fail.
type Xml = Writer<Vec<u8>>;

/// Runs `write` on a fresh writer and returns the text.
fn document(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    #[expect(clippy::expect_used, reason = "a Vec takes every write")]
    write(&mut writer).expect("writing to memory");
    let mut text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    text.push('\n');
    text
}

/// The element that holds our record, as libvirt takes it for a domain's metadata: without a prefix, which it
/// gives it itself.
#[must_use]
pub fn record_element(record: &str) -> String {
    document(|w| text(w, "record", &[], record))
        .trim_end()
        .to_owned()
}

fn record_text(w: &mut Xml, record: &str) -> io::Result<()> {
    let namespace = [("xmlns:tvm", record::NAMESPACE)];
    text(w, record::ELEMENT, &namespace, record)
}

/// An element with attributes and nothing inside.
fn empty(w: &mut Xml, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
    w.create_element(name)
        .with_attributes(attributes.iter().copied())
        .write_empty()?;
    Ok(())
}

/// An element with attributes and text.
fn text(w: &mut Xml, name: &str, attributes: &[(&str, &str)], content: &str) -> io::Result<()> {
    w.create_element(name)
        .with_attributes(attributes.iter().copied())
        .write_text_content(quick_xml::events::BytesText::new(content))?;
    Ok(())
}

/// An element with attributes and elements.
fn nest(
    w: &mut Xml,
    name: &str,
    attributes: &[(&str, &str)],
    inner: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    w.create_element(name)
        .with_attributes(attributes.iter().copied())
        .write_inner_content(inner)?;
    Ok(())
}

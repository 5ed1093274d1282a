//! The hosts that are asked.

use std::path::Path;

use tempfile::TempDir;
use trustnet_host::connect::connect;
use trustnet_host::fake::State;

use crate::contract::Place;

/// A node of libvirt's test driver, with nothing on it.
const NODE: &str = "<node><cpu><mhz>2000</mhz><model>x</model><active>4</active><nodes>1</nodes>\
    <sockets>1</sockets><cores>4</cores><threads>1</threads></cpu><memory>8388608</memory></node>";

pub fn fake(promise: impl FnOnce(&Place<'_>)) {
    let folder = folder();
    let path = folder.path().join("host.json");
    State::with_everything().save(&path).expect("a state file");
    ask(
        &format!("fake://{}", path.display()),
        "qemu",
        folder.path(),
        promise,
    );
}

pub fn libvirt_test(promise: impl FnOnce(&Place<'_>)) {
    let folder = folder();
    let path = folder.path().join("node.xml");
    std::fs::write(&path, NODE).expect("a file");
    ask(
        &format!("test://{}", path.display()),
        "test",
        folder.path(),
        promise,
    );
}

fn ask(uri: &str, kind: &'static str, folder: &Path, promise: impl FnOnce(&Place<'_>)) {
    let hypervisor = connect(uri).expect("a connection");
    promise(&Place {
        hypervisor: &*hypervisor,
        kind,
        folder,
    });
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("tnvm")
        .tempdir()
        .expect("a folder")
}

//! Images made on the spot.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use trustnet_core::artifact::Digest;

use super::liar::Answer;

/// A change to a good manifest.
pub(super) type Variation = fn(&mut Value);

pub(super) struct Image {
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<Vec<u8>>,
}

impl Image {
    /// An image whose layers hold one file each, named as given.
    pub(super) fn new(architecture: &str, files: &[&str]) -> Self {
        let tars: Vec<Vec<u8>> = files.iter().map(|file| layer(file)).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Labels": { "made": "by a test" } },
            "rootfs": { "type": "layers", "diff_ids": tars.iter().map(|tar| digest(tar)).collect::<Vec<_>>() },
            "history": [],
        });
        Self {
            config: config.to_string().into_bytes(),
            layers: tars.iter().map(|tar| gzip(tar)).collect(),
        }
    }

    pub(super) fn manifest(&self) -> Vec<u8> {
        let part = |kind: &str, bytes: &[u8]| {
            json!({
                "mediaType": format!("application/vnd.oci.image.{kind}"),
                "digest": digest(bytes),
                "size": bytes.len(),
            })
        };
        let layers = self
            .layers
            .iter()
            .map(|layer| part("layer.v1.tar+gzip", layer));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": part("config.v1+json", &self.config),
            "layers": layers.collect::<Vec<_>>(),
        });
        manifest.to_string().into_bytes()
    }
}

pub(super) fn index(manifests: &[(&str, &[u8])]) -> Vec<u8> {
    let mut entries: Vec<Value> = manifests
        .iter()
        .map(|(architecture, manifest)| entry("linux", architecture, manifest))
        .collect();
    // What builders add to vouch for an image.
    entries.push(entry("unknown", "unknown", b"{}"));
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    });
    index.to_string().into_bytes()
}

fn entry(os: &str, architecture: &str, manifest: &[u8]) -> Value {
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest),
        "size": manifest.len(),
        "platform": { "os": os, "architecture": architecture },
    })
}

/// All that a registry answers for an image.
pub(super) fn whole(image: &Image, repository: &str, tag: &str) -> BTreeMap<String, Answer> {
    let manifest = image.manifest();
    let mut answers = BTreeMap::from([("/v2/".to_owned(), Answer::ok(b"{}".to_vec()))]);
    let mut add = |kind: &str, name: &str, bytes: &[u8]| {
        let path = format!("/v2/{repository}/{kind}/{name}");
        answers.insert(path, Answer::ok(bytes.to_vec()));
    };
    add("manifests", tag, &manifest);
    add("manifests", &digest(&manifest), &manifest);
    for blob in image.layers.iter().chain([&image.config]) {
        add("blobs", &digest(blob), blob);
    }
    answers
}

pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn layer(file: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, file, file.as_bytes())
        .and_then(|()| builder.into_inner())
        .expect("a tar")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("gzip")
}

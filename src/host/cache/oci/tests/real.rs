//! Debian's own registry, on loopback, in a folder that goes away.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use reqwest::blocking::Client;
use tempfile::TempDir;

use super::image::{Image, digest, index};

pub(super) struct RealRegistry {
    pub(super) host: String,
    process: Child,
    client: Client,
    _folder: TempDir,
}

impl RealRegistry {
    pub(super) fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Another program may take the port between the two lines; then the next one is tried.
        (0..5)
            .find_map(|_| {
                let free = TcpListener::bind("127.0.0.1:0").expect("a port");
                let host = free.local_addr().expect("an address").to_string();
                drop(free);
                Self::start_at(host)
            })
            .expect("a registry on a port of its own")
    }

    fn start_at(host: String) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {:?} }} }}\nhttp: {{ addr: \"{host}\" }}\n",
            path("data")
        );
        fs::write(path("config.yml"), config).expect("it is written");
        let log = File::create(path("log")).expect("a log");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(path("config.yml"))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed (`cargo xtask setup`)");
        while TcpStream::connect(&host).is_err() {
            if process.try_wait().expect("its state").is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            host,
            process,
            client: Client::builder().no_proxy().build().expect("a client"),
            _folder: folder,
        })
    }

    pub(super) fn push(&self, repository: &str, tag: &str, image: &Image) {
        for blob in image.layers.iter().chain([&image.config]) {
            self.push_blob(repository, blob);
        }
        self.put_manifest(repository, tag, "manifest", &image.manifest());
    }

    /// Pushes an index of the images, for amd64 and arm64; gives its bytes.
    pub(super) fn push_index(&self, repository: &str, tag: &str, images: &[Image; 2]) -> Vec<u8> {
        let manifests = images.each_ref().map(Image::manifest);
        for (image, manifest) in images.iter().zip(&manifests) {
            self.push(repository, &digest(manifest), image);
        }
        // What vouches for an image is pushed too, for a registry wants all that an index names.
        let nothing = Image::new("unknown", &[]);
        self.push(repository, &digest(&nothing.manifest()), &nothing);
        let mut index: serde_json::Value = serde_json::from_slice(&index(&[
            ("amd64", &manifests[0]),
            ("arm64", &manifests[1]),
        ]))
        .expect("JSON");
        index["manifests"][2]["digest"] = digest(&nothing.manifest()).into();
        index["manifests"][2]["size"] = nothing.manifest().len().into();
        let index = index.to_string().into_bytes();
        self.put_manifest(repository, tag, "index", &index);
        index
    }

    fn put_manifest(&self, repository: &str, name: &str, kind: &str, bytes: &[u8]) {
        let answer = self
            .client
            .put(format!(
                "http://{}/v2/{repository}/manifests/{name}",
                self.host
            ))
            .header(
                "Content-Type",
                format!("application/vnd.oci.image.{kind}.v1+json"),
            )
            .body(bytes.to_vec())
            .send()
            .expect("an answer");
        let status = answer.status();
        assert_eq!(status, 201, "{:?}", answer.text());
    }

    fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let start = format!("http://{}/v2/{repository}/blobs/uploads/", self.host);
        let answer = self.client.post(start).send().expect("an answer");
        let place = answer.headers()["Location"].to_str().expect("a place");
        let joint = if place.contains('?') { '&' } else { '?' };
        let place = format!("{place}{joint}digest={}", digest(bytes));
        let put = self.client.put(place).body(bytes.to_vec()).send();
        assert_eq!(put.expect("an answer").status(), 201);
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

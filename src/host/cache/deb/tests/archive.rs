//! A small archive, made and signed by the test.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use trustnet_core::artifact::Digest;
use trustnet_core::deb::{Pocket, Release};

/// When its `Release` files are dated, and an hour later.
pub const DATED: &str = "Wed, 18 Nov 2026 22:17:41 UTC";
pub const NOW: i64 = 1_795_043_861;

/// A key that is thrown away.
pub struct Key {
    home: TempDir,
    time: Option<&'static str>,
}

/// An archive in a folder, with one suite and its security updates.
pub struct Archive {
    pub folder: TempDir,
}

/// What can be different about a `Release` file.
pub struct Signing<'a> {
    pub key: &'a Key,
    pub date: &'a str,
    pub more: &'a str,
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Key {
    pub fn new() -> Self {
        Self::made(None, "0")
    }

    /// A key that was good for a day, long ago.
    pub fn expired() -> Self {
        Self::made(Some("20200101T000000"), "1d")
    }

    fn made(time: Option<&'static str>, expires: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let key = Self { home, time };
        let arguments = [
            "--quick-gen-key",
            "Test <test@example.org>",
            "ed25519",
            "sign",
            expires,
        ];
        run(key.gpg().args(["--passphrase", ""]).args(arguments));
        key
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--homedir"])
            .arg(self.home.path());
        if let Some(time) = self.time {
            gpg.args(["--faked-system-time", time]);
        }
        gpg
    }

    /// The public key, as gpgv reads it.
    pub fn public(&self) -> &'static [u8] {
        let path = self.home.path().join("public.gpg");
        run(self
            .gpg()
            .arg("--yes")
            .arg("--output")
            .arg(&path)
            .arg("--export"));
        fs::read(path).expect("a key").leak()
    }

    /// Revokes it.
    pub fn revoke(&self) {
        let folder = self.home.path().join("openpgp-revocs.d");
        let mut files = fs::read_dir(folder).expect("a folder");
        let path = files.next().expect("a file").expect("a file").path();
        // gpg breaks the certificate with a colon, so that nobody uses it by accident.
        let text = fs::read_to_string(&path).expect("a certificate");
        fs::write(&path, text.replace(":-----BEGIN", "-----BEGIN")).expect("it is written");
        run(self.gpg().arg("--import").arg(path));
    }

    pub fn sign(&self, text: &Path, signed: &Path) {
        run(self
            .gpg()
            .arg("--yes")
            .arg("--output")
            .arg(signed)
            .arg("--clearsign")
            .arg(text));
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // The agent that gpg started for this folder.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

impl Archive {
    /// With `app`, which needs `lib` and what every system has, and a `lib` that security has made newer.
    pub fn new(key: &Key) -> Self {
        let archive = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        archive.package(
            "test",
            "app",
            "1.0-1",
            "Depends: lib (>= 2), sh (>= 1)\nRecommends: docs\n",
        );
        archive.package("test", "lib", "1:2.0-1", "Pre-Depends: data | other\n");
        archive.package("test", "data", "0~1", "Architecture: all\n");
        archive.package("test", "docs", "1", "");
        archive.package("test", "sh", "5", "Essential: yes\n");
        archive.package(
            "test-security",
            "lib",
            "1:2.0-1+deb99u1",
            "Pre-Depends: data | other\n",
        );
        for suite in ["test", "test-security"] {
            archive.list(suite);
            archive.sign(
                suite,
                &Signing {
                    key,
                    date: DATED,
                    more: "",
                },
            );
        }
        archive
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The release that it is of.
    pub fn release(&self, keyring: &'static [u8]) -> Release {
        const fn pocket(suite: &'static str, security: bool) -> Pocket {
            // Where nothing answers: tests give the mirrors.
            let mirror = "http://127.0.0.1:9";
            Pocket {
                suite,
                mirror,
                ports: mirror,
                security,
            }
        }
        Release {
            name: "test-1",
            codename: "test",
            components: &["main"],
            pockets: const { &[pocket("test", false), pocket("test-security", true)] },
            keyring,
        }
    }

    /// A package in the pool, and its stanza for the index of a suite.
    pub fn package(&self, suite: &str, name: &str, version: &str, fields: &str) {
        let tree = self.path("tree");
        let file = format!("pool/{name}_{}.deb", version.replace(':', "%3a"));
        fs::create_dir_all(tree.join("DEBIAN")).expect("a folder");
        fs::create_dir_all(self.path("pool")).expect("a folder");
        let own = if fields.contains("Architecture") {
            ""
        } else {
            "Architecture: amd64\n"
        };
        let control = format!(
            "Package: {name}\nVersion: {version}\n{own}{fields}Maintainer: Test <test@example.org>\nDescription: {name}\n of a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), &control).expect("it is written");
        let build = ["--root-owner-group", "-Znone", "--build"];
        run(Command::new("dpkg-deb")
            .args(build)
            .arg(&tree)
            .arg(self.path(&file)));
        fs::remove_dir_all(&tree).expect("it goes");
        let bytes = fs::read(self.path(&file)).expect("a package");
        let (size, digest) = (bytes.len(), Digest::of(&bytes));
        let stanzas = self.path(&format!("{suite}.stanzas"));
        let mut stanzas = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(stanzas)
            .expect("a file");
        writeln!(
            stanzas,
            "{control}Filename: {file}\nSize: {size}\nSHA256: {digest}\n"
        )
        .expect("it is written");
    }

    /// The index of a suite, in all its forms.
    pub fn list(&self, suite: &str) {
        let text = fs::read(self.path(&format!("{suite}.stanzas"))).expect("stanzas");
        self.list_of(suite, "main/binary-amd64", text);
    }

    /// The index of one part of a suite for one architecture.
    pub fn list_of(&self, suite: &str, part: &str, text: Vec<u8>) {
        let folder = self.path(&format!("dists/{suite}/{part}"));
        fs::create_dir_all(&folder).expect("a folder");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&text).expect("memory");
        fs::write(folder.join("Packages.xz"), xz.finish().expect("memory")).expect("it is written");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&text).expect("memory");
        fs::write(folder.join("Packages.gz"), gz.finish().expect("memory")).expect("it is written");
        fs::write(folder.join("Packages"), text).expect("it is written");
    }

    /// The `Release` file of a suite, signed. The plain index is listed, and then taken away.
    pub fn sign(&self, suite: &str, signing: &Signing<'_>) {
        self.sign_parts(suite, &["main/binary-amd64"], signing);
    }

    /// The same with these parts of the suite.
    pub fn sign_parts(&self, suite: &str, parts: &[&str], signing: &Signing<'_>) {
        let folder = self.path(&format!("dists/{suite}"));
        let mut text = format!(
            "Suite: {suite}\nCodename: {suite}\nDate: {}\n{}SHA256:\n",
            signing.date, signing.more
        );
        let endings = |part| ["", ".xz", ".gz"].map(|ending| format!("{part}/Packages{ending}"));
        for name in parts.iter().flat_map(endings) {
            let Ok(bytes) = fs::read(folder.join(&name)) else {
                continue;
            };
            text += &format!(" {} {} {name}\n", Digest::of(&bytes), bytes.len());
        }
        fs::write(folder.join("Release"), text).expect("it is written");
        signing
            .key
            .sign(&folder.join("Release"), &folder.join("InRelease"));
    }
}

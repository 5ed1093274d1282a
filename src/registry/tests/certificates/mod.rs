//! Certificates that live as long as a test.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use trustnet_core::network::TlsFiles;

/// Who vouches for certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("an authority").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Writes its own certificate.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        fs::write(&path, &self.pem).expect("written");
        path
    }

    /// Writes a certificate for these names and addresses, and its key; in place of those that are there.
    pub fn certify(&self, folder: &Path, names: &[&str]) -> TlsFiles {
        self.certify_until(folder, names, 2100)
    }

    /// A certificate that is good until the begin of a year.
    pub fn certify_until(&self, folder: &Path, names: &[&str], year: i32) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        TlsFiles {
            certificate: put(folder, "certificate.pem", &certificate.pem(), 0o644),
            key: put(folder, "key.pem", &key.serialize_pem(), 0o600),
        }
    }
}

/// A file, whole at once.
fn put(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let (path, new) = (folder.join(name), folder.join("new"));
    fs::write(&new, text).expect("written");
    fs::set_permissions(&new, Permissions::from_mode(mode)).expect("set");
    fs::rename(&new, &path).expect("put in place");
    path
}

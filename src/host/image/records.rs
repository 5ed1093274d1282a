//! The records of images: a file for each, on this machine, by hypervisor and pool.

use std::fs;
use std::io;
use std::path::PathBuf;

use trustnet_core::artifact::Digest;
use trustnet_core::image::record::ImageRecord;

use crate::error::HostError;
use crate::journal::connection_name;
use crate::lock::Lock;
use crate::paths::{Paths, private_dir, write_private};

/// The longest name of a lock's file, without what it ends with: more is nobody's that was brought here, and would not
/// go into a folder.
const LONGEST: usize = 240;

/// The records of the images on one hypervisor.
#[derive(Debug, Clone)]
pub struct Records {
    folder: PathBuf,
    locks: PathBuf,
}

impl Records {
    /// Those of the hypervisor behind a URI.
    #[must_use]
    pub fn of(paths: &Paths, uri: &str) -> Self {
        let name = connection_name(uri);
        Self {
            // Not `images`: that is the default pool of a session.
            folder: paths.data.join("image-records").join(&name),
            locks: paths.state.join(name).join("locks"),
        }
    }

    fn file(&self, pool: &str, volume: &str) -> PathBuf {
        let volume = format!("{}.json", file_name(volume));
        self.folder.join(file_name(pool)).join(volume)
    }

    /// What is recorded of an image; none where nothing is.
    ///
    /// # Errors
    /// The file cannot be read, or is no record.
    pub fn read(&self, pool: &str, volume: &str) -> Result<Option<ImageRecord>, HostError> {
        let path = self.file(pool, volume);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // No record has a name that is too long.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(HostError::file("read", path)(error)),
        };
        let record = serde_json::from_slice(&bytes);
        record
            .map(Some)
            .map_err(|error| HostError::file("read the image record", path)(error.into()))
    }

    /// Writes a record, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, record: &ImageRecord) -> Result<(), HostError> {
        let path = self.file(&record.pool, &record.volume);
        if let Some(folder) = path.parent() {
            private_dir(folder)?;
        }
        let failed = |error: io::Error| HostError::file("write", &path)(error);
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| failed(error.into()))?;
        write_private(&path, &bytes).map_err(failed)?;
        // A record that power takes away would leave an image that nobody vouches for.
        let folder = path.parent().map(fs::File::open).transpose();
        folder
            .and_then(|folder| folder.map_or(Ok(()), |folder| folder.sync_all()))
            .map_err(failed)
    }

    /// Forgets an image; one that is not known is no error.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, pool: &str, volume: &str) -> Result<(), HostError> {
        let path = self.file(pool, volume);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HostError::file("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The pools of which an image is recorded, sorted.
    #[must_use]
    pub fn pools(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut pools: Vec<String> = names.filter_map(|name| named(&name)).collect();
        pools.sort();
        pools
    }

    /// What is recorded of the images of a pool, by name. What cannot be read is left out, and said in the log.
    #[must_use]
    pub fn all(&self, pool: &str) -> Vec<ImageRecord> {
        let Ok(entries) = fs::read_dir(self.folder.join(file_name(pool))) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut volumes: Vec<String> = names
            .filter_map(|name| named(name.strip_suffix(".json")?))
            .collect();
        volumes.sort();
        let read = |volume: &String| match self.read(pool, volume) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(%error, "an image record is left out");
                None
            }
        };
        volumes.iter().filter_map(read).collect()
    }

    /// The lock of an image, which whoever brings it holds. None where `stop` says so before it is free.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn lock(
        &self,
        pool: &str,
        volume: &str,
        stop: impl Fn() -> bool,
    ) -> Result<Option<Lock>, HostError> {
        let mut name = format!("{}.{}", file_name(pool), file_name(volume));
        if name.len() > LONGEST {
            name = Digest::of(name.as_bytes()).to_string();
        }
        name.push_str(".image");
        Lock::take_unless(&self.locks.join(name), stop)
    }
}

/// The name of a pool or a volume as that of a file: whatever a path takes for its own is written in hexadecimal.
fn file_name(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        // A dot is plain but at the beginning, where it hides a file or means a folder.
        if plain || byte == b'.' && !text.is_empty() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text
}

/// The name that stands in a file's name.
fn named(file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = file.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    // Nothing else gives this file's name: what was not written here is not ours.
    String::from_utf8(bytes)
        .ok()
        .filter(|name| file_name(name) == file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use trustnet_core::artifact::{Verified, VerifiedBy};
    use trustnet_core::image::record::{Arrival, Form, ImageRecord, Stamp};

    use super::{Records, file_name, named};
    use crate::paths::Paths;

    fn record(pool: &str, volume: &str) -> ImageRecord {
        ImageRecord {
            pool: pool.to_owned(),
            volume: volume.to_owned(),
            arrival: Arrival::Whole,
            source: "/tmp/image".to_owned(),
            verified: Verified::by(VerifiedBy::LocalBuild),
            checksum: None,
            form: Form::AsItCame,
            length: 0,
            sha256: None,
            stamp: Stamp::default(),
            original: None,
            default_user: None,
            when: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn a_record_is_found_by_pool_and_volume_whatever_they_are_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_owned();
        let var = |name: &str| (name == "HOME").then(|| home.clone().into());
        let paths = Paths::from_env(var).expect("a home");
        let records = Records::of(&paths, "qemu:///system");
        let names = ["debian-12", "..", "a/b", ".hidden", "ä %41", "x.json", "%"];
        assert_eq!(records.pools(), Vec::<String>::new());
        for pool in names {
            for volume in names {
                let record = record(pool, volume);
                assert_eq!(records.read(pool, volume).expect("an answer"), None);
                records.write(&record).expect("written");
                assert_eq!(records.read(pool, volume).expect("read"), Some(record));
            }
        }
        let mut sorted = names.map(str::to_owned);
        sorted.sort();
        assert_eq!(records.pools(), sorted);
        let all: Vec<String> = records
            .all("..")
            .into_iter()
            .map(|one| one.volume)
            .collect();
        assert_eq!(all, sorted);
        assert_eq!(
            Records::of(&paths, "qemu:///session").pools(),
            Vec::<String>::new()
        );
        records.remove("..", "a/b").expect("removed");
        records.remove("..", "a/b").expect("nothing to do");
        assert_eq!(records.read("..", "a/b").expect("an answer"), None);
        assert_eq!(records.all("..").len(), names.len() - 1);
    }

    #[test]
    fn a_name_comes_back_from_the_name_of_its_file() {
        for name in ["debian-12", "..", "a/b", "", "ä", "%25", "\n"] {
            let file = file_name(name);
            assert!(!file.contains('/') && !file.starts_with('.'), "{file}");
            assert_eq!(named(&file).as_deref(), Some(name));
        }
        for strange in ["%", "%4", "%zz", "%41", ".x", "a b", "%ff"] {
            assert_eq!(named(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_damaged_record_is_an_error_that_names_it_and_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_owned();
        let var = |name: &str| (name == "HOME").then(|| PathBuf::from(&home).into());
        let records = Records::of(&Paths::from_env(var).expect("a home"), "qemu:///system");
        for volume in ["bad", "good"] {
            records.write(&record("images", volume)).expect("written");
        }
        fs::write(records.file("images", "bad"), "{\"pool\":").expect("written");
        let error = records.read("images", "bad").expect_err("damaged");
        assert!(error.to_string().contains("bad.json"), "{error}");
        assert_eq!(records.all("images").len(), 1);
    }
}

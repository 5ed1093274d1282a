//! The indexes of an archive: signed `Release` files, and the `Packages` files that these list.

use std::io::Read;

use trustnet_core::artifact::Digest;
use trustnet_core::deb::{Listed, Pocket, ReleaseFile};

use super::error::DebError;
use super::fetch::{Answer, FetchError, Validators};
use super::store::Kept;
use super::{DebArchive, pool, signature};

/// The largest `Release` file that is read; Debian's has 150 KB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// The largest index that is read; Ubuntu's universe has 70 MB.
const INDEX_LIMIT: u64 = 1 << 30;

impl DebArchive<'_> {
    /// The texts of all indexes: of each pocket each component, in the order of the release.
    pub(super) fn indexes(&self, now: i64) -> Result<Vec<String>, DebError> {
        let mut texts = Vec::new();
        for pocket in self.release.pockets {
            let base = format!("{}/dists/{}", self.mirror(pocket), pocket.suite);
            let release = self.release_file(pocket, &base, now)?;
            for component in self.release.components {
                let path = format!("{component}/binary-{}/Packages", self.architecture);
                texts.push(self.index(&release, &base, &path)?);
            }
        }
        Ok(texts)
    }

    /// The `Release` file of a pocket: kept and still fresh, or asked for again.
    fn release_file(&self, pocket: &Pocket, base: &str, now: i64) -> Result<ReleaseFile, DebError> {
        let url = format!("{base}/InRelease");
        let kept = self.store.release(&url);
        let read = |kept: Kept| {
            let release = self.verify(pocket, &url, &kept.in_release, now)?;
            Ok((kept, release))
        };
        if self.offline {
            let kept = kept.ok_or_else(|| DebError::Offline { url: url.clone() })?;
            return read(kept).map(|(_, release)| release);
        }
        // One that no longer holds is asked for like one that was never there.
        let kept = kept.and_then(|kept| read(kept).ok());
        match kept {
            Some((kept, release)) if self.is_fresh(&kept, now) => Ok(release),
            kept => self.ask(pocket, url, kept, now),
        }
    }

    /// Asks the mirror. What it has is taken if it is no older than what is kept: a mirror cannot put back the
    /// clock.
    fn ask(
        &self,
        pocket: &Pocket,
        url: String,
        kept: Option<(Kept, ReleaseFile)>,
        now: i64,
    ) -> Result<ReleaseFile, DebError> {
        let known = kept.as_ref().map(|(kept, _)| &kept.validators);
        let mut bytes = Vec::new();
        let answer = self.fetch.get(&url, known, RELEASE_LIMIT, &mut bytes);
        let answer = answer.map_err(|source| DebError::Fetch {
            url: url.clone(),
            source,
        })?;
        let (mut keep, release) = match (answer, kept) {
            (Answer::NotModified, Some(kept)) => kept,
            (Answer::NotModified, None) => {
                self.received(pocket, url, bytes, Validators::default(), now)?
            }
            (Answer::Whole(validators), kept) => {
                let new = self.received(pocket, url, bytes, validators, now)?;
                match kept {
                    Some(kept) if kept.1.date > new.1.date => kept,
                    _ => new,
                }
            }
        };
        keep.checked = now;
        self.store.keep_release(&keep)?;
        Ok(release)
    }

    fn received(
        &self,
        pocket: &Pocket,
        url: String,
        bytes: Vec<u8>,
        validators: Validators,
        now: i64,
    ) -> Result<(Kept, ReleaseFile), DebError> {
        let in_release = String::from_utf8(bytes).map_err(|_| DebError::Signature {
            url: url.clone(),
            source: signature::SignatureError::NotSigned,
        })?;
        let release = self.verify(pocket, &url, &in_release, now)?;
        let kept = Kept {
            url,
            checked: now,
            validators,
            in_release,
        };
        Ok((kept, release))
    }

    /// What a signed `Release` file says, if it may be believed.
    fn verify(
        &self,
        pocket: &Pocket,
        url: &str,
        in_release: &str,
        now: i64,
    ) -> Result<ReleaseFile, DebError> {
        let scratch = self.store.scratch()?;
        let text = signature::verify(in_release.as_bytes(), self.release.keyring, scratch.path());
        let text = text.map_err(|source| DebError::Signature {
            url: url.to_owned(),
            source,
        })?;
        let check = || {
            let release = ReleaseFile::parse(&text)?;
            release.check_suite(pocket.suite)?;
            release.check_time(now, self.allow_expired)?;
            Ok(release)
        };
        check().map_err(|source| DebError::ReleaseFile {
            url: url.to_owned(),
            source,
        })
    }

    fn is_fresh(&self, kept: &Kept, now: i64) -> bool {
        now.checked_sub(kept.checked)
            .and_then(|age| u64::try_from(age).ok())
            .is_some_and(|age| age < self.fresh_for.as_secs())
    }

    /// One index: kept, or fetched as it is packed best.
    fn index(&self, release: &ReleaseFile, base: &str, path: &str) -> Result<String, DebError> {
        let not_listed = || DebError::NotListed {
            path: path.to_owned(),
            url: format!("{base}/InRelease"),
        };
        let plain = release.files.get(path).ok_or_else(not_listed)?;
        if plain.size > INDEX_LIMIT {
            return Err(DebError::Content {
                url: format!("{base}/{path}"),
                why: format!("it would have {} bytes", plain.size),
            });
        }
        if let Some(text) = self.store.index(plain) {
            return Ok(text);
        }
        if self.offline {
            let url = format!("{base}/{path}");
            return Err(DebError::Offline { url });
        }
        let packed = |ending: &'static str| {
            let path = format!("{path}{ending}");
            let listed = *release.files.get(&path)?;
            (listed.size <= INDEX_LIMIT).then_some((path, listed, ending))
        };
        let (path, listed, ending) = [".xz", ".gz", ""]
            .into_iter()
            .find_map(packed)
            .ok_or_else(not_listed)?;
        let (url, bytes) = self.listed(release, base, &path, &listed)?;
        let text = unpack(&bytes, ending, plain).map_err(|why| DebError::Content { url, why })?;
        self.store.keep_index(plain, &text)?;
        Ok(text)
    }

    /// A file that is listed: by its digest, where the archive has it so, because what is found by name may be newer
    /// than the `Release` file.
    fn listed(
        &self,
        release: &ReleaseFile,
        base: &str,
        path: &str,
        listed: &Listed,
    ) -> Result<(String, Vec<u8>), DebError> {
        let get = |url: String| {
            let mut bytes = Vec::new();
            pool::get(self.fetch, &url, listed, &mut bytes).map(|()| (url, bytes))
        };
        let named = format!("{base}/{path}");
        if !release.by_hash {
            return get(named);
        }
        let folder = named.rsplit_once('/').map_or(base, |(folder, _)| folder);
        match get(format!("{folder}/by-hash/SHA256/{}", listed.sha256)) {
            Err(DebError::Fetch {
                source: FetchError::NotFound,
                ..
            }) => get(named),
            other => other,
        }
    }
}

/// Unpacks an index, which must then be what is listed too.
fn unpack(bytes: &[u8], ending: &str, plain: &Listed) -> Result<String, String> {
    let mut text = Vec::with_capacity(usize::try_from(plain.size).unwrap_or_default());
    let limit = plain.size.saturating_add(1);
    let read = match ending {
        ".xz" => liblzma::read::XzDecoder::new_multi_decoder(bytes)
            .take(limit)
            .read_to_end(&mut text),
        ".gz" => flate2::read::MultiGzDecoder::new(bytes)
            .take(limit)
            .read_to_end(&mut text),
        _ => bytes.take(limit).read_to_end(&mut text),
    };
    read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
    if Digest::of(&text) != plain.sha256 {
        return Err("what is packed in it is not what the archive lists".to_owned());
    }
    String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())
}

//! Pulling: an image from its publisher into a file of this machine, whole and verified.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use trustnet_core::artifact::{Checksum, Digest, Trust, Verified, VerifiedBy};
use trustnet_core::image::catalogue::Image;
use trustnet_core::service::Origin;

use crate::cache::download::{DownloadError, Expected, Fetch, Received, Request, Watch, WithLocal};
use crate::cache::error::CacheError;
use crate::cache::store::moment;
use crate::cache::vouch::{key, unverifiable, verified, vouched};
use crate::error::HostError;
use crate::lock::Lock;

/// For how long a part of an image is kept to go on with: what is asked for again is asked for soon, and an image that
/// changes where it is leaves a part that nobody asks for.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// An image that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `https://…` or `file:///…`; `http://…` only where its checksum is known before, or signed.
    pub url: String,
    /// Where else the same bytes are, tried in this order after `url`.
    pub mirrors: Vec<String>,
    /// What vouches for it.
    pub trust: Option<Trust>,
    /// Its size in bytes, where it is known before.
    pub size: Option<u64>,
    /// Whether it is taken where nothing vouches for it. What does vouch for it counts all the same.
    pub insecure: bool,
}

/// An image that has come. While this value lives, nobody else has the file; who waits for it goes on when it is
/// dropped, finds what is still there, and fetches what is not. Within one thread, drop it before the same image is
/// fetched again.
#[derive(Debug)]
pub struct Arrived {
    /// The file, for the caller to move away or to remove.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// How many bytes there are.
    pub size: u64,
    /// What it was held against; none where nobody vouches for it.
    pub checksum: Option<Checksum>,
    /// Who vouched for it.
    pub verified: Verified,
    /// The URL that it came from.
    pub source: String,
    _lock: Lock,
}

impl Wanted {
    /// What a catalogue says of an image. The keys that a catalogue of the user's names lie beside it.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub fn of(image: &Image) -> Result<Self, HostError> {
        let beside = match image.origin() {
            Origin::File(path) => Path::new(path).parent(),
            Origin::BuiltIn => None,
        };
        let trust = image.trust(|name| {
            let path = beside.unwrap_or(Path::new("")).join(name);
            std::fs::read(&path).map_err(HostError::file("read", path))
        })?;
        let wire = image.wire();
        Ok(Self {
            url: wire.url.clone(),
            mirrors: wire.mirrors.clone(),
            trust,
            size: wire.size,
            insecure: false,
        })
    }
}

/// Brings an image into a folder, which is made where it is not there: the rest of it, where a former run got a part.
/// Nobody but this function may write there.
///
/// # Errors
/// Nothing vouches for it, or what vouches does not; it is not to be had, or is something else. What another run can
/// go on with stays in the folder for two weeks, and nothing else does.
pub fn fetch(
    folder: &Path,
    from: &dyn Fetch,
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<Arrived, CacheError> {
    let from = WithLocal(from);
    let (checksum, verified) = vouched_for(&from, wanted, watch)?;
    let key = match &checksum {
        Some(checksum) => key(&wanted.url, checksum),
        None => Digest::of(wanted.url.as_bytes()),
    };
    let locked = Lock::take_unless(&folder.join(format!("{key}.lock")), || watch.stopped())?;
    let Some(lock) = locked else {
        return Err(CacheError::Stopped);
    };
    sweep(folder);
    let path = folder.join(format!("{key}.part"));
    let (received, source) = get(&from, wanted, checksum, &path, watch)?;
    moment("whole");
    Ok(Arrived {
        path,
        sha256: received.digest,
        size: received.size,
        checksum,
        verified,
        source,
        _lock: lock,
    })
}

/// Removes the parts that nobody has gone on with. What cannot be removed now, another run removes.
fn sweep(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let kind = path.extension().and_then(|kind| kind.to_str());
        let changed = path.metadata().and_then(|facts| facts.modified());
        let age = changed.map(|changed| SystemTime::now().duration_since(changed));
        let old = matches!(age, Ok(Ok(age)) if age > KEPT);
        // The lock tells that nobody has it; its file stays, as another may be about to take it.
        if matches!(kind, Some("part" | "origin"))
            && old
            && let Ok(Some(_lock)) = Lock::try_take(&path.with_extension("lock"))
        {
            tracing::debug!(path = %path.display(), "removing a part that nobody has gone on with");
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Removes what a run has left that was killed when the image was in its place already. Where the publisher would have
/// to be asked what it is, it stays for those that sweep.
pub(super) fn forget(folder: &Path, wanted: &Wanted) {
    let key = match &wanted.trust {
        Some(Trust::Pinned(checksum)) => key(&wanted.url, checksum),
        Some(_) => return,
        None => Digest::of(wanted.url.as_bytes()),
    };
    let lock = Lock::try_take(&folder.join(format!("{key}.lock")));
    if let Ok(Some(_lock)) = lock {
        for kind in ["part", "origin"] {
            let _ = std::fs::remove_file(folder.join(format!("{key}.{kind}")));
        }
    }
}

/// What the image must be, and who says so; no checksum where nobody does and nobody need.
fn vouched_for(
    from: &dyn Fetch,
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<(Option<Checksum>, Verified), CacheError> {
    const WHAT: &str = "the image";
    if let Some(trust) = &wanted.trust {
        let checksum = vouched(from, WHAT, &wanted.url, trust, watch)?;
        return Ok((Some(checksum), verified(trust)));
    }
    if !wanted.insecure {
        return Err(unverifiable(WHAT, &wanted.url));
    }
    // TLS is all that is left to say that the bytes are the server's.
    let safe = |url: &str| {
        ["https://", "file://"]
            .iter()
            .any(|way| url.starts_with(way))
    };
    match places(wanted).find(|url| !safe(url)) {
        Some(url) => Err(DownloadError::Url {
            url: url.clone(),
            why: "without a checksum it must be https",
        }
        .into()),
        None => Ok((None, Verified::by(VerifiedBy::Nobody))),
    }
}

fn places(wanted: &Wanted) -> impl Iterator<Item = &String> {
    std::iter::once(&wanted.url).chain(&wanted.mirrors)
}

/// Gets it from the first place that has it, and tells which that was.
fn get(
    from: &dyn Fetch,
    wanted: &Wanted,
    checksum: Option<Checksum>,
    path: &Path,
    watch: &dyn Watch,
) -> Result<(Received, String), DownloadError> {
    let one = |url: &str| {
        let request = Request::new(url);
        let size = wanted.size;
        match checksum {
            Some(checksum) => from.file(&request, path, &Expected { checksum, size }, watch),
            None => from.unvouched(&request, path, size, watch),
        }
    };
    let mut failed = match one(&wanted.url) {
        Ok(received) => return Ok((received, wanted.url.clone())),
        Err(error) => error,
    };
    for mirror in &wanted.mirrors {
        if ends_it(&failed) {
            break;
        }
        watch.again(&failed);
        failed = match one(mirror) {
            Ok(received) => return Ok((received, mirror.clone())),
            Err(error) => error,
        };
    }
    Err(failed)
}

/// Whether another place would not do better: it is this machine that cannot, or the user who will not.
fn ends_it(error: &DownloadError) -> bool {
    matches!(
        error,
        DownloadError::Stopped { .. } | DownloadError::Client(_) | DownloadError::File(_)
    )
}

#[cfg(test)]
mod tests;

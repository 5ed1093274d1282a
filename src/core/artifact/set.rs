//! Artifacts that go together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;

/// What the digest of a set begins with: sets of which images are made differently have different digests.
const FORM: &str = "trustnet-vm artifact set 1\n";

/// Artifacts that go together: their digests and sizes. Two sets with the same artifacts are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Digest, u64>", into = "BTreeMap<Digest, u64>")]
pub struct ArtifactSet {
    artifacts: BTreeMap<Digest, u64>,
    digest: Digest,
}

impl ArtifactSet {
    /// A set of artifacts, each with its size in bytes.
    #[must_use]
    pub fn new(artifacts: impl IntoIterator<Item = (Digest, u64)>) -> Self {
        artifacts.into_iter().collect::<BTreeMap<_, _>>().into()
    }

    /// The set's own digest, over the digests and sizes of all.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The artifacts in the order of their digests, each with its size in bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Digest, u64)> {
        self.artifacts.iter().map(|(digest, size)| (digest, *size))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.artifacts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty()
    }

    /// The bytes of all together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = self.artifacts.values();
        sizes.fold(0, |sum, size| sum.saturating_add(*size))
    }
}

impl From<BTreeMap<Digest, u64>> for ArtifactSet {
    fn from(artifacts: BTreeMap<Digest, u64>) -> Self {
        let mut text = FORM.to_owned();
        for (digest, size) in &artifacts {
            text.push_str(&format!("{digest} {size}\n"));
        }
        Self {
            digest: Digest::of(text.as_bytes()),
            artifacts,
        }
    }
}

impl From<ArtifactSet> for BTreeMap<Digest, u64> {
    fn from(set: ArtifactSet) -> Self {
        set.artifacts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_what_is_in_it_and_by_nothing_else() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let set = ArtifactSet::new([(a, 1), (b, 2)]);
        assert_eq!(set, ArtifactSet::new([(b, 2), (a, 1), (a, 1)]));
        assert_eq!((set.len(), set.bytes()), (2, 3));
        for other in [vec![], vec![(a, 1)], vec![(a, 1), (b, 3)]] {
            assert_ne!(set.digest(), ArtifactSet::new(other).digest());
        }
        let json = serde_json::to_string(&set).expect("it serialises");
        let read: ArtifactSet = serde_json::from_str(&json).expect("it is a set");
        assert_eq!(read, set);
    }
}

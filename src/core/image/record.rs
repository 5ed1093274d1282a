//! What is recorded of an image that this program brought into a pool.

use serde::{Deserialize, Serialize};

use crate::artifact::{Digest, Verified};
use crate::xml::VolumeXml;

/// What is recorded of an image: what it holds, where that came from, and who vouched for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRecord {
    /// The pool.
    pub pool: String,
    /// The name of the volume in it.
    pub volume: String,
    /// Whether all of it is there.
    pub arrival: Arrival,
    /// Where it came from: a URL, or a path.
    pub source: String,
    /// Who vouched for what came.
    pub verified: Verified,
    /// The checksum that what came was held against; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// What was made of what came.
    #[serde(default)]
    pub form: Form,
    /// How many bytes the image has. Its volume may be larger: block devices are whole extents.
    pub length: u64,
    /// The digest of the image's bytes; none where nobody has read all of them yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// How the volume looked when its bytes had that digest.
    #[serde(default)]
    pub stamp: Stamp,
    /// How the file looked that it was imported from; none for what was pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Stamp>,
    /// The user that the image's makers log in as, where they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_user: Option<String>,
    /// When it came, in UTC, as RFC 3339 has it.
    pub when: String,
}

/// Whether all of an image is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arrival {
    /// It is about to get its name. A volume of that name is ours only where it is the file that was ready for it, or
    /// where nothing was ever written to it.
    Begun,
    /// The volume was made by us, and is being written.
    Made,
    /// It is whole.
    Whole,
}

/// What was made of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// It is as it came, but for its packing.
    #[default]
    AsItCame,
    /// It was asked to be qcow2.
    Qcow2,
    /// It was asked to be compressed qcow2.
    CompressedQcow2,
}

/// How a volume looks from outside. As long as that stays, its bytes are taken to stay too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stamp {
    /// Bytes of the file, with its holes.
    pub size: u64,
    /// When it was last written, as the hypervisor says it; none where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The number of the file in its file system, where it is on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
}

impl Stamp {
    /// How its hypervisor says that a volume looks.
    #[must_use]
    pub fn of(volume: &VolumeXml) -> Self {
        Self {
            size: volume.physical,
            modified: volume.modified.clone(),
            inode: None,
        }
    }
}

impl ImageRecord {
    /// Whether the volume looks as it did when it was recorded. One of which nobody says when it was written to looks
    /// like any other.
    #[must_use]
    pub fn fits(&self, stamp: &Stamp) -> bool {
        self.arrival == Arrival::Whole && stamp.modified.is_some() && self.stamp == *stamp
    }
}

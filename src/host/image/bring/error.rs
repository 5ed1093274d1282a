//! Why an image is not brought.

use trustnet_core::artifact::Checksum;
use trustnet_core::image::Unfit;

use crate::cache::error::CacheError;
use crate::error::HostError;
use crate::image::convert::ConvertError;
use crate::image::unpack::UnpackError;

/// Why an image was not brought.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// A file, a pool or a volume.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It was not to be had, or is not what it should be.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is no image that a guest starts from.
    #[error("`{file}` {why}")]
    Unfit {
        /// Which file, or URL.
        file: String,
        /// Why.
        why: Unfit,
    },
    /// It cannot be unpacked.
    #[error("failed to unpack `{file}`")]
    Unpack {
        /// Which file, or URL.
        file: String,
        /// Why.
        source: UnpackError,
    },
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It does not have the checksum that it should have.
    #[error("`{file}` has {is}, and was to have {wanted}")]
    Checksum {
        /// The file.
        file: String,
        /// What it was to have.
        wanted: Checksum,
        /// What it has.
        is: Checksum,
    },
    /// Another volume has the name.
    #[error("there is an image `{pool}/{volume}` already, and it is another one: {why}")]
    Taken {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
        /// What is known of it.
        why: String,
    },
    /// The pool has too little room.
    #[error("image `{volume}` needs {needed} in pool `{pool}`, which has {available} free")]
    Room {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
        /// What the image takes.
        needed: String,
        /// What is free.
        available: String,
    },
    /// It was written to, or replaced, while it was read.
    #[error(
        "`{file}` changed while it was read, so what came of it is neither what it was nor what it is"
    )]
    Changing {
        /// The file.
        file: String,
    },
    /// The user interrupted while something was read.
    #[error("interrupted while `{name}` was read: the pool is as it was")]
    Unread {
        /// What was read.
        name: String,
    },
    /// The user interrupted.
    #[error("interrupted: nothing of `{volume}` was left in the pool")]
    Stopped {
        /// The volume.
        volume: String,
    },
}

impl BringError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit {
                why: Unfit::Foreign(_),
                ..
            } => Some("give `--convert`: it becomes qcow2".to_owned()),
            Self::Unfit { why, .. } => Some(why.remedy()),
            Self::Checksum { .. } => {
                Some("the file is damaged, or another one: get it again".to_owned())
            }
            Self::Taken { pool, volume, .. } => Some(format!(
                "give this one another `--name`, or remove that one: `trustnet-vm image delete {volume} --pool {pool}`"
            )),
            Self::Room { .. } => Some(
                "`trustnet-vm image prune` frees what nothing uses; or take another `--pool`"
                    .to_owned(),
            ),
            Self::Changing { .. } => Some(
                "bring it when nobody writes to it: shut down the VM whose disk it is, say"
                    .to_owned(),
            ),
            Self::Cache(error) => error.hint().map(str::to_owned),
            Self::Unpack { .. }
            | Self::Convert(_)
            | Self::Host(_)
            | Self::Unread { .. }
            | Self::Stopped { .. } => None,
        }
    }
}

//! What a file must be, as far as that is known, and whether it is that.

use trustnet_core::artifact::Checksum;

use super::partial::Partial;
use super::{DownloadError, Expected, Received};

/// What a file must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// Its checksum; none where nobody vouches for it.
    pub checksum: Option<Checksum>,
    /// Its size, where that is known.
    pub size: Option<u64>,
}

impl Content {
    /// Whether what has come is known to be something else.
    pub(super) fn is_unlike(&self, partial: &Partial) -> bool {
        self.checksum
            .is_some_and(|expected| partial.sums().0 != expected)
    }

    /// Whether what a former run has left is all of it.
    pub(super) fn is_there(&self, partial: &Partial) -> bool {
        partial.length > 0 && self.checksum.is_some() && !self.is_unlike(partial)
    }

    /// Nothing more comes: puts it on the disk where it is right, and removes it where it is not.
    ///
    /// # Errors
    /// It is something else, or cannot be put on the disk.
    pub(super) fn conclude(
        &self,
        url: &str,
        mut partial: Partial,
    ) -> Result<Received, DownloadError> {
        let ((found, digest), size) = (partial.sums(), partial.length);
        let wrong = match self.checksum {
            Some(expected) if found != expected => Some(DownloadError::Checksum {
                url: url.to_owned(),
                expected,
                found,
                html: partial.is_html(),
            }),
            Some(_) => None,
            None => partial.is_html().then(|| DownloadError::WebPage {
                url: url.to_owned(),
            }),
        };
        if let Some(wrong) = wrong {
            partial.remove();
            return Err(wrong);
        }
        partial.finish()?;
        Ok(Received { digest, size })
    }
}

impl From<&Expected> for Content {
    fn from(expected: &Expected) -> Self {
        Self {
            checksum: Some(expected.checksum),
            size: expected.size,
        }
    }
}

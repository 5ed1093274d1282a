//! Numbers in binary headers.

/// Bytes with numbers in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.slice(at, N)?.try_into().ok()
    }

    /// So many bytes from there.
    pub(super) fn slice(self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(length)?)
    }

    /// Whether these bytes are there.
    pub(super) fn is_at(self, at: usize, bytes: &[u8]) -> bool {
        self.slice(at, bytes.len()) == Some(bytes)
    }

    pub(super) fn be_u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    pub(super) fn be_u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    pub(super) fn le_u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn le_u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

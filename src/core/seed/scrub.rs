//! Takes the host's private key out of a seed that has done its work.

use super::vendor::{END_OF_PART, KEY_PART};
use crate::iso;

/// What stands in the key's place. A guest that runs cloud-init anew from a scrubbed seed keeps the
/// key it has. cloud-init would report an empty document as a failure.
const SCRUBBED: &[u8] = b"ssh_deletekeys: false\n";

/// Overwrites the host key in a seed's image, in place and at the same length: what is left is as
/// valid as before. False where there is no key, or none any more.
pub fn scrub(iso: &mut [u8]) -> bool {
    let Some(range) = iso::find(iso, "vendor-data") else {
        return false;
    };
    let Some(document) = iso.get_mut(range) else {
        return false;
    };
    let Some(start) = position(document, KEY_PART.as_bytes()).map(|at| at + KEY_PART.len()) else {
        return false;
    };
    let body = &mut document[start..];
    let Some(end) = position(body, END_OF_PART.as_bytes()) else {
        return false;
    };
    let body = &mut body[..end];
    if body.len() < SCRUBBED.len() || body.starts_with(SCRUBBED) {
        return false;
    }
    let (head, rest) = body.split_at_mut(SCRUBBED.len());
    head.copy_from_slice(SCRUBBED);
    rest.fill(b'#');
    true
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

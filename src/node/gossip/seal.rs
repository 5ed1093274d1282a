//! The envelope of a datagram.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The first byte of a datagram of a network without a join token.
const OPEN: u8 = 1;
/// The first byte of a datagram of a network with one.
const SEALED: u8 = 2;
/// How much of the HMAC is sent.
const MAC: usize = 16;
/// The most bytes of a datagram: it fits any IPv6 path, which is of 1,280 bytes at least.
pub(super) const MAX_DATAGRAM: usize = 1200;
/// The most bytes in an envelope.
pub(super) const MAX_PAYLOAD: usize = MAX_DATAGRAM - 1 - MAC;

/// Closes and opens envelopes. Only who has the join token can close one, if there is a token.
#[derive(Clone)]
pub struct Seal(Option<Hmac<Sha256>>);

impl Seal {
    /// The envelopes of a network without a join token.
    #[must_use]
    pub fn open_network() -> Self {
        Self(None)
    }

    /// The envelopes of a network with this join token.
    ///
    /// The key is HMAC-SHA-256 of a purpose and the domain under the token, so that what is overheard here is of no
    /// use against a registry.
    #[must_use]
    pub fn of_token(token: &[u8], domain: &str) -> Self {
        let mut derived = keyed(token);
        derived.update(b"trustnet gossip seal 1\0");
        derived.update(domain.as_bytes());
        Self(Some(keyed(&derived.finalize().into_bytes())))
    }

    pub(super) fn close(&self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(1 + MAC + payload.len());
        match &self.0 {
            None => datagram.push(OPEN),
            Some(key) => {
                datagram.push(SEALED);
                let mut mac = key.clone();
                mac.update(payload);
                datagram.extend(mac.finalize().into_bytes().iter().take(MAC));
            }
        }
        datagram.extend(payload);
        datagram
    }

    /// What is in the envelope; nothing, if the network has others.
    pub(super) fn open<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let (kind, rest) = datagram.split_first()?;
        match (&self.0, *kind) {
            (None, OPEN) => Some(rest),
            (Some(key), SEALED) => {
                let (sent, payload) = rest.split_at_checked(MAC)?;
                let mut mac = key.clone();
                mac.update(payload);
                mac.verify_truncated_left(sent).ok()?;
                Some(payload)
            }
            _ => None,
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::Seal;

    #[test]
    fn an_envelope_opens_with_the_same_token_and_domain_only() {
        let seal = Seal::of_token(b"token", "example.net");
        let datagram = seal.close(b"words");
        assert_eq!(seal.open(&datagram), Some(&b"words"[..]));
        let others = [
            Seal::of_token(b"other", "example.net"),
            Seal::of_token(b"token", "example.org"),
            Seal::open_network(),
        ];
        for other in others {
            assert_eq!(other.open(&datagram), None);
            assert_eq!(seal.open(&other.close(b"words")), None);
        }
    }

    #[test]
    fn one_bit_or_one_byte_less_and_an_envelope_stays_closed() {
        let seal = Seal::of_token(b"token", "example.net");
        let datagram = seal.close(b"words");
        for index in 0..datagram.len() {
            assert_eq!(seal.open(&datagram[..index]), None);
            let mut forged = datagram.clone();
            forged[index] ^= 1;
            assert_eq!(seal.open(&forged), None);
        }
    }
}

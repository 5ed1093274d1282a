//! Ed25519 private keys as files have them: PKCS#8 (RFC 8410, section 7) in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SigningKey;

/// What comes before the 32 bytes of the key.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl SigningKey {
    /// The key of a file's text; none where it holds something else.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let body: String = body.split_whitespace().collect();
        let bytes = STANDARD.decode(body).ok()?;
        let seed = bytes.strip_prefix(PKCS8.as_slice())?;
        Some(Self::from_seed(seed.try_into().ok()?))
    }

    /// The text of a file with the key: for a file that only its owner may read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode([PKCS8.as_slice(), &self.seed()].concat());
        format!("{BEGIN}\n{body}\n{END}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::SigningKey;

    #[test]
    fn a_key_is_read_and_written_as_openssl_does() {
        // RFC 8410, section 10.3.
        let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::from_pem(text).expect("a key");
        assert_eq!(key.to_pem(), text);
        assert_eq!(
            key.public().to_string(),
            "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        );
        for wrong in [
            "",
            "key",
            &text.replace("MC4C", "MC4D"),
            &text.replace("VhC", ""),
        ] {
            assert!(SigningKey::from_pem(wrong).is_none(), "{wrong}");
        }
    }
}

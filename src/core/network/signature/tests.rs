use ed25519_dalek::Signer as _;
use trustnet_api::network::ErrorCode;

use super::{Message, Received, Signature, SignatureError, SignatureHeaders, SigningKey};
use super::{digest, key, sign, verify};
use crate::network::PublicKey;

const NOW: u64 = 1_800_000_000;
const LIFE: u64 = 300;
const BODY: &[u8] = br#"{"node_id":"0x00","sequence":1}"#;
const BEAT: Message<'static> = Message {
    method: "POST",
    path: "/api/heartbeat",
    body: BODY,
};

fn ours() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

fn received(headers: &SignatureHeaders) -> Received<'_> {
    Received {
        content_digest: &headers.content_digest,
        signature_input: &headers.signature_input,
        signature: &headers.signature,
    }
}

fn outcome(headers: &SignatureHeaders, message: &Message<'_>) -> Result<(), SignatureError> {
    verify(&received(headers), message, &ours().public(), NOW, LIFE).map(drop)
}

/// A signature by our key over lines of any kind, with parameters of any kind.
fn signed(input: &str, lines: &[&str]) -> SignatureHeaders {
    let (label, params) = input.split_once('=').expect("valid");
    let base = format!("{}\n\"@signature-params\": {params}", lines.join("\n"));
    let signature = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(base.as_bytes());
    let signature = base64::Engine::encode(&super::STANDARD, signature.to_bytes());
    SignatureHeaders {
        content_digest: digest(BODY),
        signature_input: input.to_owned(),
        signature: format!("{label}=:{signature}:"),
    }
}

fn keyid() -> String {
    ours().public().node_id().to_string()
}

fn lines() -> [String; 3] {
    [
        "\"@method\": POST".to_owned(),
        "\"@path\": /api/heartbeat".to_owned(),
        format!("\"content-digest\": {}", digest(BODY)),
    ]
}

#[test]
fn what_is_signed_is_verified_until_it_is_too_old() {
    let headers = sign(&ours(), &BEAT, NOW);
    assert_eq!(
        headers.signature_input,
        format!(
            "sig1=(\"@method\" \"@path\" \"content-digest\");created={NOW};alg=\"ed25519\";keyid=\"{}\"",
            keyid()
        )
    );
    let at = |now: u64| verify(&received(&headers), &BEAT, &ours().public(), now, LIFE);
    let proof = at(NOW).expect("valid");
    assert_eq!(proof.created, NOW);
    assert_eq!(at(NOW + LIFE), Ok(proof));
    assert_eq!(at(NOW - LIFE), Ok(proof));
    let expired = at(NOW + LIFE + 1).expect_err("refused");
    assert_eq!(
        expired,
        SignatureError::Expired {
            age: 301,
            life: 300
        }
    );
    let future = at(NOW - LIFE - 1).expect_err("refused");
    assert_eq!(future, SignatureError::Future { ahead: 301 });
    assert_eq!(
        (expired.code(), future.code()),
        (ErrorCode::Expired, ErrorCode::Expired)
    );
}

#[test]
fn two_signatures_are_told_apart() {
    let proof = |created| {
        let headers = sign(&ours(), &BEAT, created);
        verify(&received(&headers), &BEAT, &ours().public(), NOW, LIFE).expect("valid")
    };
    assert_ne!(proof(NOW).signature, proof(NOW + 1).signature);
    assert_eq!(proof(NOW), proof(NOW));
}

/// RFC 9421, appendix B.1.4 and B.2.6.
#[test]
fn the_example_of_the_standard_is_verified() {
    let public: PublicKey = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
        .parse()
        .expect("valid");
    let base = concat!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n",
        "\"@method\": POST\n",
        "\"@path\": /foo\n",
        "\"@authority\": example.com\n",
        "\"content-type\": application/json\n",
        "\"content-length\": 18\n",
        "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")",
        ";created=1618884473;keyid=\"test-key-ed25519\""
    );
    let text =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let bytes = base64::Engine::decode(&super::STANDARD, text).expect("valid");
    let bytes: [u8; 64] = bytes.try_into().expect("valid");
    assert_eq!(key::verify(&public, base, &bytes), Ok(()));
    let other = base.replace("/foo", "/fop");
    assert_eq!(
        key::verify(&public, &other, &bytes),
        Err(SignatureError::Forged)
    );
    let headers = Received {
        content_digest: "",
        signature_input: "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
        signature: &format!("sig-b26=:{text}:"),
    };
    let refused = Signature::parse(&headers).expect_err("refused");
    assert_eq!(
        refused,
        SignatureError::Components,
        "it covers other components than ours"
    );
}

/// RFC 9530, appendix B.1.
#[test]
fn the_digest_is_that_of_the_standard() {
    assert_eq!(
        digest(b"{\"hello\": \"world\"}\n"),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
}

#[test]
fn the_signers_order_and_label_are_taken_as_they_are() {
    let [method, path, digest] = lines();
    let input = format!(
        "tn=(\"content-digest\" \"@path\" \"@method\");keyid=\"{}\";alg=\"ed25519\";created={NOW}",
        keyid()
    );
    let headers = signed(&input, &[&digest, &path, &method]);
    assert_eq!(outcome(&headers, &BEAT), Ok(()));
}

#[test]
fn a_digest_of_another_algorithm_may_stand_beside() {
    let mut headers = signed("x=()", &[]);
    headers.content_digest = format!("sha-512=:AAAA:, {}", digest(BODY));
    let line = format!("\"content-digest\": {}", headers.content_digest);
    let [method, path, _] = lines();
    let input = format!(
        "sig1=(\"@method\" \"@path\" \"content-digest\");created={NOW};keyid=\"{}\";alg=\"ed25519\"",
        keyid()
    );
    let with = signed(&input, &[&method, &path, &line]);
    headers.signature_input = with.signature_input;
    headers.signature = with.signature;
    assert_eq!(outcome(&headers, &BEAT), Ok(()));
}

#[test]
fn another_request_is_not_what_was_signed() {
    let headers = sign(&ours(), &BEAT, NOW);
    let method = Message {
        method: "PUT",
        ..BEAT
    };
    assert_eq!(outcome(&headers, &method), Err(SignatureError::Forged));
    let path = Message {
        path: "/api/register",
        ..BEAT
    };
    assert_eq!(outcome(&headers, &path), Err(SignatureError::Forged));
    let body = Message {
        body: b"{}",
        ..BEAT
    };
    assert_eq!(outcome(&headers, &body), Err(SignatureError::Digest));
    let mut swapped = headers.clone();
    swapped.content_digest = digest(b"{}");
    assert_eq!(outcome(&swapped, &body), Err(SignatureError::Forged));
}

#[test]
fn another_keys_signature_is_not_taken() {
    let theirs = SigningKey::from_seed([8; 32]);
    let headers = sign(&theirs, &BEAT, NOW);
    let expected = SignatureError::Signer {
        signer: theirs.public().node_id(),
        key: ours().public().node_id(),
    };
    assert_eq!(outcome(&headers, &BEAT), Err(expected));
    // Theirs, in our name.
    let mut forged = headers;
    forged.signature_input = sign(&ours(), &BEAT, NOW).signature_input;
    assert_eq!(outcome(&forged, &BEAT), Err(SignatureError::Forged));
}

#[test]
fn a_later_date_on_an_old_signature_is_seen() {
    let mut headers = sign(&ours(), &BEAT, NOW - 1000);
    headers.signature_input = sign(&ours(), &BEAT, NOW).signature_input;
    assert_eq!(outcome(&headers, &BEAT), Err(SignatureError::Forged));
}

/// Each is truly signed by the right key, as it stands.
#[test]
fn what_is_not_exactly_what_is_wanted_is_refused() {
    let all = r#"("@method" "@path" "content-digest")"#;
    let id = keyid();
    let good = format!(";created={NOW};keyid=\"{id}\";alg=\"ed25519\"");
    let (components, parameters) = (SignatureError::Components, SignatureError::Parameters);
    let cases = [
        ("()".to_owned() + &good, &components),
        (r#"("@method" "@path")"#.to_owned() + &good, &components),
        (
            r#"("@path" "content-digest")"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method" "content-digest")"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method" "@path" "content-digest" "date")"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method" "@path" "content-digest";sf)"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method";req "@path" "content-digest")"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method" "@path" "Content-Digest")"#.to_owned() + &good,
            &components,
        ),
        (
            r#"("@method" "@query" "content-digest")"#.to_owned() + &good,
            &components,
        ),
        (all.to_owned(), &parameters),
        (format!("{all};keyid=\"{id}\";alg=\"ed25519\""), &parameters),
        (format!("{all};created={NOW};alg=\"ed25519\""), &parameters),
        (format!("{all};created={NOW};keyid=\"{id}\""), &parameters),
        (format!("{all}{good};expires={}", NOW + 9), &parameters),
        (format!("{all}{good};nonce=\"x\""), &parameters),
        (format!("{all}{good};tag=\"x\""), &parameters),
        (format!("{all}{good};x=1"), &parameters),
        (format!("{all};created=1{good}"), &parameters),
        (
            format!("{all};created=\"{NOW}\";keyid=\"{id}\";alg=\"ed25519\""),
            &parameters,
        ),
        (
            format!("{all};created={NOW}.0;keyid=\"{id}\";alg=\"ed25519\""),
            &parameters,
        ),
        (
            format!("{all};created=0{NOW};keyid=\"{id}\";alg=\"ed25519\""),
            &parameters,
        ),
        (
            format!("{all};created={NOW};keyid=\"{id}\";alg=\"hmac-sha256\""),
            &parameters,
        ),
        (
            format!("{all};created={NOW};keyid=\"{id}\";alg=ed25519"),
            &parameters,
        ),
        (
            format!("{all}; created={NOW};keyid=\"{id}\";alg=\"ed25519\""),
            &parameters,
        ),
        (all.replace(' ', "  ") + &good, &parameters),
        (good_with_keyid(all, "0x00"), &SignatureError::KeyId),
        (
            good_with_keyid(all, &id.to_uppercase()),
            &SignatureError::KeyId,
        ),
    ];
    let [method, path, digest] = lines();
    for (input, expected) in cases {
        let headers = signed(&format!("sig1={input}"), &[&method, &path, &digest]);
        assert_eq!(
            &outcome(&headers, &BEAT).expect_err("refused"),
            expected,
            "{input}"
        );
    }
    let headers = signed(&format!("sig1={all}{good}"), &[&method, &path, &digest]);
    assert_eq!(
        outcome(&headers, &BEAT),
        Ok(()),
        "the cases differ from a good one"
    );
}

fn good_with_keyid(all: &str, keyid: &str) -> String {
    format!("{all};created={NOW};keyid=\"{keyid}\";alg=\"ed25519\"")
}

#[test]
fn two_signatures_are_one_too_many() {
    let one = sign(&ours(), &BEAT, NOW);
    let two = |text: &str| format!("{text}, {}", text.replace("sig1", "sig2"));
    let both = SignatureHeaders {
        signature_input: two(&one.signature_input),
        signature: two(&one.signature),
        ..one.clone()
    };
    assert_eq!(outcome(&both, &BEAT), Err(SignatureError::Count(2)));
    let twice = SignatureHeaders {
        signature_input: format!("{0}, {0}", one.signature_input),
        ..one.clone()
    };
    assert_eq!(outcome(&twice, &BEAT), Err(SignatureError::Parameters));
    let none = SignatureHeaders {
        signature_input: String::new(),
        signature: String::new(),
        ..one.clone()
    };
    assert!(outcome(&none, &BEAT).is_err());
    let labels = SignatureHeaders {
        signature: one.signature.replace("sig1", "sig2"),
        ..one
    };
    assert!(matches!(
        outcome(&labels, &BEAT),
        Err(SignatureError::Form(_))
    ));
}

#[test]
fn bytes_that_are_no_signature_are_refused() {
    let good = sign(&ours(), &BEAT, NOW);
    for text in [
        "sig1=::",
        "sig1=:AAAA:",
        "sig1=\"AAAA\"",
        "sig1=:%:",
        "sig1",
        "é=:AAAA:",
        "sig1=:AAAA",
    ] {
        let headers = SignatureHeaders {
            signature: text.to_owned(),
            ..good.clone()
        };
        assert!(
            matches!(outcome(&headers, &BEAT), Err(SignatureError::Form(_))),
            "{text}"
        );
    }
    let negative = SignatureHeaders {
        signature_input: good
            .signature_input
            .replace(&format!("created={NOW}"), "created=-1"),
        ..good
    };
    assert!(matches!(
        outcome(&negative, &BEAT),
        Err(SignatureError::Form(_))
    ));
}

/// With a key of small order one signature fits every text.
#[test]
fn a_weak_key_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = PublicKey::new(identity);
    let mut signature = [0; 64];
    signature[0] = 1;
    for text in ["any", "other"] {
        assert_eq!(
            key::verify(&weak, text, &signature),
            Err(SignatureError::Key)
        );
    }
    let mut outside = [0; 32];
    outside[0] = 2;
    for bytes in [outside, [0xff; 32]] {
        let key = PublicKey::new(bytes);
        let refused = key::verify(&key, "any", &signature);
        assert_eq!(refused, Err(SignatureError::Key), "{bytes:?}");
    }
}

/// S + L is another form of S: a seen signature must not come again in another form.
#[test]
fn a_signature_has_one_form() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = ed25519_dalek::SigningKey::from_bytes(&[7; 32])
        .sign(b"text")
        .to_bytes();
    assert_eq!(key::verify(&ours().public(), "text", &bytes), Ok(()));
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(
        key::verify(&ours().public(), "text", &bytes),
        Err(SignatureError::Forged)
    );
}

#[test]
fn headers_are_wanted_once() {
    let all = [
        ("content-digest", "d"),
        ("signature-input", "i"),
        ("signature", "s"),
    ];
    let find = |skip: Option<&str>, twice: Option<&str>| {
        Received::find(|name| {
            let values = all
                .iter()
                .filter(move |(known, _)| *known == name && Some(name) != skip);
            let value = values.map(|(_, value)| value.as_bytes());
            let again = (Some(name) == twice).then_some(b"again".as_slice());
            value.chain(again).collect::<Vec<_>>().into_iter()
        })
        .map(|found| (found.content_digest, found.signature_input, found.signature))
    };
    assert_eq!(find(None, None), Ok(("d", "i", "s")));
    for (name, _) in all {
        assert_eq!(find(Some(name), None), Err(SignatureError::Missing(name)));
        assert_eq!(find(None, Some(name)), Err(SignatureError::Repeated(name)));
    }
}

#[test]
fn a_private_key_prints_nothing_of_itself() {
    assert_eq!(format!("{:?}", ours()), format!("SigningKey({})", keyid()));
}

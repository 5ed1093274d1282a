//! Any bytes as a request to a registry: nothing that they hold is taken for a signature of a key that has signed
//! nothing, a registration that is taken in says what was sent, and parameters are numbers of their range.
//! The bytes are lines: path, query, content-digest, signature-input, signature; the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustnet_api::network::{Heartbeat, RegisterRequest};
use trustnet_core::network::query::Query;
use trustnet_core::network::signature::{Message, Received, Signature, SigningKey, verify};
use trustnet_core::network::{Registration, body};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let (path, query) = (text(line()), text(line()));
    let headers = [line(), line(), line()];
    let sent = line();

    let find = |name: &str| {
        let place = ["content-digest", "signature-input", "signature"];
        let place = place.iter().position(|known| *known == name);
        place.map(|place| headers[place]).into_iter()
    };
    if let Ok(received) = Received::find(find) {
        let message = Message { method: "POST", path, body: sent };
        // Made here, and used nowhere.
        let key = SigningKey::from_seed([42; 32]).public();
        assert!(verify(&received, &message, &key, 1_800_000_000, u64::MAX).is_err());
        if let Ok(signature) = Signature::parse(&received) {
            let input = received.signature_input;
            assert!(input.contains(&signature.signer().to_string()));
            assert!(input.contains(&format!("created={}", signature.created())));
            if let Ok(request) = body::parse::<RegisterRequest>(sent)
                && let Ok(registration) = Registration::check(&request)
            {
                let _ = signature.verify(&message, registration.key());
            }
        }
    }
    if let Ok(request) = body::parse::<RegisterRequest>(sent)
        && let Ok(registration) = Registration::check(&request)
    {
        assert_eq!(registration.name(), request.node_name);
        assert_eq!(registration.key().to_string(), request.public_key);
        assert_ne!(registration.port(), 0);
    }
    if let Ok(beat) = body::parse::<Heartbeat>(sent) {
        let again = serde_json::to_vec(&beat).unwrap_or_default();
        assert_eq!(body::parse::<Heartbeat>(&again), Ok(beat));
    }
    if let Ok(query) = Query::parse(Some(query), &["limit", "after", "state"]) {
        if let Ok(Some(limit)) = query.number("limit", 1, 1000) {
            assert!((1..=1000).contains(&limit));
        }
        let _ = (query.id("after"), query.word("state", &[("active", ())]));
    }
});

//! What was found, in words.

use trustnet_api::network::REGISTRY_LABEL;
use trustnet_core::install::Tnr;

/// What the domain's record says, in words; nothing where nobody asked.
#[must_use]
pub fn tnr_words(domain: Option<&str>, tnr: &Tnr) -> Option<String> {
    let name = format!("{REGISTRY_LABEL}.{}", domain?);
    match tnr {
        Tnr::NotAsked => None,
        Tnr::Unknown(why) => Some(format!("whether {name} is there is not known: {why}")),
        Tnr::None(why) => Some(format!(
            "there is no {name} yet ({why}): this can be the root of a new network"
        )),
        Tnr::At(all) => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            Some(format!(
                "{name} is there already: {}; this can join it",
                all.join(", ")
            ))
        }
    }
}

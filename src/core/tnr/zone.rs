//! Zones and the names in them.

/// A name and every name above it, the longest first, down to its last label.
pub fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.split_once('.').map(|(_, above)| above)
    })
}

/// Which of these zones holds a name: the one with the longest name. Dots at their ends and case do not count; the zone
/// is given as it was.
pub fn longest_zone<'a>(name: &str, zones: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    zones
        .into_iter()
        .filter(|zone| host_in(name, zone).is_some())
        .max_by_key(|zone| zone.trim_end_matches('.').len())
}

/// The part of a name before its zone, `@` for the zone itself; none where it is in another one.
#[must_use]
pub fn host_in(name: &str, zone: &str) -> Option<String> {
    let zone = zone.trim_end_matches('.').to_ascii_lowercase();
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name == zone {
        return Some("@".to_owned());
    }
    let host = name.strip_suffix(&zone)?.strip_suffix('.')?;
    (!host.is_empty() && !zone.is_empty()).then(|| host.to_owned())
}

//! Versions and their order, by Debian's policy.
//! <https://www.debian.org/doc/debian-policy/ch-controlfields.html#version>

use std::cmp::Ordering;

/// Compares two versions: the epoch, then the upstream version, then the revision.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    compare_number(a.0.as_bytes(), b.0.as_bytes())
        .then_with(|| compare_part(a.1.as_bytes(), b.1.as_bytes()))
        .then_with(|| compare_part(a.2.as_bytes(), b.2.as_bytes()))
}

/// Whether this can be a version: no empty part, and nothing in it that a version cannot hold.
#[must_use]
pub fn is_version(text: &str) -> bool {
    let (epoch, upstream, revision) = split(text);
    let holds = |part: &str, more: &[u8]| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    epoch.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with(':')
        && !upstream.is_empty()
        && !text.ends_with('-')
        && holds(upstream, b".+~-:")
        && holds(revision, b".+~")
}

/// The oldest version that a system of the release can have of what is `version` in its archive today: stable
/// updates only ever append `+debNuM`. None where an update brought another upstream version (`~debNuM`, or
/// a revision 0), for then nothing is known of what was there before.
#[must_use]
pub fn first_of_release(version: &str) -> Option<&str> {
    let is_mark = |rest: &str| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.strip_prefix('u')
            .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    let Some(at) = version
        .rfind("deb")
        .filter(|at| is_mark(&version[at + 3..]))
    else {
        return Some(version);
    };
    version[..at]
        .strip_suffix('+')
        .filter(|before| !before.ends_with("-0"))
}

/// The epoch, the upstream version and the revision.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Stretches of non-digits, by weight, and of digits, by number, in turn.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (weight(a.first()), weight(b.first()));
            if x != y {
                return x.cmp(&y);
            }
            if x == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let ((a_number, a_rest), (b_number, b_rest)) = (take_digits(a), take_digits(b));
        let order = compare_number(a_number, b_number);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

/// A tilde sorts before the end, the end before letters, and letters before all else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

fn take_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Numbers of any length.
fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |text: &'_ [u8]| text.iter().take_while(|byte| **byte == b'0').count();
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

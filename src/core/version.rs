//! Versions as publishers write them, loosely, and the choice among them.
//!
//! `v1.31.2`, `go1.23`, `2.479.3`, `1.0.0-rc.1` are versions here: numbers with dots between them, perhaps with
//! a word before them, perhaps with a pre-release behind them. What is missing counts as zero.

use std::cmp::Ordering;
use std::fmt;

/// The longest text that is taken for a version.
const MAX_LEN: usize = 64;

/// A version.
#[derive(Debug, Clone)]
pub struct Version {
    numbers: Vec<u64>,
    pre: Vec<Word>,
}

/// A part of a pre-release: numbers come before words, as semver has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Number(u64),
    Text(String),
}

/// Which version is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    text: String,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// The highest.
    Latest,
    /// The highest that begins with these numbers, all of them.
    Begins(Version),
    /// From this one up, and below that one.
    Between(Option<Bound>, Option<Bound>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    version: Version,
    itself: bool,
}

/// A request that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` asks for no version: write latest, 1.9, =1.9.2, ~1.9, ^1.9, >=1.9 or <2")]
pub struct RequestError(String);

impl Version {
    /// Reads a version; none where the text is no version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let digits = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let digits = if digits.len() < text.len() {
            digits.trim_start_matches(['-', '_'])
        } else {
            digits
        };
        // What is behind `+` says how it was built, and does not count.
        let counted = digits.split('+').next()?;
        let end = counted
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(counted.len());
        let (numbers, rest) = counted.split_at(end);
        let numbers = numbers
            .strip_suffix('.')
            .filter(|_| !rest.is_empty())
            .unwrap_or(numbers);
        let numbers: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        Some(Self {
            numbers: numbers?,
            pre: words(rest)?,
        })
    }

    /// Whether it comes before the release that it is named after.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        !self.pre.is_empty()
    }

    /// The first version of which only so many numbers are the same, and the last of these is one higher.
    fn next(&self, kept: usize) -> Self {
        let mut numbers: Vec<u64> = self.numbers.iter().copied().take(kept).collect();
        if let Some(last) = numbers.last_mut() {
            *last = last.saturating_add(1);
        }
        Self {
            numbers,
            pre: Vec::new(),
        }
    }

    fn begins_with(&self, other: &Self) -> bool {
        let padded = |version: &Self, index| version.numbers.get(index).copied().unwrap_or(0);
        (0..other.numbers.len()).all(|index| padded(self, index) == other.numbers[index])
    }
}

/// The parts of `-rc.1`, `rc1`, `_beta`; none where something else stands there.
fn words(text: &str) -> Option<Vec<Word>> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if !text.chars().all(known) {
        return None;
    }
    let mut words = Vec::new();
    for part in text
        .split(['-', '.', '_', '~'])
        .filter(|part| !part.is_empty())
    {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest
                .find(|c: char| c.is_ascii_digit() != digits)
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            words.push(if digits {
                Word::Number(word.parse().ok()?)
            } else {
                Word::Text(word.to_ascii_lowercase())
            });
            rest = after;
        }
    }
    Some(words)
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let padded = |version: &Self| {
            let mut numbers = version.numbers.clone();
            numbers.resize(longest, 0);
            numbers
        };
        padded(self)
            .cmp(&padded(other))
            .then_with(|| self.pre.is_empty().cmp(&other.pre.is_empty()))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// It asks for nothing.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let bad = || RequestError(text.chars().take(MAX_LEN).collect());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !"~^=<>".contains(c))
            .ok_or_else(bad)?;
        let (sign, rest) = trimmed.split_at(split);
        if sign.is_empty() && rest == "latest" {
            return Ok(Self {
                text: text.to_owned(),
                wanted: Wanted::Latest,
            });
        }
        let version = Version::parse(rest.trim()).ok_or_else(bad)?;
        let bound = |itself| {
            Some(Bound {
                version: version.clone(),
                itself,
            })
        };
        let below = |kept| {
            Some(Bound {
                version: version.next(kept),
                itself: false,
            })
        };
        let length = version.numbers.len();
        // The first number that is not zero: what changes it may break what was there.
        let leading = version
            .numbers
            .iter()
            .position(|number| *number > 0)
            .map_or(length, |index| index + 1);
        let wanted = match sign {
            "" => Wanted::Begins(version),
            "=" | "==" => Wanted::Between(bound(true), bound(true)),
            "~" => Wanted::Between(bound(true), below(length.min(2))),
            "^" => Wanted::Between(bound(true), below(leading)),
            ">=" => Wanted::Between(bound(true), None),
            ">" => Wanted::Between(bound(false), None),
            "<=" => Wanted::Between(None, bound(true)),
            "<" => Wanted::Between(None, bound(false)),
            _ => return Err(bad()),
        };
        Ok(Self {
            text: text.to_owned(),
            wanted,
        })
    }

    /// The highest version that is asked for, as its publisher writes it. A pre-release is taken only where one
    /// is asked for by name.
    #[must_use]
    pub fn choose<'a>(&self, published: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        published
            .into_iter()
            .filter_map(|text| Some((Version::parse(text)?, text)))
            .filter(|(version, _)| self.accepts(version))
            // Of two that are the same, the first.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, text)| text)
    }

    fn accepts(&self, version: &Version) -> bool {
        let asks_for_pre = match &self.wanted {
            Wanted::Latest => false,
            Wanted::Begins(asked) => asked.is_pre_release(),
            Wanted::Between(low, high) => [low, high].into_iter().flatten().any(|bound| {
                bound.version.is_pre_release() && bound.version.numbers == version.numbers
            }),
        };
        if version.is_pre_release() && !asks_for_pre {
            return false;
        }
        match &self.wanted {
            Wanted::Latest => true,
            Wanted::Begins(asked) if asked.is_pre_release() => version == asked,
            Wanted::Begins(asked) => version.begins_with(asked),
            Wanted::Between(low, high) => {
                low.as_ref()
                    .is_none_or(|low| match version.cmp(&low.version) {
                        Ordering::Greater => true,
                        Ordering::Equal => low.itself,
                        Ordering::Less => false,
                    })
                    && high
                        .as_ref()
                        .is_none_or(|high| match version.cmp(&high.version) {
                            Ordering::Less => true,
                            Ordering::Equal => high.itself,
                            Ordering::Greater => false,
                        })
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The versions that stand in a page. In the pattern, such as `terraform_*/`, the star is the version; without a pattern
/// whatever has three numbers is one.
#[must_use]
pub fn in_page<'a>(page: &'a str, pattern: Option<&str>) -> Vec<&'a str> {
    let part = |c: char| c.is_ascii_alphanumeric() || ".+~-".contains(c);
    let Some((before, after)) = pattern.map(|text| text.split_once('*').unwrap_or((text, "")))
    else {
        let words = page.split(|c: char| !part(c));
        let three = |word: &&str| {
            word.split(['-', '+'])
                .next()
                .is_some_and(|head| head.split('.').count() >= 3)
        };
        return words
            .map(|word| word.trim_matches(['.', '-', '+', '~']))
            .filter(three)
            .filter(|word| Version::parse(word).is_some())
            .collect();
    };
    let mut found = Vec::new();
    for rest in pieces(page, before) {
        let end = match after {
            "" => rest.find(|c: char| !part(c)).unwrap_or(rest.len()),
            after => match rest.find(after) {
                Some(end) => end,
                None => continue,
            },
        };
        let word = &rest[..end];
        if word.chars().all(part) && Version::parse(word).is_some() {
            found.push(word);
        }
    }
    found
}

/// What follows each place at which a text stands in a page.
fn pieces<'a>(page: &'a str, before: &str) -> Vec<&'a str> {
    page.match_indices(before)
        .map(|(at, matched)| &page[at + matched.len()..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect(text)
    }

    #[test]
    fn versions_have_an_order_however_loosely_they_are_written() {
        let rising = [
            "0.9",
            "v1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc1",
            "1.0.0-rc.2",
            "1.0",
            "go1.0.1",
            "release-1.2",
            "1.9.9",
            "1.10rc1",
            "1.10",
            "2.479.3",
            "15",
        ];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for (a, b) in [
            ("1", "1.0.0"),
            ("v1.2", "1.2+build.5"),
            ("go1.2", "1.2.0"),
            ("1.0-RC1", "1.0.rc.1"),
        ] {
            assert_eq!(version(a), version(b));
        }
        let long = "1".repeat(65);
        for none in [
            "",
            "latest",
            "v",
            "1..2",
            ".1",
            "1 2",
            "1/2",
            "99999999999999999999999",
            &long,
            "1.0\n",
            "ä1",
        ] {
            assert!(Version::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_request_chooses_the_highest_that_it_means() {
        let published = [
            "v1.8.9",
            "v1.9.0",
            "v1.9.1",
            "v1.9.10",
            "v1.9.2",
            "v1.10.0",
            "v2.0.0-rc.1",
            "v0.3.1",
            "v0.3.9",
            "v0.4.0",
            "nightly",
            "v1.9.11-rc.1",
        ];
        for (request, chosen) in [
            ("latest", Some("v1.10.0")),
            ("~1.9", Some("v1.9.10")),
            ("~1.9.1", Some("v1.9.10")),
            ("~1", Some("v1.10.0")),
            ("^1.9", Some("v1.10.0")),
            ("^0.3.1", Some("v0.3.9")),
            ("1.9", Some("v1.9.10")),
            ("1.9.1", Some("v1.9.1")),
            ("v1.9.2", Some("v1.9.2")),
            ("1", Some("v1.10.0")),
            ("=1.9", Some("v1.9.0")),
            ("=1.9.3", None),
            ("<1.9", Some("v1.8.9")),
            ("<=1.9", Some("v1.9.0")),
            (">1.9.10", Some("v1.10.0")),
            (">= 1.9", Some("v1.10.0")),
            ("2", None),
            ("~2.0.0-rc.1", Some("v2.0.0-rc.1")),
            ("2.0.0-rc.1", Some("v2.0.0-rc.1")),
            ("^3", None),
        ] {
            let asked = Request::parse(request).expect(request);
            assert_eq!(asked.choose(published), chosen, "{request}");
        }
        for bad in ["", "~", "newest", "~~1", "1.*", "=", "~latest"] {
            assert!(Request::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_found_in_a_page() {
        let page = r#"<a href="/terraform/1.9.8/">terraform_1.9.8</a> <a href="/terraform/1.10.0-rc1/">terraform_1.10.0-rc1</a>
            {"version": "go1.23.4"} <b>1.5</b> 10.0.0.1"#;
        assert_eq!(in_page(page, Some("terraform_*<")), ["1.9.8", "1.10.0-rc1"]);
        assert_eq!(
            in_page(page, Some("/terraform/*/\"")),
            ["1.9.8", "1.10.0-rc1"]
        );
        assert_eq!(in_page(page, Some("\"go*\"")), ["1.23.4"]);
        assert_eq!(in_page(page, Some("terraform_*")), ["1.9.8", "1.10.0-rc1"]);
        assert_eq!(in_page(page, Some("nomad_*")), Vec::<&str>::new());
        let all = in_page(page, None);
        assert!(
            all.contains(&"1.9.8") && all.contains(&"go1.23.4") && !all.contains(&"1.5"),
            "{all:?}"
        );
    }
}

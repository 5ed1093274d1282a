//! An archive's `Release` file: it names every index with its size and digest, and is signed.
//! <https://wiki.debian.org/DebianRepository/Format>

use std::collections::BTreeMap;

use super::control;
use crate::artifact::Digest;

/// What a `Release` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// `stable`, `noble-updates`.
    pub suite: Option<String>,
    /// `bookworm`, `noble`.
    pub codename: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: i64,
    /// Until when it holds, if it says so.
    pub valid_until: Option<i64>,
    /// Whether indexes can be had by their digest, which a change of the archive does not take away.
    pub by_hash: bool,
    /// The files below it, by path.
    pub files: BTreeMap<String, Listed>,
}

/// A file as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Why a `Release` file is no good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFileError {
    /// A field that it must have.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A field that cannot be read.
    #[error("its `{field}` cannot be read: `{value}`")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// It is of another suite than was asked for.
    #[error("it is of `{found}`, not of `{wanted}`")]
    OtherSuite {
        /// What was asked for.
        wanted: String,
        /// What it says.
        found: String,
    },
    /// It holds no more.
    #[error("it was valid until {until}")]
    Expired {
        /// Until when, as it is written there.
        until: String,
    },
    /// It is from the future.
    #[error("it is dated {date}, which is yet to come")]
    Future {
        /// Its date, as it is written there.
        date: String,
    },
}

/// What the clocks of an archive and of a host may differ by.
const CLOCK_SKEW: i64 = 24 * 60 * 60;

impl ReleaseFile {
    /// Reads the text that was signed.
    ///
    /// # Errors
    /// Something that it must say is missing or cannot be read.
    pub fn parse(text: &str) -> Result<Self, ReleaseFileError> {
        let stanza = control::stanzas(text).next().unwrap_or_default();
        let field = |name| control::field(stanza, name);
        let owned = |name| field(name).map(str::to_owned);
        let time = |name: &'static str| {
            let read = |value: &str| {
                seconds(value).ok_or_else(|| ReleaseFileError::Malformed {
                    field: name,
                    value: value.to_owned(),
                })
            };
            field(name).map(read).transpose()
        };
        Ok(Self {
            suite: owned("Suite"),
            codename: owned("Codename"),
            date: time("Date")?.ok_or(ReleaseFileError::Missing("Date"))?,
            valid_until: time("Valid-Until")?,
            by_hash: field("Acquire-By-Hash")
                .is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            files: listed(field("SHA256").ok_or(ReleaseFileError::Missing("SHA256"))?)?,
        })
    }

    /// Whether it is of this suite, by suite or codename.
    ///
    /// # Errors
    /// It is of another one.
    pub fn check_suite(&self, wanted: &str) -> Result<(), ReleaseFileError> {
        let names = [&self.codename, &self.suite];
        if names.iter().any(|name| name.as_deref() == Some(wanted)) {
            return Ok(());
        }
        let found = names.into_iter().flatten().next();
        Err(ReleaseFileError::OtherSuite {
            wanted: wanted.to_owned(),
            found: found.cloned().unwrap_or_else(|| "no suite".to_owned()),
        })
    }

    /// Whether it holds at this time, in seconds since 1970.
    ///
    /// # Errors
    /// It is expired, unless that is allowed; or it is from the future.
    pub fn check_time(&self, now: i64, allow_expired: bool) -> Result<(), ReleaseFileError> {
        if self.date > now.saturating_add(CLOCK_SKEW) {
            return Err(ReleaseFileError::Future {
                date: written(self.date),
            });
        }
        match self.valid_until {
            Some(until) if until < now && !allow_expired => Err(ReleaseFileError::Expired {
                until: written(until),
            }),
            _ => Ok(()),
        }
    }
}

/// Lines of digest, size and path.
fn listed(field: &str) -> Result<BTreeMap<String, Listed>, ReleaseFileError> {
    let malformed = |line: &str| ReleaseFileError::Malformed {
        field: "SHA256",
        value: line.trim().to_owned(),
    };
    let mut files = BTreeMap::new();
    for line in field.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (Some(sha256), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed(line));
        };
        let size = size.parse().map_err(|_| malformed(line))?;
        let sha256 = Digest::parse(sha256).map_err(|_| malformed(line))?;
        files.insert(path.to_owned(), Listed { size, sha256 });
    }
    Ok(files)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sat, 11 Jul 2026 10:16:37 UTC` in seconds since 1970. No other zone is in use.
fn seconds(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "UTC" | "GMT" | "+0000" | "Z"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let number = |text: &str, range: std::ops::RangeInclusive<i64>| {
        text.parse().ok().filter(|number| range.contains(number))
    };
    let (day, year) = (number(day, 1..=31)?, number(year, 1970..=9999)?);
    let mut parts = time.split(':');
    let hours = number(parts.next()?, 0..=23)?;
    let minutes = number(parts.next()?, 0..=59)?;
    let seconds = number(parts.next()?, 0..=60)?;
    if parts.next().is_some() {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// Days from 1970 to the first of a month; months are counted from 0.
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
        + BEFORE.get(month).copied().unwrap_or_default()
        + i64::from(leap && month > 1)
}

/// Seconds since 1970 as `2026-07-11 10:16:37 UTC`.
fn written(time: i64) -> String {
    let (days, rest) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    let mut year = 1970 + days.div_euclid(366);
    while days_before(year + 1, 0) <= days {
        year += 1;
    }
    let mut month = 11;
    while month > 0 && days_before(year, month) > days {
        month -= 1;
    }
    format!(
        "{year:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        month + 1,
        days - days_before(year, month) + 1,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

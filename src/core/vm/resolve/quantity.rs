//! Quantities of bytes.

use thiserror::Error;

/// Why a quantity cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum QuantityError {
    #[error("`{0}` is not a quantity such as `768Mi` or `10Gi`")]
    Form(String),
    #[error("`{0}` has the suffix `{1}`; known are `k M G T P` and `Ki Mi Gi Ti Pi`")]
    Suffix(String, String),
    #[error("`{0}` is more than can be counted")]
    Large(String),
}

/// The bytes of a quantity, rounded up to a whole one.
pub(super) fn bytes(text: &str) -> Result<u64, QuantityError> {
    let form = || QuantityError::Form(text.to_owned());
    let large = || QuantityError::Large(text.to_owned());
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (number, "0"),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(form());
    }
    let scale =
        scale(suffix).ok_or_else(|| QuantityError::Suffix(text.to_owned(), suffix.to_owned()))?;

    let whole: u64 = whole.parse().map_err(|_| large())?;
    // More than 18 digits behind the point are less than a byte of any scale but the largest;
    // they can only round up.
    let (near, far) = fraction.split_at(fraction.len().min(18));
    let unit = 10u128.pow(u32::try_from(near.len()).map_err(|_| form())?);
    let mut part = near.parse::<u128>().map_err(|_| form())? * u128::from(scale);
    if far.bytes().any(|b| b != b'0') {
        part += 1;
    }
    let part = u64::try_from(part.div_ceil(unit)).map_err(|_| large())?;
    whole
        .checked_mul(scale)
        .and_then(|bytes| bytes.checked_add(part))
        .ok_or_else(large)
}

fn scale(suffix: &str) -> Option<u64> {
    let (base, power): (u64, u32) = match suffix {
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1000, 2),
        "G" => (1000, 3),
        "T" => (1000, 4),
        "P" => (1000, 5),
        "Ki" => (1024, 1),
        "Mi" => (1024, 2),
        "Gi" => (1024, 3),
        "Ti" => (1024, 4),
        "Pi" => (1024, 5),
        _ => return None,
    };
    Some(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::{QuantityError, bytes};

    #[test]
    fn a_quantity_is_its_bytes_rounded_up() {
        let cases = [
            ("0", 0),
            ("1024", 1024),
            ("768Mi", 768 << 20),
            ("1.5Gi", 3 << 29),
            ("10G", 10_000_000_000),
            ("2k", 2000),
            ("0.0001", 1),
            ("1.0000000000000000000000001", 2),
            ("3Pi", 3 << 50),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_its_reason() {
        for text in [
            "", "Gi", ".5Gi", "5.Gi", "-1Gi", "1e3", "1,5Gi", "１Gi", "1.2.3",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["1gb", "1GiB", "1m", "1 Gi"] {
            assert!(
                matches!(bytes(text), Err(QuantityError::Suffix(..))),
                "{text}"
            );
        }
        for text in ["99999999999999999999", "20000Pi", "16384.1Pi"] {
            assert!(
                matches!(bytes(text), Err(QuantityError::Large(_))),
                "{text}"
            );
        }
    }
}

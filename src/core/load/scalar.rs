//! What a scalar without quotes means, where a number or a truth value is wanted.

/// Why an integer cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Large,
    Negative,
}

/// A whole number of YAML 1.2's core schema: decimal, `0x…` or `0o…`. `None` if it is not one.
pub(super) fn integer(text: &str) -> Option<Result<u64, Range>> {
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => (text.strip_prefix(['+', '-']).unwrap_or(text), 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).map_err(|_| Range::Large);
    if text.starts_with('-') && number != Ok(0) {
        return Some(Err(Range::Negative));
    }
    Some(number)
}

/// A number that is finite, with or without a point and an exponent.
pub(super) fn number(text: &str) -> Option<f64> {
    let form = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let number = text.bytes().all(form).then(|| text.parse::<f64>().ok())?;
    number.filter(|number| number.is_finite())
}

/// `true` or `false`; also YAML 1.1's words, where they are taken.
pub(super) fn boolean(text: &str, yaml_1_1: bool) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if yaml_1_1 => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if yaml_1_1 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, boolean, integer, number};

    #[test]
    fn a_number_is_finite_and_has_no_unit() {
        assert_eq!(number("2"), Some(2.0));
        assert_eq!(number("-2.5e1"), Some(-25.0));
        for text in ["", ".", "1s", "inf", "nan", "1e999", "0x10", "1_000", "."] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn an_integer_is_whole_and_not_negative() {
        assert_eq!(integer("12"), Some(Ok(12)));
        assert_eq!(integer("0x10"), Some(Ok(16)));
        assert_eq!(integer("0o17"), Some(Ok(15)));
        assert_eq!(integer("-0"), Some(Ok(0)));
        assert_eq!(integer("-1"), Some(Err(Range::Negative)));
        assert_eq!(integer("99999999999999999999"), Some(Err(Range::Large)));
        for text in ["", "+", "1.0", "1e3", "4 ", "0x", "1_000", "２"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn yes_is_true_in_foundrys_files_only() {
        assert_eq!(boolean("yes", true), Some(true));
        assert_eq!(boolean("yes", false), None);
        assert_eq!(boolean("true", false), Some(true));
    }
}

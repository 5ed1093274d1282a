//! Whole numbers in requests.

use std::any::type_name;
use std::fmt::{self, Formatter};
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Reads a whole number that is not negative. JSON has one kind of numbers: `1`, `1.0` and `1e0` are the same.
///
/// # Errors
/// It is no such number, or too large.
pub fn number<'de, T: TryFrom<u64>, D: Deserializer<'de>>(reader: D) -> Result<T, D::Error> {
    reader.deserialize_u64(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(type_name::<T>())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Err(E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        // 2⁶⁴ is the first one that is too large, and is a number of this kind itself.
        if number.fract() != 0.0 || !(0.0..18_446_744_073_709_551_616.0).contains(&number) {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, not negative, and below 2⁶⁴"
        )]
        self.visit_u64(number as u64)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Port {
        #[serde(deserialize_with = "super::number")]
        port: u16,
    }

    fn port(text: &str) -> Option<u16> {
        let body = format!("{{\"port\":{text}}}");
        let read = serde_json::from_str::<Port>(&body).ok();
        read.map(|read| read.port)
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for text in ["9000", "9000.0", "9e3", "90000e-1"] {
            assert_eq!(port(text), Some(9000), "{text}");
        }
        assert_eq!(port("-0.0"), Some(0));
    }

    #[test]
    fn what_is_no_whole_number_or_too_large_is_refused() {
        for text in [
            "1.5", "-1", "-1.0", "65536", "65536.0", "1e300", "\"1\"", "true", "null",
        ] {
            assert_eq!(port(text), None, "{text}");
        }
        #[derive(Debug, Deserialize)]
        struct Wide(#[serde(deserialize_with = "super::number")] u64);
        let wide = |text| serde_json::from_str::<Wide>(text).ok().map(|wide| wide.0);
        assert_eq!(wide("18446744073709551615"), Some(u64::MAX));
        assert_eq!(wide("18446744073709551616"), None);
        assert_eq!(wide("1e19"), Some(10_000_000_000_000_000_000));
    }
}

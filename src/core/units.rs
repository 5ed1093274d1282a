//! Sizes for people.

/// A size in the largest binary unit in which it reads well: `10 GiB`, `768 MiB`, `1.5 GiB`.
#[must_use]
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut scale = 1u64;
    while unit + 1 < UNITS.len() && size / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(size) * 10 + u128::from(scale) / 2) / u128::from(scale);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_size_reads_in_the_largest_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (768 << 20, "768 MiB"),
            (10 << 30, "10 GiB"),
            (3 << 29, "1.5 GiB"),
        ];
        for (size, text) in cases {
            assert_eq!(super::bytes(size), text);
        }
    }
}

//! Times and sizes as people write them.

use std::time::Duration;

/// Parses `10s`, `15m`, `1h30m`, `250ms`, `30d`: numbers with units, largest first.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, u64)] =
        &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = text;
    let mut milliseconds = 0_u64;
    let mut larger = u64::MAX;
    while !rest.is_empty() || milliseconds == 0 && larger == u64::MAX {
        let (number, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, remainder) = after.split_at(unit_end);
        let (_, factor) = *UNITS.iter().find(|(name, _)| *name == unit)?;
        if factor >= larger {
            return None;
        }
        milliseconds = milliseconds.checked_add(number.checked_mul(factor)?)?;
        (larger, rest) = (factor, remainder);
    }
    Some(Duration::from_millis(milliseconds))
}

/// Parses `64MiB`, `4 GiB`, `512`: bytes, in units of 1024 (`KiB`) or 1000 (`kB`).
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The shortest exact way to write a time.
pub(crate) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        m if m.is_multiple_of(86_400_000) => format!("{}d", m / 86_400_000),
        m if m.is_multiple_of(3_600_000) => format!("{}h", m / 3_600_000),
        m if m.is_multiple_of(60_000) => format!("{}m", m / 60_000),
        m if m.is_multiple_of(1000) => format!("{}s", m / 1000),
        m => format!("{m}ms"),
    }
}

/// The shortest exact way to write a size.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes != 0 && bytes.is_multiple_of(1 << shift)) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units_largest_first() {
        let cases: &[(&str, Option<u64>)] = &[
            ("10s", Some(10_000)),
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("30d", Some(2_592_000_000)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("30m1h", None),
            ("1s1s", None),
            ("-1s", None),
            ("1.5h", None),
            ("10 s", None),
            ("99999999999999999999s", None),
            ("9999999999999999d", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse_duration(text),
                milliseconds.map(Duration::from_millis),
                "{text:?} as a time"
            );
        }
    }

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        let cases: &[(&str, Option<u64>)] = &[
            ("512", Some(512)),
            ("64MiB", Some(64 << 20)),
            ("4 GiB", Some(4 << 30)),
            ("1kB", Some(1000)),
            ("1TB", Some(1_000_000_000_000)),
            ("", None),
            ("MiB", None),
            ("64M", None),
            ("64mib", None),
            ("1.5GiB", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), *bytes, "{text:?} as a size");
        }
    }

    #[test]
    fn what_is_shown_parses_to_the_same_value() {
        for text in ["0s", "250ms", "10s", "90m", "2h", "30d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["0B", "1000B", "64KiB", "4MiB", "3GiB", "2TiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }
}

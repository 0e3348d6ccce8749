//! Numbers that mean the same after being read and written again.
//!
//! An integer is exact in 64 bits. A number with a fraction or an exponent becomes a double, and
//! the shortest text of a double is the number itself when that had at most 15 significant
//! digits (IEEE 754; `serde_json` rounds correctly with its feature `float_roundtrip`). All else
//! (`-0`, a 20-digit integer, 17 digits) nothing in the Engine API needs.

use std::ops::RangeInclusive;

use crate::verdict::Refusal;

const DIGITS: usize = 15;
/// Powers of ten that keep 15 digits within the normal doubles.
const EXPONENTS: RangeInclusive<i32> = -300..=290;

/// Checks every number of `document`, which is valid JSON.
pub(super) fn check(document: &[u8]) -> Result<(), Refusal> {
    let mut rest = document;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let part = |b: &u8| !matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = rest.iter().position(part).unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                if !is_exact(number) {
                    return Err(Refusal::malformed(
                        "body.number",
                        "the body has a number that is no 64-bit integer and has more than 15 digits, \
                         or an exponent beyond 290",
                    ));
                }
                after
            }
            _ => after,
        };
    }
    Ok(())
}

/// What follows a string whose opening quote was just read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        if rest[at] == b'"' {
            return &rest[at + 1..];
        }
        // A backslash escapes at least the byte behind it.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    &[]
}

fn is_exact(number: &[u8]) -> bool {
    // JSON numbers are ASCII.
    let Ok(number) = std::str::from_utf8(number) else { return false };
    if !number.contains(['.', 'e', 'E']) {
        return number != "-0" && (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok());
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let Ok(exponent) = exponent.parse::<i32>() else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Digits that are not zeros at either end, and the power of ten of the last of them.
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0').len();
    let zeros = digits.len() - significant;
    let (Ok(zeros), Ok(decimals)) = (i32::try_from(zeros), i32::try_from(fraction.len())) else {
        return false;
    };
    let power = exponent.saturating_sub(decimals).saturating_add(zeros);
    significant == 0 || significant <= DIGITS && EXPONENTS.contains(&power)
}

//! Numbers that mean the same after being read and written again.
//!
//! An integer is exact in 64 bits. A number with a fraction or an exponent becomes a double: up
//! to 15 significant digits and a power of ten up to 22 survive that exactly, whichever way it is
//! rounded. All else (`1e30`, `-0`, a 20-digit integer) Go's decoder would refuse for an
//! integer field, and nothing the Engine API takes needs it.

use crate::verdict::Refusal;

const DIGITS: usize = 15;
const EXPONENT: i32 = 22;

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
                        "the body has a number that does not fit 64 bits, or 15 digits and an \
                         exponent of 22",
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
    let whole = whole.trim_start_matches(['-', '0']);
    let digits = match whole {
        "" => fraction.trim_start_matches('0').len(),
        _ => whole.len() + fraction.len(),
    };
    let Ok(decimals) = i32::try_from(fraction.len()) else { return false };
    let scale = exponent.saturating_sub(decimals);
    digits <= DIGITS && (-EXPONENT..=EXPONENT).contains(&scale)
}

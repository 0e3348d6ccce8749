//! Percent escapes (RFC 3986 section 2.1), undone once and strictly, and written one way.

use std::borrow::Cow;
use std::fmt;

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// A plus: in paths.
    Literal,
    /// A space: in queries, as Go's `url.ParseQuery` reads them.
    Space,
}

/// Undoes the escapes of `raw`.
pub(super) fn decode(raw: &str, plus: Plus) -> Result<Cow<'_, str>, &'static str> {
    let special = |b: u8| b == b'%' || (b == b'+' && plus == Plus::Space);
    let Some(first) = raw.bytes().position(special) else {
        return Ok(Cow::Borrowed(raw));
    };
    let (plain, rest) = raw.as_bytes().split_at(first);
    let mut out = Vec::with_capacity(raw.len());
    out.extend_from_slice(plain);
    let mut rest = rest.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let mut nibble = || rest.next().and_then(|&b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (nibble(), nibble()) else {
                    return Err("an incomplete or invalid percent escape");
                };
                // Two hexadecimal digits are one byte.
                (high << 4 | low) as u8
            }
            b'+' if plus == Plus::Space => b' ',
            _ => byte,
        });
    }
    match String::from_utf8(out) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => Err("percent escapes that are no UTF-8"),
    }
}

/// Writes `text` with all but unreserved characters, `:`, `@` and `/` escaped. Go and everyone
/// else read those three as themselves in segments and queries alike.
pub(super) fn write_escaped(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:@/".contains(b);
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| !plain(&b)) {
        f.write_str(&rest[..at])?;
        let end = at + rest[at..].chars().next().map_or(1, char::len_utf8);
        for byte in rest[at..end].bytes() {
            write!(f, "%{byte:02X}")?;
        }
        rest = &rest[end..];
    }
    f.write_str(rest)
}

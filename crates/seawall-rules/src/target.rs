//! Stage 3: the request target, canonicalised once: version prefix, segments, query.
//!
//! The engine matches its routes on the *decoded* path, so an escaped slash separates segments
//! there (seen on 20.10; gorilla/mux without `UseEncodedPath`), and clients that escape the
//! slashes of image names rely on that. Here it separates too, and is written as a plain `/`.
//! Podman keeps `%2F` inside a segment, so below `/libpod/` it is refused: no target means one
//! thing here and another there.

mod escapes;

use std::fmt;

use self::escapes::{Plus, decode, write_escaped};
use crate::escape::{bounded, quoted};
use crate::verdict::Refusal;

/// An Engine API version, `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Before the dot; always 1 so far.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads `1.41`: two plain decimal numbers without leading zeros, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            if plain { digits.parse().ok() } else { None }
        };
        let (major, minor) = text.split_once('.')?;
        Some(Self::new(number(major)?, number(minor)?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A release of Podman, `4.3.1`, which is the version of its own API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Release(
    /// Its three numbers.
    pub [u16; 3],
);

impl Release {
    /// Reads `4.3.1`: three plain decimal numbers without leading zeros, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (two, last) = text.rsplit_once('.')?;
        let two = ApiVersion::parse(two)?;
        let last = ApiVersion::parse(&format!("0.{last}"))?;
        Some(Self([two.major, two.minor, last.minor]))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A canonical request target. Printing it gives the one spelling that goes to the engine, and
/// parsing that again gives an equal value. Its debug form leaves out the query's values, which
/// may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The `/v1.41` prefix, if there was one.
    pub version: Option<ApiVersion>,
    /// The `/v4.3.1` prefix of Podman's own API, if there was one; then `libpod` is the first segment.
    pub release: Option<Release>,
    /// Decoded path segments after the version prefix; never empty strings, `.` or `..`, never
    /// with a slash, backslash, semicolon or control character. None at all for `/`.
    pub segments: Vec<String>,
    /// Decoded query pairs in order; no empty key. Repeats are the route table's to judge.
    pub query: Vec<(String, String)>,
}

/// Parses and canonicalises a request target.
///
/// # Errors
/// A [`Refusal`] for anything the engine's router or query parser could read differently.
pub fn parse(target: &str) -> Result<Target, Refusal> {
    let Some(path) = target.strip_prefix('/') else {
        return Err(refuse(
            "target.form",
            format!("the request target {} is not an absolute path", for_reason(target)),
        ));
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));

    let first = path.split('/').next().unwrap_or(path);
    let version = first.strip_prefix('v').and_then(ApiVersion::parse);
    let behind = path.get(first.len() + 1..);
    let release = first
        .strip_prefix('v')
        .and_then(Release::parse)
        .filter(|_| behind.is_some_and(|rest| rest.starts_with("libpod/")));
    let rest = match (version, release) {
        (None, None) if path.is_empty() => None,
        (None, None) => Some(path),
        _ => behind,
    };
    let segments = match rest {
        Some(rest) => parse_segments(rest, target)?,
        None => Vec::new(),
    };
    if segments.first().is_some_and(|first| looks_like_version(first)) {
        return Err(refuse(
            "target.version",
            format!("the path {} has no plain version prefix such as `/v1.41`", for_reason(target)),
        ));
    }
    // Podman takes any number for its own, and the engine knows no such path.
    if version.is_some() && segments.first().is_some_and(|first| first == "libpod") {
        return Err(refuse(
            "target.version",
            format!(
                "the path {} needs a prefix of three numbers, such as `/v4.3.1`",
                for_reason(target)
            ),
        ));
    }
    Ok(Target { version, release, segments, query: parse_query(query)? })
}

/// A raw target for the record where no canonical form exists: escaped, at most 256 bytes, and
/// without its query, since nobody knows which of its values are secret.
pub fn for_record(target: &[u8]) -> String {
    let end = target.iter().position(|&b| b == b'?');
    let mut out = bounded(&target[..end.unwrap_or(target.len())], 252);
    if end.is_some() {
        out.push_str("?...");
    }
    out
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |_| false)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |_| true)
    }
}

impl Target {
    /// The target as it is printed, with `***` for the values of the query keys that `secret`
    /// picks.
    pub fn redacted(&self, secret: impl Fn(&str) -> bool) -> String {
        let mut out = String::new();
        // INVARIANT: writing to a String cannot fail.
        let _ = self.write(&mut out, secret);
        out
    }

    fn write(&self, out: &mut impl fmt::Write, secret: impl Fn(&str) -> bool) -> fmt::Result {
        if let Some(version) = self.version {
            write!(out, "/v{version}")?;
        } else if let Some(release) = self.release {
            write!(out, "/v{release}")?;
        } else if self.segments.is_empty() {
            out.write_str("/")?;
        }
        for segment in &self.segments {
            out.write_str("/")?;
            write_escaped(out, segment)?;
        }
        for (index, (key, value)) in self.query.iter().enumerate() {
            out.write_str(if index == 0 { "?" } else { "&" })?;
            write_escaped(out, key)?;
            out.write_str("=")?;
            if secret(key) {
                out.write_str("***")?;
            } else {
                write_escaped(out, value)?;
            }
        }
        Ok(())
    }
}

fn parse_segments(path: &str, target: &str) -> Result<Vec<String>, Refusal> {
    let character = || {
        refuse(
            "target.character",
            format!("the path {} has a character that has no place in one", for_reason(target)),
        )
    };
    // RFC 3986 `pchar` and `/`, without `;`, which some routers cut segments at.
    let raw = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@%".contains(&b);
    if !path.bytes().all(raw) {
        return Err(character());
    }
    let decoded = decode(path, Plus::Literal)
        .map_err(|why| refuse("target.escape", format!("the path has {why}")))?;
    if decoded.chars().any(|c| c.is_control() || c == '\\' || c == ';') {
        return Err(character());
    }
    let mut segments = Vec::with_capacity(6);
    for segment in decoded.split('/') {
        match segment {
            "" => {
                return Err(refuse(
                    "target.slash",
                    format!("the path {} has an empty segment", for_reason(target)),
                ));
            }
            "." | ".." => {
                return Err(refuse(
                    "target.dots",
                    format!("the path {} has a dot segment", for_reason(target)),
                ));
            }
            _ => segments.push(segment.to_owned()),
        }
    }
    // Escaped slashes are the only way in which decoding can add one.
    let slashes = |text: &str| text.bytes().filter(|&b| b == b'/').count();
    if segments[0] == "libpod" && slashes(&decoded) != slashes(path) {
        return Err(refuse("target.escape", "below `/libpod/` a slash may not be escaped"));
    }
    Ok(segments)
}

/// `net/url.ParseQuery` as of Go 1.17, and stricter: no `;`, no empty key, no bad escape, no
/// invalid UTF-8, no NUL. Empty pairs (`a=1&`) are nothing, as every parser agrees.
fn parse_query(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    // Raw braces and quotes stay legal: people type `filters={"label":[...]}` with curl.
    if !query.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'#' && b != b';') {
        return Err(refuse(
            "target.character",
            "the query has a character that must be escaped, such as `;`",
        ));
    }
    let mut pairs = Vec::with_capacity(4);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |raw| {
            decode(raw, Plus::Space)
                .map_err(|why| refuse("target.escape", format!("the query has {why}")))
        };
        let (key, value) = (text(key)?, text(value)?);
        if key.is_empty() || key.contains(char::is_control) || value.contains('\0') {
            return Err(refuse(
                "target.query",
                format!(
                    "the query has an empty key, or a control character at key {}",
                    quoted(key.as_bytes())
                ),
            ));
        }
        pairs.push((key.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

/// Whether a first segment may be meant, or read, as a version: no route begins so.
fn looks_like_version(segment: &str) -> bool {
    let mut chars = segment.chars();
    matches!(chars.next(), Some('v' | 'V')) && chars.next().is_none_or(|c| !c.is_alphabetic())
}

fn for_reason(target: &str) -> String {
    quoted(target.split('?').next().unwrap_or(target).as_bytes())
}

fn refuse(rule: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal::malformed(rule, reason)
}

#[cfg(test)]
mod tests;

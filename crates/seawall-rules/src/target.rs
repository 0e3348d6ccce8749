//! Stage 3: the request target, canonicalised once: version prefix, segments, query.

use std::fmt;

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
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A canonical request target. Printing it gives the one spelling that goes to the engine, and
/// parsing that again gives an equal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The `/v1.41` prefix, if there was one.
    pub version: Option<ApiVersion>,
    /// Decoded path segments after the version prefix; never empty strings, `.` or `..`.
    pub segments: Vec<String>,
    /// Decoded query pairs in order.
    pub query: Vec<(String, String)>,
}

/// Parses and canonicalises a request target.
///
/// # Errors
/// A [`Refusal`] for anything the engine's router or query parser could read differently.
pub fn parse(target: &str) -> Result<Target, Refusal> {
    let _ = target;
    Err(Refusal::malformed("target.malformed", "not built yet"))
}

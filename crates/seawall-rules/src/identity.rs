//! Names of identities and roles.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that matches `[a-z0-9][a-z0-9._-]{0,62}`: safe in a path, a log line, a metric label,
/// a certificate subject and a docker context.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a name: use 1 to 63 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit",
    .0.escape_debug()
)]
pub struct NotAName(pub String);

impl Name {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NotAName`] when the text does not match `[a-z0-9][a-z0-9._-]{0,62}`.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let bytes = text.as_bytes();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = matches!(bytes.first(), Some(&b) if plain(b))
            && bytes.len() <= 63
            && bytes.iter().all(|&b| plain(b) || b"._-".contains(&b));
        if ok { Ok(Self(text.to_owned())) } else { Err(NotAName(text.to_owned())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_to_sixty_three_safe_characters() {
        let long = "a".repeat(63);
        for good in ["a", "0", "alice", "ci-deploy.eu_1", long.as_str()] {
            assert_eq!(Name::parse(good).map(String::from), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", ".a", "Alice", "a b", "a/b", "é", "a\n", too_long.as_str()] {
            assert_eq!(Name::parse(bad), Err(NotAName(bad.to_owned())));
        }
    }
}

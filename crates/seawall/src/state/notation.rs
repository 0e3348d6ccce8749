//! How serials, hashes and moments are written: lower-case hex, and RFC 3339 in UTC; in the
//! database, moments are whole Unix seconds.

use std::time::{Duration, SystemTime};

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Bytes from hex as people paste it: either case, with or without colons.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|&c| c != ':').collect();
    HEXLOWER.decode(plain.to_ascii_lowercase().as_bytes()).ok()
}

/// The SHA-256 of an SSH key as `ssh-keygen -l` shows it.
pub fn ssh_fingerprint(hash: &[u8; 32]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(hash))
}

/// What [`ssh_fingerprint`] wrote.
pub fn from_ssh_fingerprint(text: &str) -> Option<[u8; 32]> {
    BASE64_NOPAD.decode(text.strip_prefix("SHA256:")?.as_bytes()).ok()?.try_into().ok()
}

/// `2026-03-01T12:00:00Z`.
pub fn rfc3339(at: SystemTime) -> String {
    let at = OffsetDateTime::from(moment(seconds(at)));
    // INVARIANT: RFC 3339 can write every year that a whole number of seconds was read from.
    at.format(&Rfc3339).unwrap_or_else(|_| "beyond the year 9999".to_owned())
}

/// Whole seconds since 1970; earlier moments are 1970.
pub(super) fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn moment(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Bytes as hex, for serde.
pub(super) mod bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::state) fn serialize<S: Serializer>(
        bytes: impl AsRef<[u8]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::hex(bytes.as_ref()))
    }

    pub(in crate::state) fn deserialize<'de, D, T>(from: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: TryFrom<Vec<u8>>,
    {
        let text = String::deserialize(from)?;
        let bytes = super::from_hex(&text).and_then(|bytes| T::try_from(bytes).ok());
        bytes.ok_or_else(|| D::Error::custom("not hex of the right length"))
    }
}

/// The fingerprint of an SSH key, for serde.
pub(super) mod ssh {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::state) fn serialize<S: Serializer>(
        hash: &[u8; 32],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::ssh_fingerprint(hash))
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        super::from_ssh_fingerprint(&text)
            .ok_or_else(|| D::Error::custom("not the fingerprint of an SSH key"))
    }
}

/// A moment as RFC 3339, for serde.
pub(super) mod at {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    pub(in crate::state) fn serialize<S: Serializer>(
        at: &SystemTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::rfc3339(*at))
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        let at = OffsetDateTime::parse(&text, &Rfc3339);
        at.map(SystemTime::from).map_err(|_| D::Error::custom("not an RFC 3339 time"))
    }
}

/// A moment that may not have come, for serde.
pub(super) mod some_at {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(in crate::state) fn serialize<S: Serializer>(
        at: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(super::rfc3339).serialize(to)
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        #[derive(Deserialize)]
        struct At(#[serde(with = "super::at")] SystemTime);
        Ok(Option::<At>::deserialize(from)?.map(|At(at)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_and_whole_seconds() {
        assert_eq!(rfc3339(moment(1_772_366_400)), "2026-03-01T12:00:00Z");
        let between = moment(1_772_366_400) + Duration::from_millis(999);
        assert_eq!(rfc3339(between), "2026-03-01T12:00:00Z");
    }

    #[test]
    fn hex_is_read_as_people_paste_it() {
        for text in ["ab01", "AB01", "AB:01"] {
            assert_eq!(from_hex(text), Some(vec![0xab, 1]));
        }
        for bad in ["a", "xy", "ab 01"] {
            assert_eq!(from_hex(bad), None);
        }
    }
}

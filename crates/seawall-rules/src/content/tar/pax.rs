//! pax records (POSIX.1-2001): `LENGTH KEY=VALUE\n`, which say more of the next entry than its
//! header can hold.

use super::Malformed;

/// What records say of the entry that follows, as far as the engine reads it.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Records that go on as they came: times, and the extended attributes of [`is_kept`].
    pub(super) kept: Vec<(String, Vec<u8>)>,
}

/// Reads the records of one entry.
pub(super) fn read(data: &[u8]) -> Result<Records, Malformed> {
    let mut records = Records::default();
    let mut seen: Vec<String> = Vec::new();
    for record in split(data) {
        let (key, value) = record?;
        if seen.iter().any(|before| before == key) {
            return Err(Malformed("a pax record is given twice"));
        }
        seen.push(key.to_owned());
        match key {
            "path" => records.path = Some(path(value)?),
            "linkpath" => records.link = Some(path(value)?),
            "size" => records.size = Some(decimal(value)?),
            "uid" => records.uid = Some(decimal(value)?),
            "gid" => records.gid = Some(decimal(value)?),
            "mtime" | "atime" if is_time(value) => {
                records.kept.push((key.to_owned(), value.to_vec()));
            }
            "mtime" | "atime" => return Err(Malformed("a time in a pax record is malformed")),
            key if key.starts_with("GNU.sparse.") => {
                return Err(Malformed("sparse files are not taken"));
            }
            key if is_kept(key) => records.kept.push((key.to_owned(), value.to_vec())),
            // The engine reads no other.
            _ => {}
        }
    }
    Ok(records)
}

/// Whether records for all that follows say nothing that a reader could act on.
pub(super) fn are_remarks(data: &[u8]) -> Result<bool, Malformed> {
    for record in split(data) {
        if record?.0 != "comment" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Extended attributes that stay within the container; `trusted.overlay.*` would speak to the
/// host's storage driver.
fn is_kept(key: &str) -> bool {
    key.strip_prefix("SCHILY.xattr.")
        .is_some_and(|name| name == "security.capability" || name.starts_with("user."))
}

fn split(mut data: &[u8]) -> impl Iterator<Item = Result<(&str, &[u8]), Malformed>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let Some((record, rest)) = first(data) else {
            data = &[];
            return Some(Err(Malformed("a pax record is malformed")));
        };
        data = rest;
        Some(Ok(record))
    })
}

/// The first record, and what follows it.
#[expect(clippy::type_complexity, reason = "a pair of pairs, read by one caller")]
fn first(data: &[u8]) -> Option<((&str, &[u8]), &[u8])> {
    let space = data.iter().take(MAX_DIGITS).position(|&byte| byte == b' ')?;
    let digits = &data[..space];
    if digits.first() == Some(&b'0') {
        return None;
    }
    let length = usize::try_from(decimal(digits).ok()?).ok()?;
    let (record, rest) = data.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let key = std::str::from_utf8(&text[..equals]).ok().filter(|key| !key.is_empty())?;
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(((key, &text[equals + 1..]), rest))
}

/// The length of a record has no more digits.
const MAX_DIGITS: usize = 10;

fn path(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    if value.is_empty() || value.contains(&0) {
        return Err(Malformed("a name in a pax record is empty or has a NUL"));
    }
    Ok(value.to_vec())
}

fn decimal(value: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(value).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(Malformed("a number in a pax record is malformed"))
}

/// Seconds, with a fraction or without, before 1970 or after.
fn is_time(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let digits =
        |part: &[u8], most| (1..=most).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(|whole| digits(whole, 18))
        && parts.next().is_none_or(|f| digits(f, 18))
}

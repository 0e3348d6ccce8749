//! Protocol buffers (proto3), as far as BuildKit's messages need them, read more strictly than
//! its own readers do: nothing is there twice that can be there once, and nothing is skipped.

/// Why bytes are not taken for a message.
pub(super) type Bad = &'static str;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Numbers, booleans and enumerations.
    Number(u64),
    /// Texts, bytes and messages.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Result<u64, Bad> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => Err("a number of it is none"),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Bad> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err("a text of it is none"),
        }
    }

    pub(super) fn text(self) -> Result<String, Bad> {
        let bytes = self.bytes()?.to_vec();
        String::from_utf8(bytes).map_err(|_| "a text of it is no UTF-8")
    }
}

/// The fields of a message, in the order in which they come.
pub(super) fn fields(mut bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Bad> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = u32::try_from(key >> 3).map_err(|_| "a field of it has no such number")?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|_| CUT)?;
                let (value, rest) = bytes.split_at_checked(length).ok_or(CUT)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => return Err("a field of it is of a type that no message of BuildKit has"),
        };
        fields.push((number, value));
    }
    Ok(fields)
}

/// Refuses fields that are there twice, but for those that may be.
pub(super) fn once(fields: &[(u32, Value<'_>)], repeated: &[u32]) -> Result<(), Bad> {
    let mut seen = std::collections::BTreeSet::new();
    match fields.iter().all(|(number, _)| repeated.contains(number) || seen.insert(*number)) {
        true => Ok(()),
        false => Err("a field of it is there twice"),
    }
}

/// One entry of a map from text to text.
pub(super) fn entry(value: Value<'_>) -> Result<(String, String), Bad> {
    let fields = fields(value.bytes()?)?;
    once(&fields, &[])?;
    let mut entry = (String::new(), String::new());
    for (number, value) in fields {
        match number {
            1 => entry.0 = value.text()?,
            2 => entry.1 = value.text()?,
            _ => return Err(UNKNOWN),
        }
    }
    Ok(entry)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Bad> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(CUT)?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number of it is too large")
}

/// Writes a number; zero is what is not there.
pub(super) fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(out, u64::from(field) << 3);
        put_varint(out, number);
    }
}

/// Writes a text, bytes or a message, also an empty one.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a text; an empty one is what is not there.
pub(super) fn put_text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, field, text.as_bytes());
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "seven bits are left")]
    out.push(number as u8);
}

const CUT: Bad = "it is cut short";
pub(super) const UNKNOWN: Bad = "it has a field that is not known";

//! Stage 3: a JSON body, read as the engine must read it and written afresh.
//!
//! Go's `encoding/json` matches field names without case, lets a later duplicate win for
//! scalars and *merges* it for objects, and takes `null` as "leave it". So two readers of one
//! body agree only where no name occurs twice in any case; everything else is refused.

mod numbers;
mod read;

use std::fmt;

use serde::de::DeserializeSeed;
use serde_json::Value;

use crate::escape::quoted;
use crate::verdict::Refusal;

/// How deep arrays and objects may lie in one another. Service specs reach nine.
pub const MAX_DEPTH: usize = 64;

/// How many values a document may have, so that a body costs only a few times its size.
pub const MAX_VALUES: usize = 100_000;

/// When two names of one object are the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Only when equal: a document that Go decodes into a map, such as `buildargs`, where
    /// clients send `HTTP_PROXY` and `http_proxy` side by side.
    Exact,
    /// When equal under Go's case folding: anything with fields, such as a request body.
    Folded,
}

/// A judged JSON document: exactly one value, no duplicate keys under Go's case folding at any
/// level, within the bounds. It is forwarded as its own serialisation. Its debug form shows the
/// names at its top only.
#[derive(Clone, PartialEq)]
pub struct Document(Value);

impl Document {
    /// A document that was changed after it was read: references by their full ids, labels of
    /// the gate's own.
    pub(crate) fn of(value: Value) -> Self {
        Self(value)
    }

    /// Its value, to be changed.
    pub(crate) fn into_value(self) -> Value {
        self.0
    }

    /// The document's value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The names of the document's top level, in order; none where it is no object.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str))
    }

    /// The top-level field that Go would decode into the field `name`; see [`field`].
    pub fn field(&self, name: &str) -> Option<&Value> {
        field(&self.0, name)
    }

    /// The bytes that go to the engine. Reading them again gives an equal document.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document ")?;
        f.debug_set().entries(self.names()).finish()
    }
}

/// Reads one JSON document whose objects have fields; bounding its size is the caller's.
///
/// # Errors
/// A [`Refusal`] with status 400 for anything that two decoders could read two ways, or that
/// could not be written again with the same meaning.
pub fn parse(body: &[u8]) -> Result<Document, Refusal> {
    parse_with(body, Names::Folded)
}

/// Reads one JSON document under another notion of duplicate names.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(body: &[u8], names: Names) -> Result<Document, Refusal> {
    let limits = read::Limits::new(names);
    let mut decoder = serde_json::Deserializer::from_slice(body);
    let value = limits.document().deserialize(&mut decoder);
    let value = value.and_then(|value| decoder.end().map(|()| value)).map_err(|error| {
        // The decoder's own words may quote the body, and secrets with it.
        limits.take_refusal().unwrap_or_else(|| {
            Refusal::malformed(
                "body.syntax",
                format!(
                    "the body is not one JSON document (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            )
        })
    })?;
    numbers::check(body)?;
    Ok(Document(value))
}

/// The member of the object `value` that Go's `encoding/json` would decode into a field called
/// `name`. In a [`Document`] read with [`Names::Folded`] there is never more than one.
pub fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| same_field(key, name)).map(|(_, member)| member))
}

/// Whether Go's `encoding/json` takes `a` and `b` for the same field name (its `foldName`). Field
/// names are ASCII, and outside ASCII only the Kelvin sign and the long s fold into it.
pub fn same_field(a: &str, b: &str) -> bool {
    folded(a).eq(folded(b))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        _ => c.to_ascii_lowercase(),
    })
}

/// A name that occurs twice under folding. Sorting needs no hash that a client could attack.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable_by(|a, b| folded(a).cmp(folded(b)));
    names.windows(2).find(|pair| same_field(pair[0], pair[1])).map(|pair| pair[1])
}

fn duplicate(name: &str) -> Refusal {
    Refusal::malformed(
        "body.duplicate",
        format!("the body has the name {} more than once in one object", quoted(name.as_bytes())),
    )
}

#[cfg(test)]
mod tests;

//! Stage 3: a JSON body, read as the engine must read it and written afresh.

use crate::verdict::Refusal;

/// A judged JSON document: exactly one value, no duplicate keys under Go's case folding at any
/// level, within the bounds. It is forwarded as its own serialisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(serde_json::Value);

impl Document {
    /// The document's value.
    pub fn value(&self) -> &serde_json::Value {
        &self.0
    }

    /// The bytes that go to the engine.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// Reads one JSON document.
///
/// # Errors
/// A [`Refusal`] with status 400 for anything that two decoders could read two ways.
pub fn parse(body: &[u8]) -> Result<Document, Refusal> {
    let _ = body;
    Err(Refusal::malformed("body.malformed", "not built yet"))
}

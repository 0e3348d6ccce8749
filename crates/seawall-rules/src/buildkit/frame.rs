//! gRPC's framing of messages: a byte that says whether one is compressed, its length in four
//! bytes, the message.

use super::unreadable;
use crate::verdict::Refusal;

/// Before each message.
const HEAD: usize = 5;

/// Splits a stream into messages.
#[derive(Debug)]
pub(super) struct Frames {
    held: Vec<u8>,
    max: usize,
}

impl Frames {
    /// For messages of at most so many bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { held: Vec::new(), max }
    }

    pub(super) fn push(&mut self, input: &[u8]) {
        self.held.extend_from_slice(input);
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let Some((head, rest)) = self.held.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [compressed, length @ ..] = *head;
        if compressed != 0 {
            return Err(unreadable("a message", "it is compressed"));
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > self.max {
            return Err(unreadable("a message", "it is too large"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = rest[..length].to_vec();
        self.held.drain(..HEAD + length);
        Ok(Some(message))
    }

    /// The stream has ended.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        match self.held.is_empty() {
            true => Ok(()),
            false => Err(unreadable("a message", "it is cut short")),
        }
    }
}

/// Appends a message in its frame.
pub(super) fn put(out: &mut Vec<u8>, message: &[u8]) {
    // INVARIANT: no message that is written is longer than what was read for it, and little more.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    out.push(0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
}

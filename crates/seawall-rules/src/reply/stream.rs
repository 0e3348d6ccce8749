//! The editor: follows the outline of a reply and holds what the table calls an element.

use super::edit;
use super::shape::{Item, Shape};
use super::{Broken, Edit, MAX_ELEMENT, table};
use crate::operation::Operation;

/// Edits one reply as it passes.
pub struct Editor {
    edit: Edit,
    reply: &'static Shape,
    /// The arrays and objects around what comes next that are not held whole.
    around: Vec<Around>,
    next: Next,
    /// The bytes of the name or value that is being held, and how it is followed.
    held: Vec<u8>,
    holding: Option<Holding>,
    /// The last name that was read, quotes included.
    name: Vec<u8>,
    /// The engine marks what comes next as RFC 7464 does.
    marked: bool,
}

struct Around {
    inside: Inside,
    /// Something in it was written.
    written: bool,
}

#[derive(Clone, Copy)]
enum Inside {
    Array(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
}

/// What the grammar has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A value, or the end of the array that was just opened.
    FirstItem,
    /// A name, or the end of the object that was just opened.
    FirstName,
    Name,
    Colon,
    Value,
    CommaOrEnd,
    /// Nothing, or in a stream the next value.
    End,
}

/// Whether a name is held or a value, and how far into it we are.
#[derive(Clone, Copy)]
struct Holding {
    what: What,
    depth: usize,
    text: Text,
}

#[derive(Clone, Copy)]
enum What {
    Name,
    Item(&'static Item),
    /// A member that no row names.
    Member,
    /// `null` in place of an array or object that would have elements.
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor").field("edit", &self.edit).finish_non_exhaustive()
    }
}

impl Editor {
    /// An editor of the reply of an operation; `None` where `edit` changes nothing in it.
    pub fn new(operation: Operation, edit: &Edit) -> Option<Self> {
        let reply = table::shape(operation).filter(|_| edit.concerns(operation))?;
        Some(Self {
            edit: edit.clone(),
            reply,
            around: Vec::new(),
            next: Next::Value,
            held: Vec::new(),
            holding: None,
            name: Vec::new(),
            marked: false,
        })
    }

    /// Takes the next bytes of the reply and adds what goes on of them to `out`.
    ///
    /// # Errors
    /// [`Broken`]; the reply must end here. What was written so far was edited.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = match self.holding {
                Some(holding) => self.hold(holding, bytes, out)?,
                None => self.outline(bytes, out)?,
            };
        }
        Ok(())
    }

    /// Takes the end of the reply.
    ///
    /// # Errors
    /// [`Broken::CutShort`], or as [`Self::push`].
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        // A number ends where everything does.
        if let Some(Holding { what, depth: 0, text: Text::Outside }) = self.holding {
            self.finish(what, out)?;
        }
        // A reply of no bytes tells nothing.
        let begun = !matches!(self.next, Next::End | Next::Value) || self.holding.is_some();
        if begun || !self.around.is_empty() { Err(Broken::CutShort) } else { Ok(()) }
    }

    /// Bytes it has room for in what it holds.
    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        self.held.capacity()
    }

    /// One byte of the outline.
    fn outline<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Broken> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
        if byte.is_ascii_whitespace() {
            return Ok(rest);
        }
        let inside = self.around.last().map(|around| around.inside);
        match (self.next, inside, byte) {
            (Next::FirstItem | Next::CommaOrEnd, Some(Inside::Array(_)), b']')
            | (Next::FirstName | Next::CommaOrEnd, Some(Inside::Object(_)), b'}') => {
                self.around.pop();
                out.push(byte);
                self.written();
                Ok(rest)
            }
            (Next::CommaOrEnd, Some(Inside::Array(_)), b',') => self.expect(Next::Value, rest),
            (Next::CommaOrEnd, Some(Inside::Object(_)), b',') => self.expect(Next::Name, rest),
            (Next::Colon, _, b':') => self.expect(Next::Value, rest),
            (Next::FirstName | Next::Name, _, b'"') => {
                self.begin(What::Name);
                Ok(bytes)
            }
            (Next::Value | Next::FirstItem, Some(Inside::Array(items)), _) => {
                self.value(Some(items), bytes, out)
            }
            (Next::Value, Some(Inside::Object(members)), _) => {
                let name = edit::text(&self.name)?;
                let named = |(known, _): &&(&str, Shape)| known.eq_ignore_ascii_case(&name);
                self.value(members.iter().find(named).map(|(_, shape)| shape), bytes, out)
            }
            (Next::Value | Next::End, None, RECORD_SEPARATOR) if self.is_stream() => {
                self.marked = true;
                Ok(rest)
            }
            (Next::Value, None, _) => self.value(Some(self.reply), bytes, out),
            (Next::End, None, _) if self.is_stream() => self.value(Some(self.reply), bytes, out),
            _ => Err(Broken::Malformed),
        }
    }

    /// Begins a value: opens what has elements, holds all else.
    fn value<'a>(
        &mut self,
        shape: Option<&'static Shape>,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Broken> {
        let (inside, next) = match (shape, bytes.first()) {
            (None, _) => {
                self.begin(What::Member);
                return Ok(bytes);
            }
            (Some(Shape::One(item) | Shape::Stream(item)), _) => {
                self.begin(What::Item(item));
                return Ok(bytes);
            }
            (Some(Shape::Array(items)), Some(b'[')) => (Inside::Array(items), Next::FirstItem),
            (Some(Shape::Object(members)), Some(b'{')) => {
                (Inside::Object(members), Next::FirstName)
            }
            (Some(Shape::Array(_) | Shape::Object(_)), Some(b'n')) => {
                self.begin(What::Null);
                return Ok(bytes);
            }
            (Some(Shape::Array(_) | Shape::Object(_)), _) => return Err(Broken::OtherShape),
        };
        self.introduce(out);
        let (open, rest) = bytes.split_at(1);
        out.extend_from_slice(open);
        self.around.push(Around { inside, written: false });
        self.expect(next, rest)
    }

    /// Holds more of a value, and edits it at its end.
    fn hold<'a>(
        &mut self,
        mut holding: Holding,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Broken> {
        let (length, ended) = holding.follow(bytes, self.held.is_empty());
        let (more, rest) = bytes.split_at(length);
        if self.held.len() + more.len() > MAX_ELEMENT {
            return Err(Broken::TooLarge);
        }
        self.held.extend_from_slice(more);
        if ended {
            self.finish(holding.what, out)?;
        } else {
            self.holding = Some(holding);
        }
        Ok(rest)
    }

    fn finish(&mut self, what: What, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.holding = None;
        let mut held = std::mem::take(&mut self.held);
        match what {
            What::Name => {
                std::mem::swap(&mut held, &mut self.name);
                self.next = Next::Colon;
            }
            What::Null if held != b"null" => return Err(Broken::Malformed),
            What::Null | What::Member => {
                let value = edit::raw(&held)?;
                self.introduce(out);
                // What might be a list that no row knows yet is not shown.
                let shown = if is_plain(&held) { value.get() } else { "null" };
                out.extend_from_slice(shown.as_bytes());
                self.written();
            }
            What::Item(item) => {
                let value = edit::raw(&held)?;
                let stays = edit::stays(item, value, &self.edit)?;
                if stays {
                    self.introduce(out);
                    edit::apply(&item.rule, value, &self.edit, out)?;
                    if self.is_stream() {
                        out.push(b'\n');
                    }
                }
                self.marked = false;
                if stays {
                    self.written();
                } else {
                    self.next = if self.around.is_empty() { Next::End } else { Next::CommaOrEnd };
                }
            }
        }
        // Its room serves the next one.
        held.clear();
        self.held = held;
        Ok(())
    }

    /// Writes what stands before a value: a comma, a name, a mark.
    fn introduce(&mut self, out: &mut Vec<u8>) {
        if let Some(around) = self.around.last() {
            if around.written {
                out.push(b',');
            }
            if let Inside::Object(_) = around.inside {
                out.extend_from_slice(&self.name);
                out.push(b':');
            }
        }
        if self.marked {
            out.push(RECORD_SEPARATOR);
        }
    }

    /// A value has been written.
    fn written(&mut self) {
        match self.around.last_mut() {
            Some(around) => {
                around.written = true;
                self.next = Next::CommaOrEnd;
            }
            None => self.next = Next::End,
        }
    }

    fn begin(&mut self, what: What) {
        self.holding = Some(Holding { what, depth: 0, text: Text::Outside });
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends an arm")]
    fn expect<'a>(&mut self, next: Next, rest: &'a [u8]) -> Result<&'a [u8], Broken> {
        self.next = next;
        Ok(rest)
    }

    fn is_stream(&self) -> bool {
        matches!(self.reply, Shape::Stream(_))
    }
}

impl Holding {
    /// How much of `bytes` belongs to the value, and whether it ends there. Whether it is JSON is
    /// seen when all of it is there.
    fn follow(&mut self, bytes: &[u8], first: bool) -> (usize, bool) {
        let mut at = 0;
        let mut is_first = first;
        while let Some(&byte) = bytes.get(at) {
            match (self.text, byte) {
                (Text::Escaped, _) => self.text = Text::Inside,
                (Text::Inside, b'"') => {
                    self.text = Text::Outside;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                (Text::Inside, b'\\') => self.text = Text::Escaped,
                (Text::Inside, _) => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    is_first = false;
                    continue;
                }
                (Text::Outside, b'"') if is_first || self.depth > 0 => self.text = Text::Inside,
                (Text::Outside, b'{' | b'[') if is_first || self.depth > 0 => self.depth += 1,
                (Text::Outside, b'}' | b']') if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                // A number or a word ends before what cannot be in one.
                (Text::Outside, _) if self.depth == 0 && !is_first && !is_in_word(byte) => {
                    return (at, true);
                }
                (Text::Outside, _) => {}
            }
            is_first = false;
            at += 1;
        }
        (at, false)
    }
}

fn is_plain(value: &[u8]) -> bool {
    !matches!(value.first(), Some(b'[' | b'{'))
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Of `application/json-seq`.
const RECORD_SEPARATOR: u8 = 0x1e;

//! The words in which the fields of a body are written, and the walk that reads a body by them.
//!
//! A schema is closed: a field it does not have is unknown, one that is spelled otherwise is
//! refused, and so is a value of another type than the engine decodes.

use serde_json::{Map, Value};

use super::{Ask, Escape, Fact, Facts};
use crate::escape::quoted;
use crate::json::same_field;
use crate::verdict::Refusal;

/// Unknown fields that `admin` may send in one body: each is recorded by name.
const MAX_UNKNOWN: usize = 16;

/// The fields an object may have.
#[derive(Debug)]
pub struct Schema {
    fields: &'static [Field],
    more: &'static [Field],
    whole: Option<Judge>,
    /// What it is, where it is no object: the few bodies that are lists.
    list: Option<Shape>,
}

/// What reads facts out of a value whose type has been checked.
type Judge = fn(&Value, &mut Reader);

/// One field, as the Engine API spells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    meaning: Meaning,
}

/// The JSON type that Go decodes into the field. `null` is always one: it changes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Truth,
    /// A signed 64-bit integer.
    Integer,
    Integers,
    /// Any number: the one ratio there is.
    Number,
    Text,
    Texts,
    /// `Cmd` and `Entrypoint`: a list, or one text for a list of one.
    Words,
    /// Lists of texts in a list: the capabilities of a device request.
    Alternatives,
    /// Names with a text each.
    TextMap,
    /// Names with nothing: `{"80/tcp": {}}`.
    Names,
    Object(&'static Schema),
    List(&'static Schema),
    /// Names with an object each.
    Map(&'static Schema),
    /// Names with a list of objects each.
    ListMap(&'static Schema),
}

/// What follows from a field that is set.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// Nothing that any role would mind.
    Harmless,
    /// The function says what.
    Judged(Judge),
    /// Whatever it is, but for Go's zero value, it gives the host or others away.
    Escape(&'static Escape),
    /// As `Escape`, and an empty list is not the same as none.
    EscapeUnlessNull(&'static Escape),
}

pub(super) const fn schema(fields: &'static [Field]) -> Schema {
    Schema { fields, more: &[], whole: None, list: None }
}

/// A body that is a list of this shape.
pub(super) const fn list_of(list: Shape) -> Schema {
    Schema { fields: &[], more: &[], whole: None, list: Some(list) }
}

/// A field that asks for nothing by itself; what is inside it may.
pub(super) const fn harmless(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, meaning: Meaning::Harmless }
}

pub(super) const fn judged(name: &'static str, shape: Shape, judge: Judge) -> Field {
    Field { name, shape, meaning: Meaning::Judged(judge) }
}

pub(super) const fn escapes(name: &'static str, shape: Shape, escape: &'static Escape) -> Field {
    Field { name, shape, meaning: Meaning::Escape(escape) }
}

pub(super) const fn escapes_even_empty(
    name: &'static str,
    shape: Shape,
    escape: &'static Escape,
) -> Field {
    Field { name, shape, meaning: Meaning::EscapeUnlessNull(escape) }
}

impl Schema {
    /// With fields that another schema has as well.
    pub(super) const fn with(mut self, more: &'static [Field]) -> Self {
        self.more = more;
        self
    }

    /// With a function that reads what several fields say together, or what is left out.
    pub(super) const fn and(mut self, whole: Judge) -> Self {
        self.whole = Some(whole);
        self
    }

    /// Reads a body, or the part of one.
    ///
    /// # Errors
    /// A [`Refusal`] with status 400 for a field spelled otherwise than the Engine API spells it,
    /// a value of the wrong type, or too many unknown fields.
    pub(super) fn read(&self, body: &Value, facts: &mut Facts) -> Result<(), Refusal> {
        let mut reader = Reader { path: String::new(), facts: std::mem::take(facts) };
        let read = match self.list {
            Some(list) => list.read(body, &mut reader),
            None => self.walk(body, &mut reader),
        };
        *facts = reader.facts;
        read
    }

    fn walk(&self, value: &Value, reader: &mut Reader) -> Result<(), Refusal> {
        let Some(members) = members(value, reader)? else { return Ok(()) };
        for (name, member) in members {
            let length = reader.path.len();
            reader.enter(name);
            match self.fields().find(|field| field.name == name) {
                Some(field) => field.read(member, reader)?,
                None => self.unknown(name, reader)?,
            }
            reader.path.truncate(length);
        }
        if let Some(whole) = self.whole {
            whole(value, reader);
        }
        Ok(())
    }

    fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().chain(self.more)
    }

    fn unknown(&self, name: &str, reader: &mut Reader) -> Result<(), Refusal> {
        let shown = quoted(reader.path.as_bytes());
        if let Some(known) = self.fields().find(|field| same_field(field.name, name)) {
            return Err(Refusal::malformed(
                "body.case",
                format!("the body has the field {shown}, which must be spelled `{}`", known.name),
            ));
        }
        if reader.facts.unknown.len() == MAX_UNKNOWN {
            return Err(Refusal::malformed(
                "body.too-many-unknown",
                format!("the body has more than {MAX_UNKNOWN} unknown fields"),
            ));
        }
        reader.facts.unknown.push(reader.path.clone());
        Ok(())
    }
}

impl Field {
    fn read(&self, value: &Value, reader: &mut Reader) -> Result<(), Refusal> {
        self.shape.read(value, reader)?;
        match self.meaning {
            Meaning::Harmless => {}
            Meaning::Judged(judge) => judge(value, reader),
            Meaning::Escape(escape) if !is_zero(value) => reader.escape(escape, value),
            Meaning::EscapeUnlessNull(escape) if !value.is_null() => reader.escape(escape, value),
            Meaning::Escape(_) | Meaning::EscapeUnlessNull(_) => {}
        }
        Ok(())
    }
}

impl Shape {
    /// Checks the type, and reads the objects inside by their own schema.
    fn read(self, value: &Value, reader: &mut Reader) -> Result<(), Refusal> {
        let texts =
            |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
        let every = |is: fn(&Value) -> bool| {
            value.as_object().is_some_and(|all| all.values().all(|v| v.is_null() || is(v)))
        };
        let fits = value.is_null()
            || match self {
                Self::Truth => value.is_boolean(),
                Self::Integer => value.is_i64(),
                Self::Integers => value.as_array().is_some_and(|all| all.iter().all(Value::is_i64)),
                Self::Number => value.is_number(),
                Self::Text => value.is_string(),
                Self::Texts => texts(value),
                Self::Words => value.is_string() || texts(value),
                Self::Alternatives => value.as_array().is_some_and(|all| all.iter().all(texts)),
                Self::TextMap => every(Value::is_string),
                Self::Names => every(|v| v.as_object().is_some_and(Map::is_empty)),
                Self::Object(schema) => return schema.walk(value, reader),
                Self::List(schema) => return list(schema, value, reader),
                Self::Map(schema) => {
                    return each_member(value, reader, |member, reader| {
                        schema.walk(member, reader)
                    });
                }
                Self::ListMap(schema) => {
                    return each_member(value, reader, |member, reader| {
                        list(schema, member, reader)
                    });
                }
            };
        if fits { Ok(()) } else { Err(wrong_type(reader)) }
    }
}

fn list(schema: &Schema, value: &Value, reader: &mut Reader) -> Result<(), Refusal> {
    match value {
        Value::Null => Ok(()),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            let length = reader.path.len();
            reader.path += &format!("[{index}]");
            schema.walk(item, reader)?;
            reader.path.truncate(length);
            Ok(())
        }),
        _ => Err(wrong_type(reader)),
    }
}

fn each_member(
    value: &Value,
    reader: &mut Reader,
    mut read: impl FnMut(&Value, &mut Reader) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(members) = members(value, reader)? else { return Ok(()) };
    for (name, member) in members {
        let length = reader.path.len();
        reader.enter(name);
        read(member, reader)?;
        reader.path.truncate(length);
    }
    Ok(())
}

/// `None` for `null`.
fn members<'a>(
    value: &'a Value,
    reader: &Reader,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::Object(members) => Ok(Some(members)),
        _ => Err(wrong_type(reader)),
    }
}

fn wrong_type(reader: &Reader) -> Refusal {
    Refusal::malformed(
        "body.type",
        format!("the body's {} is not of the JSON type it must be", quoted(reader.path.as_bytes())),
    )
}

/// Go's zero value, or an empty map or list: what a client sends that sets everything.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Where in the body the walk is, and what it has found.
#[derive(Debug)]
pub(super) struct Reader {
    path: String,
    facts: Facts,
}

impl Reader {
    /// Notes what the present field asks for.
    pub(super) fn ask(&mut self, ask: Ask) {
        self.facts.asks.push(Fact { field: self.path.clone(), ask });
    }

    /// As [`Self::ask`], for a field inside the present one.
    pub(super) fn ask_in(&mut self, inside: &str, ask: Ask) {
        let length = self.path.len();
        if !inside.starts_with('[') && !self.path.is_empty() {
            self.path.push('.');
        }
        self.path += inside;
        self.ask(ask);
        self.path.truncate(length);
    }

    /// Notes that the present field, with this value, is on the escalation catalogue.
    pub(super) fn escape(&mut self, escape: &'static Escape, value: &Value) {
        self.ask(Ask::Escape(escape, shown(value)));
    }

    /// As [`Self::escape`], for a field inside the present one.
    pub(super) fn escape_in(&mut self, inside: &str, escape: &'static Escape, value: &Value) {
        self.ask_in(inside, Ask::Escape(escape, shown(value)));
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path += name;
    }
}

/// A value in a sentence. What is inside maps may be a password (`DriverOpts`), so of them only
/// the names are shown.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text.as_bytes()),
        Value::Array(items) if items.is_empty() => "empty".to_owned(),
        Value::Array(items) => items.iter().take(2).map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => members
            .keys()
            .take(2)
            .map(|name| quoted(name.as_bytes()))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

//! The decoder's visitor: builds a [`Value`] while it watches depth, size and names.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::{MAX_DEPTH, MAX_VALUES, Names, duplicate, repeated};
use crate::verdict::Refusal;

/// What is left to one document, and why it was refused: `serde` carries no reasons of ours.
pub(super) struct Limits {
    names: Names,
    values: Cell<usize>,
    refusal: RefCell<Option<Refusal>>,
}

impl Limits {
    pub(super) fn new(names: Names) -> Self {
        Self { names, values: Cell::new(MAX_VALUES), refusal: RefCell::new(None) }
    }

    /// The seed of the whole document.
    pub(super) fn document(&self) -> Node<'_> {
        Node { limits: self, depth: MAX_DEPTH }
    }

    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.take()
    }

    fn refuse<T, E: Error>(&self, refusal: Refusal) -> Result<T, E> {
        self.refusal.replace(Some(refusal));
        Err(E::custom("refused"))
    }
}

/// One value to come, and how many levels it may have.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    limits: &'a Limits,
    depth: usize,
}

impl Node<'_> {
    /// The seed of the values inside this one.
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => self.limits.refuse(Refusal::malformed(
                "body.too-deep",
                format!("the body nests deeper than {MAX_DEPTH} levels"),
            )),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, decoder: D) -> Result<Value, D::Error> {
        let Some(left) = self.limits.values.get().checked_sub(1) else {
            return self.limits.refuse(Refusal::malformed(
                "body.too-many-values",
                format!("the body has more than {MAX_VALUES} values"),
            ));
        };
        self.limits.values.set(left);
        decoder.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = members.next_value_seed(inner)?;
            match object.entry(name) {
                Entry::Vacant(free) => free.insert(member),
                Entry::Occupied(taken) => return self.limits.refuse(duplicate(taken.key())),
            };
        }
        if self.limits.names == Names::Folded
            && let Some(name) = repeated(object.keys().map(String::as_str))
        {
            return self.limits.refuse(duplicate(name));
        }
        Ok(Value::Object(object))
    }
}

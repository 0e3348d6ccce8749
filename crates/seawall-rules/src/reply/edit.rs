//! One element, whole: whether it stays, and what of it is shown. All that no rule names is
//! copied as it stands.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::shape::{Item, Rule, Whose};
use super::{Broken, Edit, Kind, redact};

/// The members of an object as they stand, their names with their quotes.
pub(super) struct Members<'a>(pub(super) Vec<(&'a RawValue, &'a RawValue)>);

/// Exactly one JSON value.
pub(super) fn raw(bytes: &[u8]) -> Result<&RawValue, Broken> {
    serde_json::from_slice(bytes).map_err(|_| Broken::Malformed)
}

/// A text without its quotes and escapes.
pub(super) fn text(json: &[u8]) -> Result<Cow<'_, str>, Broken> {
    if !json.contains(&b'\\') {
        let inner = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
        let inner = inner.and_then(|inner| std::str::from_utf8(inner).ok());
        return inner.map(Cow::Borrowed).ok_or(Broken::Malformed);
    }
    serde_json::from_slice(json).map(Cow::Owned).map_err(|_| Broken::Malformed)
}

/// Reads a value that was found to be JSON.
pub(super) fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, Broken> {
    serde_json::from_str(value.get()).map_err(|_| Broken::Malformed)
}

/// Whether an element stays. One whose id cannot be told does not.
pub(super) fn stays(item: &Item, value: &RawValue, edit: &Edit) -> Result<bool, Broken> {
    let Some(keep) = &edit.keep else { return Ok(true) };
    let (kind, id) = match &item.whose {
        Whose::Nobody => return Ok(true),
        Whose::Id(kind, name) => (*kind, member(Some(value), name)?),
        Whose::Event => {
            let about = member(Some(value), "Type")?.map(text_of).transpose()?;
            (event(about.as_deref()), member(member(Some(value), "Actor")?, "ID")?)
        }
    };
    let id = id.map(text_of).transpose()?;
    Ok(id.is_some_and(|id| keep(kind, &id)))
}

fn event(about: Option<&str>) -> Kind {
    match about {
        Some("container") => Kind::Container,
        Some("image") => Kind::Image,
        Some("network") => Kind::Network,
        Some("volume") => Kind::Volume,
        _ => Kind::Other,
    }
}

/// The last member of that name: the one that counts for who reads it.
fn member<'a>(value: Option<&'a RawValue>, name: &str) -> Result<Option<&'a RawValue>, Broken> {
    let Some(value) = value.filter(|value| opens(value) == b'{') else { return Ok(None) };
    let Members(members) = read(value)?;
    let mut found = None;
    for (key, member) in members {
        if text_of(key)?.eq_ignore_ascii_case(name) {
            found = Some(member);
        }
    }
    Ok(found)
}

/// A text, or none that is empty for any other value.
fn text_of(value: &RawValue) -> Result<Cow<'_, str>, Broken> {
    if opens(value) == b'"' { text(value.get().as_bytes()) } else { Ok(Cow::Borrowed("")) }
}

/// Writes a value as far as it is shown.
pub(super) fn apply(
    rule: &Rule,
    value: &RawValue,
    edit: &Edit,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    match (rule, opens(value)) {
        (Rule::Pass, _) | (_, b'n') => copy(value, out),
        (Rule::Fields(fields), b'{') => {
            let rule = |name: &str| {
                let field = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                field.map_or(&Rule::Pass, |(_, rule)| rule)
            };
            members(value, out, |name, member, out| apply(rule(name), member, edit, out))
        }
        (Rule::Each(rule), b'[') => items(value, out, |item, out| apply(rule, item, edit, out)),
        (Rule::Each(rule), b'{') => {
            members(value, out, |_, member, out| apply(rule, member, edit, out))
        }
        (Rule::Kept(kind), b'{') => match &edit.keep {
            None => copy(value, out),
            Some(keep) => {
                let Members(mut members) = read(value)?;
                let mut names = Vec::new();
                for (name, _) in &members {
                    names.push(text_of(name)?);
                }
                let mut names = names.iter();
                members.retain(|_| names.next().is_some_and(|name| keep(*kind, name)));
                put_members(&members, out, |_, member, out| copy(member, out))
            }
        },
        (Rule::Hide(hide), _) => match &edit.redact {
            None => copy(value, out),
            Some(redact) => redact.hide(*hide, value, out),
        },
        // Of another type than the rule is made for.
        (Rule::Fields(_) | Rule::Each(_) | Rule::Kept(_), _) => match &edit.redact {
            None => copy(value, out),
            Some(_) => redact::hide_all(value, out),
        },
    }
}

/// The first byte of a value, which says its type.
pub(super) fn opens(value: &RawValue) -> u8 {
    value.get().as_bytes().first().copied().unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "it ends an arm")]
pub(super) fn copy(value: &RawValue, out: &mut Vec<u8>) -> Result<(), Broken> {
    out.extend_from_slice(value.get().as_bytes());
    Ok(())
}

/// Writes an object, each member's value by `put`.
pub(super) fn members(
    value: &RawValue,
    out: &mut Vec<u8>,
    put: impl Fn(&str, &RawValue, &mut Vec<u8>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let Members(members) = read(value)?;
    put_members(&members, out, put)
}

fn put_members(
    members: &[(&RawValue, &RawValue)],
    out: &mut Vec<u8>,
    put: impl Fn(&str, &RawValue, &mut Vec<u8>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    out.push(b'{');
    for (at, (name, member)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        copy(name, out)?;
        out.push(b':');
        put(&text_of(name)?, member, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Writes an array, each item by `put`.
pub(super) fn items(
    value: &RawValue,
    out: &mut Vec<u8>,
    mut put: impl FnMut(&RawValue, &mut Vec<u8>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let items: Vec<&RawValue> = read(value)?;
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(item, out)?;
    }
    out.push(b']');
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        struct Object<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Object<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        decoder.deserialize_map(Object(PhantomData))
    }
}

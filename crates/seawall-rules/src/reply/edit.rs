//! One element, whole: whether it stays, and what of it is shown. All that no rule names is
//! copied as it stands.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::shape::{Item, Rule, Whose};
use super::{Broken, Claim, Edit, Keep, Kind, Object, redact};
use crate::reference::CLAIM_LABEL;

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
        let inner = inner.filter(|inner| !inner.iter().any(|byte| *byte < b' '));
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
    let text = |name| member(Some(value), name)?.map(text_of).transpose();
    let claim = || claim(member(Some(value), "Labels")?);
    match &item.whose {
        Whose::Nobody => Ok(true),
        Whose::Id(kind, name) => {
            let (id, claim) = (text(name)?, claim()?);
            let claim = Claim::Says(claim.as_deref());
            Ok(id.is_some_and(|id| keep(&Object { kind: *kind, id: &id, claim, made: None })))
        }
        Whose::Image => {
            let (id, claim) = (text("Id")?, claim()?);
            let claim = Claim::Says(claim.as_deref());
            let id = id.unwrap_or_default();
            if keep(&Object { kind: Kind::Image, id: &id, claim, made: None }) {
                return Ok(true);
            }
            // A digest is a name where there is no other.
            let tags = names(member(Some(value), "RepoTags")?)?;
            let digests = || names(member(Some(value), "RepoDigests")?);
            let names = if tags.is_empty() { digests()? } else { tags };
            Ok(names.iter().any(|name| keep(&named(name))))
        }
        Whose::Event => event(value, keep),
    }
}

/// Whether what an event is about stays.
fn event(value: &RawValue, keep: &Keep) -> Result<bool, Broken> {
    let actor = member(Some(value), "Actor")?;
    let attributes = member(actor, "Attributes")?;
    let text = |of, name| member(of, name)?.map(text_of).transpose();
    let (about, id) = (text(Some(value), "Type")?, text(actor, "ID")?.unwrap_or_default());
    let name = text(attributes, "name")?;
    let claim = claim(attributes)?;
    let labels = Claim::Says(claim.as_deref());
    let is_new = text(Some(value), "Action")?.is_some_and(|action| action == "create");
    let (kind, claim, made) = match about.as_deref() {
        Some("container") => (Kind::Container, labels, None),
        // Of a pull the id is a name.
        Some("image") if !id.starts_with("sha256:") => return Ok(keep(&named(&id))),
        Some("image") if name.as_deref().is_some_and(|name| keep(&named(name))) => return Ok(true),
        Some("image") => (Kind::Image, labels, None),
        Some("network") => (Kind::Network, Claim::Untold, name.as_deref()),
        Some("volume") => (Kind::Volume, Claim::Untold, Some(&*id)),
        _ => (Kind::Other, Claim::Untold, None),
    };
    Ok(keep(&Object { kind, id: &id, claim, made: made.filter(|_| is_new) }))
}

/// The name of an image.
fn named(name: &str) -> Object<'_> {
    Object { kind: Kind::ImageName, id: name, claim: Claim::Untold, made: None }
}

/// What labels say of the request that made what has them.
fn claim<'a>(labels: Option<&'a RawValue>) -> Result<Option<Cow<'a, str>>, Broken> {
    member(labels, CLAIM_LABEL)?.map(text_of).transpose()
}

/// The names of an image: not `<none>`, which engines before 23 write where there is none.
fn names(value: Option<&RawValue>) -> Result<Vec<Cow<'_, str>>, Broken> {
    let Some(value) = value.filter(|value| opens(value) == b'[') else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = read(value)?;
    let names = items.into_iter().map(text_of);
    names.filter(|name| !name.as_ref().is_ok_and(|name| is_none(name))).collect()
}

fn is_none(name: &str) -> bool {
    name.starts_with("<none>")
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
                let object = |id| Object { kind: *kind, id, claim: Claim::Untold, made: None };
                members.retain(|_| names.next().is_some_and(|name| keep(&object(name))));
                put_members(&members, out, |_, member, out| copy(member, out))
            }
        },
        (Rule::Kept(kind), b'[') => match &edit.keep {
            None => copy(value, out),
            Some(keep) => {
                let mut kept = Vec::new();
                for item in read::<Vec<&RawValue>>(value)? {
                    let id = text_of(item)?;
                    let object = Object { kind: *kind, id: &id, claim: Claim::Untold, made: None };
                    if is_none(&id) || keep(&object) {
                        kept.push(item);
                    }
                }
                put_items(kept, out, copy)
            }
        },
        (Rule::Figure, _) => match &edit.keep {
            None => copy(value, out),
            Some(_) => {
                out.push(b'0');
                Ok(())
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
    put_items(read(value)?, out, &mut put)
}

fn put_items(
    items: Vec<&RawValue>,
    out: &mut Vec<u8>,
    mut put: impl FnMut(&RawValue, &mut Vec<u8>) -> Result<(), Broken>,
) -> Result<(), Broken> {
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

//! What was typed: the keys of the file and the flags over them, each with its place, read by
//! name and type. Complaints are collected, and a default stands in so that reading goes on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Kind, SECTIONS, last};
use super::nearest::nearest;
use super::overrides::{Given, Overrides};
use super::problems::{Origin, Problems};
use super::units;

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Typed<T> {
    /// The value.
    pub(crate) value: T,
    /// For complaints about it.
    pub(crate) origin: Origin,
}

/// The keys of one file under the flags of one command line.
pub(crate) struct Reader<'a> {
    values: BTreeMap<&'static str, (Range<usize>, DeValue<'a>)>,
    /// The table of the roles, whose keys are names.
    pub(super) roles: Option<DeTable<'a>>,
    overrides: &'a Overrides,
    state_dir: &'a str,
    /// Everything found wrong so far.
    pub(crate) problems: Problems,
}

impl<'a> Reader<'a> {
    /// Takes the keys of `text`.
    ///
    /// # Errors
    /// Every syntax error. No key is known then, so there is nothing more to complain about.
    pub(crate) fn new(
        text: &'a str,
        overrides: &'a Overrides,
        state_dir: &'a str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        // What follows a mistake on the same line is mostly the mistake once more.
        let mut first_of_line = BTreeMap::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let line = text.get(..span.start).map(|before| before.matches('\n').count());
            let first = first_of_line.entry(line).or_insert((span.clone(), error.clone()));
            if span.start < first.0.start {
                *first = (span, error);
            }
        }
        for (span, error) in first_of_line.into_values() {
            problems.add(&Origin::File(span), error.message().replace('\n', ", "), None);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let values = BTreeMap::new();
        let mut reader = Self { values, roles: None, overrides, state_dir, problems };
        reader.take_section("", document.into_inner());
        Ok(reader)
    }

    /// The value of a key, by its type; the default of the table where it is not set.
    pub(crate) fn text(&mut self, name: &'static str) -> Typed<String> {
        self.optional_text(name).unwrap_or_else(|| {
            let DeValue::String(text) = default_of(name) else { unreachable!("{name} is text") };
            let value = text.replace("STATE", self.state_dir);
            Typed { value, origin: Origin::Default }
        })
    }

    /// As [`Self::text`], for a key that may be without a value.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Option<Typed<String>> {
        match self.overrides.values.get(name) {
            Some((flag, Given::Text(text))) => {
                return Some(Typed { value: text.clone(), origin: Origin::Flag(flag) });
            }
            Some(_) => unreachable!("{name} is text"),
            None => {}
        }
        let (span, value) = self.values.get(name)?;
        let origin = Origin::File(span.clone());
        match value {
            DeValue::String(text) => Some(Typed { value: text.to_string(), origin }),
            other => {
                let hint = suggest_quotes(name, other);
                self.wrong_type(name, origin, hint);
                None
            }
        }
    }

    /// As [`Self::text`], for a list; each element has its own origin.
    pub(crate) fn texts(&mut self, name: &'static str) -> Vec<Typed<String>> {
        match self.overrides.values.get(name) {
            Some((flag, Given::Texts(texts))) => {
                let origin = Origin::Flag(flag);
                let typed = |text: &String| Typed { value: text.clone(), origin: origin.clone() };
                return texts.iter().map(typed).collect();
            }
            Some(_) => unreachable!("{name} is a list"),
            None => {}
        }
        let Some((span, value)) = self.values.get(name) else {
            let DeValue::Array(list) = default_of(name) else { unreachable!("{name} is a list") };
            let text = |value: &Spanned<DeValue<'_>>| value.get_ref().as_str().map(str::to_owned);
            let typed = |value| Typed { value, origin: Origin::Default };
            return list.iter().filter_map(text).map(typed).collect();
        };
        let DeValue::Array(list) = value else {
            let hint = value.as_str().map(|text| format!("write `{} = [{text:?}]`", last(name)));
            self.wrong_type(name, Origin::File(span.clone()), hint);
            return Vec::new();
        };
        let (mut texts, mut wrong) = (Vec::new(), Vec::new());
        for element in list.iter() {
            let origin = Origin::File(element.span());
            match element.get_ref() {
                DeValue::String(text) => texts.push(Typed { value: text.to_string(), origin }),
                _ => wrong.push(origin),
            }
        }
        for origin in wrong {
            self.wrong_type(name, origin, None);
        }
        texts
    }

    /// As [`Self::text`], for `true` or `false`.
    pub(crate) fn truth(&mut self, name: &'static str) -> Typed<bool> {
        match self.overrides.values.get(name) {
            Some((flag, Given::Truth(value))) => {
                return Typed { value: *value, origin: Origin::Flag(flag) };
            }
            Some(_) => unreachable!("{name} is true or false"),
            None => {}
        }
        if let Some((span, value)) = self.values.get(name) {
            let origin = Origin::File(span.clone());
            match value {
                DeValue::Boolean(value) => return Typed { value: *value, origin },
                _ => self.wrong_type(name, origin, None),
            }
        }
        let DeValue::Boolean(value) = default_of(name) else {
            unreachable!("{name} is true or false")
        };
        Typed { value, origin: Origin::Default }
    }

    /// As [`Self::text`], for one of the words the table lists.
    pub(crate) fn one_of(&mut self, name: &'static str) -> String {
        let Kind::OneOf(words) = kind_of(name) else { unreachable!("{name} is a choice") };
        let typed = self.text(name);
        if words.contains(&typed.value.as_str()) {
            return typed.value;
        }
        self.wrong_value(name, &typed);
        let DeValue::String(text) = default_of(name) else { unreachable!("{name} is text") };
        text.into_owned()
    }

    /// As [`Self::text`], for a time.
    pub(crate) fn duration(&mut self, name: &'static str) -> Duration {
        let Kind::Duration(least, most) = kind_of(name) else { unreachable!("{name} is a time") };
        let typed = self.text(name);
        match units::parse_duration(&typed.value) {
            Some(value) if (least..=most).contains(&value) => value,
            Some(_) => {
                let range = (units::show_duration(least), units::show_duration(most));
                self.out_of_range(name, &typed.origin, range);
                least
            }
            None => {
                self.wrong_value(name, &typed);
                least
            }
        }
    }

    /// As [`Self::text`], for a size: a number of bytes, or text with a unit.
    pub(crate) fn size(&mut self, name: &'static str) -> u64 {
        let Kind::Size(least, most) = kind_of(name) else { unreachable!("{name} is a size") };
        let (value, origin) = match self.integer(name) {
            Some(Typed { value, origin }) => (value, origin),
            None => {
                let typed = self.text(name);
                let Some(value) = units::parse_size(&typed.value) else {
                    self.wrong_value(name, &typed);
                    return least;
                };
                (value, typed.origin)
            }
        };
        if (least..=most).contains(&value) {
            return value;
        }
        self.out_of_range(name, &origin, (units::show_size(least), units::show_size(most)));
        least
    }

    /// As [`Self::text`], for a whole number.
    pub(crate) fn count(&mut self, name: &'static str) -> usize {
        let Kind::Count(least, most) = kind_of(name) else { unreachable!("{name} is a count") };
        let Some(Typed { value, origin }) = self.integer(name) else {
            if let Some((span, _)) = self.values.get(name) {
                self.wrong_type(name, Origin::File(span.clone()), None);
            }
            let default = integer_in(&default_of(name));
            return default.and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
        };
        match usize::try_from(value) {
            Ok(count) if (least..=most).contains(&value) => count,
            _ => {
                self.out_of_range(name, &origin, (least.to_string(), most.to_string()));
                1
            }
        }
    }

    /// As [`Self::text`], for the path of a file; a relative one starts at `base`.
    pub(crate) fn path(&mut self, name: &'static str, base: &std::path::Path) -> PathBuf {
        let typed = self.text(name);
        self.path_in(name, typed, base).value
    }

    /// As [`Self::path`], for a key that may be without a value.
    pub(crate) fn optional_path(
        &mut self,
        name: &'static str,
        base: &std::path::Path,
    ) -> Option<Typed<PathBuf>> {
        let typed = self.optional_text(name)?;
        Some(self.path_in(name, typed, base))
    }

    fn path_in(
        &mut self,
        name: &'static str,
        typed: Typed<String>,
        base: &std::path::Path,
    ) -> Typed<PathBuf> {
        if typed.value.is_empty() {
            self.wrong_value(name, &typed);
        }
        // Flags were made absolute where they were typed.
        Typed { value: base.join(typed.value), origin: typed.origin }
    }

    /// Complains about a value that its key cannot have.
    pub(crate) fn wrong_value(&mut self, name: &'static str, typed: &Typed<String>) {
        let value = typed.value.escape_debug();
        let expectation = kind_of(name).expectation();
        self.problems.add(
            &typed.origin,
            format!("`{name}` cannot be `{value}`: it must be {expectation}"),
            None,
        );
    }

    fn wrong_type(&mut self, name: &'static str, origin: Origin, hint: Option<String>) {
        let expectation = kind_of(name).expectation();
        self.problems.add(&origin, format!("`{name}` must be {expectation}"), hint);
    }

    fn out_of_range(&mut self, name: &'static str, origin: &Origin, range: (String, String)) {
        let (least, most) = range;
        self.problems.add(origin, format!("`{name}` must be from {least} to {most}"), None);
    }

    fn integer(&self, name: &'static str) -> Option<Typed<u64>> {
        let (span, value) = self.values.get(name)?;
        let value = integer_in(value)?;
        Some(Typed { value, origin: Origin::File(span.clone()) })
    }

    fn take_section(&mut self, section: &str, table: DeTable<'a>) {
        for (key, value) in table {
            let name = match section {
                "" => key.get_ref().to_string(),
                section => format!("{section}.{}", key.get_ref()),
            };
            let span = value.span();
            if name == "roles"
                && let DeValue::Table(roles) = value.get_ref()
            {
                self.roles = Some(roles.clone());
            } else if let Some(key) = keys::find(&name) {
                self.values.insert(key.name, (span, value.into_inner()));
            } else if SECTIONS.iter().any(|(section, _)| *section == name) {
                match value.into_inner() {
                    DeValue::Table(inner) => self.take_section(&name, inner),
                    _ => self.problems.add(
                        &Origin::File(key.span()),
                        format!("`{name}` is a section"),
                        Some(format!("write `[{name}]` on a line of its own, its keys beneath")),
                    ),
                }
            } else {
                self.unknown(&name, key.span());
            }
        }
    }

    fn unknown(&mut self, name: &str, span: Range<usize>) {
        let message = format!("unknown key `{}`", name.escape_debug());
        self.problems.add(&Origin::File(span), message, Some(nearest(name)));
    }
}

/// `min_api = 1.40` reads naturally, but TOML makes a number of it.
fn suggest_quotes(name: &str, value: &DeValue<'_>) -> Option<String> {
    let written = match value {
        DeValue::Float(number) => number.to_string(),
        DeValue::Integer(number) => number.to_string(),
        _ => return None,
    };
    let key = last(name);
    match kind_of(name) {
        Kind::Duration(..) => Some(format!("give the unit: `{key} = \"{written}s\"`")),
        Kind::Text | Kind::OneOf(_) => Some(format!("write `{key} = \"{written}\"`")),
        _ => None,
    }
}

fn integer_in(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn kind_of(name: &str) -> Kind {
    keys::find(name).map(|key| key.kind).unwrap_or_else(|| unreachable!("`{name}` is in the table"))
}

/// The default of a key that has one. The table is ours, so all of it parses; tests read it all.
fn default_of(name: &str) -> DeValue<'static> {
    keys::find(name)
        .and_then(|key| DeValue::parse(key.default?).ok())
        .map(Spanned::into_inner)
        .unwrap_or_else(|| unreachable!("`{name}` has a default"))
}

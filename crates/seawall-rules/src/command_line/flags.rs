//! Flags as the docker command line takes them (spf13/pflag), and what each does to a body.

use serde_json::{Map, Value, json};

use crate::escape::quoted;
use crate::facts::billionths;
use crate::operation::nearest;

/// One flag.
pub(super) struct Flag {
    /// Its spellings, the long one last: `-v`, `--volume`.
    pub(super) names: &'static [&'static str],
    pub(super) does: Does,
}

/// What a flag does. Where a place is named, it is that of a field, `HostConfig.Memory`, or of a
/// query key, `?t`.
pub(super) enum Does {
    /// Sets a field to its value.
    Text(&'static str),
    /// Adds its value to a list.
    Push(&'static str),
    /// Adds `NAME=VALUE` to a map.
    Entry(&'static str),
    /// Takes no value, and sets a field to `true`, or a query key to `1`.
    Truth(&'static str),
    Integer(&'static str),
    /// Bytes, or with `b`, `k`, `m`, `g`.
    Size(&'static str),
    /// CPUs, in billionths.
    Cpus(&'static str),
    /// Takes a value that says nothing about what is asked for.
    Nothing,
    /// Takes no value, and says nothing.
    Bare,
    /// What else it does to the body; `None` where its value is none.
    By(fn(&str, &mut Body) -> Option<()>),
}

pub(super) const fn flag(names: &'static [&'static str], does: Does) -> Flag {
    Flag { names, does }
}

/// Words taken apart.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) body: Body,
    pub(super) query: Vec<(&'static str, String)>,
    /// Each flag that was given, by its last name, with its value.
    pub(super) given: Vec<(&'static str, String)>,
    pub(super) args: Vec<String>,
}

impl Words {
    /// Reads flags up to the first argument, and the arguments after it.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub(super) fn read(
        tables: &'static [&'static [Flag]],
        words: &[&str],
    ) -> Result<Self, (String, String)> {
        let mut read = Self::default();
        let mut left = words.iter().copied();
        // docker takes flags after the first argument too, but not where a command follows: nobody
        // can tell here, so none are taken there.
        while let Some(word) = left.next() {
            if word == "--" {
                read.args.extend(left.map(str::to_owned));
                break;
            }
            if !word.starts_with('-') || word == "-" {
                read.args.push(word.to_owned());
                read.args.extend(left.map(str::to_owned));
                break;
            }
            match word.strip_prefix("--") {
                Some(long) => {
                    let (name, value) = match long.split_once('=') {
                        Some((name, value)) => (name, Some(value)),
                        None => (long, None),
                    };
                    read.take(tables, &format!("--{name}"), value, &mut left)?;
                }
                None => read.short(tables, &word[1..], &mut left)?,
            }
        }
        Ok(read)
    }

    /// `-itv A`, `-v=A`, `-vA`.
    fn short<'a>(
        &mut self,
        tables: &'static [&'static [Flag]],
        letters: &'a str,
        left: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), (String, String)> {
        for (at, letter) in letters.char_indices() {
            let name = format!("-{letter}");
            let rest = &letters[at + letter.len_utf8()..];
            if find(tables, &name)?.does.takes_value() {
                let value = rest.strip_prefix('=').unwrap_or(rest);
                let value = (!rest.is_empty()).then_some(value);
                return self.take(tables, &name, value, left);
            }
            self.take(tables, &name, None, left)?;
        }
        Ok(())
    }

    fn take<'a>(
        &mut self,
        tables: &'static [&'static [Flag]],
        name: &str,
        value: Option<&'a str>,
        left: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), (String, String)> {
        let flag = find(tables, name)?;
        let value = match (flag.does.takes_value(), value) {
            (true, Some(value)) => value,
            (true, None) => left.next().ok_or_else(|| {
                (format!("`{name}` takes a value"), format!("write `{name} VALUE`"))
            })?,
            (false, None | Some("true")) => "true",
            (false, Some("false")) => return Ok(()),
            (false, Some(_)) => {
                return Err((format!("`{name}` takes no value"), format!("write `{name}`")));
            }
        };
        // INVARIANT: every flag has a name.
        self.given.push((flag.names.last().copied().unwrap_or_default(), value.to_owned()));
        let done = match flag.does {
            Does::Text(place) | Does::Truth(place) | Does::Integer(place)
                if place.starts_with('?') =>
            {
                let value = if value == "true" { "1" } else { value };
                self.query.push((&place[1..], value.to_owned()));
                Some(())
            }
            Does::Text(place) => self.body.set(place, json!(value)),
            Does::Push(place) => self.body.push(place, json!(value)),
            Does::Entry(place) => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                self.body.entry(place, name, json!(value))
            }
            Does::Truth(place) => self.body.set(place, json!(true)),
            Does::Integer(place) => {
                value.parse::<i64>().ok().and_then(|number| self.body.set(place, json!(number)))
            }
            Does::Size(place) => size(value).and_then(|bytes| self.body.set(place, json!(bytes))),
            Does::Cpus(place) => {
                billionths(value).and_then(|nanos| self.body.set(place, json!(nanos)))
            }
            Does::Nothing | Does::Bare => Some(()),
            Does::By(does) => does(value, &mut self.body),
        };
        done.ok_or_else(|| {
            let message = format!("{} is no value of `{name}`", quoted(value.as_bytes()));
            (message, format!("`docker run --help` says what `{name}` takes"))
        })
    }

    /// Whether a flag was given, by its long name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The last value of a flag, by its long name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rfind(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The query that the flags make, after these pairs.
    pub(super) fn query(&self, first: &[(&'static str, &str)]) -> String {
        let own = self.query.iter().map(|(key, value)| (*key, value.as_str()));
        super::query(&first.iter().copied().chain(own).collect::<Vec<_>>())
    }
}

fn find(tables: &'static [&'static [Flag]], name: &str) -> Result<&'static Flag, (String, String)> {
    let all = || tables.iter().flat_map(|flags| flags.iter());
    all().find(|flag| flag.names.contains(&name)).ok_or_else(|| {
        let names: Vec<&str> = all().flat_map(|flag| flag.names.iter().copied()).collect();
        // Of one letter every other is the nearest.
        let near = nearest(name, names.iter().copied()).filter(|_| name.starts_with("--"));
        let hint = match (near, names.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => "it has no known flags".to_owned(),
            (None, false) => format!("the known flags are {}", names.join(", ")),
        };
        (format!("the flag {} is not known here", quoted(name.as_bytes())), hint)
    })
}

impl Does {
    fn takes_value(&self) -> bool {
        !matches!(self, Self::Truth(_) | Self::Bare)
    }
}

/// A body in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Sets a field; `None` where one on the way is no object.
    pub(super) fn set(&mut self, place: &str, value: Value) -> Option<()> {
        let (object, name) = self.reach(place)?;
        object.insert(name.to_owned(), value);
        Some(())
    }

    pub(super) fn push(&mut self, place: &str, value: Value) -> Option<()> {
        let (object, name) = self.reach(place)?;
        let list = object.entry(name).or_insert_with(|| json!([]));
        list.as_array_mut()?.push(value);
        Some(())
    }

    pub(super) fn entry(&mut self, place: &str, key: &str, value: Value) -> Option<()> {
        let (object, name) = self.reach(place)?;
        let map = object.entry(name).or_insert_with(|| json!({}));
        map.as_object_mut()?.insert(key.to_owned(), value);
        Some(())
    }

    fn reach<'a, 'p>(
        &'a mut self,
        place: &'p str,
    ) -> Option<(&'a mut Map<String, Value>, &'p str)> {
        let (way, name) = place.rsplit_once('.').unwrap_or(("", place));
        let mut object = &mut self.0;
        for step in way.split('.').filter(|step| !step.is_empty()) {
            object = object.entry(step).or_insert_with(|| json!({})).as_object_mut()?;
        }
        Some((object, name))
    }
}

/// `64m` in bytes (docker/go-units `RAMInBytes`, whole numbers).
fn size(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(1 << shift)
}

//! How things are hidden: `***` stands where they were.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Broken;
use super::edit::{copy, items, members, opens, text};
use super::shape::Hide;
use crate::policy::Pattern;

/// What is hidden beyond the table: labels whose names tell that they hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redact {
    /// Parts of such names, in lower case.
    labels: Arc<[String]>,
    /// Names that are shown all the same.
    shown: Vec<Pattern>,
}

/// Parts of the names of labels that hold a secret, in any case.
pub const TELLING: &[&str] = &[
    "apikey",
    "api-key",
    "api_key",
    "auth.users",
    "basicauth",
    "credential",
    "digestauth",
    "passwd",
    "password",
    "passphrase",
    "private-key",
    "private_key",
    "privatekey",
    "secret",
    "token",
];

const HIDDEN: &str = "***";

impl Default for Redact {
    fn default() -> Self {
        Self::with([])
    }
}

impl Redact {
    /// Hides labels whose names have one of these parts as well, in any case.
    pub fn with(parts: impl IntoIterator<Item = String>) -> Self {
        let parts = parts.into_iter().map(|part| part.to_lowercase());
        let labels = TELLING.iter().map(|&part| part.to_owned()).chain(parts).collect();
        Self { labels, shown: Vec::new() }
    }

    /// The same, but labels of these names are shown.
    pub(crate) fn but(&self, shown: Vec<Pattern>) -> Self {
        Self { labels: self.labels.clone(), shown }
    }

    /// Whether it hides what another one shows.
    pub(crate) fn hides_more_than(&self, other: &Self) -> bool {
        other.shown.iter().any(|name| !self.shown.iter().any(|it| it.covers(name.as_str())))
    }

    fn tells(&self, name: &str) -> bool {
        if self.shown.iter().any(|pattern| pattern.covers(name)) {
            return false;
        }
        let name = name.to_lowercase();
        self.labels.iter().any(|part| name.contains(part.as_str()))
    }

    /// Writes a value that is not `null` without what is hidden of it.
    pub(super) fn hide(
        &self,
        hide: Hide,
        value: &RawValue,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let each = |out: &mut Vec<u8>, shown: &dyn Fn(&str) -> String| {
            items(value, out, |item, out| put_text(item, out, shown))
        };
        match (hide, opens(value)) {
            (Hide::Arguments, b'[') => {
                let mut first = true;
                items(value, out, |item, out| {
                    if std::mem::take(&mut first) { copy(item, out) } else { hide_all(item, out) }
                })
            }
            (Hide::BindSources, b'[') => each(out, &without_source),
            (Hide::CommandLine, b'"') => put_text(value, out, first_word),
            (Hide::ExecCommand, b'"') => put_text(value, out, without_command),
            (Hide::Labels, b'{') => members(value, out, |name, member, out| {
                if self.tells(name) { hide_all(member, out) } else { copy(member, out) }
            }),
            (Hide::Labels, b'[') => each(out, &|label: &str| match label.split_once('=') {
                Some((name, _)) if self.tells(name) => format!("{name}={HIDDEN}"),
                _ => label.to_owned(),
            }),
            (Hide::Values, b'[') => each(out, &without_value),
            (Hide::UserInfo, b'"') => put_text(value, out, without_user_info),
            _ => hide_all(value, out),
        }
    }
}

/// Hides every text in a value.
pub(super) fn hide_all(value: &RawValue, out: &mut Vec<u8>) -> Result<(), Broken> {
    hide_within(value, DEEPEST, out)
}

fn hide_within(value: &RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Broken::OtherShape) };
    match opens(value) {
        b'{' => members(value, out, |_, member, out| hide_within(member, depth, out)),
        b'[' => items(value, out, |item, out| hide_within(item, depth, out)),
        b'"' => put_text(value, out, |_| HIDDEN.to_owned()),
        // A number, a truth or nothing.
        _ => copy(value, out),
    }
}

/// Levels of what is hidden whole; an engine's own JSON has a tenth of it.
const DEEPEST: usize = 64;

/// Writes what is shown of a text. An empty one stays, and what is no text is hidden.
fn put_text(
    value: &RawValue,
    out: &mut Vec<u8>,
    shown: impl Fn(&str) -> String,
) -> Result<(), Broken> {
    if opens(value) != b'"' {
        return hide_all(value, out);
    }
    let text = text(value.get().as_bytes())?;
    if text.is_empty() {
        return copy(value, out);
    }
    serde_json::to_writer(out, &shown(&text)).map_err(|_| Broken::Malformed)
}

fn without_source(bind: &str) -> String {
    match bind.split_once(':') {
        Some((source, rest)) if source.starts_with('/') => format!("{HIDDEN}:{rest}"),
        Some(_) => bind.to_owned(),
        None => HIDDEN.to_owned(),
    }
}

fn first_word(command: &str) -> String {
    match command.split_once(char::is_whitespace) {
        Some((program, _)) => format!("{program} {HIDDEN}"),
        None => command.to_owned(),
    }
}

fn without_command(action: &str) -> String {
    match action.split_once(':') {
        Some((exec, _)) if exec.starts_with("exec_") => format!("{exec}: {HIDDEN}"),
        _ => action.to_owned(),
    }
}

fn without_value(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        // Taken from the environment of whoever ran it, or a name alone.
        None => pair.to_owned(),
    }
}

/// A password may hold any character, so all before the last `@` goes.
fn without_user_info(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (_, None) => url.to_owned(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{HIDDEN}@{host}"),
        (None, Some((_, host))) => format!("{HIDDEN}@{host}"),
    }
}

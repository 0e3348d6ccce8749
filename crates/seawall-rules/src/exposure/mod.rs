//! Whether a Docker daemon is exposed or badly secured, and what to type to close it.
//!
//! What was gathered from a host, a folder or an address ([`facts`]) is judged against a closed
//! list of checks ([`catalogue`]); what comes out is a [`Report`]: findings, what could not be
//! looked at, and what was looked at and is in order. Nothing that could not be read passes.

pub mod address;
pub mod catalogue;
pub mod certificate;
pub mod facts;
pub mod fix;
mod judge;
pub mod read;
mod report;
pub mod vulnerabilities;
pub mod waiver;

pub use judge::judge;
pub use report::{Evidence, Finding, Place, Report, State, Unknown};

use std::fmt;

/// How bad a finding is, as weighed by what is bound, how it authenticates and what the firewall
/// does together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Hygiene.
    Low,
    /// Weakens a layer of defence.
    Medium,
    /// Root by a weak path, or in one further step.
    High,
    /// Root for whoever can reach it.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: &'static [Self] =
        &[Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in options and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A host or a folder, from the inside.
    Host,
    /// An address, from the outside.
    Address,
}

/// One thing that is looked at, under an id that is stable.
#[derive(Debug)]
pub struct Check {
    /// `NET-001`; never reused for something else.
    pub id: &'static str,
    /// Where it looks.
    pub scope: Scope,
    /// The worst it can weigh.
    pub severity: Severity,
    /// What is wrong when it finds something: one clause.
    pub title: &'static str,
    /// Why that matters: a sentence or two.
    pub why: &'static str,
    /// The command or edit that closes it, with `{name}` where a finding puts its own values.
    pub remedy: &'static str,
    /// Recommendations of the CIS Docker Benchmark 1.6.0 on the same matter.
    pub cis: &'static [&'static str],
    /// Where to read on.
    pub reference: &'static str,
}

impl Check {
    /// The remedy for no finding in particular: `PATH` where a finding has its own.
    pub fn remedy_in_general(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for character in self.remedy.chars() {
            match character {
                '{' => inside = true,
                '}' => inside = false,
                _ if inside => text.extend(character.to_uppercase()),
                _ => text.push(character),
            }
        }
        text
    }

    /// The remedy with `values` in place of their names. It is there to be copied into a shell,
    /// and values are what strangers may have written: what a shell would act on is quoted.
    pub fn remedy_with(&self, values: &[(&str, &str)]) -> String {
        let mut rest = self.remedy;
        let mut text = String::new();
        // In one pass: a value that looks like a name must not be filled in once more.
        let place = |text: &'static str| {
            let (before, after) = text.split_once('{')?;
            Some((before, after.split_once('}')?))
        };
        while let Some((before, (name, behind))) = place(rest) {
            text += before;
            match values.iter().find(|(known, _)| *known == name) {
                None => text += &format!("{{{name}}}"),
                Some((_, value)) if WORDS.contains(&name) => text += &word(value),
                Some((_, value)) if OWN.contains(&name) => text += value,
                Some((_, value)) => text += &value.replace(char::is_control, "\u{fffd}"),
            }
            rest = behind;
        }
        text + rest
    }
}

/// Names in remedies that stand for one word of a command.
const WORDS: &[&str] = &["container", "context", "group", "path", "port", "unit", "user"];

/// Names in remedies whose values are made of our own texts, lines and all.
const OWN: &[&str] = &["option", "setting"];

/// One word of a shell, quoted if need be.
fn word(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let value = value.replace(char::is_control, "\u{fffd}");
    format!("'{}'", value.replace('\'', "'\\''"))
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Check {}

#[cfg(test)]
mod tests {
    use super::catalogue::socket::{SOCKET_ACL, SOCKET_GROUP};

    #[test]
    fn a_remedy_is_safe_to_be_copied_into_a_shell() {
        let remedy = |path| SOCKET_ACL.remedy_with(&[("path", path)]);
        assert!(remedy("/run/docker.sock").ends_with("sudo setfacl -b /run/docker.sock"));
        assert!(remedy("/x; rm -r /").ends_with("-b '/x; rm -r /'"));
        assert!(remedy("/it's\n$(id)").ends_with("-b '/it'\\''s\u{fffd}$(id)'"));
        // A value that looks like a name is a value still.
        let values = [("user", "{group}"), ("group", "; id ;")];
        let remedy = SOCKET_GROUP.remedy_with(&values);
        assert!(remedy.contains("'{group}'"), "{remedy}");
    }
}

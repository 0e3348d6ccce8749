//! What comes out of a scan.

use std::collections::BTreeMap;
use std::fmt;

use super::{Check, Scope, Severity, catalogue};

/// Where something stands: a file with its line, a running process, a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `/etc/docker/daemon.json`, `/proc/123/cmdline`, `tcp://[::]:2375`.
    pub name: String,
    /// Counted from 1, where there are lines.
    pub line: Option<u32>,
}

impl Place {
    /// A place without lines.
    pub fn whole(name: impl Into<String>) -> Self {
        Self { name: name.into(), line: None }
    }

    /// A line of a file.
    pub fn line(name: impl Into<String>, line: u32) -> Self {
        Self { name: name.into(), line: Some(line) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What was seen, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where.
    pub place: Place,
    /// What stands there; no secrets.
    pub says: String,
}

impl Evidence {
    /// What was seen at `place`.
    pub fn new(place: Place, says: impl Into<String>) -> Self {
        Self { place, says: says.into() }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub check: &'static Check,
    /// As weighed; at most the check's own.
    pub severity: Severity,
    /// What it is about (`tcp://[::]:2375`, `/etc/docker/ca-key.pem`): the same from scan to
    /// scan, without process ids or times, for waivers and baselines.
    pub subject: String,
    /// What was found: one sentence without its full stop.
    pub what: String,
    /// Why it weighs what it does, where that is not the check's own severity.
    pub weighed: Option<String>,
    /// What was seen, the most telling first.
    pub evidence: Vec<Evidence>,
    /// The commands that close it.
    pub remedy: String,
}

impl Finding {
    /// A finding of the check's own severity.
    pub fn new(check: &'static Check, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            check,
            severity: check.severity,
            subject: subject.into(),
            what: what.into(),
            weighed: None,
            evidence: Vec::new(),
            remedy: check.remedy.to_owned(),
        }
    }

    /// Weighs less than the check's own severity, and says why.
    #[must_use]
    pub fn weighed(mut self, severity: Severity, why: impl Into<String>) -> Self {
        self.severity = severity.min(self.check.severity);
        self.weighed = Some(why.into());
        self
    }

    /// Adds what was seen.
    #[must_use]
    pub fn seen(mut self, place: Place, says: impl Into<String>) -> Self {
        self.evidence.push(Evidence::new(place, says));
        self
    }

    /// Puts the finding's own values into the check's remedy.
    #[must_use]
    pub fn remedy(mut self, values: &[(&str, &str)]) -> Self {
        self.remedy = self.check.remedy_with(values);
        self
    }

    /// What makes it the same finding in the next scan.
    pub fn fingerprint(&self) -> String {
        format!("{} {}", self.check.id, self.subject)
    }
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What would have been looked for.
    pub check: &'static Check,
    /// What could not be read or asked.
    pub subject: String,
    /// Why.
    pub why: String,
}

/// What became of one check as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There was nothing to look at.
    NotApplicable,
    /// What was looked at is in order.
    Pass,
    /// Some of it could not be looked at, and the rest is in order.
    Unknown,
    /// Something is wrong.
    Fail,
}

impl State {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// The outcome of a scan.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was scanned: `this host`, a folder, addresses.
    pub scanned: Vec<String>,
    /// What is wrong; [`Self::sort`] puts the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unknown: Vec<Unknown>,
    states: BTreeMap<&'static str, State>,
}

impl Report {
    /// The report of one thing that is scanned.
    pub fn of(scanned: impl Into<String>) -> Self {
        Self { scanned: vec![scanned.into()], ..Self::default() }
    }

    /// Notes a finding.
    pub fn find(&mut self, finding: Finding) {
        self.note(finding.check, State::Fail);
        self.findings.push(finding);
    }

    /// Notes that `subject` could not be looked at.
    pub fn unknown(
        &mut self,
        check: &'static Check,
        subject: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.note(check, State::Unknown);
        self.unknown.push(Unknown { check, subject: subject.into(), why: why.into() });
    }

    /// Notes that there was something to look at, so that the check passes unless it finds.
    pub fn looked(&mut self, check: &'static Check) {
        self.note(check, State::Pass);
    }

    /// Every check of `scope` with what became of it, in the catalogue's order.
    pub fn states(&self, scope: Scope) -> impl Iterator<Item = (&'static Check, State)> {
        catalogue::all()
            .filter(move |check| check.scope == scope)
            .map(|check| (check, self.state(check)))
    }

    /// What became of one check.
    pub fn state(&self, check: &Check) -> State {
        self.states.get(check.id).copied().unwrap_or(State::NotApplicable)
    }

    /// Takes in the report of something else that was scanned.
    pub fn absorb(&mut self, other: Self) {
        self.scanned.extend(other.scanned);
        self.findings.extend(other.findings);
        self.unknown.extend(other.unknown);
        for (id, state) in other.states {
            let mine = self.states.entry(id).or_insert(state);
            *mine = (*mine).max(state);
        }
    }

    /// Puts the worst first, and each finding once: the same in every run.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            (b.severity, a.check.id, &a.subject).cmp(&(a.severity, b.check.id, &b.subject))
        });
        self.findings.dedup_by(|a, b| a.check == b.check && a.subject == b.subject);
        self.unknown.sort_by(|a, b| (a.check.id, &a.subject).cmp(&(b.check.id, &b.subject)));
        self.unknown.dedup();
    }

    /// The worst severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    fn note(&mut self, check: &'static Check, state: State) {
        let noted = self.states.entry(check.id).or_insert(state);
        *noted = (*noted).max(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalogue::network::{PLAIN_TCP, PLAIN_TCP_LOOPBACK};

    #[test]
    fn what_could_not_be_read_never_passes() {
        let mut report = Report::default();
        assert_eq!(report.state(&PLAIN_TCP), State::NotApplicable);
        report.unknown(&PLAIN_TCP, "/proc/1/net/tcp", "permission denied");
        report.looked(&PLAIN_TCP);
        assert_eq!(report.state(&PLAIN_TCP), State::Unknown);
        report.find(Finding::new(&PLAIN_TCP, "tcp://[::]:2375", "open"));
        report.looked(&PLAIN_TCP);
        assert_eq!(report.state(&PLAIN_TCP), State::Fail);
    }

    #[test]
    fn the_worst_comes_first_and_once() {
        let mut report = Report::default();
        let loopback = Finding::new(&PLAIN_TCP_LOOPBACK, "tcp://127.0.0.1:2375", "open");
        report.find(loopback.clone());
        report.find(Finding::new(&PLAIN_TCP, "tcp://[::]:2375", "open"));
        report.find(loopback);
        report.sort();
        let order: Vec<_> = report.findings.iter().map(Finding::fingerprint).collect();
        assert_eq!(order, ["NET-001 tcp://[::]:2375", "NET-003 tcp://127.0.0.1:2375"]);
        assert_eq!(report.worst(), Some(Severity::Critical));
    }

    #[test]
    fn a_finding_weighs_no_more_than_its_check() {
        let finding = Finding::new(&PLAIN_TCP_LOOPBACK, "x", "y").weighed(Severity::Critical, "z");
        assert_eq!(finding.severity, Severity::High);
    }
}

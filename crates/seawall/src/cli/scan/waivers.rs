//! The file of waivers.

use std::path::Path;

use seawall_rules::exposure::waiver::{Effect, Waiver};
use seawall_rules::exposure::{Finding, catalogue};
use serde::Deserialize;
use time::{Date, Month};

use super::super::report::{Doing as _, Error};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    check: String,
    subject: String,
    reason: String,
    until: toml::value::Datetime,
    #[serde(default)]
    unsafe_accept_critical: bool,
}

/// Reads a file of waivers.
///
/// # Errors
/// [`super::super::report::Kind::Usage`] when it is not one, or an entry is not whole.
pub(super) fn read(path: &Path) -> Result<Vec<Waiver>, Error> {
    let text = std::fs::read_to_string(path)
        .doing(|| format!("read the waivers in `{}`", path.display()))?;
    let file: File = toml::from_str(&text).map_err(|error| {
        Error::usage(format!("{}: {}", path.display(), error.to_string().trim()))
    })?;
    file.waiver.into_iter().map(|entry| waiver(entry, path)).collect()
}

fn waiver(entry: Entry, path: &Path) -> Result<Waiver, Error> {
    let wrong = |what: String| Error::usage(format!("{}: {what}", path.display()));
    if catalogue::named(&entry.check).is_none() {
        return Err(wrong(format!("there is no check `{}`", entry.check.escape_debug()))
            .hint("`seawall scan --list` lists them"));
    }
    if entry.reason.trim().is_empty() {
        return Err(wrong(format!("the waiver of {} gives no reason", entry.check)));
    }
    let until = entry.until.date.and_then(|date| {
        let month = Month::try_from(date.month).ok()?;
        Date::from_calendar_date(i32::from(date.year), month, date.day).ok()
    });
    let until = until.ok_or_else(|| {
        wrong(format!("the waiver of {} ends on no day", entry.check)).hint("until = 2027-01-31")
    })?;
    Ok(Waiver {
        check: entry.check,
        subject: entry.subject,
        reason: entry.reason,
        until: days(until),
        takes_critical: entry.unsafe_accept_critical,
    })
}

/// What waivers leave, what they take in, and what is odd about them.
pub(super) fn apply(
    findings: Vec<Finding>,
    waivers: Vec<Waiver>,
    today: Date,
) -> (Vec<Finding>, Vec<(Finding, Waiver)>, Vec<String>) {
    let mut left = Vec::new();
    let mut waived = Vec::new();
    let mut notes = Vec::new();
    let mut used = vec![false; waivers.len()];
    for finding in findings {
        let mut taken = None;
        for (at, waiver) in waivers.iter().enumerate() {
            let about = finding.fingerprint();
            let effect = waiver.on(&finding, days(today));
            used[at] |= effect != Effect::None;
            match effect {
                Effect::Waives => taken = Some(waiver.clone()),
                Effect::Expired => {
                    notes.push(format!("the waiver of {about} ended on {}", date(waiver.until)));
                }
                Effect::TooMild => notes.push(format!(
                    "the waiver of {about} does not hold: it is critical, which takes \
                     `unsafe_accept_critical = true`"
                )),
                Effect::None => {}
            }
        }
        match taken {
            Some(waiver) => waived.push((finding, waiver)),
            None => left.push(finding),
        }
    }
    for (waiver, _) in waivers.iter().zip(&used).filter(|(_, used)| !**used) {
        notes.push(format!("the waiver of {} {} is not needed", waiver.check, waiver.subject));
    }
    (left, waived, notes)
}

/// Days since 1970.
fn days(date: Date) -> i64 {
    i64::from(date.to_julian_day() - EPOCH)
}

/// The day that is so many days after the first of 1970.
pub(super) fn date(days: i64) -> String {
    let day = i32::try_from(days).ok().and_then(|days| Date::from_julian_day(days + EPOCH).ok());
    day.map_or_else(|| "a day of no calendar".to_owned(), |day| day.to_string())
}

/// The Julian day of 1970-01-01.
const EPOCH: i32 = 2_440_588;

#[cfg(test)]
mod tests {
    use seawall_rules::exposure::catalogue::socket::SOCKET_GROUP;

    use super::*;

    fn read_text(text: &str) -> Result<Vec<Waiver>, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    const WHOLE: &str = "[[waiver]]\ncheck = \"SOCK-004\"\nsubject = \"alice*\"\nreason = \"on call\"\n\
                         until = 2027-01-31\n";

    #[test]
    fn an_entry_must_be_whole() {
        assert_eq!(read_text("").unwrap(), []);
        let waivers = read_text(WHOLE).unwrap();
        assert_eq!(date(waivers[0].until), "2027-01-31");
        for (from, to) in [
            ("SOCK-004", "SOCK-999"),
            ("on call", " "),
            ("until = 2027-01-31", "until = 10:00:00"),
            ("until = 2027-01-31", "until = \"soon\""),
            ("until = 2027-01-31", ""),
            ("reason", "reasons"),
        ] {
            let error = read_text(&WHOLE.replace(from, to)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{to}: {error}");
        }
    }

    #[test]
    fn an_expired_waiver_gives_the_finding_back_and_says_so() {
        let waivers = read_text(WHOLE).unwrap();
        let findings = vec![Finding::new(&SOCKET_GROUP, "alice (docker)", "x")];
        let on = |year, month| Date::from_calendar_date(year, month, 31).unwrap();
        let (left, waived, notes) =
            apply(findings.clone(), waivers.clone(), on(2027, Month::January));
        assert_eq!((left.len(), waived.len(), notes.len()), (0, 1, 0));
        let (left, waived, notes) = apply(findings, waivers.clone(), on(2027, Month::March));
        assert_eq!((left.len(), waived.len()), (1, 0));
        assert_eq!(notes, ["the waiver of SOCK-004 alice (docker) ended on 2027-01-31"]);
        let (_, _, notes) = apply(Vec::new(), waivers, on(2027, Month::January));
        assert_eq!(notes, ["the waiver of SOCK-004 alice* is not needed"]);
    }
}

//! Hours of the week: `Mon-Fri 08:00-18:00`, in UTC or with an offset from it.

use std::fmt;

use super::term::Unusable;
use crate::escape::quoted;

/// When a role is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    /// As they were written.
    texts: Vec<String>,
    /// Minutes of the week from Monday 00:00 UTC, each from and up to; in order, and with a gap
    /// between any two.
    spans: Vec<(u32, u32)>,
}

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Hours {
    /// What these are together.
    pub(super) fn of(entries: Vec<(String, Vec<(u32, u32)>)>) -> Self {
        let mut texts = Vec::new();
        let mut all = Vec::new();
        for (text, spans) in entries {
            texts.push(text);
            all.extend(spans);
        }
        all.sort_unstable();
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for (from, to) in all {
            match spans.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => spans.push((from, to)),
            }
        }
        Self { texts, spans }
    }

    /// Whether a moment is within.
    pub(super) fn contains(&self, at: u64) -> bool {
        let minute = minute(at);
        self.spans.iter().any(|&(from, to)| from <= minute && minute < to)
    }

    /// The seconds of the next moment after `at` at which what [`Self::contains`] says may change.
    pub(super) fn next_border(&self, at: u64) -> u64 {
        let minute = minute(at);
        let left = self.borders().map(|border| match border > minute {
            true => border - minute,
            false => border + WEEK - minute,
        });
        (at / 60 + u64::from(left.min().unwrap_or(WEEK))) * 60
    }

    /// Minutes of the week.
    pub(super) fn borders(&self) -> impl Iterator<Item = u32> {
        self.spans.iter().flat_map(|&(from, to)| [from, to % WEEK])
    }

    /// As TOML.
    pub(super) fn written(&self) -> String {
        format!("{:?}", self.texts)
    }
}

/// `Mon-Fri 08:00-18:00 UTC, Sat 08:00-12:00 +01:00`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.texts.iter().enumerate() {
            let zone = if text.contains(['+', 'Z']) || text.matches('-').count() > 2 {
                ""
            } else {
                " UTC"
            };
            write!(f, "{}{text}{zone}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// The minute of the week. 1970-01-01 was a Thursday.
fn minute(at: u64) -> u32 {
    let minutes = at / 60 + u64::from(3 * DAY);
    u32::try_from(minutes % u64::from(WEEK)).unwrap_or_default()
}

/// The first second, after the epoch, of that minute of the week.
pub(super) fn moment(minute: u32) -> u64 {
    u64::from((minute + WEEK - 3 * DAY) % WEEK) * 60
}

/// `Mon 08:00 UTC` of a minute of the week.
pub(super) fn show_minute(minute: u32) -> String {
    let day = DAYS.get((minute / DAY) as usize).copied().unwrap_or_default();
    format!("{day} {:02}:{:02} UTC", minute % DAY / 60, minute % 60)
}

/// One entry of `hours`.
pub(super) fn parse(text: &str) -> Result<(String, Vec<(u32, u32)>), Unusable> {
    spans(text).map(|spans| (text.to_owned(), spans)).ok_or_else(|| Unusable {
        message: format!("{} are no hours", quoted(text.as_bytes())),
        hint: "write `Mon-Fri 08:00-18:00`, `Sat,Sun 10:00-12:00 +01:00` or `22:00-06:00`; \
            in UTC where no offset is written"
            .to_owned(),
    })
}

fn spans(text: &str) -> Option<Vec<(u32, u32)>> {
    let words: Vec<&str> = text.split(' ').collect();
    let is_days = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let (named, rest) = match words.split_first()? {
        (first, rest) if is_days(first) => (days(first)?, rest),
        _ => ((0..7).collect(), words.as_slice()),
    };
    let (clock, offset) = match rest {
        [clock] => (clock, 0),
        [clock, zone] => (clock, offset(zone)?),
        _ => return None,
    };
    let (from, to) = clock.split_once('-')?;
    let (from, to) = (time(from)?, time(to)?);
    if from == to || from == DAY {
        return None;
    }
    // Past midnight: into the next day.
    let length = if to > from { to - from } else { to + DAY - from };
    let mut spans = Vec::new();
    for day in named {
        let start = i64::from(day * DAY + from) - offset;
        let start = u32::try_from(start.rem_euclid(i64::from(WEEK))).ok()?;
        let end = start + length;
        spans.push((start, end.min(WEEK)));
        if end > WEEK {
            spans.push((0, end - WEEK));
        }
    }
    Some(spans)
}

/// `Mon`, `Mon-Fri`, `Sat,Sun`, `Fri-Mon`.
fn days(text: &str) -> Option<Vec<u32>> {
    let day = |text: &str| DAYS.iter().position(|day| *day == text)?.try_into().ok();
    let mut all: Vec<u32> = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => all.push(day(part)?),
            Some((first, last)) => {
                let (first, last): (u32, u32) = (day(first)?, day(last)?);
                all.extend((0..=(last + 7 - first) % 7).map(|step| (first + step) % 7));
            }
        }
    }
    Some(all)
}

/// `08:00` in minutes; `24:00` is the end of a day.
fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        two.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

/// `UTC`, `Z` or `+01:00`, in minutes east.
fn offset(text: &str) -> Option<i64> {
    if text == "UTC" || text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let minutes = time(rest).filter(|&minutes| minutes <= 14 * 60)?;
    Some(sign * i64::from(minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2026-11-23.
    const MONDAY: u64 = 1_795_392_000;

    fn hours(texts: &[&str]) -> Hours {
        Hours::of(texts.iter().map(|text| parse(text).unwrap()).collect())
    }

    #[test]
    fn hours_are_those_of_the_week_in_utc_or_as_their_offset_says() {
        assert_eq!(minute(MONDAY), 0);
        let at =
            |day: u64, hour: u64, minute: u64| MONDAY + day * 86_400 + hour * 3600 + minute * 60;
        for (texts, moment, within) in [
            (&["Mon-Fri 08:00-18:00"][..], at(0, 8, 0), true),
            (&["Mon-Fri 08:00-18:00"], at(0, 7, 59), false),
            (&["Mon-Fri 08:00-18:00"], at(4, 17, 59) + 59, true),
            (&["Mon-Fri 08:00-18:00"], at(4, 18, 0), false),
            (&["Mon-Fri 08:00-18:00 UTC"], at(5, 9, 0), false),
            (&["Sat,Sun 10:00-12:00"], at(6, 11, 0), true),
            (&["Fri-Mon 10:00-12:00"], at(3, 11, 0), false),
            (&["Fri-Mon 10:00-12:00"], at(6, 11, 0), true),
            (&["22:00-06:00"], at(2, 5, 59), true),
            (&["22:00-06:00"], at(2, 6, 0), false),
            (&["Sun 22:00-06:00"], at(0, 5, 59), true),
            (&["Sun 22:00-06:00"], at(6, 21, 59), false),
            (&["Mon 00:30-02:00 +01:00"], at(6, 23, 30), true),
            (&["Mon 00:30-02:00 +01:00"], at(0, 1, 0), false),
            (&["Sun 22:00-24:00 -05:30"], at(0, 3, 30), true),
            (&["Mon 08:00-12:00", "Mon 12:00-18:00"], at(0, 12, 0), true),
            (&["00:00-24:00"], at(3, 23, 59), true),
        ] {
            assert_eq!(hours(texts).contains(moment), within, "{texts:?} at {moment}");
        }
    }

    #[test]
    fn the_next_border_is_the_next_change() {
        let office = hours(&["Mon-Fri 08:00-18:00"]);
        for (from, to) in [
            (0, 8 * 3600),
            (8 * 3600, 18 * 3600),
            (4 * 86_400 + 18 * 3600 + 1, 7 * 86_400 + 8 * 3600),
        ] {
            assert_eq!(office.next_border(MONDAY + from), MONDAY + to, "{from}");
        }
        for minute in 0..WEEK {
            assert_eq!(super::minute(moment(minute)), minute);
        }
        assert_eq!(show_minute(4 * DAY + 61), "Fri 01:01 UTC");
    }

    #[test]
    fn what_is_no_hours_is_refused() {
        for text in [
            "",
            "Mon",
            "Mon 8-18",
            "mon 08:00-18:00",
            "Mon 08:00-08:00",
            "Mon 08:00-25:00",
            "Mon 24:00-01:00",
            "Mon-Fri 08:00-18:00 Europe/Berlin",
            "Mon 08:60-09:00",
            "Mon 08:00-18:00 +15:00",
            "Mon  08:00-18:00",
            "08:00-18:00 Mon",
            "Mon 08:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

//! The report for people: the worst first, each check once with all that it found.

use std::io::IsTerminal as _;

use seawall_rules::exposure::{Finding, Report, Scope, Severity, State};

use super::{Outcome, scopes, waivers};
use crate::audit::visible;

/// How lines are laid out.
pub(super) struct Style {
    /// Columns.
    width: usize,
    colors: bool,
}

impl Style {
    /// For standard output as it is.
    pub(super) fn of_terminal() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: 100, colors: terminal && !plain }
    }

    /// As into a file.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { width: 100, colors: false }
    }

    fn painted(&self, severity: Severity) -> String {
        let name = severity.as_str().to_uppercase();
        let color = match severity {
            Severity::Critical => "1;31",
            Severity::High => "31",
            Severity::Medium => "33",
            Severity::Low => "36",
            Severity::Info => "2",
        };
        match self.colors {
            true => format!("\x1b[{color}m{name:<8}\x1b[0m"),
            false => format!("{name:<8}"),
        }
    }
}

/// Writes the report.
pub(super) fn write(outcome: &Outcome, style: &Style) -> String {
    let report = &outcome.report;
    let mut text = String::new();
    let mut rest = report.findings.as_slice();
    while let Some(first) = rest.first() {
        let same =
            |finding: &&Finding| finding.check == first.check && finding.severity == first.severity;
        let (group, others) = rest.split_at(rest.iter().take_while(same).count());
        rest = others;
        text += &group_text(group, style);
    }
    for (finding, waiver) in &outcome.waived {
        text += &format!(
            "waived    {}  until {}: {}\n",
            visible(&finding.fingerprint()),
            waivers::date(waiver.until),
            visible(&waiver.reason)
        );
    }
    for finding in outcome.known.iter().flatten() {
        text += &format!("known     {}\n", visible(&finding.fingerprint()));
    }
    for fingerprint in &outcome.gone {
        text += &format!("gone      {}\n", visible(fingerprint));
    }
    for note in &outcome.notes {
        text += &format!("note      {}\n", visible(note));
    }
    if !report.unknown.is_empty() {
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push('\n');
        }
        text += &unknown(report);
    }
    // Addresses are told one by one: that one is shut is an answer too.
    let addresses = scopes(report).contains(&Scope::Address);
    if addresses {
        text += "LOOKED AT, from here:\n";
        for one in &report.scanned {
            text += &format!("  {one}\n");
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let scanned = match report.scanned.as_slice() {
        [_] if addresses => "1 address".to_owned(),
        all if addresses => format!("{} addresses", all.len()),
        all => all.join(", "),
    };
    text + &summary(outcome, &scanned)
}

/// What one check found: what is common once, what differs for each.
fn group_text(group: &[Finding], style: &Style) -> String {
    let Some(first) = group.first() else { return String::new() };
    let check = first.check;
    let mut text = format!("{} {}  {}\n", style.painted(first.severity), check.id, check.title);
    let entry = |label: &str, lines: &[String]| {
        let mut text = String::new();
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            text += format!("  {label:<6}  {}", visible(line)).trim_end();
            text.push('\n');
        }
        text
    };
    let width = style.width - 10;
    for finding in group {
        text += &entry("what", &wrap(&format!("{}: {}", finding.subject, finding.what), width));
        if let Some(weighed) = &finding.weighed {
            text += &entry("weighs", &wrap(weighed, width));
        }
        let seen = finding.evidence.iter().map(|it| format!("{}  {}", it.place, it.says));
        text += &entry("seen", &seen.collect::<Vec<_>>());
    }
    text += &entry("why", &wrap(check.why, width));
    let mut remedies: Vec<_> = group.iter().map(|finding| &finding.remedy).collect();
    remedies.dedup();
    let lines = remedies.iter().flat_map(|remedy| remedy.lines()).map(str::to_owned);
    text += &entry("close", &lines.collect::<Vec<_>>());
    let cis = match check.cis {
        [] => String::new(),
        [one, two, three, four, .., last] => {
            format!("  CIS {one}, {two}, {three}, {four} to {last}")
        }
        ids => format!("  CIS {}", ids.join(", ")),
    };
    text + &entry("read", &[format!("{}{cis}", check.reference)]) + "\n"
}

/// What could not be looked at: each thing once, with the checks that are blind for it.
fn unknown(report: &Report) -> String {
    let mut things: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for unknown in &report.unknown {
        let same = things
            .iter_mut()
            .find(|(subject, why, _)| *subject == unknown.subject && *why == unknown.why);
        match same {
            Some((_, _, ids)) => ids.push(unknown.check.id),
            None => things.push((&unknown.subject, &unknown.why, vec![unknown.check.id])),
        }
    }
    let mut text = "NOT KNOWN, and so not passed:\n".to_owned();
    for (subject, why, ids) in things {
        text += &format!("  {}: {} ({})\n", visible(subject), visible(why), ids.join(", "));
    }
    text
}

fn summary(outcome: &Outcome, scanned: &str) -> String {
    let report = &outcome.report;
    let counts: Vec<_> = Severity::ALL
        .iter()
        .rev()
        .map(|severity| (outcome.count(*severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    let new = if outcome.known.is_some() { "new: " } else { "" };
    let found = match counts.is_empty() {
        true => format!("{new}nothing found"),
        false => format!("{new}{}", counts.join(", ")),
    };
    let states: Vec<_> =
        scopes(report).into_iter().flat_map(|scope| report.states(scope)).collect();
    let of = |wanted| states.iter().filter(|(_, state)| *state == wanted).count();
    let aside = match outcome.set_aside().count() {
        0 => String::new(),
        count => format!("; {count} waived or known"),
    };
    format!(
        "{scanned}: {found}{aside}. Of {} checks {} passed, {} could not be made in full, {} had nothing \
         to look at.\n",
        states.len(),
        of(State::Pass),
        of(State::Unknown),
        of(State::NotApplicable),
    )
}

/// Lines of at most `width` characters where words allow.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_ascii_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

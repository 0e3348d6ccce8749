//! The report as JUnit XML: a suite a scope, a case a check.

use seawall_rules::exposure::{Scope, State};

use super::{Outcome, scopes};

/// Writes the report.
pub(super) fn write(outcome: &Outcome) -> String {
    let mut text =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"seawall scan\">\n"
            .to_owned();
    for scope in scopes(&outcome.report) {
        text += &suite(outcome, scope);
    }
    text + "</testsuites>\n"
}

fn suite(outcome: &Outcome, scope: Scope) -> String {
    let report = &outcome.report;
    let (mut cases, mut tests, mut failures, mut errors, mut skipped) = (String::new(), 0, 0, 0, 0);
    for (check, state) in report.states(scope) {
        tests += 1;
        cases += &format!(
            "    <testcase classname=\"{}\" name=\"{}\"",
            escaped(check.id),
            escaped(check.title)
        );
        let found: Vec<_> = report.findings.iter().filter(|it| it.check == check).collect();
        let aside = outcome.set_aside().any(|finding| finding.check == check);
        if !found.is_empty() {
            failures += 1;
            cases += ">\n";
            for finding in found {
                let mut body = String::new();
                for evidence in &finding.evidence {
                    body += &format!("{}  {}\n", evidence.place, evidence.says);
                }
                cases += &format!(
                    "      <failure type=\"{}\" message=\"{}\">{}{}</failure>\n",
                    finding.severity,
                    escaped(&format!("{}: {}", finding.subject, finding.what)),
                    escaped(&body),
                    escaped(&finding.remedy),
                );
            }
            cases += "    </testcase>\n";
        } else if report.unknown.iter().any(|unknown| unknown.check == check) {
            errors += 1;
            cases += ">\n";
            for unknown in report.unknown.iter().filter(|unknown| unknown.check == check) {
                let message = format!("not known: {}: {}", unknown.subject, unknown.why);
                cases += &format!("      <error message=\"{}\"/>\n", escaped(&message));
            }
            cases += "    </testcase>\n";
        } else if aside || state == State::NotApplicable {
            skipped += 1;
            let why = if aside { "waived or known" } else { "nothing to look at" };
            cases += &format!("><skipped message=\"{why}\"/></testcase>\n");
        } else {
            cases += "/>\n";
        }
    }
    let name = match scope {
        Scope::Host => "host",
        Scope::Address => "address",
    };
    format!(
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\" skipped=\"{skipped}\">\n{cases}  </testsuite>\n"
    )
}

/// Text as XML and HTML take it; what XML 1.0 has no place for becomes a replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

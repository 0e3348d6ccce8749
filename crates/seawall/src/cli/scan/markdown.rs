//! The report as Markdown, for a ticket or a pull request.

use seawall_rules::exposure::Severity;

use super::Outcome;

/// Writes the report.
pub(super) fn write(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let mut text = format!("# Exposure of {}\n\n", plain(&report.scanned.join(", ")));
    let counts: Vec<_> = Severity::ALL
        .iter()
        .rev()
        .map(|severity| format!("{} {severity}", outcome.count(*severity)))
        .collect();
    text += &format!("{}\n", counts.join(", "));
    for finding in &report.findings {
        let check = finding.check;
        text += &format!("\n## {} {}: {}\n\n", finding.severity, check.id, plain(check.title));
        text += &format!("**{}**: {}\n\n", plain(&finding.subject), plain(&finding.what));
        if let Some(weighed) = &finding.weighed {
            text += &format!("Weighed: {}\n\n", plain(weighed));
        }
        for evidence in &finding.evidence {
            text +=
                &format!("- {}: {}\n", plain(&evidence.place.to_string()), plain(&evidence.says));
        }
        text += &format!("\n{}\n\n```\n{}\n```\n\n", plain(check.why), fenced(&finding.remedy));
        text += &format!("<{}>", check.reference);
        if !check.cis.is_empty() {
            text += &format!(" CIS {}", check.cis.join(", "));
        }
        text.push('\n');
    }
    for (title, lines) in outcome.remarks() {
        text += &format!("\n## {title}\n\n");
        for line in lines {
            text += &format!("- {}\n", plain(&line));
        }
    }
    text
}

/// What others wrote, without a meaning in Markdown.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' => {
                out.push('\\');
                out.push(character);
            }
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

/// What others wrote, inside a fence that it cannot close.
fn fenced(text: &str) -> String {
    text.replace("```", "'''")
}

//! The report as JSON: also what `--baseline` reads.

use seawall_rules::exposure::waiver::Waiver;
use seawall_rules::exposure::{Finding, Severity};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::report::{Doing as _, Error};
use super::{Outcome, scopes, waivers};

/// Writes the report.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn write(outcome: &Outcome) -> Result<String, Error> {
    let doing = || "write the report".to_owned();
    let report = &outcome.report;
    let mut counts = Map::new();
    for severity in Severity::ALL {
        counts.insert(severity.as_str().to_owned(), outcome.count(*severity).into());
    }
    let new = report.findings.iter().map(|it| finding(it, None, false));
    let known = outcome.known.iter().flatten().map(|it| finding(it, None, true));
    let waived = outcome.waived.iter().map(|(it, waiver)| finding(it, Some(waiver), false));
    let unknown = report.unknown.iter().map(
        |unknown| json!({"id": unknown.check.id, "subject": unknown.subject, "why": unknown.why}),
    );
    let states = scopes(report).into_iter().flat_map(|scope| report.states(scope));
    let states = states.map(|(check, state)| json!({"id": check.id, "state": state.as_str()}));
    let document = json!({
        "schema": 1,
        "tool": {"name": "seawall", "version": env!("CARGO_PKG_VERSION")},
        "time": outcome.when.format(&Rfc3339).doing(doing)?,
        "scanned": report.scanned,
        "worst": report.worst().map(Severity::as_str),
        "counts": counts,
        "findings": new.chain(known).chain(waived).collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(),
        "gone": outcome.gone,
        "notes": outcome.notes,
        "checks": states.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document).doing(doing)? + "\n")
}

fn finding(finding: &Finding, waiver: Option<&Waiver>, known: bool) -> Value {
    let evidence = finding.evidence.iter().map(|evidence| {
        json!({
            "place": evidence.place.name,
            "line": evidence.place.line,
            "says": evidence.says,
        })
    });
    json!({
        "id": finding.check.id,
        "severity": finding.severity.as_str(),
        "title": finding.check.title,
        "subject": finding.subject,
        "what": finding.what,
        "weighed": finding.weighed,
        "evidence": evidence.collect::<Vec<_>>(),
        "why": finding.check.why,
        "remedy": finding.remedy,
        "cis": finding.check.cis,
        "reference": finding.check.reference,
        "fingerprint": finding.fingerprint(),
        "known": known,
        "waived": waiver.map(|waiver| json!({
            "reason": waiver.reason,
            "until": waivers::date(waiver.until),
        })),
    })
}

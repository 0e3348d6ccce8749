//! The report as SARIF 2.1.0 (OASIS), for code scanning.

use seawall_rules::exposure::waiver::Waiver;
use seawall_rules::exposure::{Check, Finding, Place, Severity};
use serde_json::{Value, json};

use super::super::report::{Doing as _, Error};
use super::Outcome;

/// Writes the report.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn write(outcome: &Outcome) -> Result<String, Error> {
    let new = outcome.report.findings.iter().map(|finding| (finding, None, "new"));
    let known = outcome.known.iter().flatten().map(|finding| (finding, None, "unchanged"));
    let waived = outcome.waived.iter().map(|(finding, waiver)| (finding, Some(waiver), "new"));
    let all: Vec<_> = new.chain(known).chain(waived).collect();
    let mut rules: Vec<&Check> = all.iter().map(|(finding, ..)| finding.check).collect();
    rules.sort_by_key(|check| check.id);
    rules.dedup();
    let results: Vec<_> = all
        .iter()
        .map(|(finding, waiver, state)| {
            let mut result = result(finding, *waiver, &rules, outcome.is_folder);
            if outcome.known.is_some() {
                result["baselineState"] = json!(state);
            }
            result
        })
        .collect();
    // What could not be looked at is no result, and must not be lost.
    let notifications: Vec<_> = outcome
        .report
        .unknown
        .iter()
        .map(|unknown| {
            json!({
                "level": "warning",
                "descriptor": {"id": unknown.check.id},
                "message": {"text": format!("not known: {}: {}", unknown.subject, unknown.why)},
            })
        })
        .collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "seawall",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|check| rule(check)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let text = serde_json::to_string_pretty(&document).doing(|| "write the report".to_owned())?;
    Ok(text + "\n")
}

fn rule(check: &Check) -> Value {
    let mut tags = vec!["security".to_owned(), "docker".to_owned()];
    tags.extend(check.cis.iter().map(|id| format!("CIS-Docker-1.6.0/{id}")));
    json!({
        "id": check.id,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.why},
        "help": {"text": format!("{}\n\n{}", check.why, check.remedy_in_general())},
        "helpUri": check.reference,
        "defaultConfiguration": {"level": level(check.severity)},
        "properties": {"tags": tags, "security-severity": score(check.severity)},
    })
}

fn result(finding: &Finding, waiver: Option<&Waiver>, rules: &[&Check], is_folder: bool) -> Value {
    let text = format!("{}: {}", finding.subject, finding.what);
    let mut locations: Vec<_> =
        finding.evidence.iter().map(|evidence| location(&evidence.place, is_folder)).collect();
    if locations.is_empty() {
        locations.push(location(&Place::whole(&finding.subject), is_folder));
    }
    let mut result = json!({
        "ruleId": finding.check.id,
        "ruleIndex": rules.iter().position(|check| *check == finding.check),
        "level": level(finding.severity),
        "message": {"text": format!("{text}. To close it: {}", finding.remedy)},
        "locations": locations,
        "partialFingerprints": {"seawall/v1": finding.fingerprint()},
        "properties": {"security-severity": score(finding.severity)},
    });
    if let Some(waiver) = waiver {
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": waiver.reason,
        }]);
    }
    result
}

/// A file by its URI; anything else by a URI of our own, so that no viewer drops it.
fn location(place: &Place, is_folder: bool) -> Value {
    let uri = match place.name.strip_prefix('/') {
        Some(path) if is_folder => encoded(path),
        Some(path) => format!("file:///{}", encoded(path)),
        None => format!("seawall:{}", encoded(&place.name)),
    };
    let mut physical = json!({"artifactLocation": {"uri": uri}});
    if let Some(line) = place.line {
        physical["region"] = json!({"startLine": line});
    }
    let name = place.name.clone();
    json!({
        "physicalLocation": physical,
        "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}],
    })
}

/// Percent-encodes what may not stand in a path (RFC 3986 section 3.3).
fn encoded(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// What code scanning sorts by: a CVSS score in the middle of the severity's range.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.8",
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "2.0",
        Severity::Info => "0.0",
    }
}

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

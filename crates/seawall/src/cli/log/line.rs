//! One line for one request, as a person reads it.

use std::io::IsTerminal as _;

use crate::audit::read::{Body, DecisionRecord, Entry, OutcomeRecord};
use crate::audit::visible;

/// Whether lines are colored: on a terminal, unless `NO_COLOR` asks not to (no-color.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    No,
    Yes,
}

impl Color {
    /// For standard output.
    pub(super) fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if std::io::stdout().is_terminal() && !no_color && !dumb { Self::Yes } else { Self::No }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::No => text.to_owned(),
            Self::Yes => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// A request: when, who, what, the verdict with its rule, how it ended, its id.
pub(super) fn request(
    time: &str,
    decision: &DecisionRecord,
    outcome: Option<&OutcomeRecord>,
    color: Color,
) -> String {
    let verdict = match decision.allowed {
        true => color.paint("32", "allow"),
        false => color.paint("1;31", "deny "),
    };
    let ended = match outcome {
        None => "running".to_owned(),
        Some(outcome) => {
            let status = outcome.status.filter(|&status| status > 0);
            let mut ended = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
            if let Some(took) = outcome.took_us {
                ended += &format!(" {}", duration(took));
            }
            if outcome.ending != "complete" {
                ended += &format!(" {}", visible(&outcome.ending));
            }
            ended
        }
    };
    let operation = decision.operation.as_deref().unwrap_or("-");
    let would = match decision.would_deny.as_slice() {
        [] => String::new(),
        rules => format!("  (would be refused by {})", visible(&rules.join(", "))),
    };
    let reason = decision.reason.as_ref().filter(|_| !decision.allowed);
    let reason = reason.map_or_else(String::new, |reason| format!("  ({})", visible(reason)));
    format!(
        "{}  {:<12}  {:<18} {} {}  {verdict} {}  {ended}  {}{reason}{would}\n",
        seconds(time),
        visible(&decision.identity),
        visible(operation),
        visible(&decision.method),
        visible(&decision.target),
        visible(&decision.rule),
        color.paint("2", &visible(&decision.id)),
    )
}

/// Any other record a person wants to see; `None` for those that only hold the chain together.
pub(super) fn other(entry: &Entry, color: Color) -> Option<String> {
    let Body::Other(kind) = &entry.body else {
        let place = entry.place;
        return match entry.body {
            Body::Unreadable => Some(color.paint("1;31", &format!("{place}: no record")) + "\n"),
            _ => None,
        };
    };
    let record: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&entry.line).ok()?;
    let (what, detail) = match kind.as_str() {
        "checkpoint" | "segment" => return None,
        "event" => {
            let what = record.get("what").and_then(|what| what.as_str()).unwrap_or("event");
            (what.to_owned(), record.get("detail").cloned().unwrap_or_default())
        }
        kind => {
            const FRAME: [&str; 6] = ["seq", "time", "prev", "kind", "key", "signature"];
            let rest = record.into_iter().filter(|(name, _)| !FRAME.contains(&name.as_str()));
            (kind.to_owned(), rest.collect::<serde_json::Map<_, _>>().into())
        }
    };
    let detail = visible(&detail.to_string()).into_owned();
    let what = color.paint("33", &visible(&what));
    Some(format!("{}  {what}  {detail}\n", seconds(&entry.time)))
}

/// `2026-01-31 12:00:00Z` of `2026-01-31T12:00:00.000000Z`.
fn seconds(time: &str) -> String {
    match (time.get(..10), time.get(11..19)) {
        (Some(date), Some(clock)) => format!("{}Z", visible(&format!("{date} {clock}"))),
        _ => visible(time).into_owned(),
    }
}

/// Microseconds as a person reads them: `850µs`, `1.5ms`, `12.3s`, `4m07s`, `3h05m`.
pub(super) fn duration(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match micros {
        0..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}.{}ms", micros / 1_000, micros / 100 % 10),
        1_000_000..60_000_000 => format!("{seconds}.{}s", micros / 100_000 % 10),
        60_000_000..3_600_000_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> DecisionRecord {
        DecisionRecord {
            id: "7f3a91c2d405-3".to_owned(),
            identity: "alice".to_owned(),
            identity_id: None,
            roles: "viewer".to_owned(),
            credential: "cert:01".to_owned(),
            peer: "192.0.2.7:50000".to_owned(),
            balancer: None,
            method: "GET".to_owned(),
            target: "/v1.41/containers/json".to_owned(),
            operation: Some("ContainerList".to_owned()),
            allowed: true,
            rule: "viewer.read".to_owned(),
            reason: None,
            would_deny: Vec::new(),
            unknown: Vec::new(),
            asks: Some(Vec::new()),
            generation: 1,
            user_agent: "curl".to_owned(),
        }
    }

    #[test]
    fn a_request_is_one_line() {
        let time = "2026-01-31T12:00:00.123456Z";
        let outcome = OutcomeRecord {
            id: "7f3a91c2d405-3".to_owned(),
            status: Some(200),
            ending: "complete".to_owned(),
            received: Some(0),
            sent: Some(10),
            took_us: Some(1543),
        };
        insta::assert_snapshot!(
            request(time, &decision(), Some(&outcome), Color::No),
            @"2026-01-31 12:00:00Z  alice         ContainerList      GET /v1.41/containers/json  allow viewer.read  200 1.5ms  7f3a91c2d405-3"
        );
        insta::assert_snapshot!(
            request(time, &decision(), None, Color::No),
            @"2026-01-31 12:00:00Z  alice         ContainerList      GET /v1.41/containers/json  allow viewer.read  running  7f3a91c2d405-3"
        );
        let denied = DecisionRecord {
            allowed: false,
            operation: None,
            target: "/x\u{1b}[2J\u{202e}".to_owned(),
            rule: "route.unknown".to_owned(),
            reason: Some("no such route".to_owned()),
            ..decision()
        };
        let outcome =
            OutcomeRecord { status: None, ending: "unknown".to_owned(), took_us: None, ..outcome };
        insta::assert_snapshot!(
            request(time, &denied, Some(&outcome), Color::No),
            @r"2026-01-31 12:00:00Z  alice         -                  GET /x\u{1b}[2J\u{202e}  deny  route.unknown  --- unknown  7f3a91c2d405-3  (no such route)"
        );
    }

    #[test]
    fn durations_are_short() {
        let cases = [
            (0, "0µs"),
            (999, "999µs"),
            (1_543, "1.5ms"),
            (999_999, "999.9ms"),
            (12_345_678, "12.3s"),
            (247_000_000, "4m07s"),
            (11_100_000_000, "3h05m"),
        ];
        for (micros, text) in cases {
            assert_eq!(duration(micros), text);
        }
    }
}

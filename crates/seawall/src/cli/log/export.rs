//! `seawall log export`: the trail for other programs.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use super::super::report::{Doing as _, Error};
use super::{Moment, TrailDir};
use crate::audit::read::{Body, DecisionRecord, Entry, OutcomeRecord, Records};

/// Write the trail to standard output, for other programs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall log export --since 2026-01-01 > january.jsonl\n  \
    seawall log export --format csv --since 7d > week.csv")]
pub(super) struct Args {
    /// Only from then on: `1h` ago, or a date or time
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
    /// Records as they stand in the trail, or a table of requests
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Every record, byte for byte
    Jsonl,
    /// One row a request
    Csv,
}

pub(super) fn run(trail: &TrailDir, args: &Args) -> Result<(), Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.format {
        Format::Jsonl => jsonl(trail, args, &mut out),
        Format::Csv => csv(trail, args, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.doing(|| "export the trail".to_owned()),
    }
}

impl Args {
    fn takes(&self, entry: &Entry) -> bool {
        self.since.as_ref().is_none_or(|since| since.is_before_or_at(entry))
            && self.until.as_ref().is_none_or(|until| !until.is_before_or_at(entry))
    }
}

fn jsonl(trail: &TrailDir, args: &Args, out: &mut impl Write) -> io::Result<()> {
    for entry in Records::from_segment(&trail.dir, 0) {
        let entry = entry?;
        if args.takes(&entry) {
            writeln!(out, "{}", entry.line)?;
        }
    }
    Ok(())
}

const COLUMNS: &str = "time,id,identity,roles,credential,peer,method,target,operation,allowed,\
    rule,reason,user_agent,status,ending,received,sent,took_us";

/// A row is written when the request's outcome is read; those without one come last.
fn csv(trail: &TrailDir, args: &Args, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{COLUMNS}")?;
    let mut running: HashMap<String, (String, Box<DecisionRecord>)> = HashMap::new();
    for entry in Records::from_segment(&trail.dir, 0) {
        let entry = entry?;
        let takes = args.takes(&entry);
        match entry.body {
            Body::Decision(decision) if takes => {
                running.insert(decision.id.clone(), (entry.time, decision));
            }
            Body::Outcome(outcome) => {
                if let Some((time, decision)) = running.remove(&outcome.id) {
                    row(out, &time, &decision, Some(&outcome))?;
                }
            }
            Body::Decision(_) | Body::Other(_) | Body::Unreadable => {}
        }
    }
    let mut rest: Vec<_> = running.into_values().collect();
    rest.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
    rest.iter().try_for_each(|(time, decision)| row(out, time, decision, None))
}

fn row(
    out: &mut impl Write,
    time: &str,
    decision: &DecisionRecord,
    outcome: Option<&OutcomeRecord>,
) -> io::Result<()> {
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let allowed = if decision.allowed { "true" } else { "false" };
    let texts = [
        time,
        &decision.id,
        &decision.identity,
        &decision.roles,
        &decision.credential,
        &decision.peer,
        &decision.method,
        &decision.target,
        decision.operation.as_deref().unwrap_or_default(),
        allowed,
        &decision.rule,
        decision.reason.as_deref().unwrap_or_default(),
        &decision.user_agent,
        &number(outcome.and_then(|outcome| outcome.status).map(u64::from)),
        outcome.map_or("", |outcome| &outcome.ending),
        &number(outcome.and_then(|outcome| outcome.received)),
        &number(outcome.and_then(|outcome| outcome.sent)),
        &number(outcome.and_then(|outcome| outcome.took_us)),
    ];
    let cells: Vec<_> = texts.iter().map(|text| cell(text)).collect();
    writeln!(out, "{}", cells.join(","))
}

/// A cell after RFC 4180. One that a spreadsheet would take for a formula is made a text, and
/// what would act on a terminal stays escaped.
fn cell(text: &str) -> String {
    let text = crate::audit::visible(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    if formula || text.contains([',', '"', '\'']) {
        let quote = if formula { "'" } else { "" };
        return format!("\"{quote}{}\"", text.replace('"', "\"\""));
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let cases = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=cmd()", "\"'=cmd()\""),
            ("@x", "\"'@x\""),
            ("two\r\nlines", "two\\r\\nlines"),
        ];
        for (text, cell) in cases {
            assert_eq!(super::cell(text), cell);
        }
    }
}

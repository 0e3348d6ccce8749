//! `seawall log verify`: whether the trail is what the gate wrote.

use std::path::PathBuf;

use serde_json::json;

use super::super::Context;
use super::super::report::{self, Doing as _, Error};
use super::TrailDir;
use crate::audit::verify::{HeadCheck, Report, verify};
use crate::audit::{PublicKeys, SignedHead, visible};

/// Find any record that was changed, removed, reordered or inserted
///
/// With a head kept elsewhere (`log head`, or the anchor command) it also finds an end that was
/// cut off. Exit code 3 when anything is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall log verify\n  \
    seawall log verify --head \"$(tail -n 1 /mnt/elsewhere/heads)\"\n  \
    seawall log verify --dir copy/audit --key copy/audit.pub")]
pub(super) struct Args {
    /// A head kept elsewhere: SEQ:HASH or SEQ:HASH:SIGNATURE
    #[arg(long, value_name = "HEAD")]
    head: Option<SignedHead>,
    /// The gate's public keys; audit.pub in the state folder without it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, trail: &TrailDir, args: &Args) -> Result<(), Error> {
    let key = args.key.clone().unwrap_or_else(|| context.state_dir.join("audit.pub"));
    let keys = PublicKeys::read(&key)
        .doing(|| "read the gate's public key".to_owned())
        .map_err(|error| error.hint("`--key FILE` names a copy of the gate's audit.pub"))?;
    let report = verify(&trail.dir, &keys, args.head.as_ref())
        .doing(|| format!("read the trail in {}", trail.dir.display()))?;
    report::print(if context.json { as_json(&report) } else { as_text(&report, args) })?;
    if report.is_whole() {
        return Ok(());
    }
    let problems = report.problems.len() as u64 + report.more_problems;
    let things = if problems == 1 { "one thing is" } else { "several things are" };
    Err(Error::found(format!("{things} wrong with the audit trail in {}", trail.dir.display()))
        .hint("keep a copy of the folder as it is before you do anything else"))
}

fn as_text(report: &Report, args: &Args) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        text += &format!("{}: {}\n", problem.place, visible(&problem.what));
    }
    if report.more_problems > 0 {
        text += &format!("and {} more\n", report.more_problems);
    }
    let (first, last) = (report.first_seq, report.last.seq);
    if report.is_whole() {
        text += &format!("records {first} to {last} are whole and in order\n");
    }
    if first > 1 {
        text += &format!("retention removed the records before {first}, under signed tombstones\n");
    }
    match report.signed {
        Some(signed) if signed.seq + 1 >= last => {
            text += &format!("signed up to the last, record {last}\n");
        }
        Some(signed) => {
            let rest = last - signed.seq;
            text += &format!("signed up to record {}; {rest} after it are chained\n", signed.seq);
        }
        None => text += "nothing is signed yet\n",
    }
    if report.torn_bytes > 0 {
        text += &format!(
            "{} bytes at the end are being written, or were torn by a crash\n",
            report.torn_bytes
        );
    }
    let named = args.head.map_or(0, |head| head.head.seq);
    text += &match report.head {
        HeadCheck::Found => format!("nothing up to the head, record {named}, was cut off\n"),
        HeadCheck::Removed => format!("retention removed record {named}, which the head names\n"),
        HeadCheck::Missing => String::new(),
        HeadCheck::NotGiven => {
            "whether the end was cut off only a head kept elsewhere can tell: `seawall log head`\n"
                .to_owned()
        }
    };
    text
}

fn as_json(report: &Report) -> String {
    let head =
        |head: &crate::audit::Head| json!({ "seq": head.seq, "hash": head.hash.to_string() });
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| json!({ "place": problem.place.to_string(), "what": problem.what }))
        .collect();
    let json = json!({
        "whole": report.is_whole(),
        "records": report.records,
        "first_seq": report.first_seq,
        "last": head(&report.last),
        "signed": report.signed.as_ref().map(head),
        "head": match report.head {
            HeadCheck::NotGiven => "not-given",
            HeadCheck::Found => "found",
            HeadCheck::Removed => "removed",
            HeadCheck::Missing => "missing",
        },
        "torn_bytes": report.torn_bytes,
        "problems": problems,
        "more_problems": report.more_problems,
    });
    format!("{json}\n")
}

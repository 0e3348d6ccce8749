//! `seawall firewall verify`.

use serde_json::json;

use super::{Rules, described, must_be_root};
use crate::cli::Context;
use crate::cli::report::{self, Doing, Error};
use crate::firewall::applied::{Applied, Term};
use crate::firewall::kernel::Trial;

/// Say where the rules in force differ from the configuration
///
/// Exits 3 when they do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    rules: Rules,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    must_be_root("verify")?;
    let applied = Applied::load(context, Term::ForGood)?;
    let wanted = args.rules.clone().wanted(context, applied.as_ref())?;
    let mut findings = wanted.backend.differences(&wanted.plan)?;
    match wanted.backend.trial()? {
        Trial::None => {}
        Trial::Running => findings.push("other rules are on trial, and not confirmed".to_owned()),
        Trial::RanOut => findings.push("rules were on trial, and nobody confirmed them".to_owned()),
    }
    match applied {
        Some(applied) if applied == wanted => {}
        Some(_) => findings.push("the next boot loads other rules".to_owned()),
        None => findings.push("the next boot loads no rules".to_owned()),
    }
    let holds = findings.is_empty();
    let denied = if holds { wanted.backend.denied()? } else { None };
    if args.json {
        let value = json!({"holds": holds, "findings": findings, "denied_packets": denied});
        let text = serde_json::to_string_pretty(&value).doing(|| "write the answer".to_owned())?;
        report::print(text + "\n")?;
    } else if holds {
        let denied = denied.map_or_else(String::new, |count| {
            format!("{:<16}{count} packets since they were loaded\n", "denied")
        });
        let in_force = format!(
            "{:<16}what the configuration asks for, by {}\n",
            "in force",
            wanted.backend.name()
        );
        report::print(in_force + &described(&wanted.plan) + &denied)?;
    } else {
        let findings: Vec<_> =
            findings.iter().map(|finding| format!("{:<16}{finding}\n", "DIFFERS")).collect();
        report::print(findings.concat())?;
    }
    match holds {
        true => Ok(()),
        false => Err(Error::found("the kernel does not hold what the configuration asks for")
            .hint("`sudo seawall firewall apply` puts it in force")),
    }
}

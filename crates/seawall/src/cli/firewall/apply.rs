//! `seawall firewall apply`.

use std::time::Duration;

use seawall_rules::firewall::Plan;

use super::{Rules, described, keep, must_be_root};
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::config::units::{parse_duration, show_duration};
use crate::firewall::applied::{Applied, Term};
use crate::firewall::{session, wanted};

/// Load the rules in one step, and keep them for the next boot
///
/// Run again, it replaces them. Connections that are open, from addresses that may not connect any
/// more, get no further packet through.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    rules: Rules,
    /// Put the previous rules back after this time unless `firewall confirm` comes first
    ///
    /// The kernel itself does it, whatever becomes of this command and its session.
    #[arg(long, value_name = "TIME", value_parser = time)]
    confirm_within: Option<Duration>,
    /// Also when the address that this session comes from will not reach the gate any more
    #[arg(long)]
    lock_me_out: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    must_be_root("apply")?;
    let before = Applied::load(context, Term::ForGood)?;
    let wanted = args.rules.clone().wanted(context, before.as_ref())?;
    if !args.lock_me_out {
        keeps_the_session(&wanted.plan)?;
    }
    let Some(within) = args.confirm_within else {
        wanted.backend.apply(&wanted.plan)?;
        let note = keep(context, &wanted)?;
        let note = note.map(|note| format!("{:<16}{note}\n", "next boot")).unwrap_or_default();
        let backend = wanted.backend.name();
        return report::print(format!(
            "{:<16}now, by {backend}\n{}{note}",
            "in force",
            described(&wanted.plan)
        ));
    };
    if let Some(before) = before.filter(|before| before.backend != wanted.backend) {
        return Err(Error::usage(format!(
            "rules of {} cannot stand aside for a trial of {}",
            before.backend.name(),
            wanted.backend.name()
        ))
        .hint("leave out `--backend`, or `seawall firewall remove` first"));
    }
    wanted.save(context, Term::Trial)?;
    let seconds = u32::try_from(within.as_secs()).unwrap_or(u32::MAX);
    wanted.backend.try_for(&wanted.plan, seconds)?;
    report::print(format!(
        "{:<16}for {}, then the previous rules again\n{}{:<16}sudo seawall firewall confirm\n",
        "in force",
        show_duration(within),
        described(&wanted.plan),
        "keep them"
    ))
}

/// Whether the session that runs this can still reach the gate.
fn keeps_the_session(plan: &Plan) -> Result<(), Error> {
    let out = session::remote_addresses()
        .into_iter()
        .find(|address| !address.is_loopback() && !wanted::reaches_the_gate(plan, *address));
    match out {
        None => Ok(()),
        Some(address) => Err(Error::failed(format!(
            "this session comes from {address}, which would not reach the gate any more"
        ))
        .hint(format!("add it to `network.allow`: \"{address}\""))
        .hint("or say that you mean it: `--lock-me-out`")),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|time| (LEAST..=MOST).contains(time))
        .ok_or_else(|| "write a time from `5s` to `1h`, like `60s`".to_owned())
}

/// Shorter ones are over before anybody could confirm.
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(60 * 60);

//! `seawall firewall verify`.

use serde_json::json;

use super::{Rules, described, must_be_root};
use crate::cli::Context;
use crate::cli::report::{self, Doing, Error};
use crate::firewall::applied::{Applied, Term};
use crate::firewall::kernel::Trial;
use crate::firewall::probe::{self, Probed};

/// Say where the rules in force differ from the configuration
///
/// Exits 3 when they do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    rules: Rules,
    /// Also try the ports as a stranger would, from a network namespace of its own
    ///
    /// For a moment this host has an interface `seawall-probe` with addresses that are kept for
    /// tests of network devices.
    #[arg(long)]
    probe: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    must_be_root("verify")?;
    let applied = Applied::load(context, Term::ForGood)?;
    let wanted = args.rules.clone().wanted(context, applied.as_ref())?;
    let mut findings = wanted.backend.differences(&wanted.plan)?;
    let trial = wanted.backend.trial()?;
    match trial {
        Trial::None => {}
        Trial::Running => findings.push("other rules are on trial, and not confirmed".to_owned()),
        Trial::RanOut => findings.push("rules were on trial, and nobody confirmed them".to_owned()),
    }
    match applied {
        Some(applied) if applied == wanted => {}
        Some(_) => findings.push("the next boot loads other rules".to_owned()),
        None => findings.push("the next boot loads no rules".to_owned()),
    }
    let probed = if args.probe { Some(probe::probe(&wanted.plan)?) } else { None };
    let open = probed.iter().flat_map(|probed| &probed.open);
    findings.extend(open.map(|at| format!("a stranger is answered at {at}")));
    let holds = findings.is_empty();
    let denied = if holds { wanted.backend.denied()? } else { None };
    if args.json {
        let tried = probed.as_ref().map(|probed| {
            json!({
                "closed": probed.closed, "open": probed.open, "allowed": probed.allowed,
            })
        });
        let value = json!({
            "holds": holds, "findings": findings, "denied_packets": denied, "probe": tried,
        });
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
        let tried = probed.as_ref().map(tried).unwrap_or_default();
        report::print(in_force + &described(&wanted.plan) + &denied + &tried)?;
    } else {
        let findings: Vec<_> =
            findings.iter().map(|finding| format!("{:<16}{finding}\n", "DIFFERS")).collect();
        report::print(findings.concat())?;
    }
    if holds {
        return Ok(());
    }
    let error = Error::found("the kernel does not hold what the configuration asks for");
    Err(match trial {
        Trial::Running => error.hint("`sudo seawall firewall confirm` keeps what is on trial"),
        Trial::None | Trial::RanOut => error.hint("`sudo seawall firewall apply` puts it in force"),
    })
}

/// What a stranger found, where that is what it should be.
fn tried(probed: &Probed) -> String {
    let list = |ports: &[std::net::SocketAddr]| {
        ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    if !probed.closed.is_empty() {
        text += &format!("{:<16}a stranger gets no answer at {}\n", "tried", list(&probed.closed));
    }
    if !probed.allowed.is_empty() {
        let ports = list(&probed.allowed);
        text += &format!("{:<16}{ports}: even a stranger is allowed\n", "not tried");
    }
    text
}

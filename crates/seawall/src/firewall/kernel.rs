//! Putting rules in force, and reading back what is.

use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use seawall_rules::firewall::iptables::{self, Family, Term};
use seawall_rules::firewall::{Plan, compare, nft};

use super::command::{installed, run};
use super::namespace::in_private;
use crate::cli::report::{Doing, Error};
use crate::state::notation::rfc3339;

/// What rules are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// nftables: one table for both families, replaced in one step
    Nft,
    /// iptables and ip6tables, for hosts without nftables
    Iptables,
}

/// What became of rules on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// There are none.
    None,
    /// They are in force.
    Running,
    /// Nobody confirmed them; they are in force no longer.
    RanOut,
}

impl Backend {
    /// The one asked for, or the best that is installed.
    ///
    /// # Errors
    /// That none is.
    pub(crate) fn choose(asked: Option<Self>) -> Result<Self, Error> {
        match asked {
            Some(backend) => Ok(backend),
            None if installed("nft") => Ok(Self::Nft),
            None if installed("iptables-restore") => Ok(Self::Iptables),
            None => Err(Error::failed("neither `nft` nor `iptables` is installed")
                .hint("apt-get install nftables, or what its package is called here")),
        }
    }

    /// How people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nft => "nftables",
            Self::Iptables => "iptables",
        }
    }

    /// The rules as text, as if there were none of ours yet.
    pub(crate) fn script(self, plan: &Plan) -> String {
        match self {
            Self::Nft => nft::rules(plan),
            Self::Iptables => Family::BOTH
                .map(|family| {
                    let rules = iptables::rules(plan, family, &Term::ForGood, "");
                    format!("# {}-restore --noflush\n{rules}", family.command())
                })
                .concat(),
        }
    }

    /// Puts rules in force for good, and ends a trial.
    ///
    /// # Errors
    /// What the kernel said; what was in force before is in force then.
    pub(crate) fn apply(self, plan: &Plan) -> Result<(), Error> {
        match self {
            Self::Nft => load_nft(&nft::rules(plan)),
            Self::Iptables => {
                load_iptables(|family, live| iptables::rules(plan, family, &Term::ForGood, live))
            }
        }
    }

    /// Puts rules in force for `seconds`, before what is in force now.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn try_for(self, plan: &Plan, seconds: u32) -> Result<(), Error> {
        match self {
            Self::Nft => {
                let over = match listing(nft::TABLE)? {
                    Some(_) => nft::Over::Rules,
                    None => nft::Over::Nothing,
                };
                load_nft(&nft::trial(plan, seconds, over))
            }
            Self::Iptables => {
                let end = SystemTime::now() + Duration::from_secs(seconds.into());
                // xt_time reads UTC unless it is told otherwise, without saying so.
                let end = rfc3339(end);
                let end = Term::Until(end.trim_end_matches('Z'));
                load_iptables(|family, live| iptables::rules(plan, family, &end, live))
            }
        }
    }

    /// Whether rules are on trial.
    ///
    /// # Errors
    /// That the kernel's rules cannot be read.
    pub(crate) fn trial(self) -> Result<Trial, Error> {
        match self {
            Self::Nft => Ok(match listing(nft::TRIAL)? {
                None => Trial::None,
                Some(listing) if compare::is_armed(&listing) => Trial::Running,
                Some(_) => Trial::RanOut,
            }),
            Self::Iptables => {
                let live = run("iptables-save", &["-t", "raw"], "")?;
                let Some(end) = iptables::trial_end(&live) else { return Ok(Trial::None) };
                let end = OffsetDateTime::parse(&format!("{end}Z"), &Rfc3339)
                    .doing(|| format!("read the time `{}`", end.escape_debug()))?;
                Ok(match OffsetDateTime::now_utc() < end {
                    true => Trial::Running,
                    false => Trial::RanOut,
                })
            }
        }
    }

    /// Where what is in force differs from `plan`, a sentence each. Both are listed by the same
    /// program, the one of `plan` from a namespace where it was just loaded.
    ///
    /// # Errors
    /// That the kernel's rules cannot be read, or made in a namespace.
    pub(crate) fn differences(self, plan: &Plan) -> Result<Vec<String>, Error> {
        match self {
            Self::Nft => {
                let Some(live) = listing(nft::TABLE)? else {
                    return Ok(vec!["no rules of ours are in force".to_owned()]);
                };
                let wanted = in_private(|| {
                    load_nft(&nft::rules(plan))?;
                    listing(nft::TABLE)
                })?;
                Ok(compare::tables(&wanted.unwrap_or_default(), &live))
            }
            Self::Iptables => {
                let mut told = Vec::new();
                for family in Family::BOTH {
                    let live = iptables::ours(&save(family)?);
                    if live.is_empty() {
                        told.push(format!("no rules of ours are in {}", family.command()));
                        continue;
                    }
                    let wanted = in_private(|| {
                        let rules = iptables::rules(plan, family, &Term::ForGood, "");
                        restore(family, &rules)?;
                        Ok(iptables::ours(&save(family)?))
                    })?;
                    let lines = compare::lines(&wanted, &live).into_iter();
                    told.extend(lines.map(|line| format!("{}: {line}", family.command())));
                }
                Ok(told)
            }
        }
    }

    /// Whether any rules of ours are there, in force or not.
    ///
    /// # Errors
    /// That the kernel's rules cannot be read.
    pub(crate) fn is_there(self) -> Result<bool, Error> {
        match self {
            Self::Nft if !installed("nft") => Ok(false),
            Self::Nft => Ok(listing(nft::TABLE)?.is_some() || listing(nft::TRIAL)?.is_some()),
            Self::Iptables => {
                for family in Family::BOTH.into_iter().filter(|family| installed(family.command()))
                {
                    if !iptables::ours(&save(family)?).is_empty() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Takes all of ours away.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn remove(self) -> Result<(), Error> {
        match self {
            Self::Nft => load_nft(&nft::remove()),
            Self::Iptables => load_iptables(|_, live| iptables::remove(live)),
        }
    }

    /// Packets that were dropped since the rules were loaded, where that is counted.
    ///
    /// # Errors
    /// That the kernel's rules cannot be read.
    pub(crate) fn denied(self) -> Result<Option<u64>, Error> {
        match self {
            Self::Nft => {
                let args = ["list", "counter", "inet", nft::TABLE, nft::DENIED];
                let listing = run("nft", &args, "")?;
                let mut words = listing.split_whitespace().skip_while(|word| *word != "packets");
                Ok(words.nth(1).and_then(|count| count.parse().ok()))
            }
            Self::Iptables => Ok(None),
        }
    }
}

/// The other one's rules of ours, if it has any.
pub(crate) fn remove_others(kept: Backend) -> Result<(), Error> {
    for other in [Backend::Nft, Backend::Iptables] {
        if other != kept && other.is_there()? {
            other.remove()?;
        }
    }
    Ok(())
}

fn load_nft(script: &str) -> Result<(), Error> {
    run("nft", &["-f", "-"], script).map(drop)
}

/// A table of ours as `nft` lists it; `None` when it is not there.
fn listing(table: &str) -> Result<Option<String>, Error> {
    let tables = run("nft", &["list", "tables"], "")?;
    match tables.lines().any(|line| line == format!("table inet {table}")) {
        true => run("nft", &["-s", "list", "table", "inet", table], "").map(Some),
        false => Ok(None),
    }
}

fn load_iptables(rules: impl Fn(Family, &str) -> String) -> Result<(), Error> {
    for family in Family::BOTH {
        restore(family, &rules(family, &save(family)?))?;
    }
    Ok(())
}

fn save(family: Family) -> Result<String, Error> {
    run(&format!("{}-save", family.command()), &[], "")
}

fn restore(family: Family, rules: &str) -> Result<(), Error> {
    match rules.is_empty() {
        true => Ok(()),
        // Another program may be changing the tables.
        false => {
            let program = format!("{}-restore", family.command());
            run(&program, &["--noflush", "-w", "5"], rules).map(drop)
        }
    }
}

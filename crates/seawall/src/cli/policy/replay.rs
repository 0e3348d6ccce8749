//! `seawall policy replay`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use seawall_rules::policy::{Permissions, Roles};
use serde::Serialize;

use super::holders::{self, Holder};
use super::recorded::{self, Recorded};
use crate::cli::log::Moment;
use crate::cli::report::{self, Error};
use crate::cli::{self, Context};
use crate::config;

/// Run the recorded past against a candidate, and list what would change
///
/// FILE is as in `policy diff`; without it the past is judged by the configuration as it is now. An
/// identity is judged by the roles it has today, one that is gone by those it had. Where a record
/// does not say all that was asked for, because the body was not read or the record is older than
/// that list, it is counted and not judged. Exits 3 when something would change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy replay --since 7d ./seawall.toml\n  \
    seawall policy replay --since 2026-01-31 --json")]
pub(super) struct Args {
    /// The candidate
    file: Option<PathBuf>,
    /// Only from then on: `7d` ago, or a date or time
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let now = config::load_for_command(context)?;
    let then = match args.file {
        Some(file) => config::load_candidate(context, &cli::absolute(file)?)?,
        None => now.clone(),
    };
    let mut replay = Replay::new(then.roles, holders::identities(context)?);
    let others = recorded::since(&now.audit.dir, args.since.as_ref(), |one| replay.add(&one))?;
    let told = replay.told(others);
    match args.json {
        true => report::print_json(&told)?,
        false => report::print(told.to_text())?,
    }
    match told.changes.is_empty() {
        true => Ok(()),
        false => Err(Error::found("the candidate would have decided otherwise")),
    }
}

/// The past under other roles.
struct Replay {
    roles: Arc<Roles>,
    holders: Vec<Holder>,
    /// By the roles that are held, and those of them that are in force.
    compiled: BTreeMap<(Vec<String>, Vec<String>), Permissions>,
    changes: BTreeMap<Change, (u64, String, Vec<String>)>,
    judged: u64,
    unclear: u64,
}

/// What changes, and how; equal ones are counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Change {
    identity: String,
    operation: &'static str,
    /// Whether it would pass.
    allowed: bool,
    /// The rule that would decide.
    rule: String,
    /// The rule that decided.
    before: String,
}

impl Replay {
    fn new(roles: Arc<Roles>, holders: Vec<Holder>) -> Self {
        let (compiled, changes) = (BTreeMap::new(), BTreeMap::new());
        Self { roles, holders, compiled, changes, judged: 0, unclear: 0 }
    }

    fn add(&mut self, recorded: &Recorded) {
        let decision = &recorded.decision;
        let holder = self.holders.iter().find(|holder| holder.name == decision.identity);
        let held: Vec<String> = match holder {
            Some(holder) => holder.roles.clone(),
            None => decision.roles.split(',').map(|role| role.trim().to_owned()).collect(),
        };
        // As it was sent: of the roles those that are in force there and then.
        let (roles, here) = (&self.roles, &recorded.circumstances);
        let names: Vec<&str> = held.iter().map(String::as_str).collect();
        let awake = roles.in_force(&names, here).into_iter().map(str::to_owned).collect();
        let permissions = self.compiled.entry((held, awake)).or_insert_with_key(|(held, _)| {
            Permissions::compile_under(roles, held.iter().map(String::as_str), here)
        });
        let Some(said) = recorded.under(permissions) else {
            self.unclear += 1;
            return;
        };
        self.judged += 1;
        if said.is_ok() == decision.allowed {
            return;
        }
        let change = Change {
            identity: decision.identity.clone(),
            operation: recorded.operation.as_str(),
            allowed: said.is_ok(),
            rule: said.unwrap_or_else(str::to_owned),
            before: decision.rule.clone(),
        };
        let example = || (0, decision.id.clone(), decision.asks.clone().unwrap_or_default());
        self.changes.entry(change).or_insert_with(example).0 += 1;
    }

    fn told(self, others: u64) -> Told {
        let changes = self
            .changes
            .into_iter()
            .map(|(change, (count, example, asks))| Counted { change, count, example, asks })
            .collect();
        Told { judged: self.judged, unclear: self.unclear, others, changes }
    }
}

/// What the replay comes to.
#[derive(Serialize)]
struct Told {
    judged: u64,
    /// Requests of which the record does not say all that was asked for.
    unclear: u64,
    /// Requests that were refused for what they or their senders were, whatever the roles.
    others: u64,
    changes: Vec<Counted>,
}

#[derive(Serialize)]
struct Counted {
    #[serde(flatten)]
    change: Change,
    count: u64,
    /// One of the requests.
    example: String,
    /// What that one asked for.
    asks: Vec<String>,
}

impl Told {
    fn to_text(&self) -> String {
        let mut text = String::new();
        for (allowed, title) in [(false, "would be refused"), (true, "would be allowed")] {
            let changes: Vec<_> =
                self.changes.iter().filter(|counted| counted.change.allowed == allowed).collect();
            if changes.is_empty() {
                continue;
            }
            text += &format!("{title}:\n");
            for Counted { change, count, example, asks } in changes {
                let Change { identity, operation, rule, before, .. } = change;
                let asks =
                    if asks.is_empty() { String::new() } else { format!(": {}", asks.join(", ")) };
                text += &format!(
                    "  {count} x {identity} {operation}, by {rule} (was {before}), such as {example}{asks}\n"
                );
            }
        }
        if self.changes.is_empty() {
            text += "nothing would change\n";
        }
        text + &format!(
            "{} requests judged; {} of which the record does not say all; {} refused whatever the roles\n",
            self.judged, self.unclear, self.others
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::tests::recorded;
    use super::*;

    #[test]
    fn the_past_is_told_where_it_would_be_decided_otherwise() {
        let holders = vec![Holder { name: "alice".to_owned(), roles: vec!["operator".to_owned()] }];
        let mut replay = Replay::new(Roles::built_in(), holders);
        let alpine = Some(&["image alpine", "memory unlimited"][..]);
        for (operation, asks, refused_by) in [
            ("ContainerCreate", alpine, None),
            ("ContainerCreate", alpine, None),
            ("ContainerStop", Some(&[][..]), Some("role.operations")),
            ("ContainerList", Some(&[]), None),
            ("ContainerStart", None, None),
        ] {
            replay.add(&recorded(operation, asks, refused_by).unwrap());
        }
        insta::assert_snapshot!(replay.told(3).to_text(), @"
        would be refused:
          2 x alice ContainerCreate, by role.operations (was developer.operations), such as 7f3a91c2b04e-3: image alpine, memory unlimited
        would be allowed:
          1 x alice ContainerStop, by operator.operations (was role.operations), such as 7f3a91c2b04e-3
        4 requests judged; 1 of which the record does not say all; 3 refused whatever the roles
        ");
    }
}

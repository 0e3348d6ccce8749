//! `seawall policy learn`.

use std::collections::BTreeSet;

use seawall_rules::identity::Name;
use seawall_rules::operation::Operation;
use seawall_rules::policy::{Roles, Smallest};
use toml::de::DeTable;

use super::recorded::{self, Recorded};
use crate::cli::Context;
use crate::cli::log::Moment;
use crate::cli::report::{self, Error};
use crate::config;

/// Write the smallest role that covers what an identity was recorded to do
///
/// For review: each line says how often it was wanted. What would give the host away, and what no
/// role can be given, is listed and not granted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    seawall policy learn --identity ci --since 7d > /etc/seawall/roles.d/ci.toml\n  \
    seawall policy learn --identity ci --refused --role ci-more")]
pub(super) struct Args {
    /// Whose requests
    #[arg(long, value_name = "NAME")]
    identity: String,
    /// Only from then on: `7d` ago, or a date or time
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// Also what the roles refused
    #[arg(long)]
    refused: bool,
    /// The name of the role
    #[arg(long, value_name = "ROLE", default_value = "learned")]
    role: Name,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let config = config::load_for_command(context)?;
    let mut learned = Learned::default();
    recorded::since(&config.audit.dir, args.since.as_ref(), |one| {
        if one.decision.identity == args.identity && (one.decision.allowed || args.refused) {
            learned.add(&one);
        }
    })?;
    if learned.requests == 0 {
        return Err(Error::failed(format!(
            "the audit trail has no such request of `{}`",
            args.identity.escape_debug()
        ))
        .hint("`seawall log tail --identity NAME` lists what there is"));
    }
    report::print(learned.to_toml(&args.role, &args.identity))
}

/// What was seen.
#[derive(Default)]
struct Learned {
    smallest: Smallest,
    requests: u64,
    /// Those of which the record does not say all that was asked for.
    unclear: BTreeSet<Operation>,
    /// Whether something of it takes a role that is for one's own things.
    own: bool,
}

impl Learned {
    fn add(&mut self, recorded: &Recorded) {
        self.requests += 1;
        if recorded::is_for_everyone(recorded.operation) {
            return;
        }
        self.smallest.operation(recorded.operation);
        self.own |= recorded.operation.route().own_only();
        match &recorded.asks {
            Some(asks) => asks.iter().for_each(|ask| self.smallest.ask(ask)),
            None => {
                self.unclear.insert(recorded.operation);
            }
        }
        recorded.decision.unknown.iter().for_each(|name| self.smallest.unknown(name));
    }

    fn to_toml(&self, role: &Name, identity: &str) -> String {
        let mut text = format!(
            "# Learned from {} requests of {}. Look at each line before it is in force.\n",
            self.requests,
            identity.escape_debug()
        );
        for operation in &self.unclear {
            text += &format!(
                "# The record does not always say what {} asked for.\n",
                operation.as_str()
            );
        }
        text += &format!("[roles.{role}]\nsummary = \"what was learned of {role}\"\n");
        if self.own {
            text += "isolation = \"own\"\n";
        }
        for (key, values) in self.smallest.keys() {
            if let (true, [(value, count)]) =
                (matches!(key, "memory" | "cpus" | "pids"), values.as_slice())
            {
                text += &format!("{key} = {value} # {count} x\n");
                continue;
            }
            text += &format!("{key} = [\n");
            for (value, count) in values {
                text += &format!("    {value}, # {count} x\n");
            }
            text += "]\n";
        }
        let impossible: Vec<_> = self.smallest.impossible().collect();
        if !impossible.is_empty() {
            text += "# What no role can be given:\n";
            for (what, why, count) in impossible {
                text += &format!("# {} ({why}), {count} x\n", what.escape_debug());
            }
        }
        for complaint in complaints(&text) {
            text += &format!("# It does not hold as it stands: {complaint}\n");
        }
        text
    }
}

/// What is wrong with the text where two of its lines do not go together.
fn complaints(text: &str) -> Vec<String> {
    let (document, _) = DeTable::parse_recoverable(text);
    let roles = document.get_ref().get("roles").and_then(|roles| roles.get_ref().as_table());
    match roles.map(|table| Roles::with(&[table], &[])) {
        Some(Err(problems)) => problems.into_iter().map(|problem| problem.message).collect(),
        Some(Ok(_)) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::tests::recorded;
    use super::*;

    #[test]
    fn the_role_covers_what_was_seen_and_lists_what_it_cannot() {
        let mut learned = Learned::default();
        for (operation, asks) in [
            ("SystemPing", Some(&[][..])),
            (
                "ContainerCreate",
                Some(&["image alpine", "bind /srv/a:rw", "memory 64", "pids unlimited"]),
            ),
            ("ContainerCreate", Some(&["image alpine", "escape.privileged", "memory 128"])),
            ("ContainerCreate", None),
            ("ContainerList", Some(&[])),
            ("SwarmInspect", Some(&[])),
        ] {
            learned.add(&recorded(operation, asks, None).unwrap());
        }
        let text = learned.to_toml(&"ci".parse().unwrap(), "alice");
        insta::assert_snapshot!(text, @r#"
        # Learned from 6 requests of alice. Look at each line before it is in force.
        # The record does not always say what ContainerCreate asked for.
        [roles.ci]
        summary = "what was learned of ci"
        operations = [
            "ContainerCreate", # 3 x
            "ContainerList", # 1 x
        ]
        images = [
            "docker.io/library/alpine:latest", # 2 x
        ]
        binds = [
            "/srv/a:rw", # 1 x
        ]
        memory = 128 # 2 x
        # What no role can be given:
        # SwarmInspect (it hands out the whole cluster), 1 x
        # escape.privileged (only admin may run a privileged container), 1 x
        "#);
        let (document, _) = DeTable::parse_recoverable(&text);
        let table = document.get_ref()["roles"].get_ref().as_table().unwrap().clone();
        let roles = Roles::with(&[&table], &[]).unwrap();
        assert!(roles.named("ci").unwrap().grants(Operation::ContainerCreate));
    }

    #[test]
    fn what_reaches_into_containers_is_learned_as_ones_own() {
        let mut learned = Learned::default();
        learned.add(&recorded("ContainerExec", Some(&[]), None).unwrap());
        let text = learned.to_toml(&"ci".parse().unwrap(), "alice");
        assert!(text.contains("isolation = \"own\"\noperations"), "{text}");
        assert_eq!(complaints(&text), [""; 0]);
    }

    #[test]
    fn lines_that_do_not_go_together_are_told() {
        let text = "[roles.a]\nbinds = [\"/srv/a:rw\", \"/srv/a/b:ro\"]\n";
        assert_eq!(complaints(text).len(), 1, "{:?}", complaints(text));
    }
}

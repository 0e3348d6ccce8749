//! `seawall owner`.

use clap::Subcommand;
use seawall_rules::identity::Name;

use super::Context;
use super::report::{self, Error, print_json};
use super::table::table;
use crate::admin::client::{state_call, unexpected};
use crate::state::call::{OwnedKind, OwnerRow, Reply, StateCall};

/// Say whose containers, networks and volumes are
///
/// Roles with `isolation = "own"` show and touch only what their identity, or its group, has made.
/// What was there before, or was made past the gate, is nobody's until it is given to somebody.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  seawall owner list\n  seawall owner set container web alice\n  \
    seawall owner set volume shop-data --nobody"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is somebody's
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a thing to an identity, or take it from whoever has it
    Set {
        /// What it is
        kind: OwnedKind,
        /// Its name or id; without a running gate the full id
        thing: String,
        /// To whom
        #[arg(required_unless_present = "nobody")]
        owner: Option<Name>,
        /// It is nobody's from now on
        #[arg(long, conflicts_with = "owner")]
        nobody: bool,
    },
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::List { json } => {
            let Reply::Owners(rows) = state_call(context, StateCall::Owners)? else {
                return Err(unexpected());
            };
            if json { print_json(&rows) } else { report::print(listed(&rows)) }
        }
        Command::Set { kind, thing, owner, nobody: _ } => {
            let now = owner.as_ref().map_or("nobody".to_owned(), Name::to_string);
            let said = format!("{} belongs to {now}\n", thing.escape_debug());
            match state_call(context, StateCall::SetOwner { kind, id: thing, owner })? {
                Reply::Done => report::print(said),
                _ => Err(unexpected()),
            }
        }
    }
}

fn listed(rows: &[OwnerRow]) -> String {
    if rows.is_empty() {
        return "nothing is anybody's\n".to_owned();
    }
    let row = |row: &OwnerRow| [row.kind.clone(), row.owner.clone(), row.id.clone()];
    let rows: Vec<_> = rows.iter().map(row).collect();
    table(["KIND", "OWNER", "ID"], &rows)
}

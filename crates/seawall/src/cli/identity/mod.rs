//! `seawall identity`: who may enter, and what they get.

mod add;
mod fields;
mod hand_out;
mod invitations;
mod list;
mod set;
pub(in crate::cli) mod ssh_keys;

use clap::Subcommand;
use seawall_rules::identity::Name;

use super::Context;
use super::report::{self, Error};
use crate::admin::client::state_call;
use crate::state::call::{Force, Reply, StateCall};

/// Say who may enter, with which roles and from where
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall identity add alice --role operator --invite\n  \
    seawall identity add ci --machine --role operator --from 10.0.0.0/24 --context ci.tar\n  \
    seawall identity add bob --role viewer --ssh-key bob.pub\n  \
    seawall identity list")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Args),
    Issue(add::IssueArgs),
    Invitations(invitations::Args),
    List(list::Args),
    Show(list::ShowArgs),
    Set(set::Args),
    Remove(RemoveArgs),
}

/// Revoke an identity and take it off the lists; a new one of its name inherits nothing
#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// Whom
    name: Name,
    /// Also the last admin
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Add(args) => add::run(context, args),
        Command::Issue(args) => add::issue(context, args),
        Command::Invitations(args) => invitations::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Show(args) => list::show(context, args),
        Command::Set(args) => set::run(context, args),
        Command::Remove(args) => remove(context, args),
    }
}

fn remove(context: &Context, args: RemoveArgs) -> Result<(), Error> {
    let call = StateCall::RemoveIdentity { name: args.name, force: Force::from(args.force) };
    match state_call(context, call)? {
        Reply::Revoked { identity, .. } => report::print(format!("removed: {identity}\n")),
        _ => Err(unexpected()),
    }
}

/// The gate answered something else than was asked: it is of another version.
pub(super) fn unexpected() -> Error {
    Error::failed("the running gate gave an unexpected answer")
        .hint("restart it: it may be of another version than this command")
}

//! `seawall policy`: the roles, and why a request was decided as it was.

mod asked;
mod diff;
mod explain;
mod holders;
#[cfg(test)]
mod language;
mod learn;
mod list;
#[cfg(test)]
mod operations;
mod recorded;
mod replay;
mod test;
mod who_can;

use clap::Subcommand;

use super::Context;
use super::report::{self, Error};
use crate::config;

/// Say who may do what, why a request was decided so, and what a change does
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy list operator\n  \
    seawall policy explain 7f3a91c2b04e-3\n  \
    seawall policy explain --as alice -- run -v /:/host alpine\n  \
    seawall policy who-can become-root\n  \
    seawall policy diff ./seawall.toml\n  \
    seawall policy test ./expectations.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(CheckArgs),
    Diff(diff::Args),
    Explain(explain::Args),
    Learn(learn::Args),
    List(list::Args),
    Replay(replay::Args),
    Test(test::Args),
    WhoCan(who_can::Args),
}

/// Validate the configuration, roles included, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall policy check --config ./seawall.toml")]
struct CheckArgs {}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Check(CheckArgs {}) => check(context),
        Command::Diff(args) => diff::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Learn(args) => learn::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Replay(args) => replay::run(context, args),
        Command::Test(args) => test::run(context, args),
        Command::WhoCan(args) => who_can::run(context, args),
    }
}

fn check(context: &Context) -> Result<(), Error> {
    let config = config::load_for_command(context)?;
    let warnings: String =
        config.roles.warnings().map(|warning| format!("warning: {warning}\n")).collect();
    report::print(format!("{} is valid\n{warnings}", context.config_file.display()))
}

//! `seawall ssh`: what has to do with the ways in over SSH.

mod authorized_keys;

use super::Context;
use super::report::Error;

/// Print what the host's own sshd needs to let identities in
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Example:\n  sudo seawall ssh authorized-keys"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    AuthorizedKeys(authorized_keys::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::AuthorizedKeys(args) => authorized_keys::run(context, args),
    }
}

//! `seawall ssh`: what has to do with the ways in over SSH.

mod authorized_keys;
mod host_key;

use super::Context;
use super::report::Error;

/// Print what the ways in over SSH need: the host key, keys for the host's own sshd
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  sudo seawall ssh host-key\n  sudo seawall ssh authorized-keys"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    AuthorizedKeys(authorized_keys::Args),
    HostKey(host_key::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::AuthorizedKeys(args) => authorized_keys::run(context, args),
        Command::HostKey(args) => host_key::run(context, args),
    }
}

//! `seawall dial-stdio`.

use std::path::PathBuf;

use super::report::Error;
use crate::sshd::{SOCKET, shim};

/// Join the gate from the host's own sshd, which runs this for its clients
///
/// It takes the client's key and address from sshd, not from its command line, and carries the
/// connection to the gate, which decides as it does for every other door. Nothing but `docker
/// system dial-stdio`, what `docker -H ssh://…` asks for, is let through.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, in ~/.ssh/authorized_keys of a user that is for it alone:\n  \
    restrict,command=\"/usr/bin/seawall dial-stdio\" ssh-ed25519 AAAA… alice\n\n\
    `seawall ssh authorized-keys` prints such lines.")]
pub(super) struct Args {
    /// The gate's socket for this (`ssh.sshd_socket`)
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    shim::carry(&args.socket, shim::Client::of_sshd(None)?)
}

//! `seawall ssh host-key`.

use serde_json::json;

use crate::cli::Context;
use crate::cli::report::{self, Doing, Error};
use crate::config::{self, SSH_PORT};
use crate::ssh::host_key::{self, HostKey};

/// Print the line that clients put into ~/.ssh/known_hosts, with the key's fingerprint
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, on a client:
  ssh root@docker.example.com seawall ssh host-key >> ~/.ssh/known_hosts
  docker -H ssh://alice@docker.example.com:2222 ps

The names are those of `hostnames` in the configuration. With the line in place nobody is asked to
trust a key at the first connection, and docker's builders, which cannot ask, do not wait for ever.")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let config = config::load_for_command(context)?;
    let key = HostKey::read(&context.state_dir)?;
    let line = key.known_hosts(&config.tls.hostnames, config.ssh_port().unwrap_or(SSH_PORT));
    let fingerprint = key.fingerprint();
    if !args.json {
        return report::print(format!("# {fingerprint} (ED25519)\n{line}\n"));
    }
    let answer = json!({
        "file": host_key::file(&context.state_dir),
        "fingerprint": fingerprint,
        "known_hosts": line,
        "public_key": key.public_line(),
    });
    let text = serde_json::to_string_pretty(&answer).doing(|| "write the answer".to_owned())?;
    report::print(text + "\n")
}

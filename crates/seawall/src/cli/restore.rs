//! `seawall restore`: the state from a backup.

use std::path::PathBuf;
use std::time::SystemTime;

use super::Context;
use super::report::{self, Doing as _, Error};
use crate::audit::Trail;
use crate::config;
use crate::state::call::Force;
use crate::state::{self, Lock};

/// Put a backup in the place of the state; never gives back what was revoked since
///
/// The gate must not be running. Invitations in the backup are void. Where there is a state
/// already, everything revoked, removed or retired there stays so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  systemctl stop seawall\n  \
    seawall restore /root/seawall-2026-03-01.backup\n  systemctl start seawall")]
pub(super) struct Args {
    /// What `seawall backup` wrote
    file: PathBuf,
    /// Also over the state of another gate, with its revocations
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let backup = std::fs::read(&args.file).doing(|| format!("read {}", args.file.display()))?;
    let lock = match Lock::take(&context.state_dir) {
        Err(error @ state::Error::Busy(_)) => {
            return Err(Error::failed(error.to_string())
                .hint("stop the gate first: `systemctl stop seawall`"));
        }
        lock => lock?,
    };
    let config = config::load_for_command(context)?;
    let trail = Trail::open(&config.audit, &context.state_dir)
        .doing(|| "open the audit trail".to_owned())?;
    let detail = serde_json::json!({ "file": args.file.display().to_string() });
    trail.event("state.restore", detail).doing(|| "record the change".to_owned())?;
    trail.close();
    state::restore(lock, &backup, Force::from(args.force), SystemTime::now())?;
    report::print("restored; open invitations are void, and what was revoked stays so\n")
}

//! `seawall backup`: the state in one file.

use std::path::PathBuf;

use super::Context;
use super::identity::unexpected;
use super::report::{self, Doing as _, Error};
use crate::admin::client::state_call;
use crate::enrol::files::{self, Access};
use crate::state::call::{Reply, StateCall};

/// Write identities, certificates and the CA with its key to one file, 0600
///
/// Keep it as safe as the CA's key itself. The configuration and the audit trail are files of
/// their own and not in it. Works while the gate runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall backup /root/seawall-2026-03-01.backup")]
pub(super) struct Args {
    /// The file to write; it must not be there yet
    file: PathBuf,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    if args.file.exists() {
        return Err(Error::failed(format!("{} exists", args.file.display()))
            .hint("backups are never overwritten; write to another file"));
    }
    let Reply::Secret(backup) = state_call(context, StateCall::Backup)? else {
        return Err(unexpected());
    };
    let bytes = data_encoding::BASE64.decode(backup.0.as_bytes()).map_err(|_| unexpected())?;
    files::create(&args.file, &bytes, Access::Owner)
        .doing(|| format!("write {}", args.file.display()))?;
    report::print(format!("made: {}; it holds the CA's key\n", args.file.display()))
}

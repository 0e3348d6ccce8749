//! `seawall reload`.

use std::io::Write as _;

use super::Context;
use super::report::{Doing, Error};
use crate::admin::{Answer, Call, client};

/// Have the running gate read its configuration again
///
/// Nothing changes unless the whole file is valid, and no connection is dropped. The same as
/// SIGHUP, but the answer comes back here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall reload")]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, Args {}: Args) -> Result<(), Error> {
    let Answer::Reloaded(generation) = client::call(context, &Call::Reload)? else {
        return Err(client::unexpected());
    };
    writeln!(std::io::stdout(), "reloaded: policy generation {generation} is in force")
        .doing(|| "write the answer".to_owned())
}

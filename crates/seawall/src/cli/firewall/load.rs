//! `seawall firewall load`.

use super::must_be_root;
use crate::cli::Context;
use crate::cli::report::Error;
use crate::firewall::applied::{Applied, Term};

/// Load the rules that were applied last, as at every boot
///
/// The service seawall-firewall does this before the network is up. The configuration is not
/// read: what was tried and confirmed is what comes back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(context: &Context, Args {}: &Args) -> Result<(), Error> {
    must_be_root("load")?;
    match Applied::load(context, Term::ForGood)? {
        Some(applied) => applied.backend.apply(&applied.plan),
        None => Err(Error::failed("no rules were applied that could be loaded")
            .hint("sudo seawall firewall apply")),
    }
}

//! `seawall firewall remove`.

use super::{must_be_root, unit};
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::firewall::applied::{self, Term};
use crate::firewall::kernel::Backend;

/// Take the rules away, now and for the next boot
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(context: &Context, Args {}: &Args) -> Result<(), Error> {
    must_be_root("remove")?;
    // First what would load them again.
    unit::remove()?;
    applied::forget(context, Term::Trial)?;
    applied::forget(context, Term::ForGood)?;
    let mut removed = Vec::new();
    for backend in [Backend::Nft, Backend::Iptables] {
        if backend.is_there()? {
            backend.remove()?;
            removed.push(backend.name());
        }
    }
    report::print(match removed.is_empty() {
        true => "there were no rules of ours\n".to_owned(),
        false => format!("removed the rules of {}\n", removed.join(" and ")),
    })
}

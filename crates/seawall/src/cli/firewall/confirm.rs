//! `seawall firewall confirm`.

use super::{described, keep, must_be_root};
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::firewall::applied::{Applied, Term};
use crate::firewall::kernel::Trial;

/// Keep the rules that `apply --confirm-within` has on trial
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(context: &Context, Args {}: &Args) -> Result<(), Error> {
    must_be_root("confirm")?;
    let nothing = || {
        Error::failed("there are no rules to confirm")
            .hint("`seawall firewall apply --confirm-within 60s` puts some on trial")
    };
    let tried = Applied::load(context, Term::Trial)?.ok_or_else(nothing)?;
    match tried.backend.trial()? {
        Trial::Running => {}
        Trial::None => return Err(nothing()),
        Trial::RanOut => {
            return Err(Error::failed("too late: the previous rules are in force again")
                .hint("run `seawall firewall apply --confirm-within` once more"));
        }
    }
    tried.backend.apply(&tried.plan)?;
    let note = keep(context, &tried)?;
    let note = note.map(|note| format!("{:<16}{note}\n", "next boot")).unwrap_or_default();
    report::print(format!("{:<16}for good\n{}{note}", "in force", described(&tried.plan)))
}

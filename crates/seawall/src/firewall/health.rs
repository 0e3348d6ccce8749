//! Whether rules that were applied hold, for `seawall status`.

use super::applied::{Applied, Term};
use super::wanted;
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config;

/// Where rules were applied: what keeps the host from what the configuration asks for, as
/// [`super::kernel::Backend::differences`] and one sentence more. `None` where none were applied, or
/// this user may not look.
///
/// # Errors
/// What keeps the rules from being read.
pub(crate) fn health(context: &Context) -> Result<Option<(Applied, Vec<String>)>, Error> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let Some(applied) = Applied::load(context, Term::ForGood)? else { return Ok(None) };
    let config = config::load_for_command(context)?;
    let wanted = wanted::plan(context, &config, applied.container.as_deref(), Some(&applied))?;
    let ranges = applied.plan.guards.iter().map(|guard| guard.from.v4.len() + guard.from.v6.len());
    let mut differences = match ranges.sum::<usize>() {
        ..=COMPARED => applied.backend.differences(&applied.plan)?,
        _ if applied.backend.is_there()? => Vec::new(),
        _ => vec!["no rules of ours are in force".to_owned()],
    };
    if wanted != applied.plan {
        differences.push("the configuration asks for other rules by now".to_owned());
    }
    Ok(Some((applied, differences)))
}

/// Ranges up to which the rules are compared here: of 100,000 it takes seconds, which is for
/// `seawall firewall verify`.
const COMPARED: usize = 2_000;

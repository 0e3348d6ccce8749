//! `seawall scan --fix` and `--undo`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use seawall_rules::exposure::Finding;

use crate::cli::report::{self, Doing as _, Error};
use crate::exposure::fix::{self, Change, Planned};

/// Who says yes to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// The person at the terminal is asked for each.
    Ask,
    /// `--yes`.
    Given,
}

/// Shows each change that would put a finding right, and makes those that are agreed to. Returns
/// whether any was made.
///
/// # Errors
/// When nobody can be asked, or nothing can be kept of what is changed.
pub(super) fn fix(
    root: &Path,
    state: &Path,
    findings: &[Finding],
    consent: Consent,
) -> Result<bool, Error> {
    let (planned, left) = fix::plan(root, findings)?;
    for why in &left {
        talk(&format!("left alone: {why}\n"))?;
    }
    if planned.is_empty() {
        talk("nothing here can be put right by itself; each finding says what to type\n\n")?;
        return Ok(false);
    }
    if consent == Consent::Ask && !(std::io::stdin().is_terminal()) {
        return Err(Error::usage("there is nobody to ask about each change")
            .hint("run it in a terminal, or say yes to all of them with `--yes`"));
    }
    let mut agreed = Vec::new();
    for Planned { change, closes } in planned {
        talk(&format!("closes {}\n{}", closes.join(", "), change.diff()))?;
        if consent == Consent::Given || is_agreed()? {
            agreed.push(change);
        }
        talk("\n")?;
    }
    if agreed.is_empty() {
        talk("nothing was changed\n\n")?;
        return Ok(false);
    }
    let units = units(&agreed);
    let all = agreed.len();
    let (journal, failed) = fix::apply(root, state, agreed)?;
    for why in &failed {
        talk(&format!("not changed: {why}\n"))?;
    }
    let made = all - failed.len();
    talk(&format!(
        "changed {made} of {all}; kept in {}\nto take it back: seawall scan --undo\n",
        journal.display()
    ))?;
    for unit in units {
        talk(&format!(
            "not in force before: sudo systemctl daemon-reload && sudo systemctl restart {unit}\n"
        ))?;
    }
    talk("\n")?;
    Ok(made > 0)
}

/// Takes back the last `--fix`.
///
/// # Errors
/// When there is none, or some of it was left alone.
pub(super) fn undo(state: &Path) -> Result<(), Error> {
    let (undone, left) = fix::undo(state)?;
    let mut text = String::new();
    for change in &undone {
        text += &format!("taken back: {}\n", change.path());
    }
    for unit in units(&undone) {
        text += &format!(
            "not in force before: sudo systemctl daemon-reload && sudo systemctl restart {unit}\n"
        );
    }
    report::print(text)?;
    match left.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            Err(Error::failed(format!("{} changes were left alone: {first}", left.len())))
        }
    }
}

fn units(changes: &[Change]) -> Vec<String> {
    let mut units: Vec<_> = changes.iter().filter_map(Change::unit).map(str::to_owned).collect();
    units.sort();
    units.dedup();
    units
}

fn is_agreed() -> Result<bool, Error> {
    talk("make this change? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).doing(|| "read the answer".to_owned())?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

// Standard output is the report's.
fn talk(text: &str) -> Result<(), Error> {
    std::io::stderr().write_all(text.as_bytes()).doing(|| "write to standard error".to_owned())
}

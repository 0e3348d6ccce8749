//! What was applied, kept in the state folder to be there after the next boot: `firewall.json`,
//! and beside it, while a trial lasts, what is on trial.

use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use seawall_rules::firewall::Plan;

use super::kernel::Backend;
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::enrol::files::{Access, folder, remove, replace};

/// Rules that were put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Applied {
    /// What they are written in.
    pub(crate) backend: Backend,
    /// The container whose published ports they guard; none where the gate runs on the host.
    pub(crate) container: Option<String>,
    /// The rules.
    pub(crate) plan: Plan,
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// In force until other rules are applied.
    ForGood,
    /// To be confirmed.
    Trial,
}

impl Applied {
    /// Reads what was applied, if anything was.
    ///
    /// # Errors
    /// That it cannot be read.
    pub(crate) fn load(context: &Context, term: Term) -> Result<Option<Self>, Error> {
        let file = file(context, term);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(|| format!("read {}", file.display())),
        };
        serde_json::from_str(&text)
            .map(Some)
            .doing(|| format!("read {}", file.display()))
            .map_err(|error| error.hint("`seawall firewall apply` writes it anew"))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// That it cannot be written.
    pub(crate) fn save(&self, context: &Context, term: Term) -> Result<(), Error> {
        let file = file(context, term);
        let doing = || format!("write {}", file.display());
        let text = serde_json::to_string_pretty(self).doing(doing)? + "\n";
        folder(&context.state_dir, Access::Owner).doing(doing)?;
        replace(&file, text.as_bytes(), Access::Owner).doing(doing)
    }
}

/// Forgets it.
///
/// # Errors
/// That it cannot be removed.
pub(crate) fn forget(context: &Context, term: Term) -> Result<(), Error> {
    let file = file(context, term);
    remove(&file).doing(|| format!("remove {}", file.display()))
}

fn file(context: &Context, term: Term) -> PathBuf {
    context.state_dir.join(match term {
        Term::ForGood => "firewall.json",
        Term::Trial => "firewall-trial.json",
    })
}

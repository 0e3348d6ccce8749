//! `seawall firewall plan`.

use serde_json::json;

use super::Rules;
use crate::cli::Context;
use crate::cli::report::{self, Doing, Error};
use crate::firewall::applied::{Applied, Term};

/// Print the rules that `apply` would load, and change nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    rules: Rules,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    // Without root nothing is known of what was applied, nor is it needed to print rules.
    let applied = Applied::load(context, Term::ForGood).unwrap_or_default();
    let Applied { backend, container, plan } =
        args.rules.clone().wanted(context, applied.as_ref())?;
    let script = backend.script(&plan);
    if !args.json {
        return report::print(script);
    }
    let value = json!({
        "backend": backend, "container": container, "plan": plan, "script": script,
    });
    let text = serde_json::to_string_pretty(&value).doing(|| "write the answer".to_owned())?;
    report::print(text + "\n")
}

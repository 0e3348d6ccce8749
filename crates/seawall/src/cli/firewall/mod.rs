//! `seawall firewall`: the kernel's own rules for the gate's ports.

mod apply;
mod confirm;
mod describe;
mod load;
mod plan;
mod remove;
mod unit;
mod verify;

use clap::Subcommand;

use super::Context;
use super::report::Error;
use crate::config::{self, Config};
use crate::firewall::applied::{Applied, Term};
use crate::firewall::kernel::Backend;
use crate::firewall::live::{self, Live};
use crate::firewall::wanted;
use seawall_rules::firewall::Plan;

/// Have the kernel let only `[network]` reach the gate's ports
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  seawall firewall plan
  sudo seawall firewall apply --confirm-within 60s
  sudo seawall firewall confirm
  sudo seawall firewall verify

The rules stand in a table of their own, before address translation and before every other
filter. They only ever take away: what another firewall drops stays dropped, and `apply` says so.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Apply(apply::Args),
    Confirm(confirm::Args),
    Verify(verify::Args),
    Remove(remove::Args),
    Load(load::Args),
}

/// Which rules are meant.
#[derive(Clone, Debug, clap::Args)]
struct Rules {
    /// What to write them in [default: nft, where it is installed]
    ///
    /// `apply` remembers it until `remove`.
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,
    /// The container in which the gate runs: its published ports are guarded, not `listen`
    ///
    /// `apply` remembers it until `remove`.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Plan(args) => plan::run(context, &args),
        Command::Apply(args) => apply::run(context, &args),
        Command::Confirm(args) => confirm::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Remove(args) => remove::run(context, &args),
        Command::Load(args) => load::run(context, &args),
    }
}

impl Rules {
    /// The rules that the configuration asks for, over those that were applied before.
    ///
    /// # Errors
    /// What keeps them from being known.
    fn wanted(self, context: &Context, applied: Option<&Applied>) -> Result<Applied, Error> {
        let backend = Backend::choose(self.backend.or(applied.map(|applied| applied.backend)))?;
        let container = self.container.or_else(|| applied?.container.clone());
        let config = config(context)?;
        let plan = wanted::plan(context, &config, container.as_deref(), applied)?;
        Ok(Applied { backend, container, plan })
    }
}

fn config(context: &Context) -> Result<Config, Error> {
    config::load_for_command(context)
}

fn must_be_root(command: &str) -> Result<(), Error> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err(Error::usage("only root can see and change the kernel's rules")
            .hint(format!("sudo seawall firewall {command}"))),
    }
}

/// Keeps rules that are in force now for the next boot, and takes away what they replace.
fn keep(context: &Context, applied: &Applied) -> Result<Option<String>, Error> {
    crate::firewall::kernel::remove_others(applied.backend)?;
    applied.save(context, Term::ForGood)?;
    crate::firewall::applied::forget(context, Term::Trial)?;
    unit::install(context)
}

/// What rules of others do against ours.
fn hindered(plan: &Plan) -> Vec<(&'static str, String)> {
    let live = Live::read();
    let mut lines = Vec::new();
    for guard in &plan.guards {
        for &port in &guard.ports {
            for obstacle in live.obstacles(port, &guard.from) {
                let live::Obstacle { network, chain, .. } = &obstacle;
                lines.push(("BUT", format!("tcp {port} from {network} is dropped by {chain}")));
                lines.push(("to open it", obstacle.remedy(port)));
            }
        }
    }
    lines
}

/// Lines that say what rules do, and what others do against it.
fn described(plan: &Plan) -> String {
    let lines = describe::lines(plan).into_iter().chain(hindered(plan));
    lines.map(|(what, value)| format!("{what:<16}{value}\n")).collect()
}

//! `seawall completions SHELL`.

use clap_complete::Shell;

use super::Context;
use super::report::{self, Error};

/// Write a shell's completion script to standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall completions bash \
    | sudo tee /usr/share/bash-completion/completions/seawall >/dev/null")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "seawall", &mut script);
    report::print(&script)
}

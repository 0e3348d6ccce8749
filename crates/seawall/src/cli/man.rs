//! `seawall man`: manual pages from the command tree.

use std::path::PathBuf;

use super::Context;
use super::report::{self, Doing, Error};

/// Write the manual, seawall(1) and a page for every command
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  seawall man | man -l -\n  seawall man --dir /usr/local/share/man/man1"
)]
pub(super) struct Args {
    /// Write every page into this folder; without it seawall(1) goes to standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(super::command())
            .render(&mut page)
            .doing(|| "render the manual".to_owned())?;
        return report::print(&page);
    };
    std::fs::create_dir_all(&dir).doing(|| format!("create {}", dir.display()))?;
    clap_mangen::generate_to(super::command(), &dir)
        .doing(|| format!("write the manual to {}", dir.display()))
}

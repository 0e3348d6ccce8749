//! `seawall man`: manual pages from the command tree and the table of keys.

use std::path::{Path, PathBuf};

use roff::{Roff, bold, roman};

use super::Context;
use super::report::{self, Doing, Error};
use crate::config::{KEYS, SECTIONS};

/// Write the manual: seawall(1), a page for every command, and seawall.toml(5)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  seawall man | man -l -\n  sudo seawall man --dir /usr/local/share/man"
)]
pub(super) struct Args {
    /// Write every page into the folders man1 and man5 here; without it seawall(1) goes to
    /// standard output
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
    write(&dir).doing(|| format!("write the manual to {}", dir.display()))
}

fn write(dir: &Path) -> std::io::Result<()> {
    let [commands, files] = ["man1", "man5"].map(|section| dir.join(section));
    std::fs::create_dir_all(&commands)?;
    std::fs::create_dir_all(&files)?;
    clap_mangen::generate_to(super::command(), &commands)?;
    std::fs::write(files.join("seawall.toml.5"), configuration())
}

fn configuration() -> String {
    let mut page = Roff::new();
    page.control("TH", ["seawall.toml", "5", "", "seawall", "File formats"]);
    page.control("SH", ["NAME"]);
    page.text([roman("seawall.toml - the configuration of the gate")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "A TOML file. Every key has a default; an unknown key is an error. Times are written \
         10s, 15m, 1h30m, sizes 64KiB, 4MiB. Relative paths start at the folder of the file. \
         STATE is the folder of --state.",
    )]);
    for (section, about) in SECTIONS {
        let title = if section.is_empty() { "KEYS AT THE TOP" } else { &format!("[{section}]") };
        page.control("SH", [title]);
        page.text([roman(*about)]);
        for key in KEYS.iter().filter(|key| key.split().0 == *section) {
            page.control("TP", []);
            let default = key.default.map(|default| format!(" (default {default})"));
            page.text([bold(key.split().1), roman(default.unwrap_or_default())]);
            page.text([roman(key.meaning.replace('`', ""))]);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("seawall"), roman("(1)")]);
    page.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_key_has_its_place_in_the_manual() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let tree = super::super::command();
        for command in tree.get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = dir.path().join(format!("man1/seawall-{}.1", command.get_name()));
            assert!(page.exists(), "{}", page.display());
        }
        assert!(dir.path().join("man1/seawall.1").exists());
        let page = std::fs::read_to_string(dir.path().join("man5/seawall.toml.5")).unwrap();
        for key in KEYS {
            let name = key.split().1;
            assert!(page.contains(&format!("\\fB{name}\\fR")), "{name} is not in\n{page}");
        }
    }
}

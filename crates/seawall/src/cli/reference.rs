//! `docs/reference/commands.md`, written from the command tree. The checked-in file must match;
//! `SEAWALL_WRITE_REFERENCE=1 cargo test -p seawall reference` writes it.

use std::path::Path;

#[test]
fn the_reference_of_the_commands_is_the_command_tree() {
    let mut page = "# Commands\n\n\
        Generated from the code; do not edit. Every command also says this with `--help`.\n"
        .to_owned();
    let mut command = super::command().term_width(90);
    command.build();
    describe(&mut command, 1, &mut page);
    assert_matches_checked_in("commands.md", &page);
}

fn describe(command: &mut clap::Command, depth: usize, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("seawall").to_owned();
    // The global options are told once, with `seawall` itself.
    let help = match depth {
        1 => command.render_long_help().to_string(),
        _ => {
            let own = command.render_long_help().to_string();
            let (before, after) = own.split_once("Global options:").unwrap_or((&own, ""));
            let example = after.find("\nExample").map_or("", |at| &after[at + 1..]);
            format!("{}\n\n{example}", before.trim_end())
        }
    };
    let lines: Vec<_> = help.trim().lines().map(str::trim_end).collect();
    *page += &format!("\n{} `{name}`\n\n```\n{}\n```\n", "#".repeat(depth + 1), lines.join("\n"));
    for subcommand in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        describe(subcommand, depth + 1, page);
    }
}

/// Compares a generated page with `docs/reference/FILE`, or writes it there when asked to.
pub(crate) fn assert_matches_checked_in(file: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(file);
    if std::env::var_os("SEAWALL_WRITE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("docs/reference");
        std::fs::write(&path, page).expect("writing the reference");
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == page,
        "docs/reference/{file} is not what the code says; write it with \
         SEAWALL_WRITE_REFERENCE=1 cargo test -p seawall reference"
    );
}

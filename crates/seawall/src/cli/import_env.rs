//! `seawall import-env`.

use std::path::PathBuf;

use seawall_rules::identity::Name;
use seawall_rules::policy::import;

use super::Context;
use super::input::read_text;
use super::report::{self, Doing as _, Error};

/// Write the role that a docker-socket-proxy's variables come to
///
/// Reads the variables of Tecnativa's and linuxserver's docker-socket-proxy (CONTAINERS, POST,
/// ALLOW_START and so on) and writes what they let through as a role, for seawall.toml or a file
/// in roles.d. What is not carried over stands before it as comments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    CONTAINERS=1 ALLOW_START=1 seawall import-env --role watcher\n  \
    docker inspect socket-proxy --format '{{range .Config.Env}}{{println .}}{{end}}' \\\n    \
    | seawall import-env --file - --role traefik >> /etc/seawall/seawall.toml\n  \
    seawall identity add traefik --role traefik --out ./traefik")]
pub(super) struct Args {
    /// Lines of NAME=VALUE, `-` for standard input; without it the environment is read
    ///
    /// PATH and what else a container has besides is passed over; a name that is in capitals and
    /// close to one of the proxy's is an error.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the role
    #[arg(long, value_name = "ROLE", default_value = "imported", value_parser = name)]
    role: Name,
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    let variables = match &args.file {
        Some(file) => lines(&read_text(file, MOST).doing(|| format!("read {}", file.display()))?)?,
        None => std::env::vars().filter(|(name, _)| import::is_variable(name)).collect(),
    };
    let role = import::from_env(&args.role, variables).map_err(|error| {
        Error::usage(error.to_string()).hint("its variables are CONTAINERS, POST, ALLOW_START, …")
    })?;
    report::print(role)
}

fn lines(text: &str) -> Result<Vec<(String, String)>, Error> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(Error::usage(format!("`{}` is no NAME=VALUE", line.escape_debug()))),
        })
        .collect()
}

const MOST: u64 = 1 << 20;

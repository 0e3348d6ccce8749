//! The command line: one file a command; each gives its `Args` and a `run`.
//!
//! A new command is three lines here: its module, its variant of [`Command`], its place in
//! [`GROUPS`]; and one in `docs/reference/commands.md`, which a test writes.

mod backup;
mod ca;
mod completions;
mod dial_stdio;
mod firewall;
mod identity;
mod import_env;
mod input;
mod join;
mod log;
mod man;
mod network;
mod owner;
mod policy;
mod reload;
mod renew;
pub mod report;
mod restore;
mod revoke;
mod scan;
mod serve;
mod sessions;
mod ssh;
mod ssh_door;
mod status;
mod table;
mod up;

#[cfg(test)]
pub(crate) mod reference;

use std::ffi::OsString;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use report::Error;

/// What every command gets: the files it works on and how it should answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// `--config`, or the default for this user.
    pub config_file: PathBuf,
    /// `--state`, or the default for this user.
    pub state_dir: PathBuf,
    /// Whether the command that runs has a `--json` among its own `Args`, and it was given.
    pub json: bool,
}

/// Runs the command line and returns its exit code: 0 done, 1 refused or failed, 2 wrong usage
/// or bad config, 3 found something, 4 there was nothing to look at.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    if let Some(shell) = dial_stdio::LoginShell::recognize(&args) {
        return ended(shell.run());
    }
    let parsed = command().try_get_matches_from(args).and_then(|matches| {
        Ok((CommandLine::from_arg_matches(&matches)?, asks_for_json(&matches)))
    });
    let (line, json) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Nowhere is left to complain to when the terminal itself is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    ended(line.globals.context(json).and_then(|context| line.command.run(&context)))
}

fn ended(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to complain to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The whole command tree, for parsing and for everything that is generated from it.
pub(crate) fn command() -> clap::Command {
    let command = CommandLine::command();
    let list = grouped_list(&command);
    command.before_help(list)
}

#[derive(Debug, Parser)]
#[command(
    name = "seawall",
    version,
    about = "The secure front door for remote Docker daemons",
    help_template = "{about}\n\nUsage: {usage}\n\n{before-help}Options:\n{options}{after-help}",
    after_help = "Start here, on the Docker host:\n  sudo seawall up\n\n\
        `seawall COMMAND --help` explains a command, with an example.",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Globals {
    /// The configuration
    ///
    /// Default: /etc/seawall/seawall.toml for root, $XDG_CONFIG_HOME/seawall/seawall.toml for
    /// everybody else.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// The folder of identities, keys and the audit trail
    ///
    /// Default: /var/lib/seawall for root, $XDG_STATE_HOME/seawall for everybody else.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    state: Option<PathBuf>,
    /// What is logged to standard error: error, warn, info, debug, trace
    ///
    /// Also SEAWALL_LOG. The log is for people on a terminal and JSON lines otherwise.
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    log_level: Option<LogLevel>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backup(backup::Args),
    Ca(ca::Args),
    Completions(completions::Args),
    DialStdio(dial_stdio::Args),
    Firewall(firewall::Args),
    Identity(identity::Args),
    ImportEnv(import_env::Args),
    Join(join::Args),
    Log(log::Args),
    Man(man::Args),
    Network(network::Args),
    Owner(owner::Args),
    Policy(policy::Args),
    Reload(reload::Args),
    Renew(renew::Args),
    Restore(restore::Args),
    Revoke(revoke::Args),
    Scan(scan::Args),
    Serve(serve::Args),
    Sessions(sessions::Args),
    Ssh(ssh::Args),
    #[command(hide = true)]
    SshDoor(ssh_door::Args),
    Status(status::Args),
    Up(up::Args),
}

impl Command {
    fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Backup(args) => backup::run(context, args),
            Self::Ca(args) => ca::run(context, args),
            Self::Completions(args) => completions::run(context, args),
            Self::DialStdio(args) => dial_stdio::run(&args),
            Self::Firewall(args) => firewall::run(context, args),
            Self::Identity(args) => identity::run(context, args),
            Self::ImportEnv(args) => import_env::run(context, args),
            Self::Join(args) => join::run(context, args),
            Self::Log(args) => log::run(context, args),
            Self::Man(args) => man::run(context, args),
            Self::Network(args) => network::run(context, args),
            Self::Owner(args) => owner::run(context, args),
            Self::Policy(args) => policy::run(context, args),
            Self::Reload(args) => reload::run(context, args),
            Self::Renew(args) => renew::run(context, args),
            Self::Restore(args) => restore::run(context, args),
            Self::Revoke(args) => revoke::run(context, args),
            Self::Scan(args) => scan::run(context, args),
            Self::Serve(args) => serve::run(context, args),
            Self::Sessions(args) => sessions::run(context, args),
            Self::Ssh(args) => ssh::run(context, args),
            Self::SshDoor(_) => ssh_door::run(),
            Self::Status(args) => status::run(context, args),
            Self::Up(args) => up::run(context, args),
        }
    }
}

/// The order of `seawall --help`; a test holds it complete.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run the gate", &["up", "serve", "reload"]),
    ("Say who may enter", &["identity", "revoke", "owner", "network", "firewall", "ca", "ssh"]),
    ("Enter", &["join", "renew", "dial-stdio"]),
    ("See what it does", &["status", "sessions", "policy", "log"]),
    ("Find holes", &["scan"]),
    ("Look after it", &["import-env", "backup", "restore", "completions", "man"]),
];

fn grouped_list(command: &clap::Command) -> String {
    let mut list = String::new();
    for (title, names) in GROUPS {
        let found: Vec<_> = names.iter().filter_map(|name| command.find_subcommand(name)).collect();
        if found.is_empty() {
            continue;
        }
        list += &format!("{title}:\n");
        for subcommand in found {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            list += &format!("  {:<12} {about}\n", subcommand.get_name());
        }
        list.push('\n');
    }
    list.truncate(list.trim_end().len());
    list
}

/// Whether the innermost subcommand has a `--json` and it is set.
fn asks_for_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => asks_for_json(inner),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

impl Globals {
    fn context(self, json: bool) -> Result<Context, Error> {
        start_log(self.log_level)?;
        Ok(Context {
            config_file: absolute(self.config.map_or_else(default_config_file, Ok)?)?,
            state_dir: absolute(self.state.map_or_else(default_state_dir, Ok)?)?,
            json,
        })
    }
}

/// Where this user's configuration is when `--config` is not given.
///
/// # Errors
/// [`report::Kind::Usage`] when the user has no home directory.
pub(crate) fn default_config_file() -> Result<PathBuf, Error> {
    if nix::unistd::geteuid().is_root() {
        return Ok("/etc/seawall/seawall.toml".into());
    }
    Ok(xdg("XDG_CONFIG_HOME", ".config")?.join("seawall/seawall.toml"))
}

fn default_state_dir() -> Result<PathBuf, Error> {
    if nix::unistd::geteuid().is_root() {
        return Ok("/var/lib/seawall".into());
    }
    Ok(xdg("XDG_STATE_HOME", ".local/state")?.join("seawall"))
}

/// A base directory (XDG Base Directory Specification 0.8: relative values are ignored).
fn xdg(variable: &str, beneath_home: &str) -> Result<PathBuf, Error> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set(variable)
        .or_else(|| Some(set("HOME")?.join(beneath_home)))
        .ok_or_else(|| Error::usage("cannot tell where your files are: HOME is not set"))
        .map_err(|error| error.hint("set HOME, or give both --config FILE and --state DIR"))
}

pub(crate) fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path)
        .map_err(|error| Error::usage(format!("cannot use `{}`: {error}", path.display())))
}

/// The log of what runs, to standard error: for a person on a terminal, JSON otherwise.
fn start_log(level: Option<LogLevel>) -> Result<(), Error> {
    let filter = match (level, std::env::var("SEAWALL_LOG")) {
        (Some(level), _) => EnvFilter::new(format!("{level:?}").to_lowercase()),
        (None, Ok(filter)) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|_| {
            Error::usage(format!("SEAWALL_LOG is `{}`", filter.escape_debug()))
                .hint("use error, warn, info, debug or trace")
        })?,
        (None, _) => EnvFilter::new("info"),
    };
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Already set only where tests run several commands in one process.
    let _ = if terminal {
        let colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        log.with_target(false).with_ansi(colors).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_a_group_and_a_one_line_description() {
        for subcommand in command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = subcommand.get_name();
            assert!(
                GROUPS.iter().any(|(_, names)| names.contains(&name)),
                "`{name}` is in no group of `seawall --help`"
            );
            let about = subcommand.get_about().expect("a description").to_string();
            assert!(!about.contains('\n') && !about.ends_with('.'), "`{name}`: {about:?}");
            assert!(about.len() <= 80, "`{name}`: too long for a line of the list: {about:?}");
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        for subcommand in command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = subcommand.get_name();
            let after = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                after.starts_with("Example") && after.contains(&format!("seawall {name}")),
                "`seawall {name} --help` must end with an example (`after_help`): {after:?}"
            );
        }
    }

    #[test]
    fn wrong_usage_names_the_nearest_command() {
        let error = command().try_get_matches_from(["seawall", "completion"]).unwrap_err();
        insta::assert_snapshot!(error.render(), @"
        error: unrecognized subcommand 'completion'

          tip: a similar subcommand exists: 'completions'

        Usage: seawall [OPTIONS] <COMMAND>

        For more information, try '--help'.
        ");
    }
}

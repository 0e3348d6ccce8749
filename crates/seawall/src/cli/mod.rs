//! The command line: one file a command; each gives its `Args` and a `run`.

pub mod report;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What every command gets: the files it works on and how it should answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// `--config`, or the default for this user.
    pub config_file: PathBuf,
    /// `--state`, or the default for this user.
    pub state_dir: PathBuf,
    /// `--json` where a listing takes it.
    pub json: bool,
}

/// Runs the command line and returns its exit code: 0 done, 1 refused or failed, 2 wrong usage
/// or bad config, 3 found something.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let _ = args.into_iter();
    ExitCode::from(2)
}

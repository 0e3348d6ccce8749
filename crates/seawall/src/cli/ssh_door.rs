//! `seawall ssh-door`: the SSH process, which the gate starts for itself.

use super::report::Error;
use crate::ssh::door;

/// Speak SSH for a gate, confined; the gate starts this for itself
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run() -> Result<(), Error> {
    door::run()
}

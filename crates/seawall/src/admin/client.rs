//! How a command on the host reaches the state: by the running gate if there is one, else by its
//! own hand.

use std::time::SystemTime;

use crate::cli::{Context, report};
use crate::state::call::{Reply, StateCall};
use crate::state::{Lock, Store, execute};

/// Has a call carried out.
///
/// # Errors
/// The call's own error; [`crate::state::Error::Busy`] when a gate holds the state and cannot be
/// asked.
pub fn state_call(context: &Context, call: StateCall) -> Result<Reply, report::Error> {
    let lock = Lock::take(&context.state_dir)?;
    let mut store = match call {
        StateCall::SetUp { .. } => Store::create(lock)?,
        _ => Store::open(lock)?,
    };
    execute(&mut store, call, SystemTime::now())
}

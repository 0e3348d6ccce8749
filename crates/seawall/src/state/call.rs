//! Everything that changes identities and credentials, as one closed enum: the commands on the
//! host send these over the admin socket, or run them here when no gate holds the state.

use serde::{Deserialize, Serialize};

/// One change or question; answered by [`Reply`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StateCall {
    /// Every identity.
    List,
}

/// The answer to a [`StateCall`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done; nothing to say.
    Done,
}

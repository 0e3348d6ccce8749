//! Looks at hosts and addresses for an exposed engine; what it means is `seawall_rules::exposure`'s
//! to say.

pub(crate) mod certificate;
pub(crate) mod fix;
mod gather;
pub mod probe;
mod root;
pub mod watch;

pub use gather::{folder, host};

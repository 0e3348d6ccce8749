//! Looks at hosts and addresses for an exposed engine; what it means is `seawall_rules::exposure`'s
//! to say.

pub(crate) mod certificate;
mod gather;
pub mod probe;
mod root;

pub use gather::{folder, host};

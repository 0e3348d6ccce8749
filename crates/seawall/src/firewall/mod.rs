//! The kernel's rules for the gate's ports: [`wanted`] works them out from the configuration,
//! [`kernel`] puts them in force and reads them back, [`applied`] remembers them for the next
//! boot. What they say is decided in `seawall_rules::firewall`.

pub(crate) mod applied;
mod command;
mod engine_ports;
mod health;
pub(crate) mod kernel;
pub mod live;
mod namespace;
pub(crate) mod probe;
mod published;
pub(crate) mod session;
pub(crate) mod wanted;

pub(crate) use health::health;

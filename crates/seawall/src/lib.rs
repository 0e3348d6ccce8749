//! The gate: everything of Seawall that touches the world.
//!
//! The modules stand in the order in which a connection meets them; [`session`] is the whole
//! way of a request on one page. What is decided is decided in `seawall_rules`.

// The shell around it all: arguments, configuration, the running whole.
pub mod cli;
pub mod config;
pub mod gate;
// 1 accept
pub mod listen;
// 2 admit: source address, limits
pub mod admit;
// 3 authenticate: client certificate to identity
pub mod authenticate;
pub mod ssh;
// what the host's own sshd has authenticated
pub mod sshd;
// 4 parse: HTTP/1.1 bytes on the wire
pub mod http;
// 5 to 8: one connection from authenticated to closed
pub mod session;
// between 4 and 5, where roles are for one's own things alone: whose is what is named
pub mod own;
// 7 forward: the engine behind the gate
pub mod buildkit;
pub mod engine;
pub mod forward;
pub mod stream;
// 8 record
pub mod audit;

// Who is connected, counted, and told to go.
pub mod metrics;
pub mod quota;
pub mod sessions;

// Beside the way of a request: identities and their credentials, and how they are given out.
pub mod admin;
pub mod enrol;
pub mod exposure;
pub mod firewall;
pub mod pki;
pub mod state;

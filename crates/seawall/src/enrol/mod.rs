//! First contact and enrollment: how a client that holds nothing but an invitation gets a
//! certificate for a key that never leaves it, and how it renews that certificate later.

// What is handed over by hand.
pub mod invitation;
// What the two sides say to each other.
pub mod wire;
// The gate decides...
mod attempts;
pub mod server;
// ... the client asks...
pub mod client;
// ... and keeps the answer: in a docker context or a `DOCKER_CERT_PATH` folder.
pub mod context;
pub(crate) mod files;
pub mod owner;
pub mod place;

#[cfg(test)]
mod exchange;

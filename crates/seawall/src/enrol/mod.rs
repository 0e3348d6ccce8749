//! First contact and enrollment: how a client that holds nothing but an invitation gets a
//! certificate for a key that never leaves it, and how it renews that certificate later.

// What is handed over by hand.
pub mod invitation;
// What a client makes of the answer: a docker context or a `DOCKER_CERT_PATH` folder.
pub mod context;
mod files;
pub mod owner;
pub mod place;

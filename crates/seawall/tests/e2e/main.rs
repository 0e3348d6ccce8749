//! End to end: the real docker command lines and other clients, a real engine, and the gate as
//! its shipped binary. What a client does is tried against the bare engine as well, so that
//! every expectation is known to be the engine's own.

mod support;

mod api_clients;
mod containers;
mod images;
mod looking;
mod objects;
mod registry;
mod restart;
mod streams;
mod wire;

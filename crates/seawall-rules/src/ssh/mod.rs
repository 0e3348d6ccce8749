//! SSH as far as it is decided: which public keys and certificates are acceptable, whose they
//! are said to be, and what a client may ask a session to run.
//!
//! Keys and certificates are read from the wire form (RFC 4251 section 5) by [`wire::Reader`],
//! which takes one spelling of each value and nothing after the last one: two readings of a key
//! would be two fingerprints of it.

pub mod certificate;
pub mod exec;
pub mod key;
pub mod krl;
pub mod signature;
mod wire;

//! SSH as far as it is decided: which public keys and certificates are acceptable, whose they
//! are said to be, and what a client may ask a session to run.

pub mod exec;

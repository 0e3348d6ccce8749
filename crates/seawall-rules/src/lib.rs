//! Seawall's decisions, and nothing else: bytes and values in, values out.
//!
//! This crate opens no file and no socket, reads no clock and makes no random number, so that
//! every decision is a function of what it was given. The modules stand in the order in which
//! a request meets them.

// 1 admit: may this address speak to us at all, asked by the gate and by the kernel
pub mod firewall;
pub mod network;
pub mod proxy;
// 2 authenticate: the names an identity may have, the SSH keys it may enter with, and what it may
// ask of SSH
pub mod identity;
pub mod ssh;
// 3 parse: one strict reading of a request head, its target and its JSON body
pub mod escape;
pub mod head;
pub mod json;
pub mod target;
// 4 recognize: which Engine API operation this is
pub mod facts;
pub mod operation;
// 5 judge: what the identity's roles say to it, and whose the things are that it names
pub mod policy;
pub mod reference;
pub mod verdict;
// 6 judge what comes with the body, as it passes
pub mod buildkit;
pub mod content;
// 7 forward: what of the engine's reply the identity gets to see
pub mod reply;

// Beside the way of a request: what the docker command line would ask for, and is the engine exposed
// past the gate
pub mod command_line;
pub mod exposure;

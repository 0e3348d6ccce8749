//! End to end: the real docker command lines and other clients, a real engine, and the gate as
//! its shipped binary. What a client does is tried against the bare engine as well, so that
//! every expectation is known to be the engine's own.

mod support;

mod ambiguous;
mod api_clients;
mod buildkit;
mod certificates;
mod containers;
mod content;
mod day_two;
mod entering;
mod escalation;
mod firewall;
mod images;
mod limits;
mod limits_of_enrolment;
mod looking;
mod networks;
mod objects;
mod ownership;
mod podman;
mod policy;
mod redaction;
mod refusals;
mod registry;
mod restart;
mod revocation;
mod roles;
mod running;
mod scan;
mod spelling;
mod ssh;
mod ssh_certificates;
mod ssh_networks;
mod streams;
mod swarm;
mod systemd;
mod through_sshd;
mod upgrade;
mod watching;
mod wire;

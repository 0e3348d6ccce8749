//! `seawall firewall`, held to with real packets: each test has its own hosts, in network
//! namespaces, and asks over IPv4 and IPv6.

mod container;
mod engine;
mod others;
mod packets;
mod scan;
mod site;
mod status;
mod trial;

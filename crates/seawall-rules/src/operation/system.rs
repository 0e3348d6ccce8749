//! The engine itself, and the prefixes that are known in order to be closed.

use super::Operation::*;
use super::route::{Class, Route, get, head, key, post, repeated};
use crate::facts;

pub(super) const ROWS: &[Route] = &[
    get(SystemPing, "/_ping", Class::Metadata, "ping the engine"),
    head(SystemPingHead, "/_ping", Class::Metadata, "ping the engine"),
    post(SystemAuth, "/auth", Class::Host, "log in to a registry").json(&facts::LOGIN).streams(),
    get(SystemEvents, "/events", Class::Read, "watch events").streams().query(&[
        key("filters"),
        key("since"),
        key("until"),
    ]),
    get(SystemInfo, "/info", Class::Metadata, "read the engine's information"),
    get(SystemDataUsage, "/system/df", Class::Metadata, "read the engine's disk usage")
        .streams()
        .query(&[repeated("type"), key("verbose")]),
    get(SystemVersion, "/version", Class::Metadata, "read the engine's version"),
    // Served by the engine with or without its debug flag, up to 26 by any method.
    get(Debug, "/debug/**", Class::Closed, "use the engine's debug pages"),
];

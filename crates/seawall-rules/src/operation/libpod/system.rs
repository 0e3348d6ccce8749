//! Podman itself.

use super::super::Operation::*;
use super::super::route::{Class, Route, get, head, key, post};

pub(in crate::operation) const ROWS: &[Route] = &[
    get(SystemPingLibpod, "/libpod/_ping", Class::Metadata, "ping Podman"),
    head(SystemPingHeadLibpod, "/libpod/_ping", Class::Metadata, "ping Podman"),
    get(SystemEventsLibpod, "/libpod/events", Class::Read, "watch events").streams().query(&[
        key("filters"),
        key("since"),
        key("stream"),
        key("until"),
    ]),
    get(SystemInfoLibpod, "/libpod/info", Class::Metadata, "read Podman's information"),
    post(SystemCheckLibpod, "/libpod/system/check", Class::Host, "check Podman's storage")
        .streams()
        .query(&[
            key("quick"),
            key("repair"),
            key("repair_lossy"),
            key("unreferenced_layer_max_age"),
        ]),
    get(SystemDataUsageLibpod, "/libpod/system/df", Class::Metadata, "read Podman's disk usage")
        .streams(),
    post(SystemPruneLibpod, "/libpod/system/prune", Class::Host, "remove what is unused")
        .streams()
        .query(&[key("all"), key("build"), key("external"), key("filters"), key("volumes")]),
    get(SystemVersionLibpod, "/libpod/version", Class::Metadata, "read Podman's version"),
];

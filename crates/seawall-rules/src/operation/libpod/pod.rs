//! Pods.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, Route, delete, get, key, post, repeated};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(PodCreateLibpod, "/libpod/pods/create", Class::Host, "create a pod").body(BodyKind::Json),
    get(PodListLibpod, "/libpod/pods/json", Class::Read, "list pods").query(&[key("filters")]),
    post(PodPruneLibpod, "/libpod/pods/prune", Class::Host, "remove stopped pods").streams(),
    get(PodStatsAllLibpod, "/libpod/pods/stats", Class::Metadata, "read pods' statistics")
        .streams()
        .query(&[key("all"), key("delay"), repeated("namesOrIDs"), key("stream")]),
    delete(PodDeleteLibpod, "/libpod/pods/{name}", Class::Change, "remove a pod")
        .streams()
        .query(&[key("force"), key("timeout")]),
    get(PodExistsLibpod, "/libpod/pods/{name}/exists", Class::Metadata, "ask whether a pod exists"),
    get(PodInspectLibpod, "/libpod/pods/{name}/json", Class::Read, "inspect a pod"),
    post(PodKillLibpod, "/libpod/pods/{name}/kill", Class::Change, "signal a pod")
        .query(&[key("signal")]),
    post(PodPauseLibpod, "/libpod/pods/{name}/pause", Class::Change, "pause a pod"),
    post(PodRestartLibpod, "/libpod/pods/{name}/restart", Class::Change, "restart a pod").streams(),
    post(PodStartLibpod, "/libpod/pods/{name}/start", Class::Change, "start a pod"),
    post(PodStopLibpod, "/libpod/pods/{name}/stop", Class::Change, "stop a pod")
        .streams()
        .query(&[key("t")]),
    get(PodTopLibpod, "/libpod/pods/{name}/top", Class::Read, "list a pod's processes")
        .streams()
        .query(&[key("delay"), key("ps_args"), key("stream")]),
    post(PodUnpauseLibpod, "/libpod/pods/{name}/unpause", Class::Change, "resume a pod"),
];

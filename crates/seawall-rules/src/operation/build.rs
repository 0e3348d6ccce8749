//! Building images: the classic builder, and BuildKit's tunnels.

use super::Operation::*;
use super::route::{BodyKind, Class, Route, UpgradeKind, key, post, repeated, secret};

pub(super) const ROWS: &[Route] = &[
    post(ImageBuild, "/build", Class::Host, "build an image")
        .body(BodyKind::Stream)
        .streams()
        .query(&[
            secret("buildargs"),
            key("buildid"),
            key("cachefrom"),
            key("cgroupparent"),
            key("cpuperiod"),
            key("cpuquota"),
            key("cpusetcpus"),
            key("cpusetmems"),
            key("cpushares"),
            key("dockerfile"),
            repeated("extrahosts"),
            key("forcerm"),
            key("isolation"),
            key("labels"),
            key("memory"),
            key("memswap"),
            key("networkmode"),
            key("nocache"),
            key("outputs"),
            key("platform"),
            key("pull"),
            key("q"),
            // May be a URL with a password.
            secret("remote"),
            key("rm"),
            repeated("securityopt"),
            key("session"),
            key("shmsize"),
            key("squash"),
            repeated("t"),
            key("target"),
            key("ulimits"),
            key("version"),
        ]),
    post(BuildCancel, "/build/cancel", Class::Change, "cancel a build").query(&[key("id")]),
    post(BuildPrune, "/build/prune", Class::Admin, "prune the build cache")
        .since(31)
        .streams()
        .query(&[
            key("all"),
            key("filters"),
            key("keep-storage"),
            key("max-used-space"),
            key("min-free-space"),
            key("reserved-space"),
        ]),
    // Undocumented: BuildKit's whole control API.
    post(Grpc, "/grpc", Class::Host, "talk to BuildKit").upgrades(UpgradeKind::H2c),
    post(Session, "/session", Class::Host, "open a build session").upgrades(UpgradeKind::H2c),
];

//! Networks.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, Route, delete, get, key, post};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(NetworkCreateLibpod, "/libpod/networks/create", Class::Host, "create a network by Podman")
        .body(BodyKind::Json)
        .query(&[key("ignoreIfExists")]),
    get(NetworkListLibpod, "/libpod/networks/json", Class::Read, "list networks by Podman")
        .query(&[key("filters")]),
    post(NetworkPruneLibpod, "/libpod/networks/prune", Class::Host, "remove unused networks")
        .streams()
        .query(&[key("filters")]),
    delete(
        NetworkDeleteLibpod,
        "/libpod/networks/{name}",
        Class::Host,
        "remove a network by Podman",
    )
    .query(&[key("force")]),
    get(
        NetworkInspectByNameLibpod,
        "/libpod/networks/{name}",
        Class::Read,
        "inspect a network by Podman",
    ),
    post(
        NetworkConnectLibpod,
        "/libpod/networks/{name}/connect",
        Class::Host,
        "connect a container to a network",
    )
    .body(BodyKind::Json),
    post(
        NetworkDisconnectLibpod,
        "/libpod/networks/{name}/disconnect",
        Class::Host,
        "disconnect a container from a network",
    )
    .body(BodyKind::Json),
    get(
        NetworkExistsLibpod,
        "/libpod/networks/{name}/exists",
        Class::Metadata,
        "ask whether a network exists",
    ),
    get(
        NetworkInspectLibpod,
        "/libpod/networks/{name}/json",
        Class::Read,
        "inspect a network by Podman",
    ),
    post(
        NetworkUpdateLibpod,
        "/libpod/networks/{name}/update",
        Class::Host,
        "change a network by Podman",
    )
    .body(BodyKind::Json),
];

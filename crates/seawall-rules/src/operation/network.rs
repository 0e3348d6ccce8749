//! Networks.

use super::Operation::*;
use super::route::{Class, Route, delete, get, key, post};
use crate::facts;

pub(super) const ROWS: &[Route] = &[
    get(NetworkList, "/networks", Class::Metadata, "list networks").query(&[key("filters")]),
    post(NetworkCreate, "/networks/create", Class::Admin, "create a network").json(&facts::NETWORK),
    post(NetworkPrune, "/networks/prune", Class::Admin, "prune networks")
        .since(25)
        .streams()
        .query(&[key("filters")]),
    get(NetworkInspect, "/networks/{id}", Class::Metadata, "inspect a network")
        .query(&[key("scope"), key("verbose")]),
    delete(NetworkDelete, "/networks/{id}", Class::Change, "remove a network"),
    post(
        NetworkConnect,
        "/networks/{id}/connect",
        Class::Change,
        "connect a container to a network",
    )
    .json(&facts::CONNECT),
    post(
        NetworkDisconnect,
        "/networks/{id}/disconnect",
        Class::Change,
        "disconnect a container from a network",
    )
    .json(&facts::DISCONNECT),
];

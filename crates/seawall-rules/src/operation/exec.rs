//! Commands run in containers, once they are created.

use super::Operation::*;
use super::route::{Class, Route, UpgradeKind, get, key, post};
use crate::facts;

pub(super) const ROWS: &[Route] = &[
    get(ExecInspect, "/exec/{id}/json", Class::Metadata, "inspect a command in a container"),
    post(
        ExecResize,
        "/exec/{id}/resize",
        Class::Change,
        "resize the terminal of a command in a container",
    )
    .query(&[key("h"), key("w")]),
    post(ExecStart, "/exec/{id}/start", Class::Change, "start a command in a container")
        .json(&facts::EXEC_START)
        .upgrades(UpgradeKind::RawStream),
];

//! Containers, their files and their checkpoints.

use super::Operation::*;
use super::route::{
    BodyKind, Class, QueryKey, Route, UpgradeKind, delete, get, head, key, post, put,
};
use crate::facts;

// `hijack` is docker-modem's word to itself.
const ATTACH: &[QueryKey] = &[
    key("detachKeys"),
    key("hijack"),
    key("logs"),
    key("stderr"),
    key("stdin"),
    key("stdout"),
    key("stream"),
];
const FILTERS: &[QueryKey] = &[key("filters")];
const SIZE: &[QueryKey] = &[key("h"), key("w")];
const STOP: &[QueryKey] = &[key("signal"), key("t")];

pub(super) const ROWS: &[Route] = &[
    post(ContainerCreate, "/containers/create", Class::Host, "create a container")
        .json(&facts::CREATE)
        .query(&[key("name"), key("platform")]),
    // docker-py still sends `trunc_cmd`, `since` and `before`, which no engine since 1.24 reads.
    get(ContainerList, "/containers/json", Class::Metadata, "list containers").query(&[
        key("all"),
        key("before"),
        key("filters"),
        key("limit"),
        key("since"),
        key("size"),
        key("trunc_cmd"),
    ]),
    post(ContainerPrune, "/containers/prune", Class::Admin, "prune containers")
        .since(25)
        .streams()
        .query(FILTERS),
    get(ContainerArchive, "/containers/{id}/archive", Class::Read, "copy files out of a container")
        .streams()
        .query(&[key("path")]),
    head(
        ContainerArchiveInfo,
        "/containers/{id}/archive",
        Class::Read,
        "look at a file in a container",
    )
    .query(&[key("path")]),
    put(
        PutContainerArchive,
        "/containers/{id}/archive",
        Class::Host,
        "copy files into a container",
    )
    .body(BodyKind::Stream)
    .streams()
    .query(&[key("copyUIDGID"), key("noOverwriteDirNonDir"), key("path")]),
    post(ContainerAttach, "/containers/{id}/attach", Class::Change, "attach to a container")
        .upgrades(UpgradeKind::RawStream)
        .query(ATTACH),
    get(
        ContainerAttachWebsocket,
        "/containers/{id}/attach/ws",
        Class::Change,
        "attach to a container by websocket",
    )
    .upgrades(UpgradeKind::Websocket)
    .query(ATTACH),
    get(
        ContainerChanges,
        "/containers/{id}/changes",
        Class::Metadata,
        "list a container's changed files",
    )
    .streams(),
    get(
        CheckpointList,
        "/containers/{id}/checkpoints",
        Class::Metadata,
        "list a container's checkpoints",
    )
    .query(&[key("dir")]),
    // `CheckpointDir` is a path of the host.
    post(CheckpointCreate, "/containers/{id}/checkpoints", Class::Host, "checkpoint a container")
        .json(&facts::CHECKPOINT_OF)
        .streams(),
    delete(
        CheckpointDelete,
        "/containers/{id}/checkpoints/{checkpoint}",
        Class::Host,
        "remove a container's checkpoint",
    )
    .query(&[key("dir")]),
    post(ContainerExec, "/containers/{id}/exec", Class::Host, "run a command in a container")
        .json(&facts::EXEC),
    get(ContainerExport, "/containers/{id}/export", Class::Read, "export a container").streams(),
    get(ContainerInspect, "/containers/{id}/json", Class::Read, "inspect a container")
        .query(&[key("size")]),
    post(ContainerKill, "/containers/{id}/kill", Class::Change, "kill a container")
        .query(&[key("signal")]),
    get(ContainerLogs, "/containers/{id}/logs", Class::Read, "read a container's logs")
        .streams()
        .query(&[
            key("details"),
            key("follow"),
            key("format"),
            key("since"),
            key("stderr"),
            key("stdout"),
            key("tail"),
            key("timestamps"),
            key("until"),
        ]),
    post(ContainerPause, "/containers/{id}/pause", Class::Change, "pause a container"),
    post(ContainerRename, "/containers/{id}/rename", Class::Change, "rename a container")
        .query(&[key("name")]),
    post(
        ContainerResize,
        "/containers/{id}/resize",
        Class::Change,
        "resize a container's terminal",
    )
    .query(SIZE),
    post(ContainerRestart, "/containers/{id}/restart", Class::Change, "restart a container")
        .streams()
        .query(STOP),
    // No body: before 1.24 it was a host configuration, and the engine still minds one.
    post(ContainerStart, "/containers/{id}/start", Class::Change, "start a container")
        .body(BodyKind::None)
        .query(&[key("checkpoint"), key("checkpoint-dir"), key("detachKeys")]),
    get(ContainerStats, "/containers/{id}/stats", Class::Metadata, "read a container's statistics")
        .streams()
        .query(&[key("one-shot"), key("stream")]),
    post(ContainerStop, "/containers/{id}/stop", Class::Change, "stop a container")
        .streams()
        .query(STOP),
    get(ContainerTop, "/containers/{id}/top", Class::Read, "list a container's processes")
        .query(&[key("ps_args")]),
    post(ContainerUnpause, "/containers/{id}/unpause", Class::Change, "unpause a container"),
    post(
        ContainerUpdate,
        "/containers/{id}/update",
        Class::Change,
        "change a container's resources",
    )
    .json(&facts::UPDATE),
    post(ContainerWait, "/containers/{id}/wait", Class::Metadata, "wait for a container")
        .streams()
        .query(&[key("condition")]),
    // `docker rm --link web/db` removes a link, and the engine takes any name with slashes here.
    delete(ContainerDelete, "/containers/{name...}", Class::Change, "remove a container")
        .streams()
        .query(&[key("force"), key("link"), key("v")]),
];

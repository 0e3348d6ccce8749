//! Containers, the commands in them, and images made of them.

use super::super::Operation::*;
use super::super::route::{
    BodyKind, Class, Route, UpgradeKind, delete, get, head, key, post, put, repeated,
};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(ImageCommitLibpod, "/libpod/commit", Class::Host, "commit a container by Podman")
        .body(BodyKind::OptionalJson)
        .streams()
        .query(&[
            key("author"),
            repeated("changes"),
            key("comment"),
            key("container"),
            key("format"),
            key("pause"),
            key("repo"),
            key("squash"),
            key("stream"),
            key("tag"),
        ]),
    post(
        ContainerCreateLibpod,
        "/libpod/containers/create",
        Class::Host,
        "create a container by Podman",
    )
    .body(BodyKind::Json),
    get(ContainerListLibpod, "/libpod/containers/json", Class::Read, "list containers by Podman")
        .query(&[
            key("all"),
            key("external"),
            key("filters"),
            key("last"),
            key("limit"),
            key("namespace"),
            key("pod"),
            key("size"),
            key("sync"),
        ]),
    post(
        ContainerPruneLibpod,
        "/libpod/containers/prune",
        Class::Host,
        "remove stopped containers",
    )
    .streams()
    .query(&[key("filters")]),
    get(
        ContainerShowMountedLibpod,
        "/libpod/containers/showmounted",
        Class::Host,
        "list mounted containers",
    ),
    get(
        ContainersStatsAllLibpod,
        "/libpod/containers/stats",
        Class::Metadata,
        "read containers' statistics",
    )
    .streams()
    .query(&[key("all"), repeated("containers"), key("interval"), key("stream")]),
    get(
        ContainerHealthcheckLibpod,
        "/libpod/containers/{name...}/healthcheck",
        Class::Host,
        "run a container's health check",
    )
    .streams(),
    delete(
        ContainerDeleteLibpod,
        "/libpod/containers/{name}",
        Class::Change,
        "remove a container by Podman",
    )
    .streams()
    .query(&[key("all"), key("depend"), key("force"), key("ignore"), key("timeout"), key("v")]),
    get(
        ContainerArchiveLibpod,
        "/libpod/containers/{name}/archive",
        Class::Host,
        "copy files out of a container",
    )
    .streams()
    .query(&[key("path")]),
    head(
        ContainerArchiveInfoLibpod,
        "/libpod/containers/{name}/archive",
        Class::Host,
        "look at files of a container",
    )
    .query(&[key("path")]),
    put(
        PutContainerArchiveLibpod,
        "/libpod/containers/{name}/archive",
        Class::Host,
        "copy files into a container",
    )
    .body(BodyKind::Stream)
    .streams()
    .query(&[key("path"), key("pause"), key("rename")]),
    post(
        ContainerAttachLibpod,
        "/libpod/containers/{name}/attach",
        Class::Host,
        "attach to a container",
    )
    .upgrades(UpgradeKind::RawStream)
    .query(&[
        repeated("detachKeys"),
        key("logs"),
        key("stderr"),
        key("stdin"),
        key("stdout"),
        key("stream"),
    ]),
    get(
        ContainerChangesLibpod,
        "/libpod/containers/{name}/changes",
        Class::Read,
        "list a container's changed files",
    )
    .query(&[key("diffType"), key("parent")]),
    post(
        ContainerCheckpointLibpod,
        "/libpod/containers/{name}/checkpoint",
        Class::Host,
        "checkpoint a container",
    )
    .streams()
    .query(&[
        key("export"),
        key("fileLocks"),
        key("ignoreRootFS"),
        key("ignoreVolumes"),
        key("keep"),
        key("leaveRunning"),
        key("preCheckpoint"),
        key("printStats"),
        key("tcpEstablished"),
        key("withPrevious"),
    ]),
    post(
        ContainerExecLibpod,
        "/libpod/containers/{name}/exec",
        Class::Host,
        "run a command in a container",
    )
    .body(BodyKind::Json),
    get(
        ContainerExistsLibpod,
        "/libpod/containers/{name}/exists",
        Class::Metadata,
        "ask whether a container exists",
    ),
    get(
        ContainerExportLibpod,
        "/libpod/containers/{name}/export",
        Class::Host,
        "export a container's files",
    )
    .streams(),
    post(
        ContainerInitLibpod,
        "/libpod/containers/{name}/init",
        Class::Change,
        "prepare a container to start",
    ),
    get(
        ContainerInspectLibpod,
        "/libpod/containers/{name}/json",
        Class::Read,
        "inspect a container by Podman",
    )
    .query(&[key("size")]),
    post(
        ContainerKillLibpod,
        "/libpod/containers/{name}/kill",
        Class::Change,
        "signal a container",
    )
    .query(&[key("all"), key("signal")]),
    get(
        ContainerLogsLibpod,
        "/libpod/containers/{name}/logs",
        Class::Read,
        "read a container's logs",
    )
    .streams()
    .query(&[
        key("follow"),
        key("since"),
        key("stderr"),
        key("stdout"),
        key("tail"),
        key("timestamps"),
        key("until"),
    ]),
    post(
        ContainerMountLibpod,
        "/libpod/containers/{name}/mount",
        Class::Host,
        "mount a container's files on the host",
    )
    .query(&[key("external")]),
    post(
        ContainerPauseLibpod,
        "/libpod/containers/{name}/pause",
        Class::Change,
        "pause a container",
    ),
    post(
        ContainerRenameLibpod,
        "/libpod/containers/{name}/rename",
        Class::Host,
        "rename a container",
    )
    .query(&[key("name")]),
    post(
        ContainerResizeLibpod,
        "/libpod/containers/{name}/resize",
        Class::Host,
        "resize a container's terminal",
    )
    .query(&[key("h"), key("running"), key("w")]),
    post(
        ContainerRestartLibpod,
        "/libpod/containers/{name}/restart",
        Class::Change,
        "restart a container",
    )
    .streams()
    .query(&[key("t"), key("timeout")]),
    post(
        ContainerRestoreLibpod,
        "/libpod/containers/{name}/restore",
        Class::Host,
        "restore a container",
    )
    .body(BodyKind::Stream)
    .streams()
    .query(&[
        key("fileLocks"),
        key("ignoreRootFS"),
        key("ignoreStaticIP"),
        key("ignoreStaticMAC"),
        key("ignoreVolumes"),
        key("import"),
        key("keep"),
        key("name"),
        key("pod"),
        key("printStats"),
        key("tcpClose"),
        key("tcpEstablished"),
    ]),
    post(
        ContainerStartLibpod,
        "/libpod/containers/{name}/start",
        Class::Change,
        "start a container",
    )
    .query(&[repeated("detachKeys")]),
    get(
        ContainerStatsLibpod,
        "/libpod/containers/{name}/stats",
        Class::Metadata,
        "read a container's statistics",
    )
    .streams()
    .query(&[key("one-shot"), key("stream")]),
    post(ContainerStopLibpod, "/libpod/containers/{name}/stop", Class::Change, "stop a container")
        .streams()
        .query(&[key("all"), key("ignore"), key("t"), key("timeout")]),
    get(
        ContainerTopLibpod,
        "/libpod/containers/{name}/top",
        Class::Read,
        "list a container's processes",
    )
    .streams()
    .query(&[key("delay"), repeated("ps_args"), key("stream")]),
    post(
        ContainerUnmountLibpod,
        "/libpod/containers/{name}/unmount",
        Class::Host,
        "unmount a container's files",
    ),
    post(
        ContainerUnpauseLibpod,
        "/libpod/containers/{name}/unpause",
        Class::Change,
        "resume a container",
    ),
    post(
        ContainerUpdateLibpod,
        "/libpod/containers/{name}/update",
        Class::Host,
        "change a container",
    )
    .body(BodyKind::OptionalJson)
    .query(&[key("restartPolicy"), key("restartRetries")]),
    post(
        ContainerWaitLibpod,
        "/libpod/containers/{name}/wait",
        Class::Change,
        "wait for a container",
    )
    .streams()
    .query(&[repeated("condition"), key("interval")]),
    get(
        ExecInspectLibpod,
        "/libpod/exec/{id}/json",
        Class::Host,
        "inspect a command in a container",
    ),
    post(
        ExecRemoveLibpod,
        "/libpod/exec/{id}/remove",
        Class::Host,
        "remove a command of a container",
    ),
    post(ExecResizeLibpod, "/libpod/exec/{id}/resize", Class::Host, "resize a command's terminal")
        .query(&[key("h"), key("running"), key("w")]),
    post(ExecStartLibpod, "/libpod/exec/{id}/start", Class::Host, "start a command in a container")
        .body(BodyKind::Json)
        .upgrades(UpgradeKind::RawStream),
];

//! Volumes.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, Route, delete, get, key, post};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(VolumeCreateLibpod, "/libpod/volumes/create", Class::Host, "create a volume by Podman")
        .body(BodyKind::OptionalJson),
    get(VolumeListLibpod, "/libpod/volumes/json", Class::Read, "list volumes by Podman")
        .query(&[key("filters")]),
    post(VolumePruneLibpod, "/libpod/volumes/prune", Class::Host, "remove unused volumes")
        .streams()
        .query(&[key("dryrun"), key("filters")]),
    delete(VolumeDeleteLibpod, "/libpod/volumes/{name}", Class::Host, "remove a volume by Podman")
        .query(&[key("force"), key("timeout")]),
    get(
        VolumeExistsLibpod,
        "/libpod/volumes/{name}/exists",
        Class::Metadata,
        "ask whether a volume exists",
    ),
    get(
        VolumeExportLibpod,
        "/libpod/volumes/{name}/export",
        Class::Host,
        "export a volume's files",
    )
    .streams(),
    post(
        VolumeImportLibpod,
        "/libpod/volumes/{name}/import",
        Class::Host,
        "import a volume's files",
    )
    .body(BodyKind::Stream)
    .streams(),
    get(
        VolumeInspectLibpod,
        "/libpod/volumes/{name}/json",
        Class::Read,
        "inspect a volume by Podman",
    ),
];

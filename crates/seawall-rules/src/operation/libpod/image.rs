//! Images, artifacts and manifest lists.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, Route, delete, get, key, post, put, repeated, secret};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(ArtifactAddLibpod, "/libpod/artifacts/add", Class::Host, "add a file as an artifact")
        .body(BodyKind::Stream)
        .streams()
        .query(&[
            repeated("annotations"),
            key("append"),
            key("artifactMIMEType"),
            key("fileMIMEType"),
            key("fileName"),
            key("name"),
            key("replace"),
        ]),
    get(ArtifactListLibpod, "/libpod/artifacts/json", Class::Host, "list artifacts"),
    post(
        ArtifactLocalLibpod,
        "/libpod/artifacts/local/add",
        Class::Host,
        "add a file of the host as an artifact",
    )
    .streams()
    .query(&[
        repeated("annotations"),
        key("append"),
        key("artifactMIMEType"),
        key("fileMIMEType"),
        key("fileName"),
        key("name"),
        key("path"),
        key("replace"),
    ]),
    post(ArtifactPullLibpod, "/libpod/artifacts/pull", Class::Host, "pull an artifact")
        .streams()
        .query(&[key("name"), key("retry"), key("retryDelay"), key("tlsVerify")]),
    delete(ArtifactDeleteAllLibpod, "/libpod/artifacts/remove", Class::Host, "remove artifacts")
        .query(&[key("all"), repeated("artifacts"), key("ignore")]),
    delete(ArtifactDeleteLibpod, "/libpod/artifacts/{name...}", Class::Host, "remove an artifact"),
    get(
        ArtifactExtractLibpod,
        "/libpod/artifacts/{name...}/extract",
        Class::Host,
        "read an artifact's contents",
    )
    .streams()
    .query(&[key("digest"), key("excludeTitle"), key("title")]),
    get(
        ArtifactInspectLibpod,
        "/libpod/artifacts/{name...}/json",
        Class::Host,
        "inspect an artifact",
    ),
    post(ArtifactPushLibpod, "/libpod/artifacts/{name...}/push", Class::Host, "push an artifact")
        .streams()
        .query(&[key("retry"), key("retryDelay"), key("tlsVerify")]),
    post(ImageBuildLibpod, "/libpod/build", Class::Host, "build an image by Podman")
        .body(BodyKind::Stream)
        .streams()
        .query(&[
            repeated("additionalbuildcontexts"),
            key("allplatforms"),
            secret("buildargs"),
            key("cachefrom"),
            key("compatvolumes"),
            key("contextDir"),
            key("cpuperiod"),
            key("cpuquota"),
            key("cpusetcpus"),
            key("cpushares"),
            key("createdannotation"),
            key("dockerfile"),
            key("extrahosts"),
            key("forcerm"),
            key("httpproxy"),
            key("inheritannotations"),
            key("inheritlabels"),
            key("labels"),
            repeated("layerLabel"),
            key("layers"),
            key("manifest"),
            key("memory"),
            key("memswap"),
            key("networkmode"),
            key("nocache"),
            key("nohosts"),
            key("outputs"),
            key("platform"),
            key("pull"),
            key("q"),
            key("remote"),
            key("rewritetimestamp"),
            key("rm"),
            key("shmsize"),
            key("sourcedateepoch"),
            key("squash"),
            key("t"),
            key("target"),
            key("timestamp"),
            repeated("unsetannotation"),
            repeated("unsetenv"),
            repeated("unsetlabel"),
            repeated("volume"),
        ]),
    get(ImageExportLibpod, "/libpod/images/export", Class::Host, "export images").streams().query(
        &[
            key("compress"),
            key("format"),
            key("ociAcceptUncompressedLayers"),
            repeated("references"),
        ],
    ),
    post(ImageImportLibpod, "/libpod/images/import", Class::Host, "import an image")
        .body(BodyKind::Stream)
        .streams()
        .query(&[repeated("changes"), key("message"), key("reference"), key("url")]),
    get(ImageListLibpod, "/libpod/images/json", Class::Read, "list images").query(&[
        key("all"),
        key("filters"),
        key("sort"),
    ]),
    post(ImageLoadLibpod, "/libpod/images/load", Class::Host, "load images")
        .body(BodyKind::Stream)
        .streams(),
    post(ImagePruneLibpod, "/libpod/images/prune", Class::Host, "remove unused images")
        .streams()
        .query(&[key("all"), key("buildcache"), key("external"), key("filters")]),
    post(ImagePullLibpod, "/libpod/images/pull", Class::Host, "pull an image").streams().query(&[
        key("Arch"),
        key("OS"),
        key("Variant"),
        key("allTags"),
        key("compatMode"),
        key("policy"),
        key("pullProgress"),
        key("quiet"),
        key("reference"),
        key("tlsVerify"),
    ]),
    delete(ImageDeleteAllLibpod, "/libpod/images/remove", Class::Host, "remove images").query(&[
        key("all"),
        key("force"),
        key("ignore"),
        repeated("images"),
        key("lookupManifest"),
    ]),
    post(
        ImageScpLibpod,
        "/libpod/images/scp/{name...}",
        Class::Host,
        "copy an image to another host",
    )
    .streams()
    .query(&[key("destination"), key("quiet")]),
    get(ImageSearchLibpod, "/libpod/images/search", Class::Host, "search a registry")
        .streams()
        .query(&[key("filters"), key("limit"), key("listTags"), key("term"), key("tlsVerify")]),
    delete(ImageDeleteLibpod, "/libpod/images/{name...}", Class::Host, "remove an image").query(&[
        key("force"),
        key("ignore"),
        key("lookupManifest"),
    ]),
    get(
        ImageExistsLibpod,
        "/libpod/images/{name...}/exists",
        Class::Metadata,
        "ask whether an image exists",
    ),
    get(ImageGetLibpod, "/libpod/images/{name...}/get", Class::Host, "export an image")
        .streams()
        .query(&[key("compress"), key("format")]),
    get(
        ImageHistoryLibpod,
        "/libpod/images/{name...}/history",
        Class::Read,
        "read an image's history",
    ),
    get(ImageInspectLibpod, "/libpod/images/{name...}/json", Class::Read, "inspect an image"),
    post(ImagePushLibpod, "/libpod/images/{name...}/push", Class::Host, "push an image")
        .streams()
        .query(&[
            key("all"),
            key("compressionFormat"),
            key("compressionLevel"),
            key("destination"),
            key("forceCompressionFormat"),
            key("format"),
            key("quiet"),
            key("removeSignatures"),
            key("retry"),
            key("retryDelay"),
            key("tlsVerify"),
        ]),
    get(
        ImageResolveLibpod,
        "/libpod/images/{name...}/resolve",
        Class::Host,
        "resolve an image's name",
    ),
    post(ImageTagLibpod, "/libpod/images/{name...}/tag", Class::Host, "tag an image")
        .query(&[key("repo"), key("tag")]),
    get(
        ImageTreeLibpod,
        "/libpod/images/{name...}/tree",
        Class::Metadata,
        "list an image's layers",
    )
    .query(&[key("whatrequires")]),
    post(ImageUntagLibpod, "/libpod/images/{name...}/untag", Class::Host, "take tags off an image")
        .query(&[key("repo"), key("tag")]),
    get(
        ImageChangesLibpod,
        "/libpod/images/{name}/changes",
        Class::Host,
        "list an image's changed files",
    )
    .query(&[key("diffType"), key("parent")]),
    post(
        LocalBuildLibpod,
        "/libpod/local/build",
        Class::Host,
        "build an image from a folder of the host",
    )
    .streams()
    .query(&[
        repeated("additionalbuildcontexts"),
        key("allplatforms"),
        secret("buildargs"),
        key("cachefrom"),
        key("compatvolumes"),
        key("cpuperiod"),
        key("cpuquota"),
        key("cpusetcpus"),
        key("cpushares"),
        key("createdannotation"),
        key("dockerfile"),
        key("extrahosts"),
        key("forcerm"),
        key("httpproxy"),
        key("inheritannotations"),
        key("inheritlabels"),
        key("labels"),
        repeated("layerLabel"),
        key("layers"),
        key("localcontextdir"),
        key("manifest"),
        key("memory"),
        key("memswap"),
        key("networkmode"),
        key("nocache"),
        key("nohosts"),
        key("outputs"),
        key("platform"),
        key("pull"),
        key("q"),
        key("remote"),
        key("rewritetimestamp"),
        key("rm"),
        key("shmsize"),
        key("sourcedateepoch"),
        key("squash"),
        key("t"),
        key("target"),
        key("timestamp"),
        repeated("unsetannotation"),
        repeated("unsetenv"),
        repeated("unsetlabel"),
        repeated("volume"),
    ]),
    post(
        LocalImagesLibpod,
        "/libpod/local/images/load",
        Class::Host,
        "load images from a file of the host",
    )
    .streams()
    .query(&[key("path")]),
    delete(
        ManifestDeleteLibpod,
        "/libpod/manifests/{name...}",
        Class::Host,
        "remove a manifest list",
    )
    .query(&[key("ignore")]),
    put(ManifestModifyLibpod, "/libpod/manifests/{name...}", Class::Host, "change a manifest list")
        .body(BodyKind::Json)
        .query(&[key("tlsVerify")]),
    get(
        ManifestExistsLibpod,
        "/libpod/manifests/{name...}/exists",
        Class::Host,
        "ask whether a manifest list exists",
    ),
    get(
        ManifestInspectLibpod,
        "/libpod/manifests/{name...}/json",
        Class::Host,
        "inspect a manifest list",
    )
    .query(&[key("tlsVerify")]),
    post(ManifestCreateLibpod, "/libpod/manifests/{name}", Class::Host, "create a manifest list")
        .body(BodyKind::OptionalJson)
        .query(&[key("all"), key("amend"), key("images")]),
    post(
        ManifestPushLibpod,
        "/libpod/manifests/{name}/registry/{destination}",
        Class::Host,
        "push a manifest list",
    )
    .streams()
    .query(&[
        repeated("addCompression"),
        key("all"),
        key("forceCompressionFormat"),
        key("quiet"),
        key("tlsVerify"),
    ]),
];

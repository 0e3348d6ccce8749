//! Images and the registries they come from.

use super::Operation::*;
use super::route::{BodyKind, Class, QueryKey, Route, delete, get, key, post, repeated};
use crate::facts;

const PLATFORM: &[QueryKey] = &[key("platform")];
/// `changes` holds Dockerfile lines, and `ENV TOKEN=...` is one of them.
const CHANGES: QueryKey = QueryKey { name: "changes", repeats: true, secret: true };

pub(super) const ROWS: &[Route] =
    &[
        post(ImageCommit, "/commit", Class::Change, "make an image of a container")
            .optional_json(&facts::COMMIT)
            .streams()
            .query(&[
                key("author"),
                CHANGES,
                key("comment"),
                key("container"),
                key("pause"),
                key("repo"),
                key("tag"),
            ]),
        get(
            DistributionInspect,
            "/distribution/{name...}/json",
            Class::Metadata,
            "ask a registry about an image",
        )
        .streams(),
        // The body is a tar when `fromSrc` is `-`.
        post(ImageCreate, "/images/create", Class::Host, "pull or import an image")
            .body(BodyKind::Stream)
            .streams()
            .query(&[
                CHANGES,
                key("fromImage"),
                // May be a URL with a password.
                QueryKey { name: "fromSrc", repeats: false, secret: true },
                key("message"),
                key("platform"),
                key("repo"),
                key("tag"),
            ]),
        get(ImageGetAll, "/images/get", Class::Read, "save images")
            .streams()
            .query(&[repeated("names"), repeated("platform")]),
        // docker-py still sends `only_ids`; `filter` went with 1.41.
        get(ImageList, "/images/json", Class::Metadata, "list images").query(&[
            key("all"),
            key("digests"),
            key("filter"),
            key("filters"),
            key("identity"),
            key("manifests"),
            key("only_ids"),
            key("shared-size"),
        ]),
        post(ImageLoad, "/images/load", Class::Host, "load images")
            .body(BodyKind::Stream)
            .streams()
            .query(&[repeated("platform"), key("quiet")]),
        post(ImagePrune, "/images/prune", Class::Admin, "prune images")
            .since(25)
            .streams()
            .query(&[key("filters")]),
        get(ImageSearch, "/images/search", Class::Metadata, "search a registry for images")
            .streams()
            .query(&[key("filters"), key("limit"), key("term")]),
        delete(ImageDelete, "/images/{name...}", Class::Change, "remove an image")
            .streams()
            .query(&[key("force"), key("noprune"), repeated("platforms")]),
        get(
            ImageAttestations,
            "/images/{name...}/attestations",
            Class::Metadata,
            "read an image's attestations",
        )
        .since(55)
        .query(&[repeated("platform"), key("statement"), repeated("type")]),
        get(ImageGet, "/images/{name...}/get", Class::Read, "save an image")
            .streams()
            .query(&[repeated("platform")]),
        get(ImageHistory, "/images/{name...}/history", Class::Read, "read an image's history")
            .query(PLATFORM),
        get(ImageInspect, "/images/{name...}/json", Class::Read, "inspect an image")
            .query(&[key("manifests"), key("platform")]),
        // Before X-Registry-Auth the credential was the body; docker-py still sends `{}`.
        post(ImagePush, "/images/{name...}/push", Class::Host, "push an image")
            .optional_json(&facts::PUSH)
            .streams()
            .query(&[key("platform"), key("tag")]),
        // docker-py still sends `force`.
        post(ImageTag, "/images/{name...}/tag", Class::Change, "tag an image").query(&[
            key("force"),
            key("repo"),
            key("tag"),
        ]),
    ];

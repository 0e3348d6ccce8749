//! Secrets.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, Route, delete, get, key, post, secret};

pub(in crate::operation) const ROWS: &[Route] = &[
    post(SecretCreateLibpod, "/libpod/secrets/create", Class::Host, "create a secret")
        .body(BodyKind::Stream)
        .query(&[
            key("driver"),
            secret("driveropts"),
            key("ignore"),
            key("labels"),
            key("name"),
            key("replace"),
        ]),
    get(SecretListLibpod, "/libpod/secrets/json", Class::Host, "list secrets")
        .query(&[key("filters")]),
    delete(SecretDeleteLibpod, "/libpod/secrets/{name}", Class::Host, "remove a secret")
        .query(&[key("all")]),
    get(
        SecretExistsLibpod,
        "/libpod/secrets/{name}/exists",
        Class::Host,
        "ask whether a secret exists",
    ),
    get(SecretInspectLibpod, "/libpod/secrets/{name}/json", Class::Host, "read a secret")
        .query(&[key("showsecret")]),
];

//! Registries: logging in, and the body of a push.

use super::schema::{Field, Schema, Shape, harmless, schema};

/// `SystemAuth`.
pub(crate) const LOGIN: Schema = schema(CREDENTIAL);

/// `ImagePush`: before `X-Registry-Auth` the credential was the body.
pub(crate) const PUSH: Schema = schema(CREDENTIAL);

const CREDENTIAL: &[Field] = &[
    harmless("auth", Shape::Text),
    harmless("email", Shape::Text),
    harmless("identitytoken", Shape::Text),
    harmless("password", Shape::Text),
    harmless("registrytoken", Shape::Text),
    harmless("serveraddress", Shape::Text),
    harmless("username", Shape::Text),
];

//! Plugins: what one may do on the host, and how it is set.

use super::schema::{Schema, Shape, harmless, list_of, schema};

/// `PluginPull` and `PluginUpgrade`: what the client has agreed to. Whatever it is, it is the
/// operation itself that gives the host away.
pub(crate) const PRIVILEGES: Schema = list_of(Shape::List(&PRIVILEGE));

/// `PluginSet`: `NAME=VALUE` each.
pub(crate) const SETTINGS: Schema = list_of(Shape::Texts);

const PRIVILEGE: Schema = schema(&[
    harmless("Description", Shape::Text),
    harmless("Name", Shape::Text),
    harmless("Value", Shape::Texts),
]);

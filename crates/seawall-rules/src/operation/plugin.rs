//! Plugins: each runs as root on the host.

use super::Operation::*;
use super::route::{BodyKind, Class, Route, delete, get, key, post};
use crate::facts;

pub(super) const ROWS: &[Route] = &[
    get(PluginList, "/plugins", Class::Read, "list plugins").query(&[key("filters")]),
    post(PluginCreate, "/plugins/create", Class::Host, "create a plugin")
        .body(BodyKind::Stream)
        .streams()
        .query(&[key("name")]),
    get(
        GetPluginPrivileges,
        "/plugins/privileges",
        Class::Metadata,
        "ask a registry what a plugin needs",
    )
    .streams()
    .query(&[key("name"), key("remote")]),
    post(PluginPull, "/plugins/pull", Class::Host, "install a plugin")
        .optional_json(&facts::PRIVILEGES)
        .streams()
        .query(&[key("name"), key("remote")]),
    delete(PluginDelete, "/plugins/{name...}", Class::Admin, "remove a plugin")
        .query(&[key("force")]),
    post(PluginDisable, "/plugins/{name...}/disable", Class::Admin, "disable a plugin")
        .query(&[key("force")]),
    post(PluginEnable, "/plugins/{name...}/enable", Class::Host, "enable a plugin")
        .streams()
        .query(&[key("timeout")]),
    get(PluginInspect, "/plugins/{name...}/json", Class::Read, "inspect a plugin"),
    post(PluginPush, "/plugins/{name...}/push", Class::Host, "push a plugin")
        .optional_json(&facts::PUSH)
        .streams(),
    post(PluginSet, "/plugins/{name...}/set", Class::Host, "configure a plugin")
        .json(&facts::SETTINGS),
    post(PluginUpgrade, "/plugins/{name...}/upgrade", Class::Host, "upgrade a plugin")
        .since(26)
        .optional_json(&facts::PRIVILEGES)
        .streams()
        .query(&[key("remote")]),
];

//! `docs/reference/operations.md`, written from the route table and the roles.

use std::fmt::Write as _;

use seawall_rules::operation::{BodyKind, Operation, Route, UpgradeKind};
use seawall_rules::policy::{PINGS, Roles};

use crate::cli::reference::assert_matches_checked_in;

#[test]
fn the_reference_of_the_operations_is_the_route_table() {
    assert_matches_checked_in("operations.md", &page());
}

fn page() -> String {
    let mut page = String::from(
        "# Operations\n\n\
        Generated from the code; do not edit.\n\n\
        Every request is one of these operations or is refused. Each may carry the query keys \
        named here and no others; `admin` may send unknown ones, which are recorded by name. \
        Keys marked `+` may repeat, values of those marked `*` are never recorded.\n\n\
        `{id}` is one segment of the path, `{name...}` one or more, `**` anything.\n\n\
        ## Roles\n\n",
    );
    for role in Roles::built_in().all() {
        writeln!(page, "- `{}`: {}", role.name(), role.summary()).expect("a String");
    }
    page += "\nEvery authenticated client may ping.\n";
    let mut resource = "";
    for operation in Operation::ALL {
        let route = operation.route();
        if self::resource(route) != resource {
            resource = self::resource(route);
            write!(
                page,
                "\n## {resource}\n\n\
                | operation | request | since | class | body | reply | query | roles |\n\
                | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            )
            .expect("a String");
        }
        let method = if route.template.ends_with("**") { "any" } else { route.method.as_str() };
        writeln!(
            page,
            "| {} | `{method} {}` | {} | {} | {} | {} | {} | {} |",
            operation.as_str(),
            route.template,
            route.since,
            route.class.as_str(),
            body(route),
            reply(route),
            query(route),
            roles(*operation)
        )
        .expect("a String");
    }
    page
}

fn resource(route: &Route) -> &'static str {
    match route.template.split('/').nth(1).unwrap_or_default() {
        "containers" => "Containers",
        "exec" => "Exec",
        "commit" | "distribution" | "images" => "Images",
        "build" | "grpc" | "session" => "Build",
        "volumes" => "Volumes",
        "networks" => "Networks",
        "plugins" => "Plugins",
        "configs" | "nodes" | "secrets" | "services" | "swarm" | "tasks" => "Swarm",
        _ => "System",
    }
}

fn body(route: &Route) -> &'static str {
    match route.body {
        BodyKind::Ignored | BodyKind::None => "",
        BodyKind::Json => "JSON",
        BodyKind::OptionalJson => "JSON or none",
        BodyKind::Stream => "stream",
    }
}

fn reply(route: &Route) -> &'static str {
    match (route.upgrade, route.streams) {
        (UpgradeKind::H2c, _) => "h2c",
        (UpgradeKind::RawStream, _) => "raw stream",
        (UpgradeKind::Websocket, _) => "websocket",
        (UpgradeKind::None, true) => "long",
        (UpgradeKind::None, false) => "",
    }
}

fn query(route: &Route) -> String {
    let keys: Vec<_> = route
        .query
        .iter()
        .map(|key| {
            let repeats = if key.repeats { "+" } else { "" };
            let secret = if key.secret { "*" } else { "" };
            format!("`{}{repeats}{secret}`", key.name)
        })
        .collect();
    keys.join(" ")
}

fn roles(operation: Operation) -> String {
    if PINGS.contains(&operation) {
        return "everyone".to_owned();
    }
    let roles = Roles::built_in();
    match roles.granting(operation).map(|role| role.name()).collect::<Vec<_>>().as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

//! `seawall policy list`.

use std::sync::Arc;

use seawall_rules::operation::Operation;
use seawall_rules::policy::{Permissions, Role, Roles, Standing};
use serde::Serialize;

use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::cli::table::table;
use crate::config;

/// List the roles, or everything one role may do
///
/// The roles are those that ship with Seawall and those of the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy list\n  seawall policy list viewer --json")]
pub(super) struct Args {
    /// The role
    role: Option<String>,
    /// As JSON, with every operation of every role
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let roles = config::load_for_command(context)?.roles;
    let one = args.role.as_deref().map(|name| named(&roles, name)).transpose()?;
    report::print(match (args.json, one) {
        (true, Some(role)) => json(&roles, &[role]),
        (true, None) => json(&roles, &roles.all().cloned().collect::<Vec<_>>()),
        (false, None) => overview(&roles),
        (false, Some(role)) => in_full(&roles, &role),
    })
}

fn named(roles: &Roles, name: &str) -> Result<Arc<Role>, Error> {
    roles.named(name).cloned().ok_or_else(|| {
        Error::usage(format!("there is no role `{}`", name.escape_debug()))
            .hint(format!("the roles are {roles}"))
    })
}

/// What the role grants, each operation with the id of its rule; in the table's order.
fn operations(roles: &Arc<Roles>, role: &Role) -> Vec<(Operation, Arc<str>)> {
    let permissions = Permissions::compile(roles, [role.name()]);
    Operation::ALL
        .iter()
        .filter_map(|&operation| Some((operation, permissions.rule(operation)?.clone())))
        .collect()
}

fn overview(roles: &Arc<Roles>) -> String {
    let rows: Vec<_> = roles
        .all()
        .map(|role| {
            let count = operations(roles, role).len();
            [role.name().to_owned(), count.to_string(), role.summary().to_owned()]
        })
        .collect();
    table(["ROLE", "OPERATIONS", "MAY"], &rows)
}

fn in_full(roles: &Arc<Roles>, role: &Role) -> String {
    let rows: Vec<_> = operations(roles, role)
        .into_iter()
        .map(|(operation, rule)| {
            let route = operation.route();
            [
                operation.as_str().to_owned(),
                format!("{} {}", route.method, route.template),
                rule.to_string(),
                route.phrase.to_owned(),
            ]
        })
        .collect();
    let operations = table(["OPERATION", "REQUEST", "RULE", "MAY"], &rows);
    let terms: Vec<_> =
        role.written().into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    if terms.is_empty() { operations } else { format!("{operations}\n{}", terms.concat()) }
}

#[derive(Serialize)]
struct RoleEntry<'a> {
    role: &'a str,
    summary: &'a str,
    /// Whether it ships with Seawall.
    built_in: bool,
    /// What may be asked for, by the keys of the language, each as TOML.
    terms: serde_json::Map<String, serde_json::Value>,
    operations: Vec<OperationEntry>,
}

#[derive(Serialize)]
struct OperationEntry {
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    class: &'static str,
    rule: String,
}

fn json(roles: &Arc<Roles>, shown: &[Arc<Role>]) -> String {
    let entries: Vec<_> = shown
        .iter()
        .map(|role| RoleEntry {
            role: role.name(),
            summary: role.summary(),
            built_in: role.standing() != Standing::Configured,
            terms: role
                .written()
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
            operations: operations(roles, role)
                .into_iter()
                .map(|(operation, rule)| {
                    let route = operation.route();
                    OperationEntry {
                        operation: operation.as_str(),
                        method: route.method.as_str(),
                        path: route.template,
                        class: route.class.as_str(),
                        rule: rule.to_string(),
                    }
                })
                .collect(),
        })
        .collect();
    // INVARIANT: texts and lists always serialize.
    serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_says_what_each_role_is_for() {
        insta::assert_snapshot!(overview(&Roles::built_in()), @"
        ROLE        OPERATIONS  MAY
        viewer      18          lists, inspects, histories, events, version, information and disk usage; secrets hidden
        read-only   23          what viewer may, and logs, statistics and processes; sees secrets, but takes no file out of a container
        operator    27          what viewer may, and logs, statistics, start, stop, restart, pause, kill, wait; secrets hidden
        developer   60          containers, volumes and networks of its own, with nothing of the host: the full life of them, exec, attach and cp included; images of its own to build, commit, tag (`tags`) and remove
        deployer    36          developer for machines: pulls images, and creates and replaces containers of its own; it reaches into none
        traefik     8           for Traefik's docker provider: containers with the labels that configure it, and events; environment hidden
        prometheus  6           for Prometheus' discovery of containers (docker_sd_configs): containers and networks, their secrets hidden
        admin       249         everything, recorded; unknown fields and query keys pass
        ");
    }

    #[test]
    fn a_role_is_listed_with_every_operation_and_its_rule() {
        insta::assert_snapshot!(in_full(&Roles::built_in(), Roles::built_in().named("operator").unwrap()), @"
        OPERATION             REQUEST                        RULE                 MAY
        ContainerList         GET /containers/json           viewer.operations    list containers
        ContainerInspect      GET /containers/{id}/json      viewer.operations    inspect a container
        ContainerKill         POST /containers/{id}/kill     operator.operations  kill a container
        ContainerLogs         GET /containers/{id}/logs      operator.operations  read a container's logs
        ContainerPause        POST /containers/{id}/pause    operator.operations  pause a container
        ContainerRestart      POST /containers/{id}/restart  operator.operations  restart a container
        ContainerStart        POST /containers/{id}/start    operator.operations  start a container
        ContainerStats        GET /containers/{id}/stats     operator.operations  read a container's statistics
        ContainerStop         POST /containers/{id}/stop     operator.operations  stop a container
        ContainerUnpause      POST /containers/{id}/unpause  operator.operations  unpause a container
        ContainerWait         POST /containers/{id}/wait     operator.operations  wait for a container
        ExecInspect           GET /exec/{id}/json            viewer.operations    inspect a command in a container
        ImageList             GET /images/json               viewer.operations    list images
        ImageHistory          GET /images/{name...}/history  viewer.operations    read an image's history
        ImageInspect          GET /images/{name...}/json     viewer.operations    inspect an image
        VolumeList            GET /volumes                   viewer.operations    list volumes
        VolumeInspect         GET /volumes/{id}              viewer.operations    inspect a volume
        NetworkList           GET /networks                  viewer.operations    list networks
        NetworkInspect        GET /networks/{id}             viewer.operations    inspect a network
        SystemPing            GET /_ping                     everyone.ping        ping the engine
        SystemPingHead        HEAD /_ping                    everyone.ping        ping the engine
        SystemEvents          GET /events                    viewer.operations    watch events
        SystemInfo            GET /info                      viewer.operations    read the engine's information
        SystemDataUsage       GET /system/df                 viewer.operations    read the engine's disk usage
        SystemVersion         GET /version                   viewer.operations    read the engine's version
        SystemPingLibpod      GET /libpod/_ping              everyone.ping        ping Podman
        SystemPingHeadLibpod  HEAD /libpod/_ping             everyone.ping        ping Podman
        ");
    }

    #[test]
    fn json_has_every_role_and_the_rule_of_each_operation() {
        let all: serde_json::Value = {
            let roles = Roles::built_in();
            let every: Vec<_> = roles.all().cloned().collect();
            serde_json::from_str(&json(&roles, &every)).unwrap()
        };
        let roles: Vec<_> = all.as_array().unwrap().iter().map(|entry| &entry["role"]).collect();
        assert_eq!(
            roles,
            [
                "viewer",
                "read-only",
                "operator",
                "developer",
                "deployer",
                "traefik",
                "prometheus",
                "admin"
            ]
        );
        let ping = &all[0]["operations"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["operation"] == "SystemPing")
            .unwrap();
        assert_eq!(ping["rule"], "everyone.ping");
        assert_eq!(ping["path"], "/_ping");
    }

    #[test]
    fn an_unknown_role_is_a_usage_error_that_names_the_known_ones() {
        let error = named(&Roles::built_in(), "viewr").unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: there is no role `viewr`\nhint: the roles are viewer, read-only, operator, developer, deployer, traefik, prometheus and admin"
        );
        assert_eq!(error.exit_code(), 2);
    }
}

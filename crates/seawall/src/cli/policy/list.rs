//! `seawall policy list`.

use seawall_rules::policy::Role;
use serde::Serialize;

use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::cli::table::table;

/// List the roles, or everything one role may do
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy list\n  seawall policy list viewer --json")]
pub(super) struct Args {
    /// The role
    role: Option<String>,
    /// As JSON, with every operation of every role
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    let role = args.role.as_deref().map(named).transpose()?;
    let roles = role.as_ref().map_or(Role::ALL, std::slice::from_ref);
    report::print(match (args.json, role) {
        (true, _) => json(roles),
        (false, None) => overview(),
        (false, Some(role)) => in_full(role),
    })
}

fn named(name: &str) -> Result<Role, Error> {
    Role::named(name).ok_or_else(|| {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        Error::usage(format!("there is no role `{}`", name.escape_debug()))
            .hint(format!("the roles are {}", names.join(", ")))
    })
}

fn overview() -> String {
    let rows: Vec<_> = Role::ALL
        .iter()
        .map(|role| {
            [role.to_string(), role.operations().len().to_string(), role.summary().to_owned()]
        })
        .collect();
    table(["ROLE", "OPERATIONS", "MAY"], &rows)
}

fn in_full(role: Role) -> String {
    let rows: Vec<_> = role
        .operations()
        .into_iter()
        .map(|(operation, rule)| {
            let route = operation.route();
            [
                operation.as_str().to_owned(),
                format!("{} {}", route.method, route.template),
                rule.to_owned(),
                route.phrase.to_owned(),
            ]
        })
        .collect();
    table(["OPERATION", "REQUEST", "RULE", "MAY"], &rows)
}

#[derive(Serialize)]
struct RoleEntry {
    role: &'static str,
    summary: &'static str,
    operations: Vec<OperationEntry>,
}

#[derive(Serialize)]
struct OperationEntry {
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    class: &'static str,
    rule: &'static str,
}

fn json(roles: &[Role]) -> String {
    let entries: Vec<_> = roles
        .iter()
        .map(|role| RoleEntry {
            role: role.as_str(),
            summary: role.summary(),
            operations: role
                .operations()
                .into_iter()
                .map(|(operation, rule)| {
                    let route = operation.route();
                    OperationEntry {
                        operation: operation.as_str(),
                        method: route.method.as_str(),
                        path: route.template,
                        class: route.class.as_str(),
                        rule,
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
        insta::assert_snapshot!(overview(), @"
        ROLE      OPERATIONS  MAY
        viewer    10          lists, events, version, information and disk usage; no inspects
        operator  19          what viewer may, and logs, statistics, start, stop, restart, pause, kill, wait
        admin     113         everything, recorded; unknown query keys pass
        ");
    }

    #[test]
    fn a_role_is_listed_with_every_operation_and_its_rule() {
        insta::assert_snapshot!(in_full(Role::Operator), @"
        OPERATION         REQUEST                        RULE                MAY
        ContainerList     GET /containers/json           viewer.list         list containers
        ContainerKill     POST /containers/{id}/kill     operator.lifecycle  kill a container
        ContainerLogs     GET /containers/{id}/logs      operator.observe    read a container's logs
        ContainerPause    POST /containers/{id}/pause    operator.lifecycle  pause a container
        ContainerRestart  POST /containers/{id}/restart  operator.lifecycle  restart a container
        ContainerStart    POST /containers/{id}/start    operator.lifecycle  start a container
        ContainerStats    GET /containers/{id}/stats     operator.observe    read a container's statistics
        ContainerStop     POST /containers/{id}/stop     operator.lifecycle  stop a container
        ContainerUnpause  POST /containers/{id}/unpause  operator.lifecycle  unpause a container
        ContainerWait     POST /containers/{id}/wait     operator.observe    wait for a container
        ImageList         GET /images/json               viewer.list         list images
        VolumeList        GET /volumes                   viewer.list         list volumes
        NetworkList       GET /networks                  viewer.list         list networks
        SystemPing        GET /_ping                     everyone.ping       ping the engine
        SystemPingHead    HEAD /_ping                    everyone.ping       ping the engine
        SystemEvents      GET /events                    viewer.system       watch events
        SystemInfo        GET /info                      viewer.system       read the engine's information
        SystemDataUsage   GET /system/df                 viewer.system       read the engine's disk usage
        SystemVersion     GET /version                   viewer.system       read the engine's version
        ");
    }

    #[test]
    fn json_has_every_role_and_the_rule_of_each_operation() {
        let all: serde_json::Value = serde_json::from_str(&json(Role::ALL)).unwrap();
        let roles: Vec<_> = all.as_array().unwrap().iter().map(|entry| &entry["role"]).collect();
        assert_eq!(roles, ["viewer", "operator", "admin"]);
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
        let error = named("viewr").unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: there is no role `viewr`\nhint: the roles are viewer, operator, admin"
        );
        assert_eq!(error.exit_code(), 2);
    }
}

//! Swarm: nodes, services and tasks, configs and secrets.

use super::Operation::*;
use super::route::{Class, QueryKey, Route, delete, get, key, post};
use crate::facts;

const FILTERS: &[QueryKey] = &[key("filters")];
const VERSION: &[QueryKey] = &[key("version")];
const LOGS: &[QueryKey] = &[
    key("details"),
    key("follow"),
    key("since"),
    key("stderr"),
    key("stdout"),
    key("tail"),
    key("timestamps"),
];

pub(super) const ROWS: &[Route] = &[
    get(ConfigList, "/configs", Class::Read, "list swarm configs").since(30).query(FILTERS),
    post(ConfigCreate, "/configs/create", Class::Admin, "create a swarm config")
        .since(30)
        .json(&facts::CONFIG),
    get(ConfigInspect, "/configs/{id}", Class::Read, "read a swarm config").since(30),
    delete(ConfigDelete, "/configs/{id}", Class::Admin, "remove a swarm config").since(30),
    post(ConfigUpdate, "/configs/{id}/update", Class::Admin, "change a swarm config")
        .since(30)
        .json(&facts::CONFIG)
        .query(VERSION),
    get(NodeList, "/nodes", Class::Admin, "list swarm nodes").query(FILTERS),
    get(NodeInspect, "/nodes/{id}", Class::Admin, "inspect a swarm node"),
    delete(NodeDelete, "/nodes/{id}", Class::Admin, "remove a swarm node").query(&[key("force")]),
    post(NodeUpdate, "/nodes/{id}/update", Class::Admin, "change a swarm node")
        .json(&facts::NODE)
        .query(VERSION),
    get(SecretList, "/secrets", Class::Admin, "list swarm secrets").since(25).query(FILTERS),
    post(SecretCreate, "/secrets/create", Class::Admin, "create a swarm secret")
        .since(25)
        .json(&facts::SECRET),
    get(SecretInspect, "/secrets/{id}", Class::Admin, "inspect a swarm secret").since(25),
    delete(SecretDelete, "/secrets/{id}", Class::Admin, "remove a swarm secret").since(25),
    post(SecretUpdate, "/secrets/{id}/update", Class::Admin, "change a swarm secret")
        .since(26)
        .json(&facts::SECRET)
        .query(VERSION),
    get(ServiceList, "/services", Class::Read, "list swarm services")
        .query(&[key("filters"), key("status")]),
    post(ServiceCreate, "/services/create", Class::Host, "create a swarm service")
        .json(&facts::SERVICE)
        .streams(),
    get(ServiceInspect, "/services/{id}", Class::Read, "inspect a swarm service")
        .query(&[key("insertDefaults")]),
    delete(ServiceDelete, "/services/{id}", Class::Admin, "remove a swarm service"),
    get(ServiceLogs, "/services/{id}/logs", Class::Read, "read a swarm service's logs")
        .streams()
        .query(LOGS),
    post(ServiceUpdate, "/services/{id}/update", Class::Host, "change a swarm service")
        .json(&facts::SERVICE_CHANGE)
        .streams()
        .query(&[key("registryAuthFrom"), key("rollback"), key("version")]),
    get(SwarmInspect, "/swarm", Class::Admin, "read the swarm's join tokens"),
    post(SwarmInit, "/swarm/init", Class::Admin, "start a swarm").json(&facts::INIT).streams(),
    post(SwarmJoin, "/swarm/join", Class::Admin, "join a swarm").json(&facts::JOIN).streams(),
    post(SwarmLeave, "/swarm/leave", Class::Admin, "leave the swarm")
        .streams()
        .query(&[key("force")]),
    post(SwarmUnlock, "/swarm/unlock", Class::Admin, "unlock the swarm")
        .json(&facts::UNLOCK)
        .streams(),
    get(SwarmUnlockkey, "/swarm/unlockkey", Class::Admin, "read the swarm's unlock key"),
    post(SwarmUpdate, "/swarm/update", Class::Admin, "change the swarm").json(&facts::SPEC).query(
        &[
            key("rotateManagerToken"),
            key("rotateManagerUnlockKey"),
            key("rotateWorkerToken"),
            key("version"),
        ],
    ),
    get(TaskList, "/tasks", Class::Read, "list swarm tasks").query(FILTERS),
    get(TaskInspect, "/tasks/{id}", Class::Read, "inspect a swarm task"),
    get(TaskLogs, "/tasks/{id}/logs", Class::Read, "read a swarm task's logs")
        .since(29)
        .streams()
        .query(LOGS),
];

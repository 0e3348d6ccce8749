//! The docker commands whose flags make a query, or nothing.

use serde_json::json;

use super::container::pull;
use super::flags::{Does, Flag, Words, flag};
use super::{Described, Row, delete, get, post, query, segment, with_body};
use crate::facts::split_tag;

const MANY: usize = usize::MAX;

/// A command that does the same with each of its arguments.
macro_rules! each {
    ($($name:literal)*, $usage:literal, $flags:expr, $name_of:ident, $words:ident => $request:expr) => {
        Row {
            names: &[$($name),*],
            usage: $usage,
            flags: &[$flags],
            args: (1, MANY),
            requests: |$words| {
                $words
                    .args
                    .iter()
                    .map(|name| {
                        let $name_of = segment(name);
                        $request
                    })
                    .collect()
            },
        }
    };
}

/// A command that sends one request.
macro_rules! once {
    ($($name:literal)*, $usage:literal, $flags:expr, $args:expr, $words:ident => $request:expr) => {
        Row {
            names: &[$($name),*],
            usage: $usage,
            flags: &[$flags],
            args: $args,
            requests: |$words| vec![$request],
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    each!("start" "container start", "CONTAINER", &[], name, words =>
        post(format!("/containers/{name}/start"))),
    each!("stop" "container stop", "CONTAINER", TIME, name, words =>
        post(format!("/containers/{name}/stop{}", words.query(&[])))),
    each!("restart" "container restart", "CONTAINER", TIME, name, words =>
        post(format!("/containers/{name}/restart{}", words.query(&[])))),
    each!("kill" "container kill", "CONTAINER", SIGNAL, name, words =>
        post(format!("/containers/{name}/kill{}", words.query(&[])))),
    each!("pause" "container pause", "CONTAINER", &[], name, words =>
        post(format!("/containers/{name}/pause"))),
    each!("unpause" "container unpause", "CONTAINER", &[], name, words =>
        post(format!("/containers/{name}/unpause"))),
    each!("wait" "container wait", "CONTAINER", &[], name, words =>
        post(format!("/containers/{name}/wait"))),
    each!("rm" "container rm", "CONTAINER", REMOVE, name, words =>
        delete(format!("/containers/{name}{}", words.query(&[])))),
    each!("inspect" "container inspect", "CONTAINER", &[], name, words =>
        get(format!("/containers/{name}/json"))),
    once!("attach" "container attach", "CONTAINER", &[], (1, 1), words =>
    post(format!(
        "/containers/{}/attach?stream=1&stdin=1&stdout=1&stderr=1",
        segment(&words.args[0])
    ))),
    once!("logs" "container logs", "CONTAINER", LOGS, (1, 1), words =>
    get(format!(
        "/containers/{}/logs{}",
        segment(&words.args[0]),
        words.query(&[("stdout", "1"), ("stderr", "1")])
    ))),
    each!("stats" "container stats", "CONTAINER", NO_STREAM, name, words =>
        get(format!("/containers/{name}/stats"))),
    once!("top" "container top", "CONTAINER", &[], (1, MANY), words =>
        get(format!("/containers/{}/top", segment(&words.args[0])))),
    once!("rename" "container rename", "CONTAINER NAME", &[], (2, 2), words =>
    post(format!(
        "/containers/{}/rename{}",
        segment(&words.args[0]),
        query(&[("name", &words.args[1])])
    ))),
    once!("export" "container export", "CONTAINER", OUTPUT, (1, 1), words =>
        get(format!("/containers/{}/export", segment(&words.args[0])))),
    Row {
        names: &["cp", "container cp"],
        usage: "CONTAINER:PATH PATH | PATH CONTAINER:PATH",
        flags: &[],
        args: (2, 2),
        requests: copy,
    },
    once!("commit" "container commit", "CONTAINER [IMAGE]", &[], (1, 2), words => {
        let (repo, tag) = split_tag(words.args.get(1).map_or("", String::as_str));
        let container = words.args[0].as_str();
        let pairs = [("container", container), ("repo", repo), ("tag", tag.unwrap_or_default())];
        with_body(post(format!("/commit{}", query(&pairs))), json!({}))
    }),
    once!("ps" "container ls", "", LIST, (0, 0), words =>
        get(format!("/containers/json{}", words.query(&[])))),
    Row {
        names: &["pull", "image pull"],
        usage: "IMAGE",
        flags: &[PULL],
        args: (1, 1),
        requests: |words| vec![pull(&words.args[0])],
    },
    once!("push" "image push", "IMAGE", &[], (1, 1), words => {
        let (name, tag) = split_tag(&words.args[0]);
        let tag = tag.unwrap_or("latest");
        post(format!("/images/{}/push{}", segment(name), query(&[("tag", tag)])))
    }),
    once!("tag" "image tag", "IMAGE NAME", &[], (2, 2), words => {
        let (repo, tag) = split_tag(&words.args[1]);
        let pairs = [("repo", repo), ("tag", tag.unwrap_or("latest"))];
        post(format!("/images/{}/tag{}", segment(&words.args[0]), query(&pairs)))
    }),
    each!("rmi" "image rm", "IMAGE", FORCE, name, words =>
        delete(format!("/images/{name}{}", words.query(&[])))),
    once!("images" "image ls", "", LIST, (0, 0), _words => get("/images/json")),
    each!("history" "image history", "IMAGE", &[], name, words =>
        get(format!("/images/{name}/history"))),
    each!("image inspect", "IMAGE", &[], name, words => get(format!("/images/{name}/json"))),
    once!("save" "image save", "IMAGE", OUTPUT, (1, 1), words =>
        get(format!("/images/{}/get", segment(&words.args[0])))),
    once!("load" "image load", "", LOAD, (0, 0), _words => post("/images/load")),
    once!("build" "image build", "PATH", BUILD, (1, 1), words =>
        post(format!("/build{}", words.query(&[])))),
    once!("volume create", "[NAME]", VOLUME, (0, 1), words => {
        let mut body = words.body.clone().into_value();
        if let Some(name) = words.args.first() {
            body["Name"] = json!(name);
        }
        with_body(post("/volumes/create"), body)
    }),
    once!("volume ls", "", LIST, (0, 0), _words => get("/volumes")),
    each!("volume rm", "VOLUME", FORCE, name, words =>
        delete(format!("/volumes/{name}{}", words.query(&[])))),
    each!("volume inspect", "VOLUME", &[], name, words => get(format!("/volumes/{name}"))),
    once!("network create", "NAME", NETWORK, (1, 1), words => {
        let mut body = words.body.clone().into_value();
        body["Name"] = json!(words.args[0]);
        with_body(post("/networks/create"), body)
    }),
    once!("network ls", "", LIST, (0, 0), _words => get("/networks")),
    each!("network rm", "NETWORK", &[], name, words => delete(format!("/networks/{name}"))),
    each!("network inspect", "NETWORK", &[], name, words => get(format!("/networks/{name}"))),
    once!("network connect", "NETWORK CONTAINER", &[], (2, 2), words =>
    with_body(
        post(format!("/networks/{}/connect", segment(&words.args[0]))),
        json!({ "Container": words.args[1] }),
    )),
    once!("network disconnect", "NETWORK CONTAINER", &[], (2, 2), words =>
    with_body(
        post(format!("/networks/{}/disconnect", segment(&words.args[0]))),
        json!({ "Container": words.args[1] }),
    )),
    once!("info" "system info", "", &[], (0, 0), _words => get("/info")),
    once!("version", "", &[], (0, 0), _words => get("/version")),
    once!("events" "system events", "", &[], (0, 0), _words => get("/events")),
    once!("system df", "", &[], (0, 0), _words => get("/system/df")),
];

/// Out of a container, or into one.
fn copy(words: &Words) -> Vec<Described> {
    let place = |text: &str| {
        let (container, path) = text.split_once(':')?;
        Some(format!("/containers/{}/archive{}", segment(container), query(&[("path", path)])))
    };
    let head = |target: &String| Described { method: "HEAD".to_owned(), ..get(target.clone()) };
    let into = |target: &String| Described { method: "PUT".to_owned(), ..get(target.clone()) };
    let (from, to) = (place(&words.args[0]), place(&words.args[1]));
    let mut requests = Vec::new();
    if let Some(target) = &from {
        requests.extend([head(target), get(target.clone())]);
    }
    if let Some(target) = &to {
        requests.extend([head(target), into(target)]);
    }
    requests
}

const BUILD: &[Flag] = &[
    flag(&["-f", "--file"], Does::Text("?dockerfile")),
    flag(&["--network"], Does::Text("?networkmode")),
    flag(&["--no-cache"], Does::Bare),
    flag(&["--pull"], Does::Bare),
    flag(&["-q", "--quiet"], Does::Bare),
    flag(&["-t", "--tag"], Does::Text("?t")),
    flag(&["--target"], Does::Text("?target")),
];

const FORCE: &[Flag] = &[flag(&["-f", "--force"], Does::Truth("?force"))];

const LIST: &[Flag] = &[
    flag(&["-a", "--all"], Does::Truth("?all")),
    flag(&["-q", "--quiet"], Does::Bare),
    flag(&["--filter"], Does::Nothing),
    flag(&["--format"], Does::Nothing),
];

const LOAD: &[Flag] =
    &[flag(&["-i", "--input"], Does::Nothing), flag(&["-q", "--quiet"], Does::Bare)];

const LOGS: &[Flag] = &[
    flag(&["-f", "--follow"], Does::Truth("?follow")),
    flag(&["--since"], Does::Text("?since")),
    flag(&["-n", "--tail"], Does::Text("?tail")),
    flag(&["-t", "--timestamps"], Does::Truth("?timestamps")),
    flag(&["--until"], Does::Text("?until")),
];

const NETWORK: &[Flag] = &[
    flag(&["--attachable"], Does::Truth("Attachable")),
    flag(&["-d", "--driver"], Does::Text("Driver")),
    flag(&["--internal"], Does::Truth("Internal")),
    flag(&["--ipv6"], Does::Truth("EnableIPv6")),
    flag(&["--label"], Does::Entry("Labels")),
    flag(&["-o", "--opt"], Does::Entry("Options")),
    flag(
        &["--subnet"],
        Does::By(|value, body| body.push("IPAM.Config", json!({ "Subnet": value }))),
    ),
];

const NO_STREAM: &[Flag] = &[flag(&["--no-stream"], Does::Bare)];

const OUTPUT: &[Flag] = &[flag(&["-o", "--output"], Does::Nothing)];

const PULL: &[Flag] = &[flag(&["--platform"], Does::Nothing), flag(&["-q", "--quiet"], Does::Bare)];

const REMOVE: &[Flag] = &[
    flag(&["-f", "--force"], Does::Truth("?force")),
    flag(&["-v", "--volumes"], Does::Truth("?v")),
];

const SIGNAL: &[Flag] = &[flag(&["-s", "--signal"], Does::Text("?signal"))];

const TIME: &[Flag] = &[
    flag(&["-s", "--signal"], Does::Text("?signal")),
    flag(&["-t", "--time", "--timeout"], Does::Integer("?t")),
];

const VOLUME: &[Flag] = &[
    flag(&["-d", "--driver"], Does::Text("Driver")),
    flag(&["--label"], Does::Entry("Labels")),
    flag(&["--name"], Does::Text("Name")),
    flag(&["-o", "--opt"], Does::Entry("DriverOpts")),
];

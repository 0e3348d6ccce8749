//! Looking at an engine: what the docker command line shows without changing anything.

use crate::support::client::{Side, fresh};
use crate::support::on_both_sides;
use crate::support::wait::{SHORT, until};

on_both_sides!(
    version_shows_client_and_server,
    info_shows_the_engine,
    ps_lists_and_filters,
    images_are_listed_and_inspected,
    inspect_shows_a_container_and_history_an_image,
    logs_follow_until_the_container_ends,
    logs_keep_standard_output_and_error_apart,
    events_arrive_while_they_happen,
    stats_are_shown_once_and_as_a_stream,
    top_lists_the_processes,
    wait_returns_the_exit_code_when_it_ends,
    disk_usage_is_shown,
    what_is_not_there_is_named,
);

fn version_shows_client_and_server(side: Side) {
    for docker in side.dockers() {
        let shown = docker.run(["version", "--format", "{{json .}}"]).ok();
        let version: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert!(version["Client"]["ApiVersion"].is_string(), "{shown}");
        assert!(version["Server"]["ApiVersion"].is_string(), "{shown}");
        // A newer client speaks the engine's version; neither asks for more than the other has.
        assert_eq!(version["Client"]["ApiVersion"], version["Server"]["ApiVersion"], "{shown}");
    }
}

fn info_shows_the_engine(side: Side) {
    for docker in side.dockers() {
        let info = docker.run(["info", "--format", "{{.OSType}} {{.Driver}} {{.ID}}"]).ok();
        assert!(info.starts_with("linux "), "{info}");
    }
}

fn ps_lists_and_filters(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("ps");
        let all = docker.run(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]).ok();
        assert!(all.contains(&format!("{} {}", container.id, container.name)), "{all}");
        let named = format!("name=^/?{}$", container.name);
        let one = docker.run(["ps", "-a", "-q", "--no-trunc", "--filter", &named]).ok();
        assert_eq!(one, container.id);
        let none = docker.run(["ps", "-q", "--filter", &named, "--filter", "status=exited"]).ok();
        assert_eq!(none, "");
    }
}

fn images_are_listed_and_inspected(side: Side) {
    for docker in side.dockers() {
        let listed = docker.run(["images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"]);
        let id = docker.run(["image", "inspect", "busybox", "--format", "{{.Id}}"]).ok();
        assert!(listed.ok().contains(&format!("busybox {id}")));
    }
}

fn inspect_shows_a_container_and_history_an_image(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("inspect");
    let shown = docker.run(["inspect", &container.name, "--format", "{{.Id}} {{.Config.Image}}"]);
    assert_eq!(shown.ok(), format!("{} busybox", container.id));
    let size = docker.run(["inspect", "-s", &container.name, "--format", "{{.SizeRw}}"]).ok();
    assert!(size.parse::<u64>().is_ok(), "{size}");
    assert!(docker.run(["history", "busybox"]).ok().contains("Imported from -"));
    assert_eq!(docker.run(["diff", &container.name]).ok(), "");
}

fn logs_follow_until_the_container_ends(side: Side) {
    for docker in side.dockers() {
        let script = "echo first; until [ -e /go ]; do sleep 0.05; done; echo last";
        let container = docker.container("logs", ["busybox", "sh", "-c", script]);
        let following = docker.start(["logs", "-f", &container.name]);
        following.stdout.wait_for("first\n");
        // The container may end before what ends it has.
        docker.run(["exec", &container.name, "touch", "/go"]);
        assert_eq!(following.wait().ok(), "first\nlast");
        let tail = docker.run(["logs", "--tail", "1", "--timestamps", &container.name]).ok();
        assert!(tail.ends_with("Z last"), "{tail}");
    }
}

fn logs_keep_standard_output_and_error_apart(side: Side) {
    let docker = side.docker();
    let container = docker.container("apart", ["busybox", "sh", "-c", "echo out; echo err >&2"]);
    docker.run(["wait", &container.name]).ok();
    let logs = docker.run(["logs", &container.name]);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out\n", "err\n"));
}

fn events_arrive_while_they_happen(side: Side) {
    for docker in side.dockers() {
        let name = fresh("events");
        let filter = format!("container={name}");
        let watching = docker.start(["events", "--filter", &filter, "--format", "{{.Status}}"]);
        // The engine answers only with the first event, so make some until a whole life is seen.
        until(
            SHORT,
            || format!("{:?} {}", watching.stdout.text(), watching.stderr.text()),
            || {
                docker.run(["run", "--rm", "--name", &name, "busybox", "true"]).ok();
                let seen = watching.stdout.text();
                ["create", "start", "die", "destroy"].iter().all(|event| seen.contains(event))
            },
        );
        let past = docker.start(["events", "--since", "5m", "--filter", &filter]);
        past.stdout.wait_for("container create");
    }
}

fn stats_are_shown_once_and_as_a_stream(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("stats");
        let format = "{{.Name}} {{.PIDs}}";
        let once = docker.run(["stats", "--no-stream", "--format", format, &container.name]);
        assert_eq!(once.ok(), format!("{} 1", container.name));
        let stream = docker.start(["stats", "--format", "{{.PIDs}}", &container.name]);
        until(
            SHORT,
            || format!("{:?}", stream.stdout.text()),
            || stream.stdout.text().matches('1').count() >= 2,
        );
    }
}

fn top_lists_the_processes(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("top");
    assert!(docker.run(["top", &container.name]).ok().contains("sleep 1000"));
    assert!(docker.run(["top", &container.name, "-o", "pid,args"]).ok().contains("sleep 1000"));
}

fn wait_returns_the_exit_code_when_it_ends(side: Side) {
    for docker in side.dockers() {
        let script = "until [ -e /go ]; do sleep 0.05; done; exit 7";
        let container = docker.container("wait", ["busybox", "sh", "-c", script]);
        let mut waiting = docker.start(["wait", &container.name]);
        docker.run(["exec", &container.name, "true"]).ok();
        assert!(waiting.runs());
        docker.run(["exec", &container.name, "touch", "/go"]);
        assert_eq!(waiting.wait().ok(), "7");
    }
}

fn disk_usage_is_shown(side: Side) {
    for docker in side.dockers() {
        let usage = docker.run(["system", "df", "--format", "{{.Type}}"]).ok();
        assert!(usage.starts_with("Images\nContainers\nLocal Volumes"), "{usage}");
        assert!(docker.run(["system", "df", "-v"]).ok().contains("busybox"));
    }
}

fn what_is_not_there_is_named(side: Side) {
    for docker in side.dockers() {
        let (_, said) = docker.run(["logs", "nobody"]).fails();
        assert!(said.contains("No such container: nobody"), "{said}");
        let (_, said) = docker.run(["image", "inspect", "nothing"]).fails();
        assert!(said.contains("No such image: nothing"), "{said}");
    }
}

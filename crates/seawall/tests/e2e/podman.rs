//! Podman in the place of Docker's engine: what the docker command line does with it bare it does
//! with it behind the gate, and the roles hold as they do before Docker's.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::json;

use crate::support::client::{Docker, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::{Connection, post_json, request};

/// Podman and a gate before it, for all of these tests.
fn site() -> &'static (Engine, Gate) {
    static SITE: OnceLock<(Engine, Gate)> = OnceLock::new();
    SITE.get_or_init(|| {
        let engine = Engine::podman();
        // Nothing drops it, so it is put where the engine's sweeper sweeps.
        let gate = Gate::up_in(engine.dir(), &engine.socket(), "");
        gate.credentials("everyone", "admin");
        (engine, gate)
    })
}

/// One test at a time: Podman fails what lists things while one of them is removed.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The docker command line, bare and through the gate.
fn both() -> [Docker; 2] {
    let (engine, gate) = site();
    [
        Docker::first(vec![("DOCKER_HOST", engine.host())]),
        Docker::first(gate.env(&gate.folder_of("everyone"))),
    ]
}

/// `docker run` with what Podman needs in a network without a bridge.
fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--network", "none"], more].concat()
}

#[test]
fn containers_are_run_watched_and_removed() {
    let _alone = alone();
    for docker in both() {
        assert_eq!(docker.run(run(&["--rm", "busybox", "echo", "out"])).ok(), "out");
        // With `--rm` Podman 4.3 tells no exit code, bare or not.
        let ends = fresh("podman-ends");
        let done = docker.run(run(&["--name", &ends, "busybox", "sh", "-c", "exit 3"]));
        assert_eq!(done.status.code(), Some(3), "{done}");
        docker.run(["rm", &ends]).ok();
        let name = fresh("podman");
        docker
            .run(run(&["-d", "--name", &name, "busybox", "sh", "-c", "echo said; sleep 1000"]))
            .ok();
        let logs = docker.start(["logs", "-f", &name]);
        logs.stdout.wait_for("said");
        let inspected = ["inspect", &name, "--format", "{{.State.Status}}"];
        assert_eq!(docker.run(inspected).ok(), "running");
        assert!(docker.run(["ps"]).ok().contains(&name));
        assert_eq!(docker.run(["exec", &name, "echo", "inside"]).ok(), "inside");
        assert_eq!(docker.run_with(["exec", "-i", &name, "cat"], b"typed").ok(), "typed");
        assert!(docker.run(["stats", "--no-stream", &name]).ok().contains('%'));
        docker.run(["stop", "-t", "0", &name]).ok();
        assert_eq!(docker.run(["wait", &name]).ok(), "137");
        assert_eq!(logs.wait().ok(), "said");
        docker.run(["rm", &name]).ok();
        assert!(!docker.run(["ps", "-a"]).ok().contains(&name));
    }
}

#[test]
fn files_images_and_volumes_pass() {
    let _alone = alone();
    for docker in both() {
        let name = fresh("podman-files");
        docker.run(["create", "--name", &name, "busybox", "true"]).ok();
        let file = docker.config().join("file");
        let (inside, file) = (format!("{name}:/tmp/file"), file.to_str().unwrap());
        std::fs::write(file, "content").unwrap();
        docker.run(["cp", file, &inside]).ok();
        std::fs::remove_file(file).unwrap();
        docker.run(["cp", &inside, file]).ok();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "content");
        docker.run(["rm", &name]).ok();

        // The whole answer to a tag is an empty line.
        let image = format!("{name}:tag");
        docker.run(["tag", "busybox", &image]).ok();
        docker.run(["save", "-o", file, &image]).ok();
        docker.run(["rmi", &image]).ok();
        assert!(docker.run(["load", "-i", file]).ok().contains(&image));
        assert!(docker.run(["images"]).ok().contains(&name));
        docker.run(["rmi", &image]).ok();
        std::fs::write(docker.config().join("Dockerfile"), "FROM busybox\nRUN echo built > /b\n")
            .unwrap();
        let folder = docker.config().to_str().unwrap();
        docker.run(["build", "--network", "none", "-t", &image, folder]).ok();
        let built = docker.run(run(&["--rm", &image, "cat", "/b"])).ok();
        assert_eq!(built, "built");
        docker.run(["rmi", &image]).ok();

        docker.run(["volume", "create", &name]).ok();
        assert!(docker.run(["volume", "ls"]).ok().contains(&name));
        docker.run(["volume", "rm", &name]).ok();
        assert!(docker.run(["system", "df"]).ok().contains("Images"));
        assert!(docker.run(["info"]).ok().contains("Server"));
    }
}

#[test]
fn a_role_holds_before_podman_too() {
    let _alone = alone();
    let (engine, gate) = site();
    let cases = [
        ("escape.privileged", json!({ "Privileged": true })),
        ("escape.host-network", json!({ "NetworkMode": "host" })),
        ("escape.host-pid", json!({ "PidMode": "host" })),
        ("escape.bind", json!({ "Binds": ["/:/host"] })),
        ("escape.capability", json!({ "CapAdd": ["SYS_ADMIN"] })),
        (
            "escape.device",
            json!({ "Devices": [{
                "PathOnHost": "/dev/kmsg", "PathInContainer": "/k", "CgroupPermissions": "rwm"
            }] }),
        ),
    ];
    let credentials = gate.credentials("podman-dev", "developer");
    for (rule, host) in cases {
        let body = json!({ "Image": "busybox", "HostConfig": host });
        let create = post_json("/v1.41/containers/create", &body.to_string());
        let mut bare = Connection::unix(&engine.socket());
        bare.send(&create);
        let accepted = bare.answer("POST");
        assert_eq!(accepted.status, 201, "{rule}: {}", accepted.text());
        let mut refused = gate.connect(&credentials);
        refused.send(&create);
        let refused = refused.answer("POST");
        assert_eq!(refused.status, 403, "{rule}: {}", refused.text());
        assert!(refused.text().contains(&format!("[rule {rule},")), "{}", refused.text());
    }
    let viewer = gate.docker_as("podman-viewer", "viewer");
    viewer.run(["ps"]).ok();
    let (_, said) = viewer.run(["create", "busybox"]).fails();
    assert!(said.contains("may not create a container"), "{said}");
}

#[test]
fn podmans_own_api_is_closed() {
    let _alone = alone();
    let (_, gate) = site();
    for path in ["/libpod/containers/json", "/v4.0.0/libpod/containers/json"] {
        let mut admin = gate.connect(&gate.folder_of("everyone"));
        admin.send(request("GET", path));
        let answer = admin.answer("GET");
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("closed"), "{}", answer.text());
    }
}

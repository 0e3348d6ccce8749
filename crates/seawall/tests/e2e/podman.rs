//! Podman in the place of Docker's engine: what the docker command line does with it bare it does
//! with it behind the gate, and the roles hold as they do before Docker's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::{Docker, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::{Done, Running};
use crate::support::raw::{Connection, post_json, request};

/// Podman and a gate before it, for all of these tests.
fn site() -> &'static (Engine, Gate) {
    static SITE: OnceLock<(Engine, Gate)> = OnceLock::new();
    SITE.get_or_init(|| {
        let engine = Engine::podman();
        // Nothing drops it, so it is put where the engine's sweeper sweeps.
        let gate = Gate::up_in(engine.dir(), &engine.socket(), ROLES);
        // Podman's own client speaks no TLS. What is listened on changes with a restart.
        let doors = ["everyone", "watcher"].map(|identity| {
            gate.credentials(identity, if identity == "watcher" { "watcher" } else { "admin" });
            format!("\"unix://{}?identity={identity}\"", door(&gate, identity).display())
        });
        gate.signal(Signal::SIGTERM);
        gate.wait();
        let text = std::fs::read_to_string(gate.config()).unwrap();
        let tcp = format!("\"tcp://{}\"", gate.address());
        let all = format!("{tcp}, {}", doors.join(", "));
        std::fs::write(gate.config(), text.replacen(&tcp, &all, 1)).unwrap();
        gate.start();
        (engine, gate)
    })
}

const ROLES: &str = r#"
[roles.watcher]
operations = [
    "ContainerExistsLibpod", "ContainerInspectLibpod", "ContainerListLibpod",
    "ContainerStartLibpod", "ContainerStopLibpod", "SystemVersionLibpod",
]
"#;

/// A socket on which whoever opens it is this identity.
fn door(gate: &Gate, identity: &str) -> PathBuf {
    gate.home().join(format!("{identity}.sock"))
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

/// `podman --remote` on a socket.
fn remote(socket: &Path, words: &[&str]) -> Done {
    let home = tempfile::tempdir().unwrap();
    let mut podman = Command::new("podman");
    podman.args(["--remote", "--url", &format!("unix://{}", socket.display())]).args(words);
    podman.env("HOME", home.path()).env_remove("CONTAINER_HOST");
    Running::start(podman).wait()
}

#[test]
fn an_admin_works_by_podmans_own_client() {
    let _alone = alone();
    let (engine, gate) = site();
    for socket in [engine.socket(), door(gate, "everyone")] {
        let podman = |words: &[&str]| remote(&socket, words);
        let name = fresh("remote");
        let run = ["run", "--network", "none"];
        let with = |more: &[&str]| podman(&[&run[..], more].concat());
        assert_eq!(with(&["--rm", "busybox", "echo", "out"]).ok(), "out");
        with(&["-d", "--name", &name, "busybox", "sh", "-c", "echo said; sleep 1000"]).ok();
        assert!(podman(&["ps"]).ok().contains(&name));
        assert_eq!(podman(&["exec", &name, "echo", "inside"]).ok(), "inside");
        assert_eq!(podman(&["logs", &name]).ok(), "said");
        assert!(podman(&["inspect", &name]).ok().contains("said"));
        podman(&["stop", "-t", "0", &name]).ok();
        podman(&["rm", &name]).ok();
        assert!(!podman(&["ps", "-a"]).ok().contains(&name));

        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM busybox\nRUN echo built > /b\n";
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let folder = folder.path().to_str().unwrap();
        podman(&["build", "--network", "none", "-t", &name, folder]).ok();
        assert_eq!(with(&["--rm", &name, "cat", "/b"]).ok(), "built");
        podman(&["rmi", &name]).ok();
        podman(&["volume", "create", &name]).ok();
        assert!(podman(&["volume", "ls"]).ok().contains(&name));
        podman(&["volume", "rm", &name]).ok();
        podman(&["pod", "ps"]).ok();
        assert!(podman(&["info"]).ok().contains("version"));
    }
}

#[test]
fn a_role_has_what_it_names_of_podmans_own_api() {
    let _alone = alone();
    let (engine, gate) = site();
    let bare = |words: &[&str]| remote(&engine.socket(), words);
    let name = fresh("watched");
    let secret = ["--env", "PASSWORD=hunter2", "--label", "app.token=hunter2"];
    let idle = ["busybox", "sleep", "1000"];
    bare(&[&["run", "-d", "--network", "none", "--name", &name][..], &secret, &idle].concat()).ok();
    let socket = door(gate, "watcher");
    let watcher = |words: &[&str]| remote(&socket, words);
    assert!(watcher(&["ps"]).ok().contains(&name));
    let inspected = watcher(&["container", "inspect", &name]).ok();
    assert!(inspected.contains("PASSWORD=***") && !inspected.contains("hunter2"), "{inspected}");
    assert!(!watcher(&["ps", "--format", "json"]).ok().contains("hunter2"));
    watcher(&["stop", "-t", "0", &name]).ok();
    watcher(&["start", &name]).ok();
    assert!(bare(&["ps"]).ok().contains(&name));

    // What gives the host away is nobody's but admin's: Podman itself takes it.
    let create = |fields: serde_json::Value| {
        let mut body = json!({ "image": "busybox", "netns": { "nsmode": "none" } });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        post_json("/v4.3.1/libpod/containers/create", &body.to_string())
    };
    for fields in [
        json!({ "privileged": true }),
        json!({ "pidns": { "nsmode": "host" } }),
        json!({ "netns": { "nsmode": "host" } }),
        json!({ "cap_add": ["SYS_ADMIN"] }),
        json!({ "mounts": [{ "destination": "/h", "source": "/", "type": "bind" }] }),
        json!({ "devices": [{ "path": "/dev/kmsg" }] }),
        json!({ "seccomp_profile_path": "unconfined" }),
    ] {
        let mut direct = Connection::unix(&engine.socket());
        direct.send(create(fields.clone()));
        let made = direct.answer("POST");
        assert_eq!(made.status, 201, "{fields}: {}", made.text());
        let mut refused = gate.connect(&gate.folder_of("watcher"));
        refused.send(create(fields.clone()));
        let refused = refused.answer("POST");
        assert_eq!(refused.status, 403, "{fields}: {}", refused.text());
        assert!(refused.text().contains("may not create a container by Podman"), "{fields}");
    }
    for words in [
        &["rm", "-f", &name][..],
        &["exec", &name, "true"],
        &["volume", "create", "v"],
        &["pull", "busybox"],
    ] {
        let (_, said) = watcher(words).fails();
        assert!(said.contains("may not "), "{words:?}: {said}");
    }
    bare(&["rm", "-f", "-t", "0", &name]).ok();
}

#[test]
fn podmans_own_api_is_read_as_strictly() {
    let _alone = alone();
    let (_, gate) = site();
    for (path, rule) in [
        ("/v4.0.0/libpod/containers/a%2Fb/json", "target.escape"),
        ("/v1.41/libpod/containers/json", "target.version"),
        ("/v4.0.0/containers/json", "target.version"),
        ("/v4.0.0/libpod/nowhere", "route.unknown"),
    ] {
        let mut admin = gate.connect(&gate.folder_of("everyone"));
        admin.send(request("GET", path));
        let answer = admin.answer("GET");
        assert!(matches!(answer.status, 400 | 403), "{}", answer.text());
        assert!(answer.text().contains(&format!("[rule {rule}, ")), "{}", answer.text());
    }
    let mut nobody = gate.connect(&gate.credentials("podman-looker", "viewer"));
    nobody.send(request("GET", "/v4.0.0/libpod/containers/json"));
    let answer = nobody.answer("GET");
    assert_eq!(answer.status, 403, "{}", answer.text());
    nobody.send(request("GET", "/v4.0.0/libpod/_ping"));
    assert_eq!(nobody.answer("GET").status, 200);
}

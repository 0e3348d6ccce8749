//! An engine that is a swarm of its own: services with the terms of containers, and what hands the
//! cluster out. Nothing of it leaves the engine's loopback.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::client::{Docker, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::{Answer, Connection, post_json, request};
use crate::support::wait::{LONG, until};

/// The swarm and a gate before it, for all of these tests.
fn site() -> &'static (Engine, Gate) {
    static SITE: OnceLock<(Engine, Gate)> = OnceLock::new();
    SITE.get_or_init(|| {
        let engine = Engine::start();
        let docker = bare(&engine);
        docker.run(["swarm", "init", "--advertise-addr", "127.0.0.1"]).ok();
        for network in ["shop", "other"] {
            docker.run(["network", "create", "-d", "overlay", network]).ok();
        }
        // Nothing drops it, so it is put where the engine's sweeper sweeps.
        let gate = Gate::up_in(engine.dir(), &engine.socket(), ROLES);
        (engine, gate)
    })
}

const ROLES: &str = r#"
[roles.services]
operations = [
    "ConfigCreate", "ConfigInspect", "ConfigList", "NetworkInspect", "NodeList", "SecretCreate",
    "SecretList", "ServiceCreate", "ServiceDelete", "ServiceInspect", "ServiceList", "ServiceLogs",
    "ServiceUpdate", "SystemInfo", "TaskInspect", "TaskList",
]
images = ["busybox"]
networks = ["shop"]
ports = ["8000-8100"]
volumes = ["shop-*"]

[roles.seeing]
extends = "services"
secrets = true

[roles.ceiled]
extends = "services"
memory = "64MiB"

[roles.own]
isolation = "own"
operations = ["ServiceCreate", "ServiceList"]
images = ["*"]
"#;

fn bare(engine: &Engine) -> Docker {
    Docker::first(vec![("DOCKER_HOST", engine.host())])
}

fn ask(to: &mut Connection, method: &str, target: &str, body: Option<&Value>) -> Answer {
    to.send(match body {
        Some(body) => post_json(target, &body.to_string()),
        None => request(method, target),
    });
    to.answer(method)
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// `docker service create` without a look at a registry, and without waiting.
fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["service", "create", "--no-resolve-image", "-d"], more].concat()
}

#[test]
fn a_role_runs_services_on_its_networks_and_ports() {
    let (engine, gate) = site();
    let docker = gate.docker_as("runner", "seeing");
    let name = fresh("web");
    let volume = format!("type=volume,source=shop-{name},target=/data");
    // It waits until the service has settled.
    docker
        .run([
            "service",
            "create",
            "--no-resolve-image",
            "-q",
            "--name",
            &name,
            "--network",
            "shop",
            "--publish",
            "published=8080,target=80,mode=host",
            "--mount",
            &volume,
            "--env",
            "A=b",
            "--restart-condition",
            "none",
            "busybox",
            "sh",
            "-c",
            "echo said; sleep 1000",
        ])
        .ok();
    assert!(docker.run(["service", "ls"]).ok().contains(&name));
    let shown = docker.run(["service", "ps", &name, "--format", "{{.CurrentState}}"]).ok();
    assert!(shown.starts_with("Running"), "{shown}");
    let inspected = docker.run(["service", "inspect", &name, "--format", "{{json .Spec}}"]).ok();
    assert!(inspected.contains(r#""A=b""#), "{inspected}");
    until(
        LONG,
        || "the logs do not show what it said".to_owned(),
        || docker.run(["service", "logs", "--raw", &name]).ok().contains("said"),
    );
    docker.run(["service", "update", "-q", "-d", "--env-add", "C=d", &name]).ok();
    let inspected = bare(engine).run(["service", "inspect", &name]).ok();
    assert!(inspected.contains("C=d"), "{inspected}");
    docker.run(["service", "rm", &name]).ok();
    assert!(!bare(engine).run(["service", "ls"]).ok().contains(&name));
}

#[test]
fn a_service_asks_for_what_a_container_asks_for() {
    let (engine, gate) = site();
    bare(engine).run_with(["secret", "create", "everybodys", "-"], b"hunter2").ok();
    let docker = gate.docker_as("asker", "services");
    for (rule, more) in [
        ("role.images", &["registry.example.com/a"][..]),
        ("role.networks", &["--network", "other", "busybox"]),
        ("escape.host-network", &["--network", "host", "busybox"]),
        ("role.ports", &["--publish", "published=22,target=22", "busybox"]),
        ("role.ports", &["--publish", "published=22,target=22,mode=host", "busybox"]),
        ("escape.bind", &["--mount", "type=bind,source=/,target=/host", "busybox"]),
        ("role.volumes", &["--mount", "type=volume,source=db,target=/d", "busybox"]),
        ("escape.capability", &["--cap-add", "SYS_ADMIN", "busybox"]),
        ("role.users", &["--user", "root", "busybox"]),
        ("role.users", &["--group", "disk", "busybox"]),
        ("escape.sysctl", &["--sysctl", "kernel.msgmax=1", "busybox"]),
        ("escape.swarm-secret", &["--secret", "everybodys", "busybox"]),
        ("escape.log-driver", &["--log-driver", "gelf", "busybox"]),
        ("escape.device-request", &["--generic-resource", "GPU=1", "busybox"]),
        ("escape.reserved-label", &["--container-label", "io.seawall.owner=a", "busybox"]),
    ] {
        let (_, said) = docker.run(create(more)).fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{more:?}: {said}");
    }
    let ceiled = gate.docker_as("ceiled", "ceiled");
    let (_, said) = ceiled.run(create(&["busybox"])).fails();
    assert!(said.contains("[rule role.memory, "), "{said}");
    let name = fresh("ceiled");
    let within = ["--name", &name, "--replicas", "0", "--limit-memory", "32m", "busybox"];
    ceiled.run(create(&within)).ok();
    ceiled.run(["service", "rm", &name]).ok();
}

/// One way to ask for an entry of the catalogue, by a field of `TaskTemplate`, and where the engine
/// shows it.
struct Case(&'static str, Value, &'static str);

#[test]
fn the_catalogue_is_taken_by_the_swarm_and_refused_by_the_gate() {
    let (engine, gate) = site();
    let mut role = gate.connect(&gate.credentials("catalogue", "services"));
    let mut direct = Connection::unix(&engine.socket());
    let container = |fields: Value| {
        let mut spec = json!({ "Image": "busybox" });
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "ContainerSpec": spec })
    };
    let with = |fields: Value| {
        let mut template = json!({ "ContainerSpec": { "Image": "busybox" } });
        template.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        template
    };
    let device = json!({ "Name": "local", "Options": { "o": "bind", "device": "/" } });
    let template = "/tmp/{{index .Service.Labels \"up\"}}";
    for Case(rule, task, pointer) in [
        Case(
            "escape.bind",
            container(json!({ "Mounts": [{ "Type": "bind", "Source": "/", "Target": "/h" }] })),
            "/ContainerSpec/Mounts/0/Source",
        ),
        Case(
            "escape.bind",
            container(
                json!({ "Mounts": [{ "Type": "bind", "Source": template, "Target": "/h" }] }),
            ),
            "/ContainerSpec/Mounts/0/Source",
        ),
        Case(
            "escape.volume-driver",
            container(json!({ "Mounts": [{
                "Type": "volume", "Target": "/h", "VolumeOptions": { "DriverConfig": device }
            }] })),
            "/ContainerSpec/Mounts/0/VolumeOptions/DriverConfig/Options/device",
        ),
        Case(
            "escape.capability",
            container(json!({ "CapabilityAdd": ["CAP_SYS_ADMIN"] })),
            "/ContainerSpec/CapabilityAdd/0",
        ),
        Case(
            "escape.security-opt",
            container(json!({ "Privileges": { "SELinuxContext": { "Disable": true } } })),
            "/ContainerSpec/Privileges/SELinuxContext/Disable",
        ),
        Case(
            "escape.credential-spec",
            container(json!({ "Privileges": { "CredentialSpec": { "File": "a.json" } } })),
            "/ContainerSpec/Privileges/CredentialSpec/File",
        ),
        Case(
            "escape.sysctl",
            container(json!({ "Sysctls": { "net.ipv4.ip_forward": "1" } })),
            "/ContainerSpec/Sysctls/net.ipv4.ip_forward",
        ),
        Case(
            "escape.ulimit",
            container(json!({ "Ulimits": [{ "Name": "rtprio", "Soft": 1, "Hard": 1 }] })),
            "/ContainerSpec/Ulimits/0/Name",
        ),
        Case(
            "escape.working-dir",
            container(json!({ "Dir": "/proc/self/fd/8" })),
            "/ContainerSpec/Dir",
        ),
        Case(
            "escape.log-driver",
            with(json!({ "LogDriver": { "Name": "gelf" } })),
            "/LogDriver/Name",
        ),
        Case(
            "escape.host-network",
            with(json!({ "Networks": [{ "Target": "host" }] })),
            "/Networks/0/Target",
        ),
    ] {
        // None of its containers is ever made.
        let body = json!({
            "Name": fresh("case"), "TaskTemplate": task, "Mode": { "Replicated": { "Replicas": 0 } }
        });
        let created = ask(&mut direct, "POST", "/v1.41/services/create", Some(&body));
        assert_eq!(created.status, 201, "{body}: {}", created.text());
        let id = parsed(&created)["ID"].as_str().unwrap().to_owned();
        let stored = parsed(&ask(&mut direct, "GET", &format!("/v1.41/services/{id}"), None));
        let kept = stored.pointer(&format!("/Spec/TaskTemplate{pointer}"));
        assert!(kept.is_some_and(|kept| !kept.is_null()), "{body}: {stored}");
        ask(&mut direct, "DELETE", &format!("/v1.41/services/{id}"), None);
        let refused = ask(&mut role, "POST", "/v1.41/services/create", Some(&body));
        assert_eq!(refused.status, 403, "{body}: {}", refused.text());
        assert!(refused.text().contains(&format!("[rule {rule}, ")), "{body}: {}", refused.text());
    }
    // The engine has these refused as well, for its own reasons.
    for (rule, task) in [
        ("escape.service-runtime", json!({ "Runtime": "plugin", "PluginSpec": { "remote": "a" } })),
        ("escape.service-network", with(json!({ "Networks": [{ "Target": "nowhere" }] }))),
    ] {
        let body = json!({ "Name": fresh("case"), "TaskTemplate": task });
        let refused = ask(&mut role, "POST", "/v1.41/services/create", Some(&body));
        assert!(refused.text().contains(&format!("[rule {rule}, ")), "{body}: {}", refused.text());
    }
    let written =
        json!({ "Name": fresh("case"), "Data": "YQ==", "Templating": { "Name": "golang" } });
    let created = ask(&mut direct, "POST", "/v1.41/secrets/create", Some(&written));
    assert_eq!(created.status, 201, "{}", created.text());
    let refused = ask(&mut role, "POST", "/v1.41/secrets/create", Some(&written));
    assert!(refused.text().contains("[rule escape.secret-driver, "), "{}", refused.text());
}

#[test]
fn what_was_judged_of_a_service_is_what_the_swarm_stores() {
    let (engine, gate) = site();
    let mut role = gate.connect(&gate.credentials("storer", "services"));
    let task = json!({
        "ContainerSpec": {
            "Image": "busybox", "Args": ["sleep", "1"], "Env": ["A=b c"], "Dir": "/tmp",
            "Labels": { "a": "b" }, "Init": true, "ReadOnly": true, "TTY": true,
            "Mounts": [{ "Type": "volume", "Source": "shop-a", "Target": "/a" }],
        },
        "Resources": { "Limits": { "NanoCPUs": 500_000_000, "MemoryBytes": 67_108_864, "Pids": 50 } },
        "RestartPolicy": { "Condition": "on-failure", "MaxAttempts": 3 },
    });
    let body = json!({
        "Name": fresh("stored"), "Labels": { "x": "y" }, "TaskTemplate": task,
        "Mode": { "Replicated": { "Replicas": 0 } },
        "UpdateConfig": { "Parallelism": 2, "MaxFailureRatio": 0.25, "Order": "start-first" },
        "EndpointSpec": { "Ports": [{ "TargetPort": 80, "PublishedPort": 8001 }] },
    });
    let created = ask(&mut role, "POST", "/v1.41/services/create", Some(&body));
    assert_eq!(created.status, 201, "{}", created.text());
    let id = parsed(&created)["ID"].as_str().unwrap().to_owned();
    let mut direct = Connection::unix(&engine.socket());
    let stored = parsed(&ask(&mut direct, "GET", &format!("/v1.41/services/{id}"), None));
    assert_within(&body, &stored["Spec"], "");
    ask(&mut direct, "DELETE", &format!("/v1.41/services/{id}"), None);
}

/// Whether all of one value stands in the other, which may say more.
fn assert_within(less: &Value, more: &Value, at: &str) {
    match (less, more) {
        (Value::Object(less), Value::Object(_)) => {
            for (name, value) in less {
                assert_within(value, &more[name], &format!("{at}/{name}"));
            }
        }
        (Value::Array(less), Value::Array(all)) if less.len() == all.len() => {
            for (place, (value, other)) in less.iter().zip(all).enumerate() {
                assert_within(value, other, &format!("{at}/{place}"));
            }
        }
        _ => assert_eq!(less, more, "{at}"),
    }
}

#[test]
fn what_is_hidden_of_a_service_is_neither_seen_nor_written_back() {
    let (engine, gate) = site();
    let name = fresh("secretive");
    let admin = bare(engine);
    admin
        .run(create(&["--name", &name, "--replicas", "0", "--env", "PASSWORD=hunter2", "busybox"]))
        .ok();
    admin.run_with(["config", "create", &name, "-"], b"hunter2").ok();
    let blind = gate.docker_as("blind", "services");
    let seeing = gate.docker_as("sighted", "seeing");
    assert!(seeing.run(["service", "inspect", &name]).ok().contains("PASSWORD=hunter2"));
    assert!(blind.run(["service", "inspect", &name]).ok().contains("PASSWORD=***"));
    let data = ["config", "inspect", &name, "--format", "{{json .Spec.Data}}"];
    assert_eq!(seeing.run(data).ok(), "\"aHVudGVyMg==\"");
    let mut raw = gate.connect(&gate.folder_of("blind"));
    let config = ask(&mut raw, "GET", &format!("/v1.41/configs/{name}"), None);
    assert_eq!(parsed(&config)["Spec"]["Data"], "***", "{}", config.text());

    let add = ["service", "update", "-d", "--env-add", "A=b", &name];
    let (_, said) = blind.run(add).fails();
    assert!(said.contains("[rule escape.hidden-value, "), "{said}");
    seeing.run(add).ok();
    assert!(admin.run(["service", "inspect", &name]).ok().contains("PASSWORD=hunter2"));
    // What it once was, nobody has judged.
    let (_, said) = seeing.run(["service", "rollback", "-d", &name]).fails();
    assert!(said.contains("[rule escape.service-rollback, "), "{said}");
    admin.run(["service", "rollback", "-d", &name]).ok();
    admin.run(["service", "rm", &name]).ok();
}

#[test]
fn who_has_roles_for_ones_own_has_no_services() {
    let (_, gate) = site();
    let docker = gate.docker_as("owner", "own");
    for words in [vec!["service", "ls"], create(&["busybox"])] {
        let (_, said) = docker.run(&words).fails();
        assert!(said.contains("[rule isolation.whole, "), "{words:?}: {said}");
    }
}

#[test]
fn the_cluster_and_its_plugins_are_for_admin_alone() {
    let (engine, gate) = site();
    let mut direct = Connection::unix(&engine.socket());
    let mut admin = gate.connect(&gate.credentials("root", "admin"));
    let mut role = gate.connect(&gate.credentials("cluster", "services"));

    let swarm = ask(&mut direct, "GET", "/v1.41/swarm", None);
    assert!(swarm.text().contains("SWMTKN-"), "{}", swarm.text());
    let node = parsed(&ask(&mut direct, "GET", "/v1.41/nodes", None))[0].clone();
    let node = format!("/v1.41/nodes/{}", node["ID"].as_str().unwrap());
    let labelled = |node: &Value| {
        let mut spec = node["Spec"].clone();
        spec["Labels"] = json!({ "a": fresh("b") });
        (spec, node["Version"]["Index"].clone())
    };
    let (spec, version) = labelled(&parsed(&ask(&mut direct, "GET", &node, None)));
    let update = format!("{node}/update?version={version}");
    assert_eq!(ask(&mut direct, "POST", &update, Some(&spec)).status, 200);
    let create = |name: &str| {
        let tar = plugin(name);
        let head = format!(
            "POST /v1.41/plugins/create?name={name} HTTP/1.1\r\nHost: docker\r\n\
             Content-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            tar.len()
        );
        [head.as_bytes(), &tar].concat()
    };
    direct.send(create("bare"));
    let created = direct.answer("POST");
    assert_eq!(created.status, 204, "{}", created.text());
    let set = json!(["A=b"]);
    let done = ask(&mut direct, "POST", "/v1.41/plugins/bare/set", Some(&set));
    assert_eq!(done.status, 204, "{}", done.text());

    let join = json!({ "RemoteAddrs": ["127.0.0.1:1"], "JoinToken": "x" });
    let privileges = json!([{ "Name": "network", "Description": "", "Value": ["host"] }]);
    for (rule, method, target, body) in [
        ("escape.swarm", "GET", "/v1.41/swarm", None),
        ("escape.swarm", "GET", "/v1.41/swarm/unlockkey", None),
        ("escape.swarm", "POST", "/v1.41/swarm/init", Some(json!({ "ListenAddr": "127.0.0.1" }))),
        ("escape.swarm", "POST", "/v1.41/swarm/join", Some(join)),
        ("escape.swarm", "POST", "/v1.41/swarm/leave?force=1", None),
        ("escape.swarm", "POST", "/v1.41/swarm/unlock", Some(json!({ "UnlockKey": "x" }))),
        ("escape.swarm", "POST", "/v1.41/swarm/update?version=1", Some(json!({}))),
        ("escape.node", "POST", &*update, Some(spec)),
        ("escape.node", "DELETE", &*node, None),
        ("escape.plugin", "GET", "/v1.41/plugins/privileges?remote=127.0.0.1:1/a", None),
        (
            "escape.plugin",
            "POST",
            "/v1.41/plugins/pull?remote=127.0.0.1:1/a",
            Some(privileges.clone()),
        ),
        (
            "escape.plugin",
            "POST",
            "/v1.41/plugins/bare/upgrade?remote=127.0.0.1:1/a",
            Some(privileges),
        ),
        ("escape.plugin", "POST", "/v1.41/plugins/bare/enable?timeout=0", None),
        ("escape.plugin", "POST", "/v1.41/plugins/bare/disable", None),
        ("escape.plugin", "POST", "/v1.41/plugins/bare/push", None),
        ("escape.plugin", "POST", "/v1.41/plugins/bare/set", Some(set)),
        ("escape.plugin", "DELETE", "/v1.41/plugins/bare", None),
    ] {
        let refused = ask(&mut role, method, target, body.as_ref());
        assert_eq!(refused.status, 403, "{target}: {}", refused.text());
        assert!(
            refused.text().contains(&format!("[rule {rule}, ")),
            "{target}: {}",
            refused.text()
        );
    }
    role.send(create("gated"));
    assert!(role.answer("POST").text().contains("[rule escape.plugin, "));

    // Admin may, fields that nobody knows included, which are recorded.
    let (mut spec, version) = labelled(&parsed(&ask(&mut admin, "GET", &node, None)));
    spec["Surprise"] = json!(1);
    let update = format!("{node}/update?version={version}");
    assert_eq!(ask(&mut admin, "POST", &update, Some(&spec)).status, 200);
    admin.send(create("gated"));
    let created = admin.answer("POST");
    assert_eq!(created.status, 204, "{}", created.text());
    assert_eq!(ask(&mut admin, "DELETE", "/v1.41/plugins/gated", None).status, 200);
    let records = gate.records();
    let recorded = records
        .iter()
        .find(|record| record["operation"] == "NodeUpdate" && record["rule"] == "admin.all");
    let recorded = recorded.unwrap_or_else(|| panic!("{records:?}")).to_string();
    assert!(recorded.contains("Surprise") && recorded.contains("escape.node"), "{recorded}");
}

/// A plugin that is one file, which would be run as root.
fn plugin(name: &str) -> Vec<u8> {
    let config = json!({
        "description": name, "documentation": "", "entrypoint": ["/a"], "workdir": "",
        "interface": { "types": [], "socket": "" }, "network": { "type": "host" },
        "env": [{ "name": "A", "settable": ["value"], "value": "" }],
    });
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in [("config.json", config.to_string()), ("rootfs/a", name.to_owned())] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

//! The escalation catalogue: each entry is accepted by the engine, which stores it, and refused by
//! the gate, which names the field and the rule.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::{Connection, post_json, request};

/// One way to ask for an entry: the rule that refuses it, the field it names, and what a container
/// is created with.
struct Case {
    rule: &'static str,
    field: &'static str,
    body: Value,
    stored: Stored,
}

/// What the engine is seen to do with it.
enum Stored {
    /// Inspect shows this value at this pointer.
    At(&'static str, Value),
    /// The engine takes it; whether inspect shows it depends on the kernel or the version.
    Taken,
    /// This engine refuses it; another version, or Podman, does not.
    NotHere,
}

fn host(rule: &'static str, field: &'static str, value: Value, stored: Stored) -> Case {
    let body = json!({ "Image": "busybox", "HostConfig": { field: value } });
    Case { rule, field, body, stored }
}

/// As [`host`], stored as it was sent.
fn kept(rule: &'static str, field: &'static str, value: Value) -> Case {
    let pointer: &'static str = Box::leak(format!("/HostConfig/{field}").into_boxed_str());
    host(rule, field, value.clone(), Stored::At(pointer, value))
}

fn cases(other: &str) -> Vec<Case> {
    let joined = json!(format!("container:{other}"));
    vec![
        kept("escape.privileged", "Privileged", json!(true)),
        kept("escape.host-network", "NetworkMode", json!("host")),
        kept("escape.host-pid", "PidMode", json!("host")),
        kept("escape.host-ipc", "IpcMode", json!("host")),
        kept("escape.host-uts", "UTSMode", json!("host")),
        kept("escape.host-user", "UsernsMode", json!("host")),
        kept("escape.host-cgroup", "CgroupnsMode", json!("host")),
        kept("escape.joined-namespace", "PidMode", joined.clone()),
        kept("escape.joined-namespace", "IpcMode", joined.clone()),
        kept("escape.joined-namespace", "NetworkMode", joined),
        kept("escape.joined-namespace", "Cgroup", json!("container:other")),
        host("escape.network-mode", "NetworkMode", json!("ns:/proc/1/ns/net"), Stored::Taken),
        kept("escape.cgroup-parent", "CgroupParent", json!("/../../foo")),
        kept("escape.security-opt", "SecurityOpt", json!(["seccomp=unconfined"])),
        kept("escape.security-opt", "SecurityOpt", json!(["apparmor=unconfined"])),
        kept("escape.security-opt", "SecurityOpt", json!(["label=disable"])),
        kept("escape.security-opt", "SecurityOpt", json!(["no-new-privileges:false"])),
        kept("escape.unmasked-paths", "MaskedPaths", json!([])),
        kept("escape.unmasked-paths", "ReadonlyPaths", json!([])),
        kept("escape.sysctl", "Sysctls", json!({ "net.ipv4.ip_forward": "1" })),
        kept("escape.runtime", "Runtime", json!("runc")),
        // Of API 1.43: an older engine does not know it.
        host("escape.annotation", "Annotations", json!({ "a": "b" }), Stored::Taken),
        kept("escape.bind", "Binds", json!(["/:/host"])),
        kept("escape.bind", "Binds", json!(["/var/run/docker.sock:/s"])),
        kept("escape.bind", "Binds", json!(["/proc:/p:ro"])),
        kept("escape.bind-path", "Binds", json!(["/tmp/../etc:/x"])),
        kept("escape.bind-path", "Binds", json!(["//etc:/x"])),
        kept("escape.bind-option", "Binds", json!(["/srv:/x:Z"])),
        kept("escape.bind-propagation", "Binds", json!(["/tmp:/x:rshared"])),
        host(
            "escape.bind",
            "Mounts",
            json!([{ "Type": "bind", "Source": "/etc", "Target": "/x" }]),
            Stored::At("/HostConfig/Mounts/0/Source", json!("/etc")),
        ),
        host(
            "escape.bind-propagation",
            "Mounts",
            json!([{
                "Type": "bind", "Source": "/etc", "Target": "/x",
                "BindOptions": { "Propagation": "rshared" }
            }]),
            Stored::At("/HostConfig/Mounts/0/BindOptions/Propagation", json!("rshared")),
        ),
        host(
            "escape.mount-type",
            "Mounts",
            json!([{ "Type": "npipe", "Source": "x", "Target": "/x" }]),
            Stored::NotHere,
        ),
        host(
            "escape.volume-driver",
            "Mounts",
            json!([{
                "Type": "volume", "Target": "/x", "VolumeOptions": { "DriverConfig": {
                    "Name": "local",
                    "Options": { "type": "none", "o": "bind", "device": "/" }
                } }
            }]),
            Stored::At(
                "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Options/device",
                json!("/"),
            ),
        ),
        kept("escape.tmpfs-option", "Tmpfs", json!({ "/t": "suid,dev" })),
        kept("escape.volumes-from", "VolumesFrom", json!([other])),
        host(
            "escape.device",
            "Devices",
            json!([{
                "PathOnHost": "/dev/kmsg", "PathInContainer": "/k", "CgroupPermissions": "rwm"
            }]),
            Stored::At("/HostConfig/Devices/0/PathOnHost", json!("/dev/kmsg")),
        ),
        kept("escape.device-rule", "DeviceCgroupRules", json!(["a *:* rwm"])),
        host(
            "escape.device-request",
            "DeviceRequests",
            json!([{ "Count": -1, "Capabilities": [["gpu"]] }]),
            Stored::At("/HostConfig/DeviceRequests/0/Count", json!(-1)),
        ),
        kept("escape.capability", "CapAdd", json!(["SYS_ADMIN"])),
        host("escape.capability", "CapAdd", json!(["all"]), Stored::Taken),
        host(
            "escape.block-io",
            "BlkioDeviceReadBps",
            json!([{ "Path": "/dev/sda", "Rate": 1 }]),
            Stored::Taken,
        ),
        host("escape.storage-opt", "StorageOpt", json!({ "overlay2.size": "1G" }), Stored::NotHere),
        host(
            "escape.log-driver",
            "LogConfig",
            json!({ "Type": "gelf", "Config": { "gelf-address": "udp://10.0.0.1:12201" } }),
            Stored::At("/HostConfig/LogConfig/Type", json!("gelf")),
        ),
        host(
            "escape.ulimit",
            "Ulimits",
            json!([{ "Name": "rtprio", "Soft": 99, "Hard": 99 }]),
            Stored::At("/HostConfig/Ulimits/0/Name", json!("rtprio")),
        ),
        host("escape.realtime", "CpuRealtimeRuntime", json!(1000), Stored::Taken),
        kept("escape.oom", "OomScoreAdj", json!(-1000)),
        host("escape.oom", "OomKillDisable", json!(true), Stored::Taken),
        host("escape.link", "Links", json!([format!("{other}:db")]), Stored::Taken),
        Case {
            rule: "escape.working-dir",
            field: "WorkingDir",
            body: json!({ "Image": "busybox", "WorkingDir": "/proc/self/fd/8" }),
            stored: Stored::At("/Config/WorkingDir", json!("/proc/self/fd/8")),
        },
        Case {
            rule: "escape.endpoint",
            field: "MacAddress",
            body: json!({ "Image": "busybox", "MacAddress": "02:42:00:00:00:01" }),
            stored: Stored::At("/Config/MacAddress", json!("02:42:00:00:00:01")),
        },
        Case {
            rule: "escape.reserved-label",
            field: "Labels",
            body: json!({ "Image": "busybox", "Labels": { "io.seawall.owner": "root" } }),
            stored: Stored::At("/Config/Labels/io.seawall.owner", json!("root")),
        },
    ]
}

/// Entries that are asked for elsewhere than in a new container; each with its own test.
const ELSEWHERE: &[&str] = &[
    "escape.build-frontend",
    "escape.build-option",
    "escape.build-output",
    "escape.build-source",
    "escape.buildkit",
    "escape.checkpoint",
    "escape.connect",
    "escape.container-name",
    "escape.credential-spec",
    "escape.exec-privileged",
    "escape.hidden-value",
    "escape.image-change",
    "escape.image-source",
    "escape.network-driver",
    "escape.node",
    "escape.plugin",
    "escape.secret-driver",
    "escape.service-network",
    "escape.service-rollback",
    "escape.service-runtime",
    "escape.subnet",
    "escape.swarm",
    "escape.swarm-secret",
];

#[test]
fn every_entry_of_the_catalogue_is_taken_by_the_engine_and_refused_by_the_gate() {
    let engine = Engine::shared();
    let gate = Gate::up_with(&engine.socket(), OPENED);
    // For everybody's things, so that what is somebody else's is not just missing.
    let mut developer = gate.connect(&gate.credentials("otto", "opened"));
    let other = crate::support::client::Side::Engine.docker();
    let other = other.idle_container("other");
    for Case { rule, field, body, stored } in cases(&other.id) {
        let post = post_json("/v1.41/containers/create", &body.to_string());
        let mut direct = Connection::unix(&engine.socket());
        direct.send(&post);
        let created = direct.answer("POST");
        if let Stored::NotHere = stored {
            assert_ne!(created.status, 201, "{body}: the engine takes it, so show that");
        } else {
            assert_eq!(created.status, 201, "{body}: {}", created.text());
            let id = serde_json::from_slice::<Value>(&created.body).unwrap()["Id"].clone();
            let id = id.as_str().unwrap();
            direct.send(request("GET", &format!("/v1.41/containers/{id}/json")));
            let inspected: Value = serde_json::from_slice(&direct.answer("GET").body).unwrap();
            if let Stored::At(pointer, value) = &stored {
                assert_eq!(inspected.pointer(pointer), Some(value), "{body}");
            }
            direct.send(request("DELETE", &format!("/v1.41/containers/{id}?force=1&v=1")));
            assert_eq!(direct.answer("DELETE").status, 204);
        }
        developer.send(&post);
        let refused = developer.answer("POST");
        assert_eq!(refused.status, 403, "{body}: {}", refused.text());
        let said = refused.text();
        assert!(said.contains(&format!("[rule {rule}, request ")), "{body}: {said}");
        assert!(said.contains(field), "{body}: {said}");
    }
}

#[test]
fn every_entry_of_the_catalogue_has_a_case() {
    let mut missing: Vec<_> =
        seawall_rules::facts::CATALOGUE.iter().map(|escape| escape.rule).collect();
    let tried: Vec<_> = cases("other").into_iter().map(|case| case.rule).collect();
    missing.retain(|rule| !tried.contains(rule) && !ELSEWHERE.contains(rule));
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// A role that has the operation, so that what it asks for is what refuses it.
const OPENED: &str = r#"
[roles.opened]
extends = "operator"
operations = [
    "ContainerCreate", "ContainerRename", "ContainerUpdate", "ImageBuild", "ImageCreate",
    "NetworkConnect", "NetworkCreate", "VolumeCreate",
]
images = ["*"]
networks = ["*"]
ports = ["1024-65535"]
users = ["*"]
volumes = ["*"]
"#;

#[test]
fn what_gives_the_host_away_elsewhere_is_refused_as_well() {
    let engine = Engine::shared();
    let gate = Gate::up_with(&engine.socket(), OPENED);
    let mut opened = gate.connect(&gate.credentials("otto", "opened"));
    let bridge = json!({ "Name": "n", "Options": { "com.docker.network.bridge.name": "docker0" } });
    let subnet = json!({ "Name": "n", "IPAM": { "Config": [{ "Subnet": "10.77.0.0/16" }] } });
    let device = json!({ "Driver": "local", "DriverOpts": { "o": "bind", "device": "/" } });
    for (target, body, rule) in [
        ("/networks/create", json!({ "Name": "n", "Driver": "macvlan" }), "escape.network-driver"),
        ("/networks/create", bridge, "escape.network-driver"),
        ("/networks/create", subnet, "escape.subnet"),
        ("/networks/bridge/connect", json!({ "Container": "x" }), "escape.connect"),
        ("/volumes/create", device, "escape.volume-driver"),
        ("/volumes/create", json!({ "Driver": "nfs" }), "escape.volume-driver"),
        ("/containers/x/update", json!({ "DeviceCgroupRules": ["a"] }), "escape.device-rule"),
        ("/containers/x/update", json!({ "CpuRealtimeRuntime": 9 }), "escape.realtime"),
    ] {
        opened.send(post_json(&format!("/v1.41{target}"), &body.to_string()));
        let refused = opened.answer("POST");
        let said = refused.text();
        assert_eq!(refused.status, 403, "{target} {body}: {said}");
        assert!(said.contains(&format!("[rule {rule}, ")), "{target} {body}: {said}");
    }
    for (target, rule) in [
        ("/containers/x/start?checkpoint=c", "escape.checkpoint"),
        ("/containers/x/rename?name=c0ffeec0ffee", "escape.container-name"),
        ("/images/create?fromSrc=http%3A%2F%2F127.0.0.1%2F&repo=a", "escape.image-source"),
        ("/build?networkmode=host", "escape.host-network"),
        ("/build?networkmode=container:x", "escape.joined-namespace"),
        ("/build?remote=http%3A%2F%2F127.0.0.1%2F", "escape.build-source"),
        ("/build?outputs=%5B%7B%7D%5D", "escape.build-output"),
        ("/build?version=2", "escape.buildkit"),
        ("/build?session=x", "escape.buildkit"),
        ("/build?cgroupparent=%2Fx", "escape.cgroup-parent"),
        ("/build?securityopt=seccomp%3Dunconfined", "escape.security-opt"),
        ("/build?ulimits=%5B%7B%22Name%22%3A%22rtprio%22%7D%5D", "escape.ulimit"),
        ("/build?ulimits=%5B%7B%22name%22%3A%22rtprio%22%7D%5D", "escape.build-option"),
        ("/build?labels=%7B%22io.seawall.owner%22%3A%22x%22%7D", "escape.reserved-label"),
        ("/images/create?fromSrc=-&changes=ONBUILD%20RUN%20x", "escape.image-change"),
    ] {
        opened.send(request("POST", &format!("/v1.41{target}")));
        let refused = opened.answer("POST");
        assert_eq!(refused.status, 403, "{target}: {}", refused.text());
        assert!(refused.text().contains(&format!("[rule {rule}, ")), "{}", refused.text());
    }
    // No role can be given this one at all.
    opened.send(post_json("/v1.41/containers/x/exec", r#"{"Privileged":true}"#));
    assert!(opened.answer("POST").text().contains("[rule role.operations, "));
}

/// The engine is told what was judged: what it stores is what the request said.
#[test]
fn what_was_judged_is_what_the_engine_stores() {
    let engine = Engine::shared();
    let gate = Gate::up(&engine.socket());
    let mut developer = gate.connect(&gate.credentials("dora", "developer"));
    let host_config = json!({
        "Binds": ["/anonymous"], "CapAdd": ["CHOWN"], "CapDrop": ["ALL"], "Memory": 67_108_864,
        "NanoCpus": 500_000_000, "PidsLimit": 50, "ReadonlyRootfs": true,
        "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "38080" }] },
        "SecurityOpt": ["no-new-privileges"], "Tmpfs": { "/t": "size=1m" }, "Init": true,
        "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
        "Ulimits": [{ "Name": "nofile", "Soft": 99, "Hard": 100 }],
        "Sysctls": { "net.core.somaxconn": "99" }, "ExtraHosts": ["there:192.0.2.1"],
    });
    let config = json!({
        "Image": "busybox", "Cmd": ["sleep", "1"], "Env": ["A=b c", "B=\u{e9}\u{1f980}"],
        "User": "12:34", "WorkingDir": "/tmp", "Labels": { "a": "b", "A.c": "" },
        "StopSignal": "SIGTERM", "Hostname": "harbor", "Tty": true,
    });
    let mut body = config.clone();
    body["HostConfig"] = host_config.clone();
    developer.send(post_json("/v1.41/containers/create", &body.to_string()));
    let created = developer.answer("POST");
    assert_eq!(created.status, 201, "{}", created.text());
    let id = serde_json::from_slice::<Value>(&created.body).unwrap()["Id"].clone();
    let id = id.as_str().unwrap();
    let mut direct = Connection::unix(&engine.socket());
    direct.send(request("GET", &format!("/v1.41/containers/{id}/json")));
    let mut inspected: Value = serde_json::from_slice(&direct.answer("GET").body).unwrap();
    // Whose it is, which the gate adds.
    let labels = inspected["Config"]["Labels"].as_object_mut().unwrap();
    for name in ["io.seawall.owner", "io.seawall.claim"] {
        assert!(labels.remove(name).is_some(), "{name}");
    }
    for (sent, place) in [(&config, "Config"), (&host_config, "HostConfig")] {
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(&inspected[place][name], value, "{place}.{name}");
        }
    }
    direct.send(request("DELETE", &format!("/v1.41/containers/{id}?force=1&v=1")));
    assert_eq!(direct.answer("DELETE").status, 204);
}

/// The engine follows a symbolic link in what it binds, so the gate does before it judges.
#[test]
fn a_bind_is_judged_by_where_its_path_leads() {
    let engine = Engine::shared();
    let dir = tempfile::tempdir_in(engine.dir()).unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(at("shop/real")).unwrap();
    symlink("/etc", at("shop/out")).unwrap();
    symlink("real", at("shop/in")).unwrap();
    symlink("gone", at("shop/nowhere")).unwrap();
    let role =
        format!("[roles.shop]\nextends = \"developer\"\nbinds = [\"{}/*:ro\"]\n", at("shop"));
    let gate = Gate::up_with(&engine.socket(), &role);
    let mut shop = gate.connect(&gate.credentials("sam", "shop"));
    let mut direct = Connection::unix(&engine.socket());
    let create = |host: Value| {
        let body = json!({ "Image": "busybox", "HostConfig": host });
        post_json("/v1.41/containers/create", &body.to_string())
    };
    let binds = |path: &str| json!({ "Binds": [format!("{}:/x:ro", at(path))] });
    let mounts = |path: &str| {
        let mount = json!({ "Type": "bind", "Source": at(path), "Target": "/x", "ReadOnly": true });
        json!({ "Mounts": [mount] })
    };
    for form in [&binds as &dyn Fn(&str) -> Value, &mounts] {
        for (path, said) in [
            ("shop/out", "is `/etc:ro`, and no `binds` of role shop covers it [rule escape.bind, "),
            ("shop/out/ssl", "is `/etc/ssl:ro`, and no `binds`"),
            ("shop/nowhere", "a symbolic link in it leads nowhere [rule escape.bind-path, "),
            // As it is written it is nobody's business where it leads.
            ("other", &format!("is `{}:ro`, and no `binds`", at("other"))),
        ] {
            shop.send(create(form(path)));
            let refused = shop.answer("POST");
            assert_eq!(refused.status, 403, "{path}: {}", refused.text());
            assert!(refused.text().contains(said), "{path}: {}", refused.text());
        }
        for path in ["shop/in", "shop/real"] {
            shop.send(create(form(path)));
            let created = shop.answer("POST");
            assert_eq!(created.status, 201, "{path}: {}", created.text());
            let id = serde_json::from_slice::<Value>(&created.body).unwrap()["Id"].clone();
            let id = id.as_str().unwrap();
            direct.send(request("GET", &format!("/v1.41/containers/{id}/json")));
            let inspected: Value = serde_json::from_slice(&direct.answer("GET").body).unwrap();
            assert_eq!(inspected["Mounts"][0]["Source"], at("shop/real"), "{path}");
            direct.send(request("DELETE", &format!("/v1.41/containers/{id}?force=1&v=1")));
            assert_eq!(direct.answer("DELETE").status, 204);
        }
    }
    // The engine itself goes where the link leads.
    let name = crate::support::client::fresh("out");
    direct.send(create(binds("shop/out")).replace("/create ", &format!("/create?name={name} ")));
    assert_eq!(direct.answer("POST").status, 201);
    direct.send(request("DELETE", &format!("/v1.41/containers/{name}?force=1&v=1")));
    assert_eq!(direct.answer("DELETE").status, 204);
}

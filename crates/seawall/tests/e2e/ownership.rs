//! Roles for one's own things: a developer lives with what is its own, and nothing else is there.

use seawall_rules::operation::{BodyKind, Operation, Route, UpgradeKind};
use seawall_rules::reference::{Kind, Scope, scope};
use serde_json::{Value, json};

use crate::support::client::{Docker, Side, command_lines, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::{Answer, Connection, post_json, request};
use crate::support::terminal::Terminal;
use crate::support::wait::{SHORT, until};

fn dockers<'a>(gate: &'a Gate, name: &str, role: &str) -> impl Iterator<Item = Docker> + 'a {
    let credentials = gate.credentials(name, role);
    command_lines().iter().map(move |program| Docker::new(program, gate.env(&credentials)))
}

#[test]
fn a_developer_lives_with_containers_of_its_own() {
    let gate = Gate::up(&Engine::shared().socket());
    for docker in dockers(&gate, "dora", "developer") {
        let script = ["busybox", "sh", "-c", "echo hello; exec sleep 1000"];
        let container = docker.container("own", script);
        let name = container.name.as_str();
        let run = |args: &[&str]| docker.run(args).ok();
        assert_eq!(run(&["ps", "-q", "--no-trunc"]), container.id);
        until(SHORT, || "no log".to_owned(), || run(&["logs", name]) == "hello");
        assert_eq!(run(&["exec", name, "echo", "inside"]), "inside");
        assert_eq!(run(&["exec", "-d", &container.id[..12], "true"]), "");
        assert_eq!(run(&["inspect", &container.id[..5], "--format", "{{.Id}}"]), container.id);
        run(&["cp", "/etc/hostname", &format!("{name}:/copied")]);
        let copied = std::fs::read_to_string("/etc/hostname").unwrap();
        assert_eq!(run(&["exec", name, "cat", "/copied"]), copied.trim());
        run(&["cp", &format!("{name}:/copied"), "-"]);
        run(&["top", name]);
        run(&["stats", "--no-stream", name]);
        run(&["pause", name]);
        run(&["unpause", name]);
        run(&["update", "--cpu-shares", "2", name]);
        run(&["restart", "-t", "0", name]);
        let renamed = fresh("renamed");
        run(&["rename", name, &renamed]);
        run(&["kill", &renamed]);
        run(&["wait", &renamed]);
        run(&["rm", &renamed]);
        assert_eq!(run(&["ps", "-aq"]), "");
        let input = docker.run_with(["run", "-i", "--rm", "busybox", "cat"], b"through");
        assert_eq!(input.ok(), "through");
    }
}

#[test]
fn a_developer_works_on_a_terminal_and_follows_logs() {
    let gate = Gate::up(&Engine::shared().socket());
    for docker in dockers(&gate, "dora", "developer") {
        let mut terminal = Terminal::start(&docker.command(["run", "-it", "--rm", "busybox"]));
        terminal.screen.wait_for("# ");
        terminal.resize_until(50, 120, b"stty size\n", "50 120");
        terminal.type_keys(b"exit 3\n");
        assert_eq!(terminal.wait(), Some(3));
        let script = ["busybox", "sh", "-c", "until [ -e /go ]; do sleep 0.05; done; echo gone"];
        let container = docker.container("followed", script);
        let logs = docker.start(["logs", "-f", &container.name]);
        let exec = docker.command(["exec", "-it", &container.name, "sh"]);
        let mut terminal = Terminal::start(&exec);
        terminal.screen.wait_for("# ");
        terminal.type_keys(b"touch /go\n");
        assert_eq!(logs.wait().ok(), "gone");
        drop(terminal);
    }
}

#[test]
fn a_developer_makes_volumes_and_networks_and_uses_them() {
    let gate = Gate::up(&Engine::shared().socket());
    let engine = Side::Engine.docker();
    for docker in dockers(&gate, "dora", "developer") {
        let run = |args: &[&str]| docker.run(args).ok();
        let (volume, network, implied) = (fresh("vol"), fresh("net"), fresh("implied"));
        run(&["volume", "create", "--label", "a=b", &volume]);
        run(&["network", "create", &network]);
        let (named, also) = (format!("{volume}:/v"), format!("{implied}:/i"));
        let web = fresh("web");
        let run_it = ["run", "-d", "--name", &web, "-v", &named, "-v", &also, "-v", "/nameless"];
        let with = ["--network", &network, "--network-alias", "web", "busybox", "sleep", "1000"];
        run(&[&run_it[..], &with].concat());
        assert_eq!(
            run(&["run", "--rm", "--network", &network, "busybox", "ping", "-c1", "web"])
                .lines()
                .next()
                .map(|line| line.starts_with("PING web")),
            Some(true)
        );
        // Also in its network namespace, and with its volumes.
        let joined = format!("container:{web}");
        run(&["run", "--rm", "--network", &joined, "--volumes-from", &web, "busybox", "ls", "/v"]);
        let mut volumes: Vec<_> = run(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect();
        assert_eq!(volumes.len(), 3, "{volumes:?}");
        volumes.retain(|name| *name != volume && *name != implied);
        assert_eq!(volumes[0].len(), 64, "{volumes:?}");
        let network_id = engine.run(["network", "inspect", "-f", "{{.Id}}", &network]).ok();
        assert_eq!(run(&["network", "ls", "-q", "--no-trunc"]), network_id);
        assert_eq!(run(&["network", "inspect", "-f", "{{.Name}}", &network_id[..12]]), network);
        assert_eq!(run(&["volume", "inspect", "-f", "{{.Labels.a}}", &volume]), "b");
        run(&["network", "disconnect", &network, &web]);
        run(&["network", "connect", &network, &web]);
        run(&["rm", "-f", "-v", &web]);
        run(&["volume", "rm", &volume, &implied]);
        run(&["network", "rm", &network]);
        assert_eq!(run(&["volume", "ls", "-q"]) + &run(&["network", "ls", "-q"]), "");
    }
}

#[test]
fn a_deployer_replaces_a_container_and_reaches_into_none() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("ci", "deployer");
    let run = |args: &[&str]| docker.run(args).ok();
    let (old, new) = (docker.idle_container("shop"), fresh("shop-new"));
    run(&["create", "--name", &new, "busybox", "sleep", "1000"]);
    run(&["stop", "-t", "0", &old.name]);
    run(&["rm", &old.name]);
    run(&["rename", &new, &old.name]);
    run(&["start", &old.name]);
    run(&["logs", &old.name]);
    for refused in [
        &["exec", &old.name, "true"][..],
        &["cp", &format!("{}:/etc", old.name), "-"],
        &["export", &old.name],
    ] {
        let (_, said) = docker.run(refused).fails();
        assert!(said.contains("[rule role.operations, "), "{said}");
    }
}

/// A role that can do everything that a role can be given, for its own things.
fn everything() -> String {
    let can = |route: &&Route| {
        let closed = route.class == seawall_rules::operation::Class::Closed;
        !closed && route.admin_only().is_none()
    };
    let operations: Vec<_> = Operation::ALL
        .iter()
        .map(|operation| operation.route())
        .filter(can)
        .map(|route| format!("{:?}", route.operation.as_str()))
        .collect();
    format!(
        "[roles.everything]\nisolation = \"own\"\noperations = [{}]\nimages = [\"*\"]\n\
         networks = [\"*\"]\nvolumes = [\"*\"]\ntags = [\"*\"]\nusers = [\"*\"]\n\
         ports = [\"1024-65535\"]\n",
        operations.join(", ")
    )
}

struct Victim {
    container: String,
    container_name: String,
    exec: String,
    network: String,
    network_name: String,
    volume: String,
}

impl Victim {
    /// All names by which something of that kind goes.
    fn names(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Container => vec![
                self.container.clone(),
                self.container[..12].to_owned(),
                self.container[..6].to_owned(),
                self.container_name.clone(),
            ],
            Kind::Exec => vec![self.exec.clone()],
            Kind::Image | Kind::Tag => unreachable!("they are shared"),
            Kind::Network => vec![
                self.network.clone(),
                self.network[..12].to_owned(),
                self.network_name.clone(),
                "bridge".to_owned(),
            ],
            Kind::Volume => vec![self.volume.clone()],
        }
    }
}

/// A name of that length that nothing has.
fn nothing(like: &str) -> String {
    "9e".repeat(32)[..like.len().min(64)].to_owned()
}

fn send(connection: &mut Connection, route: &Route, target: &str) -> Answer {
    let method = route.method.as_str();
    match (route.body, route.upgrade) {
        (BodyKind::Json, _) => {
            connection.send(post_json(target, &body_for(route.operation).to_string()));
        }
        (_, UpgradeKind::Websocket) => connection.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )),
        _ => connection.send(request(method, target)),
    }
    connection.answer(method)
}

fn body_for(operation: Operation) -> Value {
    match operation {
        Operation::NetworkConnect | Operation::NetworkDisconnect => json!({ "Container": "x" }),
        _ => json!({}),
    }
}

/// The same answer as for what is nowhere, but for the name.
#[track_caller]
fn is_nowhere(found: &Answer, name: &str, missing: &Answer, other: &str, what: &str) {
    assert_eq!(found.status, missing.status, "{what}: {}", found.text());
    assert_eq!(found.text().replace(name, "NAME"), missing.text().replace(other, "NAME"), "{what}");
}

#[test]
fn what_is_somebody_elses_is_answered_as_what_is_nowhere() {
    let gate = Gate::up_with(&Engine::shared().socket(), &everything());
    let dora = gate.docker_as("dora", "developer");
    let theirs = dora.idle_container("victim");
    let (network, volume) = (fresh("theirs"), fresh("theirs"));
    dora.run(["network", "create", &network]).ok();
    dora.run(["volume", "create", &volume]).ok();
    let mut doras = gate.connect(&gate.folder_of("dora"));
    let exec = format!("/v1.41/containers/{}/exec", theirs.id);
    doras.send(post_json(&exec, &json!({ "Cmd": ["true"] }).to_string()));
    let exec = doras.answer("POST");
    assert_eq!(exec.status, 201, "{}", exec.text());
    let exec: Value = serde_json::from_slice(&exec.body).unwrap();
    let victim = Victim {
        container: theirs.id.clone(),
        container_name: theirs.name.clone(),
        exec: exec["Id"].as_str().unwrap().to_owned(),
        network: dora.run(["network", "inspect", "-f", "{{.Id}}", &network]).ok(),
        network_name: network.clone(),
        volume: volume.clone(),
    };
    let mut mallory = gate.connect(&gate.credentials("mallory", "everything"));
    let mut tried = 0;
    for &operation in Operation::ALL {
        let Scope::Names { kind, .. } = scope(operation) else { continue };
        let route = operation.route();
        let begin = route.template.find('{').unwrap();
        let end = route.template.find('}').unwrap() + 1;
        let target = |name: &str| {
            let query = match operation {
                Operation::ContainerArchive
                | Operation::ContainerArchiveInfo
                | Operation::PutContainerArchive => "?path=/etc",
                Operation::ContainerRename => "?name=stolen",
                _ => "",
            };
            let (before, after) = (&route.template[..begin], &route.template[end..]);
            format!("/v1.41{before}{name}{after}{query}")
        };
        for name in victim.names(kind) {
            let other = nothing(&name);
            let missing = send(&mut mallory, route, &target(&other));
            assert_eq!(missing.status, 404, "{operation:?}: {}", missing.text());
            let found = send(&mut mallory, route, &target(&name));
            is_nowhere(&found, &name, &missing, &other, operation.as_str());
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
    let create = "/v1.41/containers/create";
    for (kind, body) in [
        (Kind::Container, json!({ "HostConfig": { "NetworkMode": "container:NAME" } })),
        (Kind::Container, json!({ "HostConfig": { "PidMode": "container:NAME" } })),
        (Kind::Container, json!({ "HostConfig": { "IpcMode": "container:NAME" } })),
        (Kind::Container, json!({ "HostConfig": { "VolumesFrom": ["NAME:ro"] } })),
        (Kind::Container, json!({ "HostConfig": { "Links": ["NAME:x"] } })),
        (Kind::Network, json!({ "HostConfig": { "NetworkMode": "NAME" } })),
        (Kind::Network, json!({ "NetworkingConfig": { "EndpointsConfig": { "NAME": {} } } })),
    ] {
        for name in victim.names(kind).into_iter().filter(|name| name != "bridge") {
            let other = nothing(&name);
            let mut ask = |name: &str| {
                let mut body = body.clone();
                body["Image"] = json!("busybox");
                mallory.send(post_json(create, &body.to_string().replace("NAME", name)));
                mallory.answer("POST")
            };
            let missing = ask(&other);
            assert_eq!(missing.status, 404, "{body}: {}", missing.text());
            is_nowhere(&ask(&name), &name, &missing, &other, &body.to_string());
        }
    }
    // A volume of that name cannot be made, so there it shows that there is one, and no more.
    for body in [
        json!({ "Image": "busybox", "HostConfig": { "Binds": [format!("{volume}:/v")] } }),
        json!({ "Image": "busybox",
            "HostConfig": { "Mounts": [{ "Type": "volume", "Source": volume, "Target": "/v" }] } }),
    ] {
        mallory.send(post_json(create, &body.to_string()));
        let refused = mallory.answer("POST");
        assert_eq!(refused.status, 404, "{}", refused.text());
    }
    // To make it again gives the engine's own, which is still dora's.
    mallory.send(post_json("/v1.41/volumes/create", &json!({ "Name": volume }).to_string()));
    let _ = mallory.answer("POST");
    mallory.send(request("GET", &format!("/v1.41/volumes/{volume}")));
    assert_eq!(mallory.answer("GET").status, 404);
    for list in ["/containers/json?all=1", "/networks", "/volumes"] {
        mallory.send(request("GET", &format!("/v1.41{list}")));
        let listed = mallory.answer("GET");
        assert_eq!(listed.status, 200, "{}", listed.text());
        for name in [&theirs.id, &network, &volume] {
            assert!(!listed.text().contains(name.as_str()), "{list}: {}", listed.text());
        }
    }
    // And nothing has happened to any of it.
    let state = ["inspect", "-f", "{{.State.Status}} {{.Name}}", &theirs.id];
    assert_eq!(dora.run(state).ok(), format!("running /{}", theirs.name));
    dora.run(["volume", "inspect", &volume]).ok();
    dora.run(["network", "inspect", &network]).ok();
    drop(theirs);
    let engine = Side::Engine.docker();
    engine.run(["network", "rm", &network]).ok();
    engine.run(["volume", "rm", &volume]).ok();
}

/// Developers who give names to images.
const NAMERS: &str = "[roles.namer]\nextends = \"developer\"\ntags = [\"*\"]\n";

#[test]
fn images_are_shared_and_their_names_are_whose_first() {
    let gate = Gate::up_with(&Engine::shared().socket(), NAMERS);
    let engine = Side::Engine.docker();
    let (dora, mallory) = (gate.docker_as("dora", "namer"), gate.docker_as("mallory", "namer"));
    let container = dora.idle_container("to-commit");
    let (name, other) = (fresh("doras/image"), fresh("doras/other"));
    dora.run(["commit", &container.name, &name]).ok();
    dora.run(["tag", &name, &other]).ok();
    let id = dora.run(["image", "inspect", "-f", "{{.Id}}", &name]).ok();
    // Another may use it, and neither take its name nor remove it.
    mallory.run(["run", "--rm", &name, "true"]).ok();
    for refused in [
        &["tag", "busybox", &name][..],
        &["rmi", &name],
        &["rmi", "-f", &id],
        &["rmi", "busybox"],
        &["tag", &name, "busybox"],
    ] {
        let (_, said) = mallory.run(refused).fails();
        assert!(said.contains("[rule isolation.image, "), "{refused:?}: {said}");
    }
    let (_, said) = mallory.run(["commit", &container.name, "mallorys"]).fails();
    assert!(said.contains("No such container: "), "{said}");
    let (_, said) = mallory.run(["rmi", "no-such-image"]).fails();
    assert!(said.contains("No such image: no-such-image"), "{said}");
    assert_eq!(dora.run(["image", "inspect", "-f", "{{.Id}}", &name]).ok(), id);
    dora.run(["rmi", &other]).ok();
    mallory.run(["tag", "busybox", &other]).ok();
    mallory.run(["rmi", &other]).ok();
    // One without a name is its maker's.
    let nameless = dora.run(["commit", &container.name]).ok();
    mallory.run(["rmi", &nameless]).fails();
    dora.run(["rmi", &nameless[..19]]).ok();
    dora.run(["rmi", &id]).ok();
    engine.run(["image", "inspect", &name]).fails();
    drop(container);
}

#[test]
fn what_the_labels_of_an_image_say_makes_nobody_an_owner() {
    let gate = Gate::up(&Engine::shared().socket());
    let engine = Side::Engine.docker();
    let dora = gate.docker_as("dora", "developer");
    let own = dora.idle_container("labelled");
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"io.seawall.{name}\"}}}}");
        dora.run(["inspect", "-f", &format, &own.id]).ok()
    };
    let (owner, claim) = (label("owner"), label("claim"));
    assert!(!owner.is_empty() && claim.len() == 32, "{owner} {claim}");
    let forged = fresh("forged");
    let (owner, claim) = (format!("io.seawall.owner={owner}"), format!("io.seawall.claim={claim}"));
    let labels = ["--label", &owner, "--label", &claim];
    let args = [&["run", "-d", "--name", &forged][..], &labels, &["busybox", "sleep", "1000"]];
    engine.run(args.concat()).ok();
    let (_, said) = dora.run(["container", "inspect", &forged]).fails();
    assert!(said.contains("No such container"), "{said}");
    assert_eq!(dora.run(["ps", "-aq", "--no-trunc"]).ok(), own.id);
    engine.run(["rm", "-f", &forged]).ok();
}

#[test]
fn a_group_shares_what_it_makes_and_others_see_nothing_of_it() {
    let gate = Gate::up(&Engine::shared().socket());
    let dora = gate.docker_as("dora", "developer");
    let dirk = gate.docker_as("dirk", "developer");
    let own = dora.idle_container("shared");
    let list = |docker: &Docker| docker.run(["ps", "-q", "--no-trunc"]).ok();
    assert_eq!(list(&dirk), "");
    for name in ["dora", "dirk"] {
        gate.run(["identity", "set", name, "--group", "web"]).ok();
    }
    assert!(gate.run(["identity", "show", "dirk"]).ok().contains("group:     web"));
    assert_eq!((list(&dora), list(&dirk)), (own.id.clone(), own.id.clone()));
    assert_eq!(dirk.run(["exec", &own.name, "echo", "in"]).ok(), "in");
    gate.run(["identity", "set", "dirk", "--no-group"]).ok();
    assert_eq!(list(&dirk), "");
    dirk.run(["stop", &own.name]).fails();
    // What one of a group has made stays the group's when that one is gone.
    gate.run(["identity", "set", "dirk", "--group", "web"]).ok();
    gate.run(["revoke", "dora"]).ok();
    assert_eq!(list(&dirk), own.id);
}

#[test]
fn what_was_there_before_is_given_to_somebody_and_taken_again() {
    let gate = Gate::up(&Engine::shared().socket());
    let engine = Side::Engine.docker();
    let dora = gate.docker_as("dora", "developer");
    let (plain, volume) = (engine.idle_container("adopted"), fresh("adopted"));
    engine.run(["volume", "create", &volume]).ok();
    let inspect = ["container", "inspect", &plain.name];
    dora.run(inspect).fails();
    gate.run(["owner", "set", "container", &plain.name, "dora"]).ok();
    gate.run(["owner", "set", "volume", &volume, "dora"]).ok();
    dora.run(inspect).ok();
    dora.run(["exec", &plain.name, "true"]).ok();
    assert_eq!(dora.run(["volume", "ls", "-q"]).ok(), volume);
    let listed = gate.run(["owner", "list"]).ok();
    assert!(listed.contains(&plain.id) && listed.contains(&volume), "{listed}");
    let rows: Value = serde_json::from_str(&gate.run(["owner", "list", "--json"]).ok()).unwrap();
    assert_eq!(
        rows[0],
        json!({ "kind": "container", "id": plain.id, "owner": "dora",
        "identity": rows[0]["identity"] })
    );
    let (_, said) = gate.run(["owner", "set", "container", "nowhere", "dora"]).fails();
    assert!(said.contains("No such container: nowhere"), "{said}");
    gate.run(["owner", "set", "container", &plain.name, "--nobody"]).ok();
    dora.run(inspect).fails();
    dora.run(["volume", "rm", &volume]).ok();
    assert_eq!(gate.run(["owner", "list"]).ok(), "nothing is anybody's");
    assert!(gate.records().iter().any(|record| record["what"] == "owner.set"));
}

#[test]
fn a_container_that_may_more_than_its_owner_is_not_entered() {
    let gate = Gate::up(&Engine::shared().socket());
    let engine = Side::Engine.docker();
    let dora = gate.docker_as("dora", "developer");
    for (flags, rule) in [
        (&["--privileged"][..], "escape.privileged"),
        (&["-v", "/:/host"], "escape.bind"),
        (&["--cap-add", "SYS_ADMIN"], "escape.capability"),
        (&["--pid", "host"], "escape.host-pid"),
        (&["--network", "host"], "escape.host-network"),
        (&["--security-opt", "seccomp=unconfined"], "escape.security-opt"),
    ] {
        let name = fresh("mighty");
        let create = [&["create", "--name", &name], flags, &["busybox", "sleep", "1000"]].concat();
        engine.run(create).ok();
        gate.run(["owner", "set", "container", &name, "dora"]).ok();
        dora.run(["container", "inspect", &name]).ok();
        let mut raw = gate.connect(&gate.folder_of("dora"));
        for (method, target) in [
            ("POST", format!("/v1.41/containers/{name}/attach?stream=1")),
            ("GET", format!("/v1.41/containers/{name}/archive?path=/")),
        ] {
            raw.send(request(method, &target));
            let refused = raw.answer(method);
            assert_eq!(refused.status, 403, "{flags:?}: {}", refused.text());
            let said = refused.text();
            assert!(said.contains(&format!("[rule {rule}, ")), "{flags:?}: {said}");
        }
        for refused in [
            &["exec", &name, "true"][..],
            &["run", "--rm", "--volumes-from", &name, "busybox"],
            &["run", "--rm", "--pid", &format!("container:{name}"), "busybox"],
        ] {
            let (_, said) = dora.run(refused).fails();
            assert!(
                said.contains(&format!("[rule {rule}, ")) || said.contains("is not running"),
                "{refused:?}: {said}"
            );
        }
        engine.run(["rm", &name]).ok();
    }
    let own = dora.idle_container("own");
    let (_, said) = dora.run(["exec", "--privileged", &own.name, "true"]).fails();
    assert!(said.contains("[rule escape.exec-privileged, "), "{said}");
}

#[test]
fn what_was_made_is_its_makers_after_a_restart_of_the_gate() {
    let gate = Gate::up(&Engine::shared().socket());
    let dora = gate.docker_as("dora", "developer");
    let name = fresh("kept");
    dora.run(["create", "--name", &name, "busybox", "sleep", "1000"]).ok();
    gate.kill();
    gate.start();
    dora.run(["start", &name]).ok();
    dora.run(["rm", "-f", &name]).ok();
}

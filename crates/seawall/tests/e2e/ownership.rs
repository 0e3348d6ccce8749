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
    image: String,
    image_name: String,
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
            Kind::Image | Kind::Pulled | Kind::Tag => vec![
                self.image.clone(),
                self.image["sha256:".len()..].to_owned(),
                self.image["sha256:".len()..][..12].to_owned(),
                self.image_name.clone(),
            ],
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
    let dora = gate.docker_as("dora", "everything");
    let theirs = dora.idle_container("victim");
    let (network, volume, image) = (fresh("theirs"), fresh("theirs"), fresh("theirs"));
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
        image: dora.run(["commit", &theirs.id, &image]).ok(),
        image_name: image.clone(),
        exec: exec["Id"].as_str().unwrap().to_owned(),
        network: dora.run(["network", "inspect", "-f", "{{.Id}}", &network]).ok(),
        network_name: network.clone(),
        volume: volume.clone(),
    };
    let mut mallory = gate.connect(&gate.credentials("mallory", "everything"));
    let mut tried = 0;
    for &operation in Operation::ALL {
        let route = operation.route();
        let kind = match scope(operation) {
            Scope::Names { kind, .. } => kind,
            Scope::Sees | Scope::Tags | Scope::Removes => Kind::Image,
            _ => continue,
        };
        if route.admin_only().is_some() || operation == Operation::ImageAttestations {
            continue;
        }
        let begin = route.template.find('{').unwrap_or(route.template.len());
        let end = route.template.find('}').map_or(begin, |end| end + 1);
        let target = |name: &str| {
            let query = match operation {
                Operation::ContainerArchive
                | Operation::ContainerArchiveInfo
                | Operation::PutContainerArchive => "?path=/etc",
                Operation::ContainerRename => "?name=stolen",
                Operation::ImageTag => "?repo=stolen",
                Operation::ImageGetAll => return format!("/v1.41{}?names={name}", route.template),
                _ => "",
            };
            let (before, after) = (&route.template[..begin], &route.template[end..]);
            format!("/v1.41{before}{name}{after}{query}")
        };
        for name in victim.names(kind) {
            let other = match operation {
                // By an id nothing is pushed.
                Operation::ImagePush if name != victim.image_name => continue,
                Operation::ImagePush => fresh("nowhere"),
                _ => nothing(&name),
            };
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
        (Kind::Image, json!({ "Image": "NAME" })),
        (Kind::Network, json!({ "HostConfig": { "NetworkMode": "NAME" } })),
        (Kind::Network, json!({ "NetworkingConfig": { "EndpointsConfig": { "NAME": {} } } })),
    ] {
        for name in victim.names(kind).into_iter().filter(|name| name != "bridge") {
            let other = nothing(&name);
            let mut ask = |name: &str| {
                let mut body = body.clone();
                if body.get("Image").is_none() {
                    body["Image"] = json!("busybox");
                }
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
    for list in
        ["/containers/json?all=1", "/networks", "/volumes", "/images/json?all=1", "/system/df"]
    {
        mallory.send(request("GET", &format!("/v1.41{list}")));
        let listed = mallory.answer("GET");
        assert_eq!(listed.status, 200, "{}", listed.text());
        for name in [&theirs.id, &network, &volume, &victim.image] {
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
    engine.run(["rmi", &image]).ok();
}

/// Developers who give names to images.
const NAMERS: &str = "[roles.namer]\nextends = \"developer\"\ntags = [\"*\"]\n\
     operations = [\"ImageGet\", \"ImageGetAll\"]\n";

#[test]
fn an_image_is_whose_its_names_are_and_those_of_nobody_are_for_all() {
    let gate = Gate::up_with(&Engine::shared().socket(), NAMERS);
    let engine = Side::Engine.docker();
    let (dora, mallory) = (gate.docker_as("dora", "namer"), gate.docker_as("mallory", "namer"));
    let container = dora.idle_container("to-commit");
    let (name, other) = (fresh("doras/image"), fresh("doras/other"));
    dora.run(["commit", &container.name, &name]).ok();
    dora.run(["tag", &name, &other]).ok();
    let id = dora.run(["image", "inspect", "-f", "{{.Id}}", &name]).ok();
    dora.run(["run", "--rm", &name, "true"]).ok();
    let listed = |docker: &Docker| docker.run(["images", "-a", "--no-trunc"]).ok();
    assert!(listed(&dora).contains(&name) && listed(&dora).contains("busybox"));
    assert!(!listed(&mallory).contains(&id), "{}", listed(&mallory));
    // For another it is nowhere, by no name of it; what is nobody's is there for both.
    mallory.run(["run", "--rm", "busybox", "true"]).ok();
    for refused in [
        &["image", "inspect", &name][..],
        &["image", "inspect", &id],
        &["image", "inspect", &id[7..19]],
        &["history", &name],
        &["save", &name],
        &["create", "--pull", "never", &name],
        &["create", "--pull", "never", &id],
        &["tag", &name, "mallorys"],
        &["rmi", &name],
        &["rmi", &id],
    ] {
        let (_, said) = mallory.run(refused).fails();
        assert!(said.contains("No such image") || said.contains("no such image"), "{said}");
    }
    for refused in [
        &["tag", "busybox", &name][..],
        &["pull", &name],
        &["rmi", "busybox"],
        &["tag", "busybox", "busybox"],
    ] {
        let (_, said) = mallory.run(refused).fails();
        assert!(said.contains("[rule isolation.image, "), "{refused:?}: {said}");
    }
    // A base image that somebody else has given a name as well stays there, without that name.
    let also = fresh("doras/also");
    dora.run(["tag", "busybox", &also]).ok();
    let tags =
        |docker: &Docker| docker.run(["image", "inspect", "-f", "{{.RepoTags}}", "busybox"]).ok();
    assert!(tags(&dora).contains(&also) && !tags(&mallory).contains(&also), "{}", tags(&mallory));
    assert!(!listed(&mallory).contains(&also) && listed(&mallory).contains("busybox"));
    dora.run(["rmi", &also]).ok();
    let (_, said) = mallory.run(["commit", &container.name, "mallorys"]).fails();
    assert!(said.contains("No such container: "), "{said}");
    let (_, said) = mallory.run(["rmi", "no-such-image"]).fails();
    assert!(said.contains("No such image: no-such-image"), "{said}");
    dora.run(["rmi", &other]).ok();
    mallory.run(["tag", "busybox", &other]).ok();
    mallory.run(["rmi", &other]).ok();
    // One without a name is its maker's.
    let nameless = dora.run(["commit", &container.name]).ok();
    assert!(listed(&dora).contains(&nameless) && !listed(&mallory).contains(&nameless));
    mallory.run(["rmi", &nameless]).fails();
    dora.run(["rmi", &nameless[..19]]).ok();
    dora.run(["rmi", &id]).ok();
    engine.run(["image", "inspect", &name]).fails();
    drop(container);
}

#[test]
fn a_built_image_is_its_builders() {
    let gate = Gate::up_with(&Engine::shared().socket(), NAMERS);
    let (dora, mallory) = (gate.docker_as("dora", "namer"), gate.docker_as("mallory", "namer"));
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| std::fs::write(dir.path().join("Dockerfile"), text).unwrap();
    let path = dir.path().to_str().unwrap();
    let name = fresh("doras/built");
    file("FROM busybox\nENV BY=dora\n");
    let build = |docker: &Docker, args: &[&str]| {
        let mut docker = docker.command([&["build", "-q"], args, &[path]].concat());
        docker.env("DOCKER_BUILDKIT", "0");
        docker.output().unwrap()
    };
    let id = |output: std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let first = id(build(&dora, &["-t", &name]));
    let owner = ["image", "inspect", "-f", "{{index .Config.Labels \"io.seawall.owner\"}}", &name];
    let list: Value = serde_json::from_str(&gate.run(["owner", "list", "--json"]).ok()).unwrap();
    assert_eq!(Some(dora.run(owner).ok().as_str()), list[0]["identity"].as_str());
    assert_eq!(id(build(&dora, &["-t", &name])), first, "the same build is the same image");
    mallory.run(["image", "inspect", &first]).fails();
    let nameless = id(build(&dora, &[]));
    assert!(dora.run(["images", "-q", "--no-trunc"]).ok().contains(&nameless));
    assert_eq!(dora.run(["run", "--rm", &nameless, "sh", "-c", "echo $BY"]).ok(), "dora");
    mallory.run(["image", "inspect", &nameless]).fails();
    // Nobody else builds upon it, by its name or by what begins its id.
    for from in [name.as_str(), &first[7..19], &first] {
        file(&format!("FROM {from}\nENV BY=mallory\n"));
        let refused = build(&mallory, &[]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("No such image"), "{from}: {said}");
    }
    file(&format!("FROM {name}\nENV BY=again\n"));
    let again = id(build(&dora, &[]));
    dora.run(["rmi", &again, &nameless]).ok();
    dora.run(["rmi", &name]).ok();
}

#[test]
fn events_are_of_ones_own_things_as_they_are_made() {
    let gate = Gate::up_with(&Engine::shared().socket(), NAMERS);
    let engine = Side::Engine.docker();
    let (dora, mallory) = (gate.docker_as("dora", "namer"), gate.docker_as("mallory", "namer"));
    let dirk = gate.docker_as("dirk", "namer");
    for name in ["dora", "dirk"] {
        gate.run(["identity", "set", name, "--group", "web"]).ok();
    }
    let format = ["events", "--format", "{{.Type}} {{.Action}} {{.Actor.ID}}"];
    let seen = [&dirk, &mallory].map(|docker| docker.start(format));
    let [dirks, mallorys] = &seen;
    let (net, vol, tag) = (fresh("net"), fresh("vol"), fresh("doras/tag"));
    until(
        SHORT,
        || "no event".to_owned(),
        || {
            // The first one shows that the stream is open.
            let own = mallory.run(["create", "busybox"]).ok();
            mallory.run(["rm", &own]).ok();
            let his = dirk.run(["create", "busybox"]).ok();
            dirk.run(["rm", &his]).ok();
            mallorys.stdout.text().contains("container destroy")
                && dirks.stdout.text().contains("container destroy")
        },
    );
    dora.run(["network", "create", &net]).ok();
    dora.run(["volume", "create", &vol]).ok();
    let mount = format!("{vol}:/v");
    let own = dora.run(["create", "--network", &net, "-v", &mount, "busybox", "true"]).ok();
    dora.run(["start", "-a", &own]).ok();
    let image = dora.run(["commit", &own, &tag]).ok();
    // What an image says of itself makes its events nobody's.
    let forged = ["--label", "io.seawall.owner=", "busybox", "true"];
    engine.run([&["run", "--rm"][..], &forged].concat()).ok();
    dora.run(["rm", &own]).ok();
    dora.run(["network", "rm", &net]).ok();
    dora.run(["volume", "rm", &vol]).ok();
    dora.run(["rmi", &tag]).ok();
    let last = mallory.run(["create", "busybox"]).ok();
    let end = format!("container create {last}");
    until(SHORT, || mallorys.stdout.text(), || mallorys.stdout.text().contains(&end));
    let gone = format!("image delete {image}");
    until(SHORT, || dirks.stdout.text(), || dirks.stdout.text().contains(&gone));
    for event in ["container create", "container start", "container die", "container destroy"] {
        assert!(
            dirks.stdout.text().contains(&format!("{event} {own}")),
            "{event}: {}",
            dirks.stdout.text()
        );
    }
    for event in [
        "network create",
        "network connect",
        "network destroy",
        "volume create",
        "volume mount",
        "image tag",
    ] {
        assert!(dirks.stdout.text().contains(event), "{event}: {}", dirks.stdout.text());
    }
    assert!(!dirks.stdout.text().contains(&last), "{}", dirks.stdout.text());
    for other in [&own, &image, &vol] {
        assert!(!mallorys.stdout.text().contains(other.as_str()), "{}", mallorys.stdout.text());
    }
    for other in ["network", "volume"] {
        assert!(!mallorys.stdout.text().contains(other), "{}", mallorys.stdout.text());
    }
    mallory.run(["rm", &last]).ok();
}

#[test]
fn a_prune_takes_ones_own_things_and_no_others() {
    let gate = Gate::up_with(&Engine::shared().socket(), NAMERS);
    let engine = Side::Engine.docker();
    let (dora, mallory) = (gate.docker_as("dora", "namer"), gate.docker_as("mallory", "namer"));
    let things = |docker: &Docker, labels: &[&str]| {
        let (network, volume, image) = (fresh("net"), fresh("vol"), fresh("img"));
        let labels = || labels.iter().copied();
        let name = |args: &[&str], name: &str| {
            let args = args.iter().copied().chain(labels()).chain([name]);
            docker.run(args.collect::<Vec<_>>()).ok()
        };
        name(&["network", "create"], &network);
        name(&["volume", "create"], &volume);
        let create = ["create"].into_iter().chain(labels()).chain(["busybox", "true"]);
        let container = docker.run(create.collect::<Vec<_>>()).ok();
        docker.run(["commit", &container, &image]).ok();
        [container, network, volume, image]
    };
    let doras = things(&dora, &[]);
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"io.seawall.{name}\"}}}}");
        let label = dora.run(["container", "inspect", "-f", &format, &doras[0]]).ok();
        format!("io.seawall.{name}={label}")
    };
    let (owner, claim) = (label("owner"), label("claim"));
    let forged = things(&engine, &["--label", &owner, "--label", &claim]);
    let mallorys = things(&mallory, &[]);
    let busy = dora.idle_container("busy");
    let prune = |docker: &Docker, filters: &[&str]| {
        let [container, network, volume, image] = [
            &["container", "prune", "-f"][..],
            &["network", "prune", "-f"],
            &["volume", "prune", "-f"],
            &["image", "prune", "-af"],
        ]
        .map(|args| docker.run([args, filters].concat()).ok());
        container + &network + &volume + &image
    };
    let there = |docker: &Docker, [container, network, volume, image]: &[String; 4]| {
        let kinds =
            [("container", container), ("network", network), ("volume", volume), ("image", image)];
        let is_there =
            |(kind, name): (&str, &String)| docker.run([kind, "inspect", name]).status.success();
        kinds.map(is_there)
    };
    let said = prune(&dora, &["--filter", "label=no-such-label"]);
    assert_eq!(there(&dora, &doras), [true; 4], "{said}");
    let (_, said) = dora.run(["container", "prune", "-f", "--filter", "id=x"]).fails();
    assert!(said.contains("[rule isolation.filter, "), "{said}");
    let held = dora.run(["container", "prune", "-f", "--filter", "until=1h"]).ok();
    assert!(!held.contains(&doras[0]), "{held}");
    let said = prune(&dora, &[]);
    assert_eq!(there(&engine, &doras), [false; 4], "{said}");
    assert!(doras.iter().all(|name| said.contains(name.as_str())), "{said}");
    assert!(said.contains("Total reclaimed space"), "{said}");
    assert_eq!(there(&engine, &forged), [true; 4], "{said}");
    assert_eq!(there(&mallory, &mallorys), [true; 4], "{said}");
    dora.run(["inspect", &busy.name]).ok();
    engine.run(["image", "inspect", "busybox"]).ok();
    prune(&mallory, &[]);
    assert_eq!(there(&engine, &mallorys), [false; 4]);
    assert_eq!(there(&engine, &forged), [true; 4]);
    let [container, network, volume, image] = &forged;
    for gone in [["rm", container], ["rmi", image]] {
        engine.run(gone).ok();
    }
    engine.run(["network", "rm", network]).ok();
    engine.run(["volume", "rm", volume]).ok();
}

#[test]
fn disk_usage_is_of_ones_own_things() {
    let gate = Gate::up(&Engine::shared().socket());
    let (dora, mallory) =
        (gate.docker_as("dora", "developer"), gate.docker_as("mallory", "deployer"));
    let volume = fresh("used");
    dora.run(["volume", "create", &volume]).ok();
    let own = dora.idle_container("used");
    let usage = |docker: &Docker| docker.run(["system", "df", "-v"]).ok();
    let (doras, mallorys) = (usage(&dora), usage(&mallory));
    assert!(doras.contains(&volume) && doras.contains(&own.name), "{doras}");
    assert!(!mallorys.contains(&volume) && !mallorys.contains(&own.name), "{mallorys}");
    assert!(mallorys.contains("busybox"), "{mallorys}");
    assert!(dora.run(["system", "df"]).ok().contains("Containers"));
    drop(own);
    dora.run(["volume", "rm", &volume]).ok();
}

#[test]
fn what_is_given_to_another_is_cut_from_under_its_old_owner() {
    let gate = Gate::up(&Engine::shared().socket());
    let (dora, dirk) = (gate.docker_as("dora", "developer"), gate.docker_as("dirk", "developer"));
    let own = dora.idle_container("handed-over");
    let other = dora.idle_container("kept");
    let streams = [
        &["logs", "-f", &own.name][..],
        &["exec", &own.name, "sleep", "1000"],
        &["attach", "--sig-proxy=false", &own.name],
    ]
    .map(|args| dora.start(args));
    let kept = dora.start(["exec", &other.name, "sh", "-c", "echo up; exec sleep 1000"]);
    let events = dora.start(["events"]);
    let doing = || gate.run(["sessions"]).ok();
    until(SHORT, doing, || {
        let doing = doing();
        ["/logs", "/attach", "/events"].iter().all(|what| doing.contains(what))
            && doing.matches("/start").count() == 2
    });
    gate.run(["owner", "set", "container", &own.name, "dirk"]).ok();
    for stream in streams {
        stream.wait();
    }
    dora.run(["inspect", &own.name]).fails();
    dirk.run(["exec", &own.name, "true"]).ok();
    let still = doing();
    assert!(still.contains("/start") && still.contains("/events"), "{still}");
    assert!(!still.contains("/logs") && !still.contains("/attach"), "{still}");
    // Whose things a stream shows is settled when it opens.
    for name in ["dora", "dirk"] {
        gate.run(["identity", "set", name, "--group", "web"]).ok();
    }
    events.wait();
    drop(kept);
    dirk.run(["rm", "-f", &own.name]).ok();
    drop(own);
    drop(other);
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

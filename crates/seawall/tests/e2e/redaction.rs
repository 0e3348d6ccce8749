//! What of the engine's answers is hidden from whom, through the real docker command lines.

use serde_json::Value;

use crate::support::client::{Docker, Side, command_lines, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::request;
use crate::support::wait::{SHORT, until};

const SECRET: &str = "hunter2";

/// What a viewer or anybody else may look at, of a container that is full of secrets.
struct Site {
    gate: Gate,
    name: String,
    volume: String,
}

impl Site {
    fn new() -> Self {
        let gate = Gate::up(&Engine::shared().socket());
        let site = Self { gate, name: fresh("secretive"), volume: fresh("secretive-volume") };
        let admin = Side::Engine.docker();
        let label = format!("db.password={SECRET}");
        let option = format!("o=password={SECRET}");
        let tmpfs = ["--opt", &option, "--opt", "type=tmpfs", "--opt", "device=tmpfs"];
        admin
            .run(
                ["volume", "create", "--label", &label]
                    .iter()
                    .chain(&tmpfs)
                    .chain(&[&*site.volume]),
            )
            .ok();
        let script = format!("sleep 1000; echo {SECRET}");
        let env = format!("PASSWORD={SECRET}");
        let bind = format!("/tmp/{SECRET}:/bound:ro");
        admin
            .run([
                "create",
                "--name",
                &site.name,
                "--env",
                &env,
                "--label",
                &label,
                "--label",
                "app=shop",
                "-v",
                &bind,
                "--health-cmd",
                &script,
                "busybox",
                "sh",
                "-c",
                &script,
            ])
            .ok();
        site
    }

    fn dockers(&self, name: &str, role: &str) -> Vec<Docker> {
        let credentials = self.gate.credentials(name, role);
        let new = |program| Docker::new(program, self.gate.env(&credentials));
        command_lines().iter().map(|program| new(program)).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let admin = Side::Engine.docker();
        admin.run(["rm", "-f", "-v", &self.name]);
        admin.run(["volume", "rm", "-f", &self.volume]);
    }
}

/// Every way to look, with what shows that something was seen.
fn looks(site: &Site) -> Vec<(Vec<&str>, String)> {
    let (name, volume) = (site.name.as_str(), site.volume.as_str());
    let by_name = "{{.Names}} {{.Command}} {{.Labels}} {{.Mounts}}";
    vec![
        (vec!["inspect", name], name.to_owned()),
        (vec!["inspect", "--size", name], "SizeRw".to_owned()),
        (vec!["ps", "-a", "--no-trunc", "--format", by_name], format!("{name} \"sh ")),
        (vec!["ps", "-a", "--no-trunc"], name.to_owned()),
        (vec!["container", "ls", "-a", "--size"], name.to_owned()),
        (vec!["volume", "inspect", volume], volume.to_owned()),
        (
            vec!["volume", "ls", "--format", "{{.Name}} {{.Labels}} {{.Mountpoint}}"],
            volume.to_owned(),
        ),
        (vec!["system", "df", "-v"], name.to_owned()),
        (vec!["system", "df"], "Images".to_owned()),
        (vec!["images", "--no-trunc"], "busybox".to_owned()),
        (vec!["image", "inspect", "busybox"], "busybox".to_owned()),
        (vec!["history", "--no-trunc", "busybox"], "Imported from -".to_owned()),
        (vec!["network", "ls"], "bridge".to_owned()),
        (vec!["network", "inspect", "bridge"], "bridge".to_owned()),
        (vec!["info"], "Server Version".to_owned()),
    ]
}

#[test]
fn a_viewer_looks_at_everything_and_sees_no_secret() {
    let site = Site::new();
    for role in ["viewer", "operator"] {
        for docker in site.dockers(&format!("the-{role}"), role) {
            for (look, expected) in looks(&site) {
                let seen = docker.run(&look).ok();
                assert!(seen.contains(&expected), "{role} {look:?}: {seen}");
                assert!(!seen.contains(SECRET), "{role} {look:?}: {seen}");
            }
        }
    }
}

#[test]
fn who_sees_secrets_gets_the_engines_own_answer() {
    let site = Site::new();
    let direct = Side::Engine.docker();
    for role in ["read-only", "admin"] {
        let credentials = site.gate.credentials(&format!("the-{role}"), role);
        let docker = Docker::first(site.gate.env(&credentials));
        let volume = ["volume", "inspect", &site.volume];
        for look in [&["inspect", &site.name][..], &["inspect", "--size", &site.name], &volume] {
            let seen = docker.run(look).ok();
            assert_eq!(seen, direct.run(look).ok(), "{role} {look:?}");
            assert!(seen.contains(SECRET), "{role} {look:?}: {seen}");
        }
    }
}

#[test]
fn all_but_the_secrets_of_an_inspect_is_the_engines_own() {
    let site = Site::new();
    let viewer = site.gate.docker_as("vera", "viewer");
    let inspect = |docker: &Docker| -> Value {
        serde_json::from_str(&docker.run(["inspect", &site.name]).ok()).unwrap()
    };
    let (mut real, shown) = (inspect(&Side::Engine.docker()), inspect(&viewer));
    for (path, hidden) in [
        ("/0/Config/Env/0", "PASSWORD=***"),
        ("/0/Config/Cmd/1", "***"),
        ("/0/Args/0", "***"),
        ("/0/Config/Labels/db.password", "***"),
        ("/0/Config/Healthcheck/Test/1", "***"),
        ("/0/HostConfig/Binds/0", "***:/bound:ro"),
        ("/0/GraphDriver/Data/UpperDir", "***"),
    ] {
        assert_eq!(shown.pointer(path).and_then(Value::as_str), Some(hidden), "{path}");
    }
    assert_eq!(shown[0]["Config"]["Labels"]["app"], "shop");
    // Where something is hidden, and only there, the two differ.
    let mut differing = Vec::new();
    differ(&mut real, &shown, "", &mut differing);
    for path in &differing {
        let seen = shown.pointer(path).and_then(Value::as_str).unwrap_or_default();
        assert!(seen.contains("***"), "{path}: {seen}");
    }
    assert!(differing.len() >= 7, "{differing:?}");
}

/// The paths at which two values differ.
fn differ(a: &mut Value, b: &Value, path: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for (name, value) in a {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                differ(value, &b[name], &format!("{path}/{escaped}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter_mut().zip(b).enumerate() {
                differ(a, b, &format!("{path}/{at}"), found);
            }
        }
        (a, b) if *a == *b => {}
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn events_reach_a_viewer_at_once_and_without_the_commands_of_execs() {
    let gate = Gate::up(&Engine::shared().socket());
    let admin = Side::Engine.docker();
    let label = format!("token={SECRET}");
    let container = admin.container("exec-seen", ["--label", &label, "busybox", "sleep", "1000"]);
    let credentials = gate.credentials("vera", "viewer");
    for program in command_lines() {
        let viewer = Docker::new(program, gate.env(&credentials));
        let filter = format!("container={}", container.name);
        let watching = viewer.start(["events", "--filter", &filter]);
        // The engine answers only with the first event.
        until(
            SHORT,
            || format!("{:?} {:?}", watching.stdout.text(), watching.stderr.text()),
            || {
                admin.run(["exec", &container.name, "echo", SECRET]).ok();
                watching.stdout.text().contains("exec_create: ***")
            },
        );
        until(
            SHORT,
            || format!("{:?}", watching.stdout.text()),
            || watching.stdout.text().contains("exec_die"),
        );
        assert!(watching.stdout.text().contains("token=***"), "{:?}", watching.stdout.text());
        assert!(!watching.stdout.text().contains(SECRET), "{:?}", watching.stdout.text());
    }
}

#[test]
fn a_stream_that_shows_secrets_is_cut_when_its_role_no_longer_does() {
    let gate = Gate::up(&Engine::shared().socket());
    let reader = gate.docker_as("rea", "read-only");
    let events = reader.events();
    gate.run(["identity", "set", "rea", "--role", "viewer"]).ok();
    events.wait().fails();
}

#[test]
fn labels_that_the_operator_names_are_hidden_too() {
    let config = "[redact]\nlabels = [\"license\"]";
    let gate = Gate::up_with(&Engine::shared().socket(), config);
    let viewer = gate.docker_as("vera", "viewer");
    let admin = Side::Engine.docker();
    let label = "com.example.License=1234-5678";
    let container = admin.container("licensed", ["--label", label, "busybox", "sleep", "1000"]);
    let labels = ["inspect", "--format", "{{json .Config.Labels}}", &container.name];
    assert_eq!(viewer.run(labels).ok(), "{\"com.example.License\":\"***\"}");
}

#[test]
fn a_hidden_reply_is_chunked_and_the_connection_lives_on() {
    let gate = Gate::up(&Engine::shared().socket());
    gate.credentials("vera", "viewer");
    let mut connection = gate.connect(&gate.folder_of("vera"));
    for target in ["/v1.41/containers/json?all=1", "/v1.41/info", "/v1.41/volumes"] {
        connection.send(request("GET", target));
        let answer = connection.answer("GET");
        assert_eq!((answer.status, answer.header("content-length")), (200, None), "{target}");
        let json: Value = serde_json::from_str(&answer.text()).unwrap();
        assert!(json.is_array() || json.is_object());
    }
    connection.send(request("GET", "/v1.41/containers/nobody/json"));
    let answer = connection.answer("GET");
    assert_eq!(answer.status, 404);
    assert!(answer.header("content-length").is_some());
}

//! The gate while things around it come and go: the engine, its configuration, itself.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::client::Side;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::request;
use crate::support::relay::Relay;
use crate::support::wait::{SHORT, until};

#[test]
fn a_client_reads_that_the_engine_is_down_and_the_next_request_works_again() {
    let engine = Engine::start();
    let gate = Gate::up(&engine.socket());
    let docker = gate.docker_as("alice", "admin");
    docker.run(["ps"]).ok();
    for end in [Engine::stop, Engine::kill] {
        end(&engine);
        let (_, said) = docker.run(["ps"]).fails();
        assert!(said.contains("Error response from daemon: seawall: "), "{said}");
        assert!(said.contains("engine"), "{said}");
        engine.restart();
        docker.run(["ps"]).ok();
    }
}

#[test]
fn streams_end_with_the_engine_and_kept_connections_outlive_it() {
    let engine = Engine::start();
    let gate = Gate::up(&engine.socket());
    let docker = gate.docker_as("alice", "admin");
    let mut kept = gate.connect(&gate.folder_of("alice"));
    kept.send(request("GET", "/v1.41/containers/json"));
    assert_eq!(kept.answer("GET").status, 200);
    docker.run(["run", "-d", "--name", "idle", "busybox", "sleep", "1000"]).ok();
    let events = docker.start(["events"]);
    let exec = docker.open(["exec", "-i", "idle", "cat"]);
    // Events come from when the engine has begun to send them on.
    until(
        SHORT,
        || "no event arrives".to_owned(),
        || {
            docker.run(["exec", "idle", "true"]).ok();
            events.stdout.text().contains("exec_start")
        },
    );
    engine.kill();
    // Told at once that the other side is gone.
    events.wait();
    exec.wait();
    kept.send(request("GET", "/v1.41/containers/json"));
    let status = kept.answer("GET").status;
    assert!([502, 503].contains(&status), "{status}");
    engine.restart();
    kept.send(request("GET", "/v1.41/containers/json"));
    assert_eq!(kept.answer("GET").status, 200);
}

// Clients that ask again and again on kept connections, and what became of their requests.
struct Load<'a> {
    gate: &'a Gate,
    credentials: &'a Path,
    over: AtomicBool,
    served: AtomicU32,
    unavailable: AtomicU32,
    wrong: AtomicU32,
}

impl<'a> Load<'a> {
    fn on(gate: &'a Gate, credentials: &'a Path) -> Self {
        let over = AtomicBool::new(false);
        let [served, unavailable, wrong] = [0, 0, 0].map(AtomicU32::new);
        Self { gate, credentials, over, served, unavailable, wrong }
    }

    fn run(&self, while_it_runs: impl FnOnce()) {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| self.ask());
            }
            // Also when what happens meanwhile panics.
            let _over = Over(&self.over);
            while_it_runs();
        });
    }

    fn ask(&self) {
        let mut connection = self.gate.connect(self.credentials);
        while !self.over.load(Ordering::Relaxed) {
            let asked = connection
                .try_send(request("GET", "/v1.41/containers/json").as_bytes())
                .and_then(|()| connection.try_answer("GET"));
            let count = match asked.map(|answer| answer.status) {
                Ok(200) => &self.served,
                Ok(502 | 503) => &self.unavailable,
                _ => {
                    connection = self.gate.connect(self.credentials);
                    &self.wrong
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wait_for_more(&self, count: &AtomicU32) {
        let before = count.load(Ordering::Relaxed);
        until(
            SHORT,
            || "no more requests".to_owned(),
            || count.load(Ordering::Relaxed) > before + 20,
        );
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_engine_that_restarts_under_load_costs_answers_but_no_connection() {
    let engine = Engine::start();
    let gate = Gate::up(&engine.socket());
    let alice = gate.credentials("alice", "viewer");
    let load = Load::on(&gate, &alice);
    load.run(|| {
        for end in [Engine::stop, Engine::kill, Engine::kill] {
            load.wait_for_more(&load.served);
            end(&engine);
            load.wait_for_more(&load.unavailable);
            engine.restart();
        }
        load.wait_for_more(&load.served);
    });
    assert_eq!(
        load.wrong.into_inner(),
        0,
        "connections broken or answers other than 200, 502, 503"
    );
    gate.run(["log", "verify"]).ok();
}

#[test]
fn a_client_that_does_not_read_stops_the_engine_from_sending() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::up(&relay.socket());
    let alice = gate.credentials("alice", "admin");
    let admin = Side::Engine.docker();
    let script = "dd if=/dev/urandom of=/large bs=1M count=64 2>/dev/null; sleep 1000";
    let container = admin.container("unread", ["busybox", "sh", "-c", script]);
    let written = "until [ \"$(stat -c %s /large)\" = 67108864 ]; do sleep 0.05; done";
    admin.run(["exec", &container.name, "sh", "-c", written]).ok();
    let mut connection = gate.connect(&alice);
    let target = format!("/v1.41/containers/{}/archive?path=/large", container.id);
    connection.send(request("GET", &target));
    // It stands still when the same count is seen a hundred times in a row.
    let (mut last, mut same) = (0, 0);
    until(
        SHORT,
        || format!("the engine goes on: {}", relay.answered()),
        || {
            let now = relay.answered();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            now > 0 && same > 100
        },
    );
    assert!(last < 32 << 20, "{last} bytes went into buffers");
    let answer = connection.answer("GET");
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 64 << 20);
}

#[test]
fn a_client_that_goes_takes_its_engine_connection_with_it() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::up(&relay.socket());
    let docker = gate.docker_as("alice", "admin");
    let admin = Side::Engine.docker();
    let container = admin.container("left", ["busybox", "sh", "-c", "echo begun; sleep 1000"]);
    let before = relay.open();
    let logs = docker.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("begun");
    assert!(relay.open() > before);
    drop(logs); // killed, while nothing flows
    until(SHORT, || format!("{} are open", relay.open()), || relay.open() <= before);
}

#[test]
fn reloads_under_load_cost_nothing() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "viewer");
    let docker = gate.docker_as("bob", "admin");
    let load = Load::on(&gate, &alice);
    let events = docker.events();
    load.run(|| {
        let config = std::fs::read_to_string(gate.config()).unwrap();
        for round in 0..10 {
            let changed = format!("{config}\n[limits]\nheaders = {}\n", 90 + round);
            std::fs::write(gate.config(), changed).unwrap();
            match round % 2 {
                0 => drop(gate.run(["reload"]).ok()),
                _ => gate.signal(Signal::SIGHUP),
            }
            load.wait_for_more(&load.served);
        }
    });
    assert_eq!((load.unavailable.into_inner(), load.wrong.into_inner()), (0, 0));
    let so_far = events.stdout.text().len();
    Side::Engine.docker().run(["run", "--rm", "busybox"]).ok();
    until(SHORT, || "the stream is cut".to_owned(), || events.stdout.text().len() > so_far);
}

#[test]
fn an_invalid_configuration_leaves_the_old_one_in_force() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "viewer");
    let config = std::fs::read_to_string(gate.config()).unwrap();
    std::fs::write(gate.config(), format!("{config}\n[limits]\nheders = 3\n")).unwrap();
    let (code, said) = gate.run(["reload"]).fails();
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {said}");
    assert!(said.contains("heders") && said.contains("headers"), "{said}");
    docker.run(["ps"]).ok();
    gate.signal(Signal::SIGHUP);
    docker.run(["ps"]).ok();
    std::fs::write(gate.config(), config).unwrap();
    gate.run(["reload"]).ok();
    docker.run(["ps"]).ok();
}

#[test]
fn sigterm_lets_streams_finish_and_a_second_one_does_not_wait() {
    let admin = Side::Engine.docker();
    let container = admin.container(
        "finishing",
        ["busybox", "sh", "-c", "echo begun; until [ -e /go ]; do sleep 0.05; done; echo over"],
    );
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "admin");
    let logs = docker.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("begun");
    gate.signal(Signal::SIGTERM);
    // No new ones, while the old one lives.
    until(
        SHORT,
        || "it still takes connections".to_owned(),
        || std::net::TcpStream::connect(gate.address()).is_err(),
    );
    admin.run(["exec", &container.name, "touch", "/go"]);
    assert_eq!(logs.wait().ok(), "begun\nover");
    assert!(gate.wait().success());

    gate.start();
    let events = docker.events();
    gate.signal(Signal::SIGTERM);
    until(
        SHORT,
        || "it still takes connections".to_owned(),
        || std::net::TcpStream::connect(gate.address()).is_err(),
    );
    gate.signal(Signal::SIGTERM);
    gate.wait();
    events.wait();
}

#[test]
fn a_drain_has_a_deadline() {
    let gate = Gate::up_with(&Engine::shared().socket(), "[limits]\ndrain = \"1s\"");
    let docker = gate.docker_as("alice", "viewer");
    let events = docker.events();
    gate.signal(Signal::SIGTERM);
    gate.wait();
    events.wait();
}

#[test]
fn a_killed_gate_has_recorded_every_request_that_reached_the_engine() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::prepared(&relay.socket(), "", &["up", "--yes"]);
    gate.start();
    let alice = gate.credentials("alice", "viewer");
    let mark = AtomicU32::new(1000);
    let mut reached = String::new();
    for round in 0..5 {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = gate.connect(&alice);
                    while !over.load(Ordering::Relaxed) {
                        let mark = mark.fetch_add(1, Ordering::Relaxed);
                        let target = format!("/v1.41/containers/json?limit={mark}");
                        let asked = connection
                            .try_send(request("GET", &target).as_bytes())
                            .and_then(|()| connection.try_answer("GET"));
                        if asked.is_err() {
                            break;
                        }
                    }
                });
            }
            let _over = Over(&over);
            let until_mark = mark.load(Ordering::Relaxed) + 50 + round * 37;
            until(SHORT, String::new, || mark.load(Ordering::Relaxed) > until_mark);
            gate.kill();
        });
        reached += &relay.heard();
        gate.start();
        gate.run(["log", "verify"]).ok();
    }
    gate.signal(Signal::SIGTERM);
    gate.wait();
    let records = gate.records();
    let targets: std::collections::HashSet<_> =
        records.iter().filter_map(|record| record["target"].as_str()).collect();
    let mut counted = 0;
    for line in reached.lines().filter(|line| line.starts_with("GET /v1.41/containers/json?")) {
        let target = line.split(' ').nth(1).unwrap();
        assert!(targets.contains(target), "{target} reached the engine and is not recorded");
        counted += 1;
    }
    assert!(counted > 250, "{counted}");
    // Whatever was under way when it was killed has an outcome all the same.
    let decided = records.iter().filter(|r| r["kind"] == "decision").map(|r| &r["id"]);
    let ended: std::collections::HashSet<_> =
        records.iter().filter(|r| r["kind"] == "outcome").map(|r| r["id"].to_string()).collect();
    for id in decided {
        assert!(ended.contains(&id.to_string()), "{id} has no outcome");
    }
    gate.run(["log", "verify"]).ok();
}

#[test]
fn a_changed_record_is_found() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "viewer");
    docker.run(["ps"]).ok();
    docker.run(["volume", "create", "refused"]).fails();
    gate.signal(Signal::SIGTERM);
    gate.wait();
    gate.run(["log", "verify"]).ok();
    let files = std::fs::read_dir(gate.audit()).unwrap().map(|entry| entry.unwrap().path());
    let mut changed = 0;
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if text.contains("\"allowed\":false") {
            std::fs::write(&file, text.replacen("\"allowed\":false", "\"allowed\":true", 1))
                .unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1);
    let (code, said) = gate.run(["log", "verify"]).fails();
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn secrets_are_nowhere_in_records_sessions_or_logs() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "admin");
    // base64 of `captain:open-sesame`
    let auths = r#"{"auths":{"127.0.0.1:1":{"auth":"Y2FwdGFpbjpvcGVuLXNlc2FtZQ=="}}}"#;
    std::fs::write(docker.config().join("config.json"), auths).unwrap();
    docker.run(["pull", "127.0.0.1:1/shop/app"]).fails();
    docker.run(["run", "--rm", "-e", "PASSWORD=open-sesame", "busybox"]).ok();
    let login = ["login", "-u", "captain", "--password-stdin", "127.0.0.1:1"];
    docker.run_with(login, b"open-sesame").fails();
    let dockerfile = b"FROM busybox\nARG TOKEN\n";
    docker.run_with(["build", "--build-arg", "TOKEN=open-sesame", "-"], dockerfile).ok();
    docker.run_with(["secret", "create", "key", "-"], b"open-sesame").fails();
    docker.run_with(["config", "create", "conf", "-"], b"open-sesame").fails();
    docker.run(["swarm", "join", "--token", "open-sesame", "127.0.0.1:1"]).fails();
    let container = docker.idle_container("secretive");
    let exec = ["exec", "-i", "-e", "PASSWORD=open-sesame", &container.name, "cat"];
    let mut running = docker.open(exec);
    running.write(b"x");
    running.stdout.wait_for("x");
    let mut seen = gate.run(["sessions", "--json"]).ok();
    running.wait().ok();
    seen += &gate.run(["log", "tail"]).ok();
    seen += &gate.run(["log", "tail", "--json"]).ok();
    seen += &std::fs::read_to_string(gate.log()).unwrap();
    for record in gate.records() {
        seen += &record.to_string();
    }
    for secret in ["open-sesame", "Y2FwdGFpbjpvcGVuLXNlc2FtZQ", "b3Blbi1zZXNhbWU"] {
        let at = seen.find(secret).map(|at| &seen[at.saturating_sub(200)..at + 20]);
        assert!(at.is_none(), "{secret} in {at:?}");
    }
    // And the requests that carried them were recorded.
    for operation in ["ImageCreate", "SystemAuth", "ImageBuild", "SecretCreate", "ContainerExec"] {
        assert!(seen.contains(operation), "{operation} is not recorded");
    }
}

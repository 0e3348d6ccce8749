//! Builds by BuildKit, for roles: its connections are judged call by call, and what it builds as
//! what the classic builder does.

use std::path::Path;

use tempfile::TempDir;

use crate::support::client::{Docker, Side, command_lines, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::plugins;
use crate::support::process::{Done, Running};
use crate::support::raw::request;

const ROLES: &str = r#"
[roles.builder]
extends = "developer"
tags = ["*"]

[roles.shop]
operations = ["Grpc", "ImageBuild", "Session", "SystemInfo", "SystemVersion"]
images = ["busybox"]
tags = ["shop/*"]
"#;

fn gate() -> Gate {
    Gate::up_with(&Engine::shared().socket(), ROLES)
}

/// The command line that has BuildKit's client built in.
fn docker(gate: &Gate, name: &str, role: &str) -> Docker {
    let env = gate.env(&gate.credentials(name, role));
    let all = command_lines().iter().map(|program| Docker::new(program, env.clone()));
    all.into_iter()
        .find(Docker::has_buildkit_built_in)
        .expect("Debian 12's docker command line is needed: it has BuildKit")
}

fn context(dockerfile: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
    dir
}

fn build(docker: &Docker, dir: &Path, args: &[&str]) -> Done {
    let mut command = docker.command(["build", "--progress", "plain"]);
    command.args(args).arg(dir).env("DOCKER_BUILDKIT", "1");
    Running::start(command).wait()
}

#[test]
fn a_developer_builds_by_buildkit() {
    let gate = gate();
    let docker = docker(&gate, "dora", "builder");
    let dir = context(
        "FROM busybox AS first\nARG WHO\nRUN echo \"hello $WHO\" >/said\n\
         FROM busybox\nCOPY --from=first /said /said\nCOPY kept /kept\nCMD [\"cat\", \"/said\"]\n",
    );
    std::fs::create_dir(dir.path().join("kept")).unwrap();
    std::fs::write(dir.path().join("kept/large"), vec![7; 9 << 20]).unwrap();
    std::fs::write(dir.path().join(".dockerignore"), "left-out\n").unwrap();
    let image = fresh("built");
    let done = build(&docker, dir.path(), &["--build-arg", "WHO=captain", "-t", &image]);
    assert!(done.stderr.contains("load build context"), "{done}");
    done.ok();
    assert_eq!(docker.run(["run", "--rm", &image]).ok(), "hello captain");
    // What the engine has of the Dockerfile already, it is sent again.
    build(&docker, dir.path(), &["--build-arg", "WHO=captain", "-t", &image]).ok();
    let size = docker.run(["run", "--rm", &image, "sh", "-c", "wc -c </kept/large"]).ok();
    assert_eq!(size, (9 << 20).to_string());
    // The name is its own from now on.
    let other = self::docker(&gate, "otto", "builder");
    let (_, said) = build(&other, dir.path(), &["-t", &image]).fails();
    assert!(said.contains("[rule isolation.image, "), "{said}");
    // And nobody else builds upon it.
    let upon = context(&format!("FROM {image}\n"));
    let (_, said) = build(&other, upon.path(), &[]).fails();
    assert!(said.contains("No such image"), "{said}");
    docker.run(["rmi", &image]).ok();
}

#[test]
fn files_that_a_build_made_come_to_its_client() {
    let gate = gate();
    let docker = docker(&gate, "dora", "builder");
    let dir = context(
        "FROM busybox AS made\nRUN echo made >/file\nFROM scratch\nCOPY --from=made /file /\n",
    );
    let to = tempfile::tempdir().unwrap();
    let output = format!("type=local,dest={}", to.path().display());
    build(&docker, dir.path(), &["--output", &output]).ok();
    assert_eq!(std::fs::read_to_string(to.path().join("file")).unwrap(), "made\n");
}

#[test]
fn a_role_builds_by_buildkit_upon_images_that_it_covers_and_with_nothing_of_the_host() {
    let gate = gate();
    let docker = docker(&gate, "shaun", "shop");
    let engine = Side::Engine.docker();
    let secret = fresh("secret");
    engine.run(["tag", "busybox", &secret]).ok();
    let image = format!("shop/{}:1", fresh("build"));
    let plain = "FROM busybox\n";
    for (dockerfile, flags, rule) in [
        (format!("FROM {secret}\n"), &[][..], "role.images"),
        (format!("FROM busybox\nCOPY --from={secret} /bin /b\n"), &[], "role.images"),
        (format!("# syntax=docker/dockerfile:1\n{plain}"), &[], "content.dockerfile"),
        (plain.into(), &["--build-arg", "BUILDKIT_SYNTAX=x"], "escape.build-frontend"),
        (plain.into(), &["--network", "host"], "escape.host-network"),
        (plain.into(), &["--cache-from", "foreign"], "role.images"),
        (plain.into(), &["-t", "foreign"], "role.tags"),
        (plain.into(), &["--output", "type=registry"], "escape.build-output"),
    ] {
        let dir = context(&dockerfile);
        let args: Vec<_> =
            ["-t", image.as_str()].into_iter().chain(flags.iter().copied()).collect();
        let (_, said) = build(&docker, dir.path(), &args).fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{dockerfile} {flags:?}: {said}");
        let there = engine.run(["image", "ls", "-q", "--filter", &format!("reference={image}")]);
        assert_eq!(there.ok(), "", "{dockerfile} {flags:?}");
    }
    let refused = |record: &serde_json::Value| {
        record["what"] == "content.refused" && record["detail"]["rule"] == "content.dockerfile"
    };
    assert!(gate.records().iter().any(refused), "a refused Dockerfile is on record");
    engine.run(["rmi", &secret]).ok();
    let dir = context(plain);
    build(&docker, dir.path(), &["-t", &image]).ok();
    engine.run(["rmi", &image]).ok();
}

#[test]
fn a_dockerfile_that_the_engine_has_of_somebody_else_is_judged_all_the_same() {
    let gate = gate();
    let engine = Side::Engine.docker();
    let secret = fresh("secret");
    engine.run(["tag", "busybox", &secret]).ok();
    // The same client, so the same key of what the engine keeps, and the same file.
    let dir = context(&format!("FROM {secret}\n"));
    let docker = docker(&gate, "shaun", "shop");
    let mut direct = docker.command(["build"]);
    direct.arg(dir.path()).env("DOCKER_BUILDKIT", "1").env("DOCKER_HOST", Engine::shared().host());
    direct.env_remove("DOCKER_TLS_VERIFY");
    Running::start(direct).wait().ok();
    let (_, said) = build(&docker, dir.path(), &[]).fails();
    assert!(said.contains("[rule role.images, "), "{said}");
    engine.run(["rmi", &secret]).ok();
}

#[test]
fn a_build_takes_nothing_from_somebody_elses_session() {
    let gate = gate();
    // An administrator's session passes as it is, so what comes by it is nobody else's to build.
    let session = |credentials: &Path, id: &str| {
        let mut open = gate.connect(credentials);
        open.send(format!(
            "POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
             X-Docker-Expose-Session-Uuid: {id}\r\n\r\n"
        ));
        open
    };
    let [ada, otto, dora] = [("ada", "admin"), ("otto", "builder"), ("dora", "builder")]
        .map(|(name, role)| gate.credentials(name, role));
    let mut of_admin = session(&ada, "ofadmin");
    assert!(of_admin.head().unwrap().starts_with("HTTP/1.1 101"));
    let mut of_other = session(&otto, "ofother");
    assert!(of_other.head().unwrap().starts_with("HTTP/1.1 101"));
    let mut build = gate.connect(&dora);
    // An id that is taken, or that the engine would read as another.
    for id in ["ofother", "x:y", ""] {
        let mut refused = session(&dora, id);
        let said = refused.answer("POST").text();
        assert!(said.contains("[rule buildkit.session, "), "{id}: {said}");
    }
    for id in ["ofother", "x%3Aofother", "ofadmin"] {
        let target = format!("/v1.41/build?version=2&remote=client-session&session={id}");
        build.send(request("POST", &target));
        let refused = build.answer("POST");
        let said = refused.text();
        assert!(refused.status == 403 && said.contains("[rule buildkit.session, "), "{said}");
    }
}

#[test]
fn revoking_ends_a_build() {
    let gate = gate();
    let docker = docker(&gate, "dora", "builder");
    let dir = context("FROM busybox\nRUN echo it has begun; sleep 1000\n");
    let mut command = docker.command(["build", "--progress", "plain", "--no-cache"]);
    command.arg(dir.path()).env("DOCKER_BUILDKIT", "1");
    let building = Running::start(command);
    building.stderr.wait_for("it has begun");
    gate.run(["revoke", "dora"]).ok();
    building.wait().fails();
}

fn buildx(docker: &Docker, dir: &Path, args: &[&str]) -> Done {
    let mut command = docker.command(["buildx", "build", "--progress", "plain"]);
    command.args(args).arg(dir);
    Running::start(command).wait()
}

/// One for every docker command line installed, with buildx.
fn with_buildx(gate: &Gate, name: &str, role: &str) -> Vec<Docker> {
    let env = gate.env(&gate.credentials(name, role));
    let all = command_lines().iter().map(|program| Docker::new(program, env.clone()));
    all.inspect(plugins::install_buildx).collect()
}

#[test]
fn a_developer_builds_by_buildx() {
    let gate = gate();
    for docker in with_buildx(&gate, "dora", "builder") {
        let dir =
            context("FROM busybox\nARG WHO\nRUN echo \"hello $WHO\" >/said\nCOPY kept /kept\n");
        std::fs::write(dir.path().join("kept"), vec![7; 9 << 20]).unwrap();
        let image = fresh("built");
        let args = ["--build-arg", "WHO=captain", "--label", "a=b", "-t", &image];
        buildx(&docker, dir.path(), &args).ok();
        let show = ["sh", "-c", "cat /said; wc -c </kept"];
        let said = docker.run(["run", "--rm", &image].into_iter().chain(show)).ok();
        assert_eq!(said, format!("hello captain\n{}", 9 << 20));
        let to = tempfile::tempdir().unwrap();
        let output = format!("type=local,dest={}", to.path().display());
        buildx(&docker, dir.path(), &["--output", &output]).ok();
        assert!(to.path().join("said").exists());
        docker.run(["rmi", &image]).ok();
    }
    let built = |record: &serde_json::Value| {
        record["kind"] == "decision"
            && record["operation"] == "ImageBuild"
            && record["target"].as_str().is_some_and(|target| target.contains("t=built"))
    };
    let records = gate.records();
    let record = records.iter().find(|record| built(record)).expect("a build is on record");
    assert_eq!(record["allowed"], true);
    assert!(!record["target"].as_str().unwrap().contains("captain"), "{record}");
    let outcome =
        |other: &serde_json::Value| other["kind"] == "outcome" && other["id"] == record["id"];
    assert!(records.iter().any(outcome), "and so is its outcome");
}

#[test]
fn a_role_builds_by_buildx_as_by_the_docker_command_line() {
    let gate = gate();
    let dockers = with_buildx(&gate, "shaun", "shop");
    let docker = &dockers[0];
    let engine = Side::Engine.docker();
    let secret = fresh("secret");
    engine.run(["tag", "busybox", &secret]).ok();
    let image = format!("shop/{}:1", fresh("build"));
    let plain = "FROM busybox\n";
    let other = context("");
    let named = format!("x={}", other.path().display());
    for (dockerfile, flags, rule) in [
        (format!("FROM {secret}\n"), &[][..], "role.images"),
        (format!("# syntax=docker/dockerfile:1\n{plain}"), &[], "content.dockerfile"),
        (plain.into(), &["--build-arg", "BUILDKIT_SYNTAX=x"], "escape.build-frontend"),
        (plain.into(), &["--allow", "network.host", "--network", "host"], "escape.host-network"),
        (plain.into(), &["--allow", "security.insecure"], "escape.security-opt"),
        (plain.into(), &["--cache-from", "type=registry,ref=foreign"], "role.images"),
        (plain.into(), &["--cache-from", "foreign"], "role.images"),
        (plain.into(), &["--build-context", &named], "escape.build-source"),
        (plain.into(), &["--build-context", "x=docker-image://foreign"], "escape.build-source"),
        (plain.into(), &["-t", "foreign"], "role.tags"),
        (plain.into(), &["--push"], "escape.build-output"),
        (plain.into(), &["--call", "outline"], "buildkit.attribute"),
    ] {
        let dir = context(&dockerfile);
        let args: Vec<_> =
            ["-t", image.as_str()].into_iter().chain(flags.iter().copied()).collect();
        let (_, said) = buildx(docker, dir.path(), &args).fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{dockerfile} {flags:?}: {said}");
        let there = engine.run(["image", "ls", "-q", "--filter", &format!("reference={image}")]);
        assert_eq!(there.ok(), "", "{dockerfile} {flags:?}");
    }
    engine.run(["rmi", &secret]).ok();
    let remote = Path::new("http://127.0.0.1/context.tar");
    let (_, said) = buildx(docker, remote, &["-t", &image]).fails();
    assert!(said.contains("[rule buildkit.definition, "), "{said}");
    let dir = context(plain);
    buildx(docker, dir.path(), &["-t", &image]).ok();
    engine.run(["rmi", &image]).ok();
}

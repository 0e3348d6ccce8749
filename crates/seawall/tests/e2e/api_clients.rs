//! Clients other than the docker command line.

use std::sync::Once;

use bollard::exec::StartExecResults;
use bollard::models::{ContainerCreateBody, ExecConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DataUsageOptions, InspectNetworkOptions,
    ListContainersOptionsBuilder, ListImagesOptions, ListVolumesOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::TryStreamExt;
use tokio::io::AsyncWriteExt;

use crate::support::client::{Docker, Side, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::on_every_side;
use crate::support::plugins;
use crate::support::process::Running;
use crate::support::relay;

on_every_side!(
    compose_brings_a_project_up_and_down,
    docker_py_does_its_everyday_work,
    bollard_does_its_everyday_work,
);

const PROJECT: &str = "\
version: '3'
services:
  web:
    image: busybox
    command: sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
  check:
    image: busybox
    depends_on: [web]
    command: sh -c 'until wget -q -O - http://web/; do sleep 0.05; done'
    volumes: ['kept:/kept']
volumes:
  kept: {}
";

/// docker-py before 7, which Debian 12 ships and Compose v1 is built on, speaks TLS 1.2 and
/// nothing newer.
fn with_tls_1_2(side: Side) -> (Docker, Option<Gate>) {
    match side {
        Side::Engine | Side::Ssh | Side::Sshd => (side.docker(), None),
        Side::Gate => {
            let config = "[tls]\nmin_version = \"1.2\"";
            let gate = Gate::up_with(&Engine::shared().socket(), config);
            (gate.docker_as("pythonist", "admin"), Some(gate))
        }
    }
}

fn compose_brings_a_project_up_and_down(side: Side) {
    let (docker, _gate) = with_tls_1_2(side);
    brings_a_project_up_and_down(&docker);
}

#[test]
fn a_developer_brings_a_compose_project_up_and_down_beside_another_one() {
    let gate = Gate::up_with(&Engine::shared().socket(), "[tls]\nmin_version = \"1.2\"");
    let other = gate.docker_as("dirk", "developer");
    let theirs = other.idle_container("beside");
    brings_a_project_up_and_down(&gate.docker_as("dora", "developer"));
    assert_eq!(other.run(["ps", "-q", "--no-trunc"]).ok(), theirs.id);
}

fn brings_a_project_up_and_down(docker: &Docker) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("docker-compose.yml"), PROJECT).unwrap();
    let project = fresh("compose");
    let compose = |args: &[&str]| {
        let mut command = docker.pointed("docker-compose");
        command.current_dir(dir.path()).args(["-p", &project]).args(args);
        Running::start(command)
    };
    compose(&["up", "-d"]).wait().ok();
    let logs = compose(&["logs", "-f", "check"]);
    logs.stdout.wait_for("hello");
    let ps = compose(&["ps"]).wait().ok();
    assert!(ps.contains("web") && ps.contains("Up"), "{ps}");
    assert_eq!(compose(&["exec", "-T", "web", "cat", "/tmp/index.html"]).wait().ok(), "hello");
    compose(&["down", "-v", "-t", "0"]).wait().ok();
    assert_eq!(compose(&["ps", "-q"]).wait().ok(), "");
}

/// Compose of today builds by buildx.
#[test]
fn compose_5_builds_and_brings_a_project_up_and_down_for_a_developer() {
    let role = "[roles.builder]\nextends = \"developer\"\ntags = [\"compose-*\"]\n";
    let gate = Gate::up_with(&Engine::shared().socket(), role);
    let docker = gate.docker_as("dora", "builder");
    plugins::install_buildx(&docker);
    plugins::install_compose(&docker);
    let dir = tempfile::tempdir().unwrap();
    let project = fresh("compose");
    let built = "    build: .\n    image: NAME-check\n    depends_on";
    let text = PROJECT.replace("version: '3'\n", "").replace("    depends_on", built);
    let text = text.replacen("    image: busybox\n    build", "    build", 1);
    std::fs::write(dir.path().join("compose.yaml"), text.replace("NAME", &project)).unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM busybox\nENV BUILT=here\n").unwrap();
    let compose = |args: &[&str]| {
        let mut command = docker.command(["compose", "-p", &project]);
        command.current_dir(dir.path()).args(args).env("DOCKER_BUILDKIT", "1");
        Running::start(command)
    };
    compose(&["up", "-d", "--build"]).wait().ok();
    let logs = compose(&["logs", "-f", "check"]);
    logs.stdout.wait_for("hello");
    let ps = compose(&["ps"]).wait().ok();
    assert!(ps.contains("web") && ps.contains("Up"), "{ps}");
    assert_eq!(compose(&["exec", "-T", "web", "cat", "/tmp/index.html"]).wait().ok(), "hello");
    let run = compose(&["run", "--rm", "--no-deps", "-T", "check", "sh", "-c", "echo $BUILT"]);
    assert_eq!(run.wait().ok(), "here");
    compose(&["restart", "-t", "0", "web"]).wait().ok();
    compose(&["down", "-v", "-t", "0"]).wait().ok();
    docker.run(["rmi", &format!("{project}-check")]).ok();
    assert_eq!(compose(&["ps", "-q"]).wait().ok(), "");
}

fn docker_py_does_its_everyday_work(side: Side) {
    let (docker, _gate) = with_tls_1_2(side);
    // Debian's own Python, which is the one that has python3-docker.
    let mut python = docker.pointed("/usr/bin/python3");
    python.args(["-c", include_str!("docker_py.py"), &fresh("docker-py")]);
    assert_eq!(Running::start(python).wait().ok(), "done");
}

#[test]
fn an_operator_runs_a_compose_project_whose_secrets_it_does_not_see() {
    let (admin, gate) = with_tls_1_2(Side::Gate);
    let operator = gate.as_ref().unwrap().docker_as("otto", "operator");
    let dir = tempfile::tempdir().unwrap();
    let secretive = PROJECT.replace("depends_on", "environment: ['TOKEN=hunter2']\n    depends_on");
    std::fs::write(dir.path().join("docker-compose.yml"), secretive).unwrap();
    let project = fresh("watched");
    let compose = |docker: &Docker, args: &[&str]| {
        let mut command = docker.pointed("docker-compose");
        command.current_dir(dir.path()).args(["-p", &project]).args(args);
        Running::start(command).wait()
    };
    compose(&admin, &["up", "-d"]).ok();
    for seen in [compose(&operator, &["ps"]).ok(), compose(&operator, &["logs", "--tail=9"]).ok()] {
        assert!(seen.contains("web") && !seen.contains("hunter2"), "{seen}");
    }
    compose(&operator, &["stop", "-t", "0", "web"]).ok();
    compose(&operator, &["start", "web"]).ok();
    assert!(compose(&operator, &["ps"]).ok().contains("Up"));
    compose(&admin, &["down", "-v", "-t", "0"]).ok();
}

fn bollard_does_its_everyday_work(side: Side) {
    let docker = match side {
        Side::Engine => {
            let address = relay::tcp_to(&Engine::shared().socket()).to_string();
            bollard::Docker::connect_with_http(&address, 60, API).unwrap()
        }
        Side::Gate => bollard_as("everyone"),
        Side::Ssh => return bollard_in_a_process_of_its_own(),
        Side::Sshd => unreachable!("the gate's own server is tried"),
    };
    work(docker, fresh("bollard"));
}

const API: &bollard::ClientVersion =
    &bollard::ClientVersion { major_version: 1, minor_version: 41 };

/// Bollard, as somebody the shared gate has given credentials to.
fn bollard_as(name: &str) -> bollard::Docker {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    });
    let gate = Gate::shared();
    let pem = |file: &str| gate.folder_of(name).join(file);
    let address = gate.address().to_string();
    let (key, cert, ca) = (pem("key.pem"), pem("cert.pem"), pem("ca.pem"));
    bollard::Docker::connect_with_ssl(&address, &key, &cert, &ca, 60, API).unwrap()
}

/// Each reply has its types, and one of another type would not be read.
#[test]
fn a_typed_client_reads_what_is_hidden_from_it() {
    Gate::shared().credentials("typed-viewer", "viewer");
    let admin = Side::Engine.docker();
    let container = admin.container(
        "typed",
        ["--env", "TOKEN=hunter2", "--health-cmd", "true", "busybox", "sleep", "1000"],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(looking(bollard_as("typed-viewer"), &container.id)).unwrap();
    assert!(!seen.contains("hunter2"), "{seen}");
    assert!(seen.contains("TOKEN=***"), "{seen}");
}

async fn looking(docker: bollard::Docker, id: &str) -> Result<String, bollard::errors::Error> {
    let all = ListContainersOptionsBuilder::new().all(true).build();
    Ok(format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        docker.inspect_container(id, None).await?,
        docker.list_containers(Some(all)).await?,
        docker.list_images(None::<ListImagesOptions>).await?,
        docker.inspect_image("busybox").await?,
        docker.list_volumes(None::<ListVolumesOptions>).await?,
        docker.inspect_network("bridge", None::<InspectNetworkOptions>).await?,
        docker.info().await?,
        docker.df(None::<DataUsageOptions>).await?,
    ))
}

/// It runs the `ssh` of its own PATH, and takes no port from an address.
fn bollard_in_a_process_of_its_own() {
    let mut child = Side::Ssh.docker().pointed(std::env::current_exe().unwrap());
    child.args(["--exact", "api_clients::bollard_over_ssh", "--ignored"]);
    let done = Running::start(child).wait().ok();
    assert!(done.contains("1 passed"), "{done}");
}

#[test]
#[ignore = "run by bollard_does_its_everyday_work"]
fn bollard_over_ssh() {
    let docker = bollard::Docker::connect_with_ssh("ssh://gate", 60, API, None).unwrap();
    // What is fresh in this process is not in the one that runs it.
    work(docker, "bollard-over-ssh".to_owned());
}

fn work(docker: bollard::Docker, name: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(everyday_work(docker, name)).unwrap();
}

async fn everyday_work(
    docker: bollard::Docker,
    name: String,
) -> Result<(), bollard::errors::Error> {
    docker.ping().await?;
    let docker = docker.negotiate_version().await?;
    assert_eq!(docker.info().await?.os_type.as_deref(), Some("linux"));

    let body = ContainerCreateBody {
        image: Some("busybox".to_owned()),
        cmd: Some(["sh", "-c", "echo hello; sleep 1000"].map(str::to_owned).to_vec()),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    docker.create_container(Some(options), body).await?;
    docker.start_container(&name, None).await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).build();
    let mut logs = docker.logs(&name, Some(options));
    assert_eq!(logs.try_next().await?.unwrap().to_string(), "hello\n");

    let exec = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        cmd: Some(vec!["cat".to_owned()]),
        ..Default::default()
    };
    let exec = docker.create_exec(&name, exec).await?.id;
    let StartExecResults::Attached { mut output, mut input } =
        docker.start_exec(&exec, None).await?
    else {
        panic!("not attached");
    };
    input.write_all(b"over the wall\n").await?;
    input.shutdown().await?;
    let mut echoed = String::new();
    while let Some(part) = output.try_next().await? {
        echoed += &part.to_string();
    }
    assert_eq!(echoed, "over the wall\n");
    assert_eq!(docker.inspect_exec(&exec).await?.exit_code, Some(0));

    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&name, Some(options)).await?;
    let gone = docker.inspect_container(&name, None).await.unwrap_err();
    assert!(gone.to_string().contains("No such container"), "{gone}");
    Ok(())
}

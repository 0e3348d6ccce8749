//! Clients other than the docker command line.

use crate::support::client::{Side, fresh};
use crate::support::on_both_sides;
use crate::support::process::Running;

on_both_sides!(compose_brings_a_project_up_and_down, docker_py_does_its_everyday_work);

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

fn compose_brings_a_project_up_and_down(side: Side) {
    let docker = side.docker();
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

fn docker_py_does_its_everyday_work(side: Side) {
    let docker = side.docker();
    // Debian's own Python, which is the one that has python3-docker.
    let mut python = docker.pointed("/usr/bin/python3");
    python.args(["-c", include_str!("docker_py.py"), &fresh("docker-py")]);
    assert_eq!(Running::start(python).wait().ok(), "done");
}

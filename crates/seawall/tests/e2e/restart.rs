//! An engine that goes away and comes back.

use crate::support::client::Docker;
use crate::support::engine::Engine;

#[test]
fn an_engine_that_restarts_serves_again() {
    let engine = Engine::start();
    let docker = Docker::first(vec![("DOCKER_HOST", engine.host())]);
    docker.run(["ps"]).ok();
    engine.stop();
    let (_, said) = docker.run(["ps"]).fails();
    assert!(said.contains("Is the docker daemon running?"), "{said}");
    engine.restart();
    docker.run(["ps"]).ok();
    engine.kill();
    docker.run(["ps"]).fails();
    engine.restart();
    docker.run(["ps"]).ok();
}

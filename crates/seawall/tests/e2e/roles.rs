//! Roles of an operator's own.

use std::fs;

use crate::support::client::Side;
use crate::support::engine::Engine;
use crate::support::gate::Gate;

#[test]
fn a_role_imported_from_a_socket_proxy_is_in_force_after_a_reload() {
    let gate = Gate::up(&Engine::shared().socket());
    let proxy = gate.home().join("proxy.env");
    fs::write(&proxy, "PATH=/bin\nCONTAINERS=1\nPOST=0\nALLOW_START=1\nEXEC=1\n").unwrap();
    let role =
        gate.run(["import-env", "--file", proxy.to_str().unwrap(), "--role", "watcher"]).ok();
    let roles = gate.home().join("roles.d");
    fs::create_dir(&roles).unwrap();
    fs::write(roles.join("watcher.toml"), role).unwrap();
    gate.run(["policy", "check"]).ok();
    gate.run(["reload"]).ok();

    let docker = Side::Engine.docker();
    let container = docker.idle_container("imported");
    docker.run(["stop", "-t", "0", &container.name]).ok();
    let watcher = gate.docker_as("watcher", "watcher");
    assert!(watcher.run(["ps", "-a"]).ok().contains(&container.name));
    watcher.run(["start", &container.name]).ok();
    let (_, said) = watcher.run(["stop", "-t", "0", &container.name]).fails();
    assert!(said.contains("may not stop a container (ContainerStop)"), "{said}");
    let (_, said) = watcher.run(["run", "busybox"]).fails();
    assert!(said.contains("may not create a container"), "{said}");

    // A file that does not hold leaves the roles as they are.
    fs::write(roles.join("watcher.toml"), "[roles.watcher]\noperations = [\"ContainerStrat\"]\n")
        .unwrap();
    let (code, said) = gate.run(["reload"]).fails();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("did you mean `ContainerStart`?"), "{said}");
    watcher.run(["start", &container.name]).ok();
    // Taken away, it grants nothing.
    fs::write(roles.join("watcher.toml"), "[roles.watcher]\noperations = [\"ImageList\"]\n")
        .unwrap();
    gate.run(["reload"]).ok();
    let (_, said) = watcher.run(["start", &container.name]).fails();
    assert!(said.contains("may not"), "{said}");
}

//! A gate in a container: a real engine publishes its port, by address translation and by its
//! proxy.

use super::site::{ALLOWED, EVERYBODY, PORT, Site, reaches};
use crate::support::client::Docker;
use crate::support::engine::{Engine, IMAGE};

#[test]
fn a_published_port_is_guarded_by_every_way_to_the_container() {
    let site = Site::new();
    let engine = Engine::start_on(&site.server, "");
    site.configure_before(&engine.socket(), &["10.0.0.0/24", "2001:db8:a::/64"], "");
    let docker = Docker::first(vec![("DOCKER_HOST", engine.host())]);
    let publish = format!("{PORT}:8443");
    let serve = ["nc", "-ll", "-p", "8443", "-e", "cat"];
    let run = ["run", "-d", "--name", "gate", "-p", &publish, IMAGE];
    docker.run([&run[..], &serve].concat()).ok();
    let inside = docker.run(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "gate"]).ok();
    site.wait_for(EVERYBODY);
    // An engine before version 28 forwards what neighbours send straight to the container.
    assert!(reaches(&site.bad, &inside, 8443), "{}", site.rules());

    for backend in ["nft", "iptables"] {
        let said = site.run(&["apply", "--backend", backend, "--container", "gate"]).ok();
        assert!(said.contains("2376: from 10.0.0.0/24"), "{said}");
        site.wait_for(ALLOWED);
        assert!(!reaches(&site.bad, &inside, 8443), "{backend}; {}", site.rules());
        assert!(reaches(&site.good, &inside, 8443), "{backend}; {}", site.rules());
        site.run(&["verify"]).ok();
    }
    // Its own rules come anew when the engine does, and those it has for users are not ours.
    engine.stop();
    engine.restart();
    docker.run(["start", "gate"]).ok();
    site.wait_for(ALLOWED);
    site.run(&["remove"]).ok();
    site.wait_for(EVERYBODY);
    let (_, said) = site.run(&["apply", "--container", "nobody"]).fails();
    assert!(said.contains("there is no container `nobody`"), "{said}");
}

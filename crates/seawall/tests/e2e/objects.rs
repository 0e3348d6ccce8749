//! Volumes and networks.

use crate::support::client::{Side, fresh};
use crate::support::on_both_sides;

on_both_sides!(
    a_volume_is_made_used_listed_and_removed,
    a_network_is_made_joined_left_and_removed,
    containers_find_each_other_by_name,
    a_published_port_is_shown,
    volumes_and_networks_of_a_label_are_pruned,
);

fn a_volume_is_made_used_listed_and_removed(side: Side) {
    for docker in side.dockers() {
        let name = fresh("volume");
        assert_eq!(docker.run(["volume", "create", "--label", "a=b", &name]).ok(), name);
        let mount = format!("{name}:/data");
        docker.run(["run", "--rm", "-v", &mount, "busybox", "sh", "-c", "echo kept >/data/x"]).ok();
        let read = ["run", "--rm", "-v", &mount, "busybox", "cat", "/data/x"];
        assert_eq!(docker.run(read).ok(), "kept");
        assert!(docker.run(["volume", "ls", "-q"]).ok().contains(&name));
        let format = ["volume", "inspect", &name, "--format", "{{.Driver}} {{.Labels.a}}"];
        assert_eq!(docker.run(format).ok(), "local b");
        docker.run(["volume", "rm", &name]).ok();
        docker.run(["volume", "inspect", &name]).fails();
    }
}

fn a_network_is_made_joined_left_and_removed(side: Side) {
    for docker in side.dockers() {
        let name = fresh("network");
        docker.run(["network", "create", "--label", "a=b", &name]).ok();
        let container = docker.idle_container("member");
        docker.run(["network", "connect", "--alias", "other", &name, &container.name]).ok();
        let members = ["network", "inspect", &name, "--format", "{{json .Containers}}"];
        assert!(docker.run(members).ok().contains(&container.id));
        docker.run(["network", "disconnect", &name, &container.name]).ok();
        assert_eq!(docker.run(members).ok(), "{}");
        assert!(docker.run(["network", "ls"]).ok().contains(&name));
        docker.run(["network", "rm", &name]).ok();
        docker.run(["network", "inspect", &name]).fails();
    }
}

fn containers_find_each_other_by_name(side: Side) {
    let docker = side.docker();
    let network = fresh("reach");
    docker.run(["network", "create", &network]).ok();
    {
        let script = "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
        let server =
            docker.container("server", ["--network", &network, "busybox", "sh", "-c", script]);
        let url = format!("http://{}/", server.name);
        let fetch = format!("until wget -q -O - {url}; do sleep 0.05; done");
        let got = docker.run(["run", "--rm", "--network", &network, "busybox", "sh", "-c", &fetch]);
        assert_eq!(got.stdout, "hello\n", "{got}");
    }
    docker.run(["network", "rm", &network]).ok();
}

fn a_published_port_is_shown(side: Side) {
    let docker = side.docker();
    let container = docker.container("port", ["-p", "127.0.0.1::80", "busybox", "sleep", "1000"]);
    let port = docker.run(["port", &container.name, "80/tcp"]).ok();
    assert!(port.starts_with("127.0.0.1:"), "{port}");
}

fn volumes_and_networks_of_a_label_are_pruned(side: Side) {
    let docker = side.docker();
    let label = fresh("pruned-objects");
    let with = format!("label={label}");
    let (volume, network) = (fresh("pruned-volume"), fresh("pruned-network"));
    docker.run(["volume", "create", "--label", &label, &volume]).ok();
    docker.run(["network", "create", "--label", &label, &network]).ok();
    assert!(docker.run(["volume", "prune", "-f", "--filter", &with]).ok().contains(&volume));
    assert!(docker.run(["network", "prune", "-f", "--filter", &with]).ok().contains(&network));
}

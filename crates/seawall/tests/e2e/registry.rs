//! Registry credentials on their way to a registry.

use crate::support::client::{Container, Docker, Side, fresh};
use crate::support::on_both_sides;

on_both_sides!(registry_credentials_reach_the_registry, a_login_is_checked_with_the_registry);

// Answers every request with 401 and writes down what it was asked. The engine, which is in the
// same network namespace, tries TLS first, then plain HTTP, with registries on 127.0.0.0/8.
const REGISTRY: &str = r#"cat >/answer <<'SCRIPT'
#!/bin/sh
case $(dd bs=1 count=1 2>/dev/null) in [A-Z]) ;; *) exit ;; esac
while read -r line; do
    echo "$line" >>/asked
    [ "$line" = "$(printf '\r')" ] && break
done
printf 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="r"\r\n'
printf 'Content-Length: 0\r\nConnection: close\r\n\r\n'
SCRIPT
chmod +x /answer; touch /asked; exec nc -ll -p "$0" -e /answer"#;

// base64 of `captain:open-sesame`
const BASIC: &str = "Y2FwdGFpbjpvcGVuLXNlc2FtZQ==";

fn registry_credentials_reach_the_registry(side: Side) {
    for (docker, port) in side.dockers().zip(ports(side)) {
        let (registry, at) = start(&docker, port);
        let auths = format!(r#"{{"auths":{{"{at}":{{"auth":"{BASIC}"}}}}}}"#);
        std::fs::write(docker.config().join("config.json"), auths).unwrap();
        docker.run(["pull", &format!("{at}/shop/app")]).fails();
        let asked = docker.run(["exec", &registry.name, "cat", "/asked"]).ok();
        assert!(asked.contains(&format!("Authorization: Basic {BASIC}")), "{asked}");
        let tag = format!("{at}/{}", fresh("pushed"));
        docker.run(["tag", "busybox", &tag]).ok();
        docker.run(["exec", &registry.name, "sh", "-c", "> /asked"]).ok();
        docker.run(["push", &tag]).fails();
        let asked = docker.run(["exec", &registry.name, "cat", "/asked"]).ok();
        assert!(asked.contains(&format!("Authorization: Basic {BASIC}")), "{asked}");
        docker.run(["rmi", &tag]).ok();
    }
}

fn a_login_is_checked_with_the_registry(side: Side) {
    for (docker, port) in side.dockers().zip(ports(side)) {
        let (registry, at) = start(&docker, port + 10);
        let login = ["login", "-u", "captain", "--password-stdin", &at];
        let (_, said) = docker.run_with(login, b"open-sesame").fails();
        assert!(said.contains("401 Unauthorized"), "{said}");
        let asked = docker.run(["exec", &registry.name, "cat", "/asked"]).ok();
        assert!(asked.contains(&format!("Authorization: Basic {BASIC}")), "{asked}");
    }
}

// Ports of the engine's namespace, where nothing else listens.
fn ports(side: Side) -> impl Iterator<Item = u16> {
    5000 + 100 * side as u16..
}

fn start(docker: &Docker, port: u16) -> (Container<'_>, String) {
    let (at, port) = (format!("127.0.0.1:{port}"), port.to_string());
    let run = ["--network", "host", "busybox", "sh", "-c", REGISTRY, &port];
    let registry = docker.container("registry", run);
    let listening =
        format!("until nc 127.0.0.1 {port} </dev/null >&2; do sleep 0.05; done; > /asked");
    docker.run(["exec", &registry.name, "sh", "-c", &listening]).ok();
    (registry, at)
}

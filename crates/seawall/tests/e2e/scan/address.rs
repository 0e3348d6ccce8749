//! `seawall scan TARGET`: real engines left open in many ways, looked at from the host next door.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::netns::{Host, Pair};
use crate::support::open_engine::OpenEngine;
use crate::support::process::{Done, Running};
use crate::support::terminal::Terminal;
use crate::support::wait::{SHORT, until};

#[test]
fn a_terminal_is_told_how_far_a_long_look_is_and_a_file_is_not() {
    // Nobody listens on ports that were only just given back.
    let ports: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let targets: Vec<_> =
        ports.iter().map(|it| format!("tcp://{}", it.local_addr().unwrap())).collect();
    drop(ports);
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.arg("scan").args(&targets).args(["--concurrency", "1"]);
    let terminal = Terminal::start(&command);
    for line in ["\r1 of 3 looked at", "\r2 of 3 looked at", "\r3 of 3 looked at", "\r\x1b[K"] {
        terminal.screen.wait_for(line);
    }
    terminal.wait();
    let done = Running::start(command).wait();
    assert!(!done.stderr.contains("looked at"), "{done}");
}

/// Certificates by openssl, as people make them.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        it.openssl(&["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "365"])
            .args(["-subj", "/CN=engines", "-keyout", "ca-key.pem", "-out", "ca.pem"])
            .output()
            .unwrap();
        it
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn openssl(&self, args: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.current_dir(self.0.path()).args(args);
        command
    }

    /// A server's certificate; dockerd's flags for it.
    fn server(&self, name: &str, key: &str, days: &str, extensions: &str) -> [String; 4] {
        let (key_file, request, file) =
            (format!("{name}-key.pem"), format!("{name}.csr"), format!("{name}.pem"));
        std::fs::write(self.path("extensions"), extensions).unwrap();
        let made = self
            .openssl(&["req", "-nodes", "-newkey", key, "-subj", "/CN=engine"])
            .args(["-keyout", &key_file, "-out", &request])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let signed = self
            .openssl(&["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca-key.pem"])
            .args(["-CAcreateserial", "-days", days, "-extfile", "extensions", "-out", &file])
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        let [certificate, key] = [file, key_file].map(|name| self.path(&name));
        ["--tlscert".to_owned(), certificate, "--tlskey".to_owned(), key]
    }
}

fn scan(host: &Host, args: &[&str]) -> Done {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.arg("scan").args(args).arg("--state").arg(state.path());
    command.arg("--config").arg(state.path().join("seawall.toml"));
    host.run(&command)
}

/// `SEVERITY ID SUBJECT` of every finding at or above medium, and the exit code.
fn found(host: &Host, targets: &[&str]) -> (Vec<String>, Option<i32>) {
    let done = scan(host, &[&["--format", "json", "--timeout", "10s"], targets].concat());
    let code = done.status.code();
    let report: serde_json::Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done}"));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|it| !["low", "info"].contains(&it["severity"].as_str().unwrap()));
    // The engine of these tests is old wherever Debian is.
    let bad = bad.filter(|it| it["id"] != "ADR-012");
    let lines = bad.map(|it| {
        format!("{} {} {}", text(&it["severity"]), text(&it["id"]), text(&it["subject"]))
    });
    (lines.collect(), code)
}

#[test]
fn engines_left_open_in_many_ways_are_found_from_the_host_next_door() {
    let net = Pair::new();
    let certificates = Certificates::new();
    let names = "subjectAltName=IP:10.77.0.1,IP:fd77::1\nextendedKeyUsage=serverAuth\n";
    let good = certificates.server("good", "rsa:2048", "90", names);
    let weak = certificates.server("weak", "rsa:1024", "90", "subjectAltName=DNS:elsewhere\n");
    let expired = certificates.server("expired", "rsa:2048", "0", names);
    let with = |server: &[String; 4], args: &[&str]| {
        let mut all: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        all.extend_from_slice(server);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        OpenEngine::start(&net.server, &all)
    };
    let ca = certificates.path("ca.pem");
    let public = "/etc/ssl/certs/ca-certificates.crt";
    let engines = [
        // IPv4 as it is written is bound for both families; the second is IPv6 alone.
        OpenEngine::start(&net.server, &["-H", "tcp://0.0.0.0:2375", "-H", "tcp://[fd77::1]:2374"]),
        with(&good, &["--tls", "--tlsverify=false", "-H", "tcp://10.77.0.1:2376"]),
        with(&good, &["--tlsverify", "--tlscacert", &ca, "-H", "tcp://10.77.0.1:2377"]),
        with(&weak, &["--tlsverify", "--tlscacert", public, "-H", "tcp://[fd77::1]:2378"]),
        with(&expired, &["--tlsverify", "--tlscacert", &ca, "-H", "tcp://10.77.0.1:2379"]),
    ];
    engines.iter().for_each(OpenEngine::wait);

    let cases: [(&[&str], &[&str]); 6] = [
        (
            &["10.77.0.1:2375", "[fd77::1]:2375"],
            &["critical ADR-001 tcp://10.77.0.1:2375", "critical ADR-001 tcp://[fd77::1]:2375"],
        ),
        (&["tcp://[fd77::1]:2374"], &["critical ADR-001 tcp://[fd77::1]:2374"]),
        (&["tcp://10.77.0.1:2376"], &["critical ADR-002 tcp://10.77.0.1:2376"]),
        (&["tcp://10.77.0.1:2377"], &[]),
        (
            &["tcp://[fd77::1]:2378"],
            &[
                "high ADR-007 tcp://[fd77::1]:2378",
                "high ADR-008 tcp://[fd77::1]:2378",
                "high ADR-011 tcp://[fd77::1]:2378",
                "medium ADR-010 tcp://[fd77::1]:2378",
            ],
        ),
        (&["tcp://10.77.0.1:2379"], &["high ADR-009 tcp://10.77.0.1:2379"]),
    ];
    for (targets, expected) in cases {
        let (findings, code) = found(&net.client, targets);
        assert_eq!(findings, expected, "{targets:?}");
        assert_eq!(code, Some(if expected.is_empty() { 0 } else { 3 }), "{targets:?}");
    }
    // Without a port both usual ones are looked at; the table of them all says so.
    let both = scan(&net.client, &["10.77.0.1"]).fails();
    assert_eq!(both.0, Some(3), "{}", both.1);
}

#[test]
fn a_gate_shows_strangers_nothing() {
    let net = Pair::new();
    let hostnames = format!("hostnames = {:?}", Pair::SERVER);
    let _gate = Gate::up_on(&net.server, "", &Engine::shared().socket(), &hostnames);
    for server in ["10.77.0.1:2376", "[fd77::1]:2376"] {
        let done = scan(&net.client, &[server]);
        let said = done.to_string();
        let text = done.ok();
        assert!(text.contains("TLS 1.3: strangers are turned away"), "{said}");
        assert!(text.contains("1 address: nothing found"), "{said}");
        assert!(!text.contains("NOT KNOWN"), "{said}");
    }
}

/// `openssl s_server` that answers as an engine: dockerd cannot be made to take any certificate,
/// nor to speak what is out of use.
fn stand_in(host: &Host, certificates: &Certificates, port: &str, args: &[&str]) -> Running {
    certificates.server("any", "rsa:2048", "90", "subjectAltName=IP:10.77.0.1\n");
    let answer = "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: stand-in\r\n\r\nOK";
    std::fs::write(certificates.path("_ping"), answer).unwrap();
    let mut command = certificates.openssl(&["s_server", "-HTTP", "-accept", port]);
    command.args(["-cert", "any.pem", "-key", "any-key.pem", "-quiet"]).args(args);
    let running = Running::start(host.command(&command));
    let reached = || {
        let address: std::net::SocketAddr = format!("10.77.0.1:{port}").parse().unwrap();
        host.inside(|| std::net::TcpStream::connect(address).is_ok())
    };
    until(SHORT, || running.stderr.text(), reached);
    running
}

#[test]
fn a_server_that_takes_any_certificate_is_found() {
    let net = Pair::new();
    let certificates = Certificates::new();
    let _running = stand_in(&net.server, &certificates, "2376", &["-Verify", "3"]);
    let (findings, _) = found(&net.client, &["10.77.0.1:2376"]);
    assert!(findings.contains(&"critical ADR-003 tcp://10.77.0.1:2376".to_owned()), "{findings:?}");
    assert!(!findings.iter().any(|it| it.contains("ADR-002")), "{findings:?}");
}

#[test]
fn versions_and_suites_that_are_out_of_use_are_found() {
    let net = Pair::new();
    let certificates = Certificates::new();
    let old = ["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
    let _running = stand_in(&net.server, &certificates, "2376", &old);
    let done = scan(&net.client, &["10.77.0.1:2376"]);
    assert!(done.stdout.contains("the server speaks TLS 1.0"), "{done}");
    assert!(done.stdout.contains("weak cipher suites"), "{done}");
    // What does not speak with the library here was not tried, and does not pass.
    assert!(done.stdout.contains("NOT KNOWN"), "{done}");
}

#[test]
fn what_an_ssh_server_offers_is_judged() {
    let net = Pair::new();
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
    assert!(made.output().expect("ssh-keygen is installed").status.success());
    std::fs::create_dir_all("/run/sshd").unwrap();
    let sshd = |port: &str, options: &[&str]| {
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", "/dev/null", "-p", port, "-h"]).arg(&key);
        for option in options {
            command.args(["-o", option]);
        }
        let running = Running::start(net.server.command(&command));
        running.stderr.wait_for("Server listening on 0.0.0.0");
        running
    };
    let _usual = sshd("22", &[]);
    let weak = ["KexAlgorithms=+diffie-hellman-group1-sha1", "Ciphers=+3des-cbc", "MACs=+hmac-md5"];
    let _weak = sshd("2222", &weak);

    let usual = scan(&net.client, &["ssh://admin@10.77.0.1"]);
    let said = usual.to_string();
    assert!(usual.ok().contains("SSH-2.0-OpenSSH_"), "{said}");
    let weak = scan(&net.client, &["ssh://[fd77::1]:2222"]);
    assert_eq!(weak.status.code(), Some(3), "{weak}");
    for line in [
        "key exchange diffie-hellman-group1-sha1: a 1024-bit group",
        "cipher 3des-cbc: 64-bit blocks",
        "MAC hmac-md5: MD5",
        "KexAlgorithms -diffie-hellman-group1-sha1",
    ] {
        assert!(weak.stdout.contains(line), "no `{line}` in {weak}");
    }
}

#[test]
fn what_is_no_engine_is_not_taken_for_one() {
    let net = Pair::new();
    let silent = net.server.inside(|| TcpListener::bind("10.77.0.1:7000").unwrap());
    let mut httpd = Command::new("busybox");
    httpd.args(["httpd", "-f", "-p", "10.77.0.1:8080"]);
    let _httpd = Running::start(net.server.command(&httpd));
    let address = "10.77.0.1:8080".parse::<std::net::SocketAddr>().unwrap();
    until(
        SHORT,
        || "httpd does not listen".to_owned(),
        || net.server.inside(|| std::net::TcpStream::connect(address).is_ok()),
    );
    let targets = ["10.77.0.1:7000", "10.77.0.1:8080", "ssh://10.77.0.1:8080", "10.77.0.1:1"];
    let done = scan(&net.client, &[&["--timeout", "1s"], targets.as_slice()].concat());
    let said = done.to_string();
    let text = done.ok();
    for line in [
        "tcp://10.77.0.1:7000: no engine: says nothing",
        "tcp://10.77.0.1:8080: no engine: HTTP 404",
        "ssh://10.77.0.1:8080: no SSH server",
        "tcp://10.77.0.1:1: connection refused",
    ] {
        assert!(text.contains(line), "no `{line}` in {said}");
    }
    drop(silent);

    let (code, error) = scan(&net.client, &["10.77.0.1"]).fails();
    assert_eq!(code, Some(4), "{error}");
    assert!(error.contains("none of these addresses takes connections"), "{error}");
}

#[test]
fn targets_come_from_a_file_and_the_report_goes_wherever_it_is_read() {
    let net = Pair::new();
    let hostnames = format!("hostnames = {:?}", Pair::SERVER);
    let _gate = Gate::up_on(&net.server, "", &Engine::shared().socket(), &hostnames);
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("targets");
    std::fs::write(&file, "# the gates\n10.77.0.1:2376\n[fd77::1]:2376\n").unwrap();
    let list = |path: &Path| scan(&net.client, &["--targets", path.to_str().unwrap()]);
    assert!(list(&file).ok().contains("2 addresses: nothing found"));
    std::fs::write(&file, "unix:///run/docker.sock\n").unwrap();
    let (code, error) = list(&file).fails();
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("`sudo seawall scan`"), "{error}");
}

//! What docker-bench-security 1.6.0 (its commit ff26d67) said of real engines (20.10.24), beside what
//! the scan says of the same settings. It was run by hand and its answers were written down, since
//! no distribution has it; where the two differ, the table says which and why.

use super::{Tree, findings, state};

/// Checks on the same topic, in the order in which `Recorded::said` has docker-bench's answers.
const OVERLAP: [(&str, &str); 8] = [
    ("2.2", "CFG-008"),
    ("2.4", "CFG-007"),
    ("2.5", "CFG-013"),
    ("2.9", "CFG-009"),
    ("2.14", "CFG-012"),
    ("2.15", "CFG-011"),
    ("3.15", "SOCK-002"),
    ("3.16", "SOCK-001"),
];

/// An engine, and what docker-bench said of it.
struct Recorded {
    flags: &'static str,
    file: &'static str,
    /// Of [`OVERLAP`].
    said: &'static str,
    /// Of 2.7, TLS authentication: `INFO` is that no TCP port is listened on.
    said_of_tls: &'static str,
    /// What the scan finds on that topic, if anything.
    open: Option<&'static str>,
}

const fn recorded(
    flags: &'static str,
    file: &'static str,
    said: &'static str,
    said_of_tls: &'static str,
    open: Option<&'static str>,
) -> Recorded {
    Recorded { flags, file, said, said_of_tls, open }
}

const PLAIN: &str = "WARN PASS PASS WARN WARN WARN PASS PASS";
const VERIFIED: &str = "{\"hosts\": [\"unix:///run/docker.sock\", \"tcp://0.0.0.0:2376\"], \
                        \"tlsverify\": true, \"tlscacert\": \"/ca.pem\"}";
const UNVERIFIED: &str = "{\"hosts\": [\"unix:///run/docker.sock\", \"tcp://0.0.0.0:2376\"], \
                          \"tls\": true, \"tlsverify\": false, \"tlscacert\": \"/ca.pem\"}";

const RECORDED: &[Recorded] = &[
    recorded("--iptables=false", "", "WARN WARN PASS WARN WARN WARN PASS PASS", "INFO", None),
    recorded(
        "--icc=false --no-new-privileges --live-restore",
        "",
        "PASS PASS PASS WARN PASS PASS PASS PASS",
        "INFO",
        None,
    ),
    recorded(
        "--insecure-registry r:5000",
        "",
        "WARN PASS WARN WARN WARN WARN PASS PASS",
        "INFO",
        None,
    ),
    recorded(
        "",
        "{\"insecure-registries\": [\"r:5000\"], \"icc\": false}",
        "PASS PASS WARN WARN WARN WARN PASS PASS",
        "INFO",
        None,
    ),
    recorded(
        "",
        "{\"iptables\": false, \"no-new-privileges\": true, \"live-restore\": true}",
        "WARN WARN PASS WARN PASS PASS PASS PASS",
        "INFO",
        None,
    ),
    recorded(
        "",
        "{\n  \"debug\": true,\n  \"icc\": false\n}",
        "PASS PASS PASS WARN WARN WARN PASS PASS",
        "INFO",
        None,
    ),
    // It reads no flags where it looks for ports: all of these are `not listening on TCP` to it.
    recorded("-H tcp://127.0.0.1:2375 --tls=false", "", PLAIN, "INFO", Some("NET-003")),
    recorded("-H tcp://0.0.0.0:2376 --tlsverify --tlscacert /ca.pem", "", PLAIN, "INFO", None),
    recorded(
        "-H tcp://0.0.0.0:2376 --tls --tlsverify=false --tlscacert /ca.pem",
        "",
        PLAIN,
        "INFO",
        Some("NET-002"),
    ),
    // Of a daemon.json it reads hosts only where they stand in one line,
    recorded(
        "",
        "{\"hosts\": [\"unix:///run/docker.sock\", \"tcp://127.0.0.1:2375\"], \"tls\": false}",
        PLAIN,
        "WARN",
        Some("NET-003"),
    ),
    recorded(
        "",
        "{\n  \"hosts\": [\n    \"unix:///run/docker.sock\",\n    \"tcp://127.0.0.1:2375\"\n  ]\n}",
        PLAIN,
        "INFO",
        Some("NET-003"),
    ),
    recorded("", UNVERIFIED, PLAIN, "WARN", Some("NET-002")),
    // and never `tlsverify`: a port that asks for certificates is one without TLS to it.
    recorded("", VERIFIED, PLAIN, "WARN", None),
];

#[test]
fn docker_bench_security_says_the_same_where_it_can_see() {
    for Recorded { flags, file, said, said_of_tls, open } in RECORDED {
        let tree = Tree::host();
        tree.dockerd(flags, &[]);
        tree.socket("run/docker.sock", 0o660, 998);
        if !file.is_empty() {
            tree.file("etc/docker/daemon.json", file);
        }
        let report = tree.report();
        let about = format!("`{flags}` {file}");
        for ((cis, id), said) in OVERLAP.into_iter().zip(said.split(' ')) {
            let expected = if said == "PASS" { "pass" } else { "fail" };
            assert_eq!(state(&report, id), expected, "{cis} {id} of {about}: {report:#}");
        }
        let is_open = |id: &&str| !findings(&report, id).is_empty();
        let found: Vec<_> = ["NET-001", "NET-002", "NET-003"].into_iter().filter(is_open).collect();
        assert_eq!(found, open.iter().copied().collect::<Vec<_>>(), "{about}, 2.7 {said_of_tls}");
    }
}

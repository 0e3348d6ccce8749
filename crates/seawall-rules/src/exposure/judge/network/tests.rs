//! What is bound, how it authenticates and what the firewall does, as a table.

use super::super::super::facts::Listener;
use super::super::super::read::command_line;
use super::*;

/// An engine on port 2375 with these flags, whose socket is bound, answers and is guarded so.
fn found(flags: &str, address: &str, answer: Answer, firewall: Firewall) -> Vec<String> {
    let words: Vec<_> = flags.split(' ').map(str::to_owned).collect();
    let running = command_line::dockerd(&words, &Place::whole("/proc/7/cmdline"));
    let engine = Engine {
        program: Program::Dockerd,
        stray: None,
        pid: Some(7),
        rootless: false,
        running: Some(running),
        on_disk: None,
        file_is_newer: false,
        environment: Vec::new(),
        ca_count: None,
    };
    let owner = Some((7, "dockerd".to_owned()));
    let address = address.parse().unwrap();
    let listeners = vec![Listener { address, owner, answer, firewall }];
    let facts = Facts { engines: vec![engine], listeners, ..Facts::default() };
    let mut report = Report::default();
    judge(&facts, &mut report);
    report.sort();
    report.findings.iter().map(|it| format!("{} {}", it.check.id, it.severity)).collect()
}

#[test]
fn what_is_bound_how_it_authenticates_and_the_firewall_weigh_together() {
    let unknown = || Firewall::Unknown("no nft".to_owned());
    let api = || Answer::Api("1.41".to_owned());
    let over_tls = || Answer::ApiOverTls("1.41".to_owned());
    let one = "-H tcp://10.0.0.1:2375";
    let any = "-H tcp://0.0.0.0:2375";
    let here = "-H tcp://127.0.0.1:2375";
    let verified = "-H tcp://10.0.0.1:2375 --tlsverify";
    let cases: &[(&str, &str, Answer, Firewall, &[&str])] = &[
        (one, "10.0.0.1:2375", api(), Firewall::Open, &["NET-001 critical"]),
        (one, "10.0.0.1:2375", api(), unknown(), &["NET-001 critical"]),
        (one, "10.0.0.1:2375", api(), Firewall::Limits, &["NET-001 high"]),
        (one, "10.0.0.1:2375", over_tls(), Firewall::Open, &["NET-002 critical"]),
        (one, "10.0.0.1:2375", over_tls(), Firewall::Limits, &["NET-002 high"]),
        (any, "[::]:2375", api(), Firewall::Open, &["NET-001 critical", "NET-004 high"]),
        (any, "[::]:2375", api(), Firewall::Limits, &["NET-001 high"]),
        (here, "127.0.0.1:2375", api(), Firewall::Open, &["NET-003 high"]),
        // The socket counts for more than the settings: here they say TLS, and lie.
        (verified, "10.0.0.1:2375", api(), Firewall::Open, &["NET-001 critical"]),
        (verified, "10.0.0.1:2375", over_tls(), Firewall::Open, &["NET-002 critical"]),
        (
            verified,
            "10.0.0.1:2375",
            Answer::WantsCertificate,
            Firewall::Open,
            &["CFG-006 medium", "NET-005 medium", "TLS-011 info"],
        ),
        (
            verified,
            "10.0.0.1:2375",
            Answer::WantsCertificate,
            Firewall::Limits,
            &["CFG-006 low", "NET-005 low", "TLS-011 info"],
        ),
        (
            one,
            "10.0.0.1:2375",
            Answer::WantsCertificate,
            Firewall::Open,
            &["CFG-006 medium", "NET-005 medium", "TLS-011 info"],
        ),
        // Nobody answered: what is written counts.
        (
            one,
            "10.0.0.1:2375",
            Answer::Unknown("no".to_owned()),
            Firewall::Open,
            &["NET-001 critical"],
        ),
    ];
    for (flags, address, answer, firewall, expected) in cases {
        let found = found(flags, address, answer.clone(), firewall.clone());
        assert_eq!(found, *expected, "{flags} {address} {answer:?} {firewall:?}");
    }
}

#[test]
fn tls_is_as_weak_as_the_weakest_release_reads_it() {
    let cases = [
        ("", Auth::Plain),
        ("--tlscacert=/ca.pem", Auth::Plain),
        ("--tls=false", Auth::Plain),
        ("--tls", Auth::Verified),
        ("--tls --tlsverify=false", Auth::Unverified),
        ("--tlsverify=false", Auth::Unverified),
        ("--tlsverify", Auth::Verified),
        ("--tls=false --tlsverify", Auth::Verified),
    ];
    for (flags, expected) in cases {
        let words: Vec<_> = flags.split(' ').map(str::to_owned).collect();
        let settings = command_line::dockerd(&words, &Place::whole("unit"));
        assert_eq!(auth(Program::Dockerd, &settings), expected, "{flags}");
    }
    let of_file = |text| super::super::super::read::daemon_json::read(text, "f").unwrap();
    let bare = of_file("{\"tls\": true}");
    assert_eq!(auth(Program::Dockerd, &bare), Auth::Unverified);
    let verified = of_file("{\"tls\": true, \"tlsverify\": true}");
    assert_eq!(auth(Program::Dockerd, &verified), Auth::Verified);
}

//! One outcome in every format.

use seawall_rules::exposure::Place;
use seawall_rules::exposure::catalogue::network::{PLAIN_TCP, SOCKET_UNIT};
use seawall_rules::exposure::catalogue::socket::SOCKET_GROUP;

use super::*;

/// A host with an open port, two users in the socket's group of whom one is waived, and something
/// that could not be read.
fn outcome(baseline: Option<Vec<String>>) -> Outcome {
    let mut report = Report::of("this host");
    report.find(
        Finding::new(&PLAIN_TCP, "tcp://0.0.0.0:2375", "the API is served to <everyone> & all")
            .weighed(Severity::High, "the firewall lets only listed sources through to the port")
            .seen(Place::line("/etc/docker/daemon.json", 3), "hosts: tcp://0.0.0.0:2375")
            .seen(Place::whole("tcp://[::]:2375"), "answers in plain text, API version 1.41")
            .remedy(&[("endpoint", "tcp://0.0.0.0:2375")]),
    );
    for user in ["alice", "bob"] {
        let what = format!("{user} may open /run/docker.sock and so is root");
        report.find(
            Finding::new(&SOCKET_GROUP, format!("{user} (docker)"), what)
                .seen(Place::whole("/etc/group"), format!("{user} is in the group docker"))
                .remedy(&[("user", user), ("group", "docker")]),
        );
    }
    report.unknown(&SOCKET_UNIT, "/etc/systemd/system/docker.socket", "permission denied");
    let waivers = vec![Waiver {
        check: "SOCK-004".to_owned(),
        subject: "alice*".to_owned(),
        reason: "on call".to_owned(),
        until: 1_000_000,
        takes_critical: false,
    }];
    let mut outcome = weigh(report, waivers, baseline, false);
    outcome.when = OffsetDateTime::from_unix_timestamp(1_795_521_600).unwrap();
    outcome
}

/// Without what changes with every release.
fn unversioned(text: &str) -> String {
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn text() {
    insta::assert_snapshot!(text::write(&outcome(None), &text::Style::plain()));
}

#[test]
fn text_beside_a_baseline() {
    let known = vec!["SOCK-004 bob (docker)".to_owned(), "SOCK-001 /run/docker.sock".to_owned()];
    insta::assert_snapshot!(text::write(&outcome(Some(known)), &text::Style::plain()));
}

#[test]
fn json() {
    insta::assert_snapshot!(unversioned(&json::write(&outcome(None)).unwrap()));
}

#[test]
fn sarif() {
    insta::assert_snapshot!(unversioned(&sarif::write(&outcome(Some(Vec::new()))).unwrap()));
}

#[test]
fn junit() {
    insta::assert_snapshot!(junit::write(&outcome(None)));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(markdown::write(&outcome(None)));
}

#[test]
fn html() {
    insta::assert_snapshot!(html::write(&outcome(None)));
}

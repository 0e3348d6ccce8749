//! What a look at an address amounts to.

use super::suites::{self, Strength};
use super::{Access, Api, Look, Offer, Reply, Seen, Tcp, Tls, Way, ssh};
use crate::exposure::catalogue::address as checks;
use crate::exposure::certificate::Certificate;
use crate::exposure::vulnerabilities::{Component, OLDEST_CURRENT_ENGINE, Release, known};
use crate::exposure::{Check, Finding, Place, Report, Severity};

/// Judges what was seen at an address at `now`, in seconds since 1970.
pub fn judge(look: &Look, now: i64) -> Report {
    let mut about = About { look, subject: subject(look), report: Report::default() };
    match &look.seen {
        Seen::Ssh(server) => ssh_server(&mut about, server),
        Seen::NotSsh(_) => about.report.looked(&checks::SSH_ALGORITHMS),
        Seen::Tcp(tcp) => port(&mut about, tcp, now),
        // Of the two usual ports, one on which nothing listens is an answer.
        Seen::Closed if look.target.port.is_none() => {}
        Seen::Closed => about.unreachable("connection refused"),
        Seen::Unreachable(why) => about.unreachable(why),
    }
    if !matches!(look.seen, Seen::Closed | Seen::Unreachable(_)) {
        about.report.scanned.push(describe(look));
    }
    about.report
}

/// One line about what is there, for people.
pub fn describe(look: &Look) -> String {
    let what = match &look.seen {
        Seen::Ssh(server) => format!("SSH, {}", server.identification),
        Seen::NotSsh(said) => format!("no SSH server{}", of(said)),
        Seen::Closed => "nothing listens there".to_owned(),
        Seen::Unreachable(why) => why.clone(),
        Seen::Tcp(Tcp { plain: Reply::Api(api), tls: None, .. }) => {
            format!("an open engine{}", of(&api.server))
        }
        Seen::Tcp(Tcp { tls: Some(tls), .. }) => tls_in_words(tls),
        Seen::Tcp(Tcp { plain: Reply::Http(status, server), .. }) => {
            format!("no engine: HTTP {status}{}", of(server))
        }
        Seen::Tcp(Tcp { plain: Reply::Silent, .. }) => "no engine: says nothing".to_owned(),
        Seen::Tcp(Tcp { plain: Reply::Closed, .. }) => "no engine: hangs up".to_owned(),
        Seen::Tcp(Tcp { plain: Reply::Other(said), .. }) => format!("no engine{}", of(said)),
        Seen::Tcp(Tcp { plain: Reply::Alert(_), .. }) => "TLS that cannot be spoken".to_owned(),
    };
    format!("{}: {what}", subject(look))
}

fn of(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

fn tls_in_words(tls: &Tls) -> String {
    let spoken: Vec<_> = tls
        .versions
        .iter()
        .filter(|(_, offer)| matches!(offer, Offer::Spoken(..)))
        .map(|(version, _)| version.name())
        .collect();
    let door = match (&tls.without_certificate, &tls.self_made) {
        (Access::Api(_), _) => "an open engine",
        (_, Some(Access::Api(_))) => "an engine that takes any certificate",
        (Access::Refused(_), _) if tls.asks_for.is_some() => "strangers are turned away",
        (Access::Http(..), _) => "answers, but not as an engine to strangers",
        (Access::Refused(_) | Access::Unknown(_), _) => "no answer to strangers",
    };
    format!("{}: {door}", spoken.join(", "))
}

/// What the findings are about: `tcp://build-7:2376 (10.0.0.9)`.
fn subject(look: &Look) -> String {
    let mut target = look.target.clone();
    let Some(address) = look.address else { return target.to_string() };
    target.port = Some(address.port());
    let ip = address.ip().to_string();
    if target.host.starts_with(&ip) { target.to_string() } else { format!("{target} ({ip})") }
}

struct About<'a> {
    look: &'a Look,
    subject: String,
    report: Report,
}

impl About<'_> {
    fn finding(&self, check: &'static Check, what: impl Into<String>) -> Finding {
        Finding::new(check, &self.subject, what)
    }

    fn place(&self) -> Place {
        Place::whole(&self.subject)
    }

    // One request, one answer, as evidence.
    fn answered(&self, finding: Finding, api: &Api) -> Finding {
        let says = format!(
            "GET /_ping: 200, Api-Version: {}{}",
            api.version,
            if api.server.is_empty() { String::new() } else { format!(", Server: {}", api.server) }
        );
        finding.seen(self.place(), says)
    }

    // Loopback is reached by the host's own processes only, which is bad enough.
    fn weighed_by_reach(&self, finding: Finding) -> Finding {
        let loopback = self.look.address.is_some_and(|it| it.ip().to_canonical().is_loopback());
        if loopback {
            finding.weighed(Severity::High, "a loopback address is reached from this host only")
        } else {
            finding
        }
    }

    fn find(&mut self, finding: Finding) {
        self.report.find(finding);
    }

    fn unreachable(&mut self, why: &str) {
        match self.look.target.way {
            Way::Ssh => self.unknown(&checks::SSH_ALGORITHMS, why),
            Way::Tcp => self.unknown(&checks::PLAIN_API, why),
        }
    }

    fn unknown(&mut self, check: &'static Check, why: &str) {
        self.report.unknown(check, &self.subject, why);
    }
}

fn port(about: &mut About<'_>, tcp: &Tcp, now: i64) {
    let plain_check = if tcp.tls.is_some() { &checks::PLAIN_ON_TLS } else { &checks::PLAIN_API };
    about.report.looked(plain_check);
    if let Reply::Api(api) = &tcp.plain {
        let port = about.look.address.map_or(0, |address| address.port()).to_string();
        let finding = about
            .finding(plain_check, "the API answers in plain text, to anyone who asks")
            .remedy(&[("port", &port)]);
        let finding = about.answered(finding, api);
        about.find(about.weighed_by_reach(finding));
    }
    if let Some(tls) = &tcp.tls {
        doors(about, tls);
        versions(about, tls);
        chain(about, tls, now);
    }
    if let Some(engine) = &tcp.engine
        && !engine.podman
    {
        release(about, Component::Engine, "dockerd", &engine.version);
        if let Some(runc) = &engine.runc {
            release(about, Component::Runc, "runc", runc);
        }
    }
}

fn doors(about: &mut About<'_>, tls: &Tls) {
    let doors = [
        (
            &checks::OPEN_TLS,
            Some(&tls.without_certificate),
            "the API answers a client that shows no certificate",
        ),
        (
            &checks::SELF_MADE_CERTIFICATE,
            tls.self_made.as_ref(),
            "the API answers a client whose certificate is of its own making",
        ),
    ];
    for (check, access, what) in doors {
        match access {
            Some(Access::Api(api)) => {
                let finding = about.answered(about.finding(check, what), api);
                about.find(about.weighed_by_reach(finding));
            }
            Some(Access::Unknown(why)) => about.unknown(check, why),
            Some(Access::Http(..) | Access::Refused(_)) => about.report.looked(check),
            None => {}
        }
    }
    match &tls.asks_for {
        None => {}
        // An engine that goes by the system's CAs names none; other servers never name any.
        Some(names) if names.is_empty() => about.unknown(
            &checks::CLIENT_CAS,
            "the server does not say which CAs it verifies clients against",
        ),
        Some(names) => {
            about.report.looked(&checks::CLIENT_CAS);
            if names.len() > MOST_CLIENT_CAS {
                let what = format!("clients are verified against {} CAs", names.len());
                let mut finding = about.finding(&checks::CLIENT_CAS, what);
                for name in names.iter().take(MOST_CLIENT_CAS) {
                    finding = finding.seen(about.place(), format!("takes certificates of {name}"));
                }
                about.find(finding);
            }
        }
    }
}

/// A CA, its successor while it is rotated, and one to spare.
const MOST_CLIENT_CAS: usize = 3;

fn versions(about: &mut About<'_>, tls: &Tls) {
    about.report.looked(&checks::OLD_TLS);
    about.report.looked(&checks::WEAK_SUITES);
    let mut old = Vec::new();
    let mut bad = Vec::new();
    for (version, offer) in &tls.versions {
        match offer {
            Offer::Spoken(chosen, taken) => {
                if version.is_deprecated() {
                    old.push(version.name());
                }
                let mut codes = taken.clone();
                codes.retain(|code| code != chosen);
                codes.insert(0, *chosen);
                let weak = codes.into_iter().filter_map(suites::suite);
                let weak = weak.filter(|suite| suite.strength > Strength::Good);
                bad.extend(weak.map(|suite| (*version, suite)));
            }
            Offer::Refused => {}
            Offer::Unknown(why) => {
                let why = format!("{}: {why}", version.name());
                about.unknown(&checks::OLD_TLS, &why);
            }
        }
    }
    if !old.is_empty() {
        let what = format!("the server speaks {}", old.join(" and "));
        about.find(about.finding(&checks::OLD_TLS, what));
    }
    let Some((_, worst)) = bad.iter().max_by_key(|(_, suite)| suite.strength) else { return };
    let what = match bad.len() {
        1 => format!("the server takes the weak cipher suite {}", worst.name),
        many => format!("the server takes {many} weak cipher suites, {} among them", worst.name),
    };
    let mut finding = about.finding(&checks::WEAK_SUITES, what);
    if worst.strength < Strength::Broken {
        finding = finding.weighed(Severity::Low, "none of them is broken outright");
    }
    for (version, suite) in &bad {
        let says = format!("{}, {}: {}", version.name(), suite.name, suite.flaw);
        finding = finding.seen(about.place(), says);
    }
    about.find(finding);
}

fn chain(about: &mut About<'_>, tls: &Tls, now: i64) {
    let all =
        [&checks::WEAK_CERTIFICATE, &checks::VALIDITY, &checks::OTHER_NAME, &checks::SERVER_USAGE];
    let Some(leaf) = tls.chain.first() else {
        for check in all {
            about.unknown(check, "the server's certificate was not shown or cannot be read");
        }
        return;
    };
    for check in all {
        about.report.looked(check);
    }
    let mut weak = tls.chain.iter().filter_map(|one| Some((one, one.weakness()?)));
    if let Some((certificate, weakness)) = weak.next() {
        let what = format!("the certificate of {} has {weakness}", certificate.subject);
        about.find(about.finding(&checks::WEAK_CERTIFICATE, what));
    }
    validity(about, leaf, now);
    if !tls.names_target {
        let host = &about.look.target.host;
        let names = match leaf.names.as_slice() {
            [] => "it names no host".to_owned(),
            names => format!("subjectAltName: {}", names.join(", ")),
        };
        let finding = about
            .finding(&checks::OTHER_NAME, format!("the certificate is not for `{host}`"))
            .remedy(&[("name", host)])
            .seen(about.place(), names);
        about.find(finding);
    }
    if leaf.is_for_clients() {
        let says = match leaf.usage {
            None => "no extended key usage: good for anything",
            Some(_) => "extended key usage: clientAuth",
        };
        let what = "the server's certificate would be taken as a client's";
        about.find(about.finding(&checks::SERVER_USAGE, what).seen(about.place(), says));
    }
}

fn validity(about: &mut About<'_>, leaf: &Certificate, now: i64) {
    let left = leaf.not_after.saturating_sub(now);
    let days = left / DAY;
    let (what, severity) = if left < 0 {
        (format!("the certificate expired {} days ago", -days), Severity::High)
    } else if leaf.not_before > now {
        ("the certificate is not valid yet".to_owned(), Severity::High)
    } else if days < 7 {
        (format!("the certificate ends in {days} days"), Severity::High)
    } else if days < 30 {
        (format!("the certificate ends in {days} days"), Severity::Medium)
    } else {
        return;
    };
    let mut finding = about.finding(&checks::VALIDITY, what);
    if severity < Severity::High {
        finding = finding.weighed(severity, "a week and more is left");
    }
    about.find(finding);
}

const DAY: i64 = 86_400;

fn release(about: &mut About<'_>, component: Component, name: &str, version: &str) {
    let Some(release) = Release::parse(version) else {
        let why = format!("`{version}` is no version that can be compared");
        about.unknown(&checks::KNOWN_VULNERABILITY, &why);
        return;
    };
    about.report.looked(&checks::KNOWN_VULNERABILITY);
    if component == Component::Engine {
        about.report.looked(&checks::OLD_ENGINE);
        if release.number[0] < OLDEST_CURRENT_ENGINE {
            let what = format!("{name} {version} is older than release {OLDEST_CURRENT_ENGINE}");
            about.find(about.finding(&checks::OLD_ENGINE, what));
        }
    }
    let called = format!("{name} {version}");
    vulnerabilities(about, &checks::KNOWN_VULNERABILITY, component, &called, &release);
}

fn vulnerabilities(
    about: &mut About<'_>,
    check: &'static Check,
    component: Component,
    called: &str,
    release: &Release,
) {
    let known = known(component, release);
    let Some(worst) = known.first() else { return };
    let ids: Vec<_> = known.iter().map(|one| one.id).collect();
    if release.of_a_distribution {
        let why = format!(
            "{called} is a distribution's: ask its package manager about {}",
            ids.join(", ")
        );
        about.unknown(check, &why);
        return;
    }
    let what = format!("{called} has {}", ids.join(", "));
    let mut finding = about.finding(check, what);
    // The same finding for dockerd and for runc would hide one of them.
    let name = called.split([' ', '_']).next().unwrap_or_default();
    finding.subject = format!("{} {name}", about.subject);
    if worst.severity < check.severity {
        finding = finding.weighed(worst.severity, "as the worst of them");
    }
    for one in known {
        finding = finding.seen(about.place(), format!("{}: {}", one.id, one.what));
    }
    about.find(finding);
}

fn ssh_server(about: &mut About<'_>, server: &ssh::Server) {
    for check in [
        &checks::SSH_ALGORITHMS,
        &checks::SSH_TERRAPIN,
        &checks::SSH_VULNERABILITY,
        &checks::SSH_VERSION_1,
    ] {
        about.report.looked(check);
    }
    if server.speaks_version_1() {
        let what = format!("it says of itself `{}`", server.identification);
        about.find(about.finding(&checks::SSH_VERSION_1, what));
    }
    let weak = server.weak();
    if let Some(worst) = weak.iter().map(|(_, _, weak)| weak.severity).max() {
        let what = format!("{} weak algorithms are offered", weak.len());
        let mut finding = about.finding(&checks::SSH_ALGORITHMS, what);
        if worst < finding.severity {
            finding = finding.weighed(worst, "as the worst of them");
        }
        for (kind, name, weak) in &weak {
            finding = finding.seen(about.place(), format!("{kind} {name}: {}", weak.flaw));
        }
        finding = finding.remedy(&[("option", &options(&weak))]);
        about.find(finding);
    }
    if server.terrapin() {
        let what = "strict key exchange is not offered, and ciphers are that need it";
        about.find(about.finding(&checks::SSH_TERRAPIN, what));
    }
    if let Some(release) = Release::of_openssh(&server.identification) {
        let called = server.software();
        vulnerabilities(about, &checks::SSH_VULNERABILITY, Component::OpenSsh, called, &release);
    }
}

// sshd_config takes algorithms away with a minus.
fn options(weak: &[(&'static str, &str, &'static ssh::Weak)]) -> String {
    let keywords = [
        ("key exchange", "KexAlgorithms"),
        ("host key", "HostKeyAlgorithms"),
        ("cipher", "Ciphers"),
        ("MAC", "MACs"),
    ];
    let lines = keywords.iter().filter_map(|(kind, keyword)| {
        let names: Vec<_> =
            weak.iter().filter(|(of, _, _)| of == kind).map(|(_, name, _)| *name).collect();
        (!names.is_empty()).then(|| format!("{keyword} -{}", names.join(",")))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::exposure::State;
    use crate::exposure::address::suites::Version;
    use crate::exposure::address::{Engine, Target};
    use crate::exposure::certificate::{Hash, KeyKind, Usage};

    const NOW: i64 = 1_800_000_000;

    fn look(target: &str, address: &str, seen: Seen) -> Look {
        let address: SocketAddr = address.parse().unwrap();
        Look { target: Target::parse(target).unwrap(), address: Some(address), seen }
    }

    fn api() -> Api {
        Api { version: "1.41".to_owned(), server: "Docker/20.10.24 (linux)".to_owned() }
    }

    fn plain(reply: Reply) -> Seen {
        Seen::Tcp(Tcp { plain: reply, tls: None, engine: None })
    }

    fn certificate() -> Certificate {
        Certificate {
            subject: "CN=build-7".to_owned(),
            issuer: "CN=ca".to_owned(),
            key: KeyKind::Ec(256),
            hash: Hash::Strong,
            not_before: NOW - DAY,
            not_after: NOW + 60 * DAY,
            names: vec!["build-7".to_owned()],
            usage: Some(Usage { server: true, client: false }),
            ca: None,
        }
    }

    /// As a gate of ours shows itself.
    fn closed() -> Tls {
        Tls {
            versions: vec![
                (Version::Tls13, Offer::Spoken(0x1302, Vec::new())),
                (Version::Tls12, Offer::Refused),
            ],
            chain: vec![certificate()],
            names_target: true,
            asks_for: Some(vec!["CN=ca".to_owned()]),
            without_certificate: Access::Refused("certificate_required".to_owned()),
            self_made: Some(Access::Refused("unknown_ca".to_owned())),
        }
    }

    fn over_tls(tls: Tls) -> Seen {
        Seen::Tcp(Tcp { plain: Reply::Alert(10), tls: Some(tls), engine: None })
    }

    /// `SEVERITY ID: WHAT` of each finding, and `unknown ID: WHY`.
    fn judged(look: &Look) -> Vec<String> {
        let mut report = judge(look, NOW);
        report.sort();
        let findings = report
            .findings
            .iter()
            .map(|finding| format!("{} {}: {}", finding.severity, finding.check.id, finding.what));
        let unknown = report.unknown.iter();
        let unknown = unknown.map(|it| format!("unknown {}: {}", it.check.id, it.why));
        findings.chain(unknown).collect()
    }

    fn of_tls(change: impl FnOnce(&mut Tls)) -> Vec<String> {
        let mut tls = closed();
        change(&mut tls);
        judged(&look("build-7:2376", "10.0.0.9:2376", over_tls(tls)))
    }

    #[test]
    fn an_open_api_is_critical_and_high_on_loopback() {
        let open = plain(Reply::Api(api()));
        let far = look("build-7", "10.0.0.9:2375", open.clone());
        assert_eq!(
            judged(&far),
            ["critical ADR-001: the API answers in plain text, to anyone who asks"]
        );
        let report = judge(&far, NOW);
        let finding = &report.findings[0];
        assert_eq!(finding.subject, "tcp://build-7:2375 (10.0.0.9)");
        assert_eq!(
            finding.evidence[0].says,
            "GET /_ping: 200, Api-Version: 1.41, Server: Docker/20.10.24 (linux)"
        );
        assert_eq!(
            report.scanned,
            ["tcp://build-7:2375 (10.0.0.9): an open engine (Docker/20.10.24 (linux))"]
        );
        for address in ["127.0.0.1:2375", "[::1]:2375", "[::ffff:127.0.0.1]:2375"] {
            let near = judged(&look("localhost", address, open.clone()));
            assert!(near[0].starts_with("high ADR-001"), "{near:?}");
        }
    }

    #[test]
    fn a_closed_gate_has_nothing_to_find() {
        assert_eq!(of_tls(|_| ()), [""; 0]);
        let closed = look("build-7:2376", "10.0.0.9:2376", over_tls(closed()));
        let report = judge(&closed, NOW);
        for check in [&checks::OPEN_TLS, &checks::SELF_MADE_CERTIFICATE, &checks::VALIDITY] {
            assert_eq!(report.state(check), State::Pass, "{}", check.id);
        }
        assert_eq!(report.state(&checks::SSH_TERRAPIN), State::NotApplicable);
        assert_eq!(
            describe(&closed),
            "tcp://build-7:2376 (10.0.0.9): TLS 1.3: strangers are turned away"
        );
    }

    #[test]
    fn each_open_door_is_found() {
        let open = of_tls(|tls| {
            tls.asks_for = None;
            tls.self_made = None;
            tls.without_certificate = Access::Api(api());
        });
        assert_eq!(open, ["critical ADR-002: the API answers a client that shows no certificate"]);
        let any = of_tls(|tls| tls.self_made = Some(Access::Api(api())));
        assert_eq!(
            any,
            ["critical ADR-003: the API answers a client whose certificate is of its own making"]
        );
        let both = Tcp { plain: Reply::Api(api()), tls: Some(closed()), engine: None };
        let both = judged(&look("build-7:2376", "10.0.0.9:2376", Seen::Tcp(both)));
        assert_eq!(both, ["critical ADR-004: the API answers in plain text, to anyone who asks"]);
    }

    #[test]
    fn what_was_not_tried_is_unknown() {
        let late = of_tls(|tls| {
            tls.without_certificate = Access::Unknown("no answer in time".to_owned());
        });
        assert_eq!(late, ["unknown ADR-002: no answer in time"]);
        let nameless = of_tls(|tls| tls.asks_for = Some(Vec::new()));
        assert_eq!(
            nameless,
            ["unknown ADR-007: the server does not say which CAs it verifies clients against"]
        );
        let why = "no connection within 3 s".to_owned();
        let filtered = look("10.0.0.9", "10.0.0.9:2375", Seen::Unreachable(why));
        assert_eq!(judged(&filtered), ["unknown ADR-001: no connection within 3 s"]);
        assert!(judge(&filtered, NOW).scanned.is_empty());
    }

    #[test]
    fn a_usual_port_on_which_nothing_listens_is_no_question() {
        assert_eq!(judged(&look("10.0.0.9", "10.0.0.9:2375", Seen::Closed)), [""; 0]);
        let asked_for = look("10.0.0.9:2375", "10.0.0.9:2375", Seen::Closed);
        assert_eq!(judged(&asked_for), ["unknown ADR-001: connection refused"]);
        let ssh = look("ssh://10.0.0.9:22", "10.0.0.9:22", Seen::Closed);
        assert_eq!(judged(&ssh), ["unknown ADR-014: connection refused"]);
    }

    #[test]
    fn what_is_no_engine_is_told_and_not_found() {
        let cases = [
            (Reply::Http(404, "nginx".to_owned()), "no engine: HTTP 404 (nginx)"),
            (Reply::Other("SSH-2.0-x".to_owned()), "no engine (SSH-2.0-x)"),
            (Reply::Silent, "no engine: says nothing"),
            (Reply::Closed, "no engine: hangs up"),
        ];
        for (reply, expected) in cases {
            let look = look("10.0.0.9:80", "10.0.0.9:80", plain(reply));
            assert_eq!(describe(&look), format!("tcp://10.0.0.9:80: {expected}"));
            assert_eq!(judged(&look), [""; 0]);
        }
    }

    #[test]
    fn old_versions_and_weak_suites_are_found() {
        let old = of_tls(|tls| {
            tls.versions = vec![
                (Version::Tls12, Offer::Spoken(0xC02F, vec![0xC013, 0x000A])),
                (Version::Tls10, Offer::Spoken(0xC013, Vec::new())),
                (Version::Ssl30, Offer::Unknown("it hangs up".to_owned())),
            ];
        });
        assert_eq!(
            old,
            [
                "high ADR-006: the server takes 3 weak cipher suites, \
                 TLS_RSA_WITH_3DES_EDE_CBC_SHA among them",
                "medium ADR-005: the server speaks TLS 1.0",
                "unknown ADR-005: SSL 3.0: it hangs up",
            ]
        );
        let dated = of_tls(|tls| {
            tls.versions = vec![(Version::Tls12, Offer::Spoken(0xC013, vec![0xC013]))];
        });
        assert_eq!(
            dated,
            ["low ADR-006: the server takes the weak cipher suite \
                 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]
        );
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_found() {
        let with = |change: &dyn Fn(&mut Certificate)| {
            of_tls(|tls| {
                change(&mut tls.chain[0]);
            })
        };
        type Change = fn(&mut Certificate);
        let cases: [(Change, &str); 6] = [
            (
                |it| it.key = KeyKind::Rsa(1024),
                "high ADR-008: the certificate of CN=build-7 has an RSA key of 1024 bits",
            ),
            (|it| it.not_after = NOW - DAY, "high ADR-009: the certificate expired 1 days ago"),
            (|it| it.not_before = NOW + 1, "high ADR-009: the certificate is not valid yet"),
            (|it| it.not_after = NOW + 6 * DAY, "high ADR-009: the certificate ends in 6 days"),
            (|it| it.not_after = NOW + 29 * DAY, "medium ADR-009: the certificate ends in 29 days"),
            (
                |it| it.usage = None,
                "high ADR-011: the server's certificate would be taken as a client's",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(with(&change), [expected]);
        }
        assert_eq!(with(&|it| it.not_after = NOW + 30 * DAY), [""; 0]);
        assert_eq!(
            of_tls(|tls| tls.names_target = false),
            ["medium ADR-010: the certificate is not for `build-7`"]
        );
        assert_eq!(of_tls(|tls| tls.chain.clear()).len(), 4, "unknown, all four");
    }

    #[test]
    fn releases_are_judged_by_their_maker() {
        let engine = |version: &str, runc: Option<&str>| {
            let engine = Engine {
                version: version.to_owned(),
                runc: runc.map(str::to_owned),
                podman: false,
            };
            let tcp = Tcp { plain: Reply::Closed, tls: None, engine: Some(engine) };
            judged(&look("10.0.0.9:2375", "10.0.0.9:2375", Seen::Tcp(tcp)))
        };
        assert_eq!(engine("29.9.0", Some("1.3.3")), [""; 0]);
        assert_eq!(
            engine("29.3.0", Some("1.1.11")),
            [
                "high ADR-013: dockerd 29.3.0 has CVE-2026-34040, CVE-2026-41567, \
                 CVE-2026-33997, CVE-2026-97032",
                "high ADR-013: runc 1.1.11 has CVE-2024-21626, CVE-2025-31133",
            ]
        );
        let debian = engine("20.10.24+dfsg1", None);
        assert_eq!(debian[0], "medium ADR-012: dockerd 20.10.24+dfsg1 is older than release 28");
        assert!(debian[1].starts_with("unknown ADR-013: dockerd 20.10.24+dfsg1 is a distrib"));
        let odd = engine("library-import", None);
        assert_eq!(odd, ["unknown ADR-013: `library-import` is no version that can be compared"]);
    }

    #[test]
    fn ssh_servers_are_judged_by_what_they_offer() {
        let server = ssh::Server {
            identification: "SSH-2.0-OpenSSH_9.6p1".to_owned(),
            key_exchange: vec!["curve25519-sha256".to_owned(), "x-sha1".to_owned()],
            host_key: vec!["ssh-ed25519".to_owned()],
            cipher: vec!["chacha20-poly1305@openssh.com".to_owned()],
            mac: vec!["hmac-md5".to_owned()],
        };
        let look = look("ssh://build-7", "10.0.0.9:22", Seen::Ssh(server));
        assert_eq!(
            judged(&look),
            [
                "critical ADR-016: OpenSSH_9.6p1 has CVE-2024-6387",
                "medium ADR-014: 2 weak algorithms are offered",
                "medium ADR-015: strict key exchange is not offered, and ciphers are that need it",
            ]
        );
        let report = judge(&look, NOW);
        let weak = report.findings.iter().find(|it| it.check.id == "ADR-014").unwrap();
        assert!(weak.remedy.contains("KexAlgorithms -x-sha1\nMACs -hmac-md5\n"), "{}", weak.remedy);
    }
}

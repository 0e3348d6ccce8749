//! Who can reach an engine's API over a network: what is bound, how it authenticates and what the
//! firewall does, weighed together.

use std::net::SocketAddr;

use super::super::catalogue::engine::NO_AUTHORIZATION;
use super::super::catalogue::network::*;
use super::super::catalogue::tls::NO_REVOCATION;
use super::super::facts::{Answer, Engine, Facts, Firewall, Listener, Program};
use super::super::read::command_line::{Origin, Setting, Settings};
use super::super::read::endpoint::{Endpoint, Reach, reach};
use super::super::{Check, Evidence, Finding, Place, Report, Severity};

/// How a TCP endpoint tells clients from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// Plain text.
    Plain,
    /// TLS, and any client.
    Unverified,
    /// TLS with client certificates.
    Verified,
}

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for engine in &facts.engines {
        // An engine without a TCP port passes.
        if engine.settings().is_some() {
            looked(plain_of(engine.program), report);
        }
        for endpoint in endpoints(engine, facts) {
            judge_endpoint(&endpoint, report);
        }
        extra_ports(engine, facts, report);
    }
    for endpoint in unit_endpoints(facts) {
        judge_endpoint(&endpoint, report);
    }
    other_listeners(facts, report);
    if facts.desktop {
        report.looked(&DESKTOP_TCP);
    }
    for place in &facts.desktop_tcp {
        let what = "`Expose daemon on tcp://localhost:2375 without TLS` is ticked";
        report.find(
            Finding::new(&DESKTOP_TCP, &place.name, what)
                .seen(place.clone(), "is true")
                .remedy(&[]),
        );
    }
}

/// A TCP endpoint of an engine, as it is bound or as it would be.
pub(super) struct Tcp<'a> {
    /// `tcp://0.0.0.0:2375`, as configured: the same whether it runs or not.
    address: String,
    /// The address, and whose it is where that is not plain.
    pub(super) subject: String,
    pub(super) port: u16,
    pub(super) reach: Reach,
    pub(super) auth: Auth,
    listener: Option<&'a Listener>,
    pub(super) evidence: Vec<Evidence>,
    /// What is found where it is open in plain text to others.
    plain: &'static Check,
    unit: &'a str,
    authorizes: bool,
    written_for_ipv4: bool,
}

/// The TCP endpoints of an engine: those of its settings, and those it holds beside them.
pub(super) fn endpoints<'a>(engine: &'a Engine, facts: &'a Facts) -> Vec<Tcp<'a>> {
    let Some(settings) = engine.settings() else { return Vec::new() };
    let configured = auth(engine.program, settings);
    let authorizes = settings.one("authorization-plugin").is_some();
    let mut endpoints = Vec::new();
    for host in settings.all("host") {
        let endpoint = Endpoint::of_engine(&host.value, configured != Auth::Plain);
        let (Endpoint::Tcp { port, .. }, Some(reach)) = (&endpoint, endpoint.reach()) else {
            continue;
        };
        let evidence = vec![Evidence::new(host.place.clone(), shown(host))];
        endpoints.push(Tcp {
            address: endpoint.to_string(),
            subject: subject(&endpoint.to_string(), engine),
            port: *port,
            reach,
            auth: configured,
            listener: None,
            evidence,
            plain: plain_of(engine.program),
            unit: "docker.socket",
            authorizes,
            written_for_ipv4: host.value.contains("0.0.0.0"),
        });
    }
    for endpoint in &mut endpoints {
        let of_port = |listener: &&Listener| listener.address.port() == endpoint.port;
        let own = |listener: &&Listener| {
            listener.owner.as_ref().is_none_or(|(pid, name)| {
                Some(*pid) == engine.pid || name == "rootlesskit" || name == "systemd"
            })
        };
        let bound = facts.listeners.iter().filter(|_| engine.pid.is_some());
        if let Some(listener) = bound.filter(of_port).find(own) {
            endpoint.meet(listener);
        }
    }
    on_disk(engine, &mut endpoints);
    endpoints
}

/// Says of what runs where it will come from at the next start.
fn on_disk(engine: &Engine, endpoints: &mut [Tcp<'_>]) {
    let (Some(_), Some(on_disk)) = (&engine.running, &engine.on_disk) else { return };
    for host in on_disk.all("host") {
        let says = shown(host);
        let of_host = |it: &&mut Tcp<'_>| it.evidence.first().is_some_and(|it| it.says == says);
        for endpoint in endpoints.iter_mut().filter(of_host) {
            let known = endpoint.evidence.iter().any(|it| it.place == host.place);
            if !known {
                endpoint.evidence.push(Evidence::new(host.place.clone(), says.clone()));
            }
        }
    }
}

/// `-H tcp://0.0.0.0:2375`, or what daemon.json has.
fn shown(host: &Setting) -> String {
    match host.origin {
        Origin::CommandLine => format!("-H {}", host.value),
        Origin::File => format!("hosts: {}", host.value),
    }
}

/// The TCP endpoints of socket units.
pub(super) fn unit_endpoints(facts: &Facts) -> Vec<Tcp<'_>> {
    let mut endpoints = Vec::new();
    for unit in &facts.socket_units {
        let podman = unit.name.contains("podman");
        let program = if podman { Program::Podman } else { Program::Dockerd };
        let engine = facts.engines.iter().find(|engine| engine.program == program);
        let settings = engine.and_then(Engine::settings);
        for (stream, place) in &unit.streams {
            let Some((shown, port, reach)) = stream_address(stream) else { continue };
            let mut endpoint = Tcp {
                subject: format!("{shown} ({})", unit.name),
                address: shown,
                port,
                reach,
                auth: settings.map_or(Auth::Plain, |settings| auth(program, settings)),
                listener: None,
                evidence: vec![Evidence::new(place.clone(), format!("ListenStream={stream}"))],
                plain: &SOCKET_UNIT,
                unit: &unit.name,
                authorizes: settings
                    .is_some_and(|settings| settings.one("authorization-plugin").is_some()),
                written_for_ipv4: false,
            };
            if let Some(bound) = facts.listeners.iter().find(|l| l.address.port() == port) {
                endpoint.meet(bound);
            }
            endpoints.push(endpoint);
        }
    }
    endpoints
}

/// A `ListenStream=` that is TCP: a port alone is every address.
fn stream_address(stream: &str) -> Option<(String, u16, Reach)> {
    if let Ok(port) = stream.parse::<u16>() {
        return Some((format!("tcp://[::]:{port}"), port, Reach::Wildcard));
    }
    let address: SocketAddr = stream.parse().ok()?;
    Some((format!("tcp://{address}"), address.port(), reach(address.ip())))
}

impl<'a> Tcp<'a> {
    /// Takes in what the socket that is bound shows: it counts for more than the settings.
    fn meet(&mut self, listener: &'a Listener) {
        self.listener = Some(listener);
        self.reach = reach(listener.address.ip());
        let says = match &listener.answer {
            Answer::Api(version) => {
                self.auth = Auth::Plain;
                format!("answers in plain text, API version {version}")
            }
            Answer::ApiOverTls(version) => {
                self.auth = Auth::Unverified;
                format!("answers over TLS without a client certificate, API version {version}")
            }
            Answer::WantsCertificate => {
                self.auth = Auth::Verified;
                "lets in no client without a certificate".to_owned()
            }
            Answer::Tls => "listens and speaks TLS".to_owned(),
            Answer::Other => "listens".to_owned(),
            Answer::Unknown(why) => format!("listens; {why}"),
        };
        self.evidence
            .push(Evidence::new(Place::whole(format!("tcp://{}", listener.address)), says));
    }

    fn is_limited(&self) -> bool {
        self.listener.is_some_and(|listener| listener.firewall == Firewall::Limits)
    }
}

/// What is found where a program's port is open in plain text to others.
fn plain_of(program: Program) -> &'static Check {
    match program {
        Program::Dockerd => &PLAIN_TCP,
        Program::Podman => &PODMAN_TCP,
    }
}

fn looked(plain: &'static Check, report: &mut Report) {
    for check in [plain, &UNVERIFIED_TLS, &PLAIN_TCP_LOOPBACK, &ENGINE_ON_NETWORK] {
        report.looked(check);
    }
}

fn judge_endpoint(endpoint: &Tcp<'_>, report: &mut Report) {
    looked(endpoint.plain, report);
    report.looked(&NO_AUTHORIZATION);
    report.looked(&NO_REVOCATION);
    let local = endpoint.reach == Reach::Loopback;
    if let Some(Listener { answer: Answer::Unknown(why), .. }) = endpoint.listener {
        report.unknown(endpoint.plain, &endpoint.subject, why);
    }
    let found = |check: &'static Check, what: &str| {
        let mut finding = Finding::new(check, &endpoint.subject, what);
        finding.evidence.clone_from(&endpoint.evidence);
        finding.remedy(&[
            ("endpoint", &endpoint.address),
            ("port", &endpoint.port.to_string()),
            ("unit", endpoint.unit),
        ])
    };
    let weigh = |finding: Finding, limited: Severity| match endpoint.listener {
        _ if local => finding,
        Some(Listener { firewall: Firewall::Limits, .. }) => {
            finding.weighed(limited, "the firewall lets only listed sources through to the port")
        }
        Some(Listener { firewall: Firewall::Unknown(why), .. }) => {
            let severity = finding.severity;
            finding.weighed(severity, format!("what the firewall does is not known: {why}"))
        }
        Some(Listener { firewall: Firewall::Open, .. }) | None => finding,
    };
    match (endpoint.auth, local) {
        (Auth::Plain, false) => {
            let what = "the API is served in plain text to whoever reaches the port";
            report.find(weigh(found(endpoint.plain, what), Severity::High));
        }
        (Auth::Unverified, false) => {
            let what = "the API is served over TLS to clients without a certificate";
            report.find(weigh(found(&UNVERIFIED_TLS, what), Severity::High));
        }
        (Auth::Plain | Auth::Unverified, true) => {
            let what = "the API is served on loopback to every local process";
            report.find(found(&PLAIN_TCP_LOOPBACK, what));
        }
        (Auth::Verified, false) => {
            let what = "clients with a certificate reach the engine itself";
            report.find(weigh(found(&ENGINE_ON_NETWORK, what), Severity::Low));
            report.find(found(&NO_REVOCATION, "its clients' certificates hold until they end"));
            if !endpoint.authorizes {
                let what = "no authorization plugin is set, and the engine takes remote clients";
                report.find(weigh(found(&NO_AUTHORIZATION, what), Severity::Low));
            }
        }
        (Auth::Verified, true) => {}
    }
    if endpoint.written_for_ipv4
        && let Some(listener) = endpoint.listener
    {
        report.looked(&DUAL_STACK);
        if listener.address.is_ipv6() && !endpoint.is_limited() {
            let what = "0.0.0.0 is written, and every address of both families is bound";
            let finding = found(&DUAL_STACK, what);
            report.find(match endpoint.auth {
                Auth::Verified => {
                    finding.weighed(Severity::Low, "clients need a certificate all the same")
                }
                Auth::Plain | Auth::Unverified => finding,
            });
        }
    }
}

/// How an engine's settings say that clients are told apart. Where releases differ, the weakest.
pub(super) fn auth(program: Program, settings: &Settings) -> Auth {
    if program == Program::Podman {
        return match (settings.one("tls-client-ca"), settings.one("tls-cert")) {
            (Some(_), _) => Auth::Verified,
            (None, Some(_)) => Auth::Unverified,
            (None, None) => Auth::Plain,
        };
    }
    // `--tlsverify` in whatever form turns TLS on; `--tls` as a flag turns verification on with
    // it; `"tls": true` in daemon.json does so from 23.0 on.
    let tls = settings.one("tls").filter(|_| settings.is_on("tls") == Some(true));
    match (settings.is_on("tlsverify"), tls) {
        (Some(true), _) => Auth::Verified,
        (Some(false), _) => Auth::Unverified,
        (None, Some(tls)) if tls.origin == Origin::CommandLine => Auth::Verified,
        (None, Some(_)) => Auth::Unverified,
        (None, None) => Auth::Plain,
    }
}

/// Metrics and swarm.
fn extra_ports(engine: &Engine, facts: &Facts, report: &mut Report) {
    let Some(settings) = engine.settings() else { return };
    if let Some(metrics) = settings.one("metrics-addr") {
        report.looked(&EXTRA_PORTS);
        let endpoint = Endpoint::of_engine(&metrics.value, false);
        if endpoint.reach().is_some_and(|reach| reach != Reach::Loopback) {
            let what = "the engine's metrics are served to whoever reaches the port";
            report.find(
                Finding::new(&EXTRA_PORTS, subject(&endpoint.to_string(), engine), what)
                    .seen(metrics.place.clone(), format!("metrics-addr: {}", metrics.value))
                    .remedy(&[("option", "--metrics-addr 127.0.0.1:9323")]),
            );
        }
    }
    for listener in facts.listeners.iter().filter(|listener| owns(engine, listener)) {
        let port = listener.address.port();
        if !SWARM.contains(&port) {
            continue;
        }
        report.looked(&EXTRA_PORTS);
        if reach(listener.address.ip()) != Reach::Loopback && listener.firewall != Firewall::Limits
        {
            let address = format!("tcp://{}", listener.address);
            let what = "a port of swarm's is open to the network";
            report.find(
                Finding::new(&EXTRA_PORTS, &address, what)
                    .weighed(Severity::Low, "swarm's managers ask for certificates themselves")
                    .seen(Place::whole(&address), "the engine listens")
                    .remedy(&[("option", "docker swarm init --listen-addr ADDRESS")]),
            );
        }
    }
}

/// APIs that are offered where no engine's settings and no unit say so.
fn other_listeners(facts: &Facts, report: &mut Report) {
    let units = unit_endpoints(facts);
    let engines = facts.engines.iter().flat_map(|engine| endpoints(engine, facts));
    let known: Vec<_> = engines.chain(units).map(|endpoint| endpoint.port).collect();
    for listener in &facts.listeners {
        report.looked(&OTHER_API);
        let port = listener.address.port();
        let owner = listener.owner.as_ref().map(|(_, name)| name.as_str());
        if known.contains(&port) || owner == Some("seawall") {
            continue;
        }
        let address = format!("tcp://{}", listener.address);
        let local = reach(listener.address.ip()) == Reach::Loopback;
        let (how, plain) = match &listener.answer {
            Answer::Api(version) => (format!("API version {version}, in plain text"), true),
            Answer::ApiOverTls(version) => (format!("API version {version}, over TLS"), false),
            Answer::WantsCertificate | Answer::Tls | Answer::Other | Answer::Unknown(_) => continue,
        };
        let owner = owner.unwrap_or("a process that cannot be told");
        let what = format!("{owner} serves a Docker API to clients that say nothing of themselves");
        let finding = Finding::new(&OTHER_API, &address, what)
            .seen(Place::whole(&address), format!("answers /_ping: {how}"))
            .remedy(&[("port", &port.to_string())]);
        report.find(match (local, &listener.firewall) {
            (true, _) => finding.weighed(Severity::High, "only this host reaches it"),
            (false, Firewall::Limits) => finding.weighed(
                Severity::High,
                "the firewall lets only listed sources through to the port",
            ),
            (false, Firewall::Unknown(why)) => finding
                .weighed(Severity::Critical, format!("what the firewall does is not known: {why}")),
            (false, Firewall::Open) => finding,
        });
        report.looked(if plain { &PLAIN_TCP } else { &UNVERIFIED_TLS });
    }
}

fn owns(engine: &Engine, listener: &Listener) -> bool {
    engine.pid.is_some() && listener.owner.as_ref().map(|(pid, _)| *pid) == engine.pid
}

/// What a finding of an engine is about.
pub(super) fn subject(what: &str, engine: &Engine) -> String {
    match &engine.stray {
        Some(file) => format!("{what} ({file})"),
        None => what.to_owned(),
    }
}

/// Ports of swarm: management and gossip.
const SWARM: [u16; 2] = [2377, 7946];

#[cfg(test)]
mod tests;

//! What a running gate knows of its host: the result of the last host scan, which runs as a
//! process of its own outside the gate's sandbox, and engines that anyone reaches beside it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_rules::exposure::Severity;
use seawall_rules::exposure::address::{Access, Look, Reply, Seen, Target, Way};
use seawall_rules::exposure::read::sockets::listening;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::probe::Probe;
use crate::gate::Gate;

/// What is known, swapped as one.
#[derive(Debug, Default)]
pub struct Watch(ArcSwap<Outlook>);

/// What is known of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// The last host scan, or why its result cannot be read; `None` when there is none.
    pub scan: Option<Result<Scan, String>>,
    /// Engines that anyone reaches beside the gate, a sentence each.
    pub beside: Vec<String>,
}

/// The result of a host scan, as far as the gate needs it: what `scan --format json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What it found, the worst first.
    pub findings: Vec<Found>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as `scan` prints them")]
pub struct Found {
    pub id: String,
    pub severity: String,
    pub subject: String,
    pub what: String,
    /// The reason and the end of a waiver that takes it in.
    #[serde(default, skip_serializing)]
    pub waived: Option<Waived>,
}

/// What there is to say of a waiver, which only matters by being there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Waived {}

impl Found {
    /// Whether it is high or critical.
    pub fn is_grave(&self) -> bool {
        self.weight() >= Some(Severity::High)
    }

    fn weight(&self) -> Option<Severity> {
        Severity::named(&self.severity)
    }
}

impl Scan {
    /// The worst finding.
    pub fn worst(&self) -> Option<&Found> {
        // The first of the worst, since of equals the last is the greatest.
        self.findings.iter().rev().max_by_key(|found| found.weight())
    }

    /// How many findings of each severity there are, the worst first; those of none are left out.
    pub fn counts(&self) -> Vec<(Severity, usize)> {
        let of = |severity: &Severity| {
            self.findings.iter().filter(|found| found.severity == severity.as_str()).count()
        };
        let counted = Severity::ALL.iter().rev().map(|severity| (*severity, of(severity)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

impl Watch {
    /// What is known now.
    pub fn outlook(&self) -> Arc<Outlook> {
        self.0.load_full()
    }

    /// Reads the result again, and logs what is new in it.
    pub fn read_again(&self, file: &Path) {
        let before = self.outlook();
        let scan = read(file);
        if scan == before.scan {
            return;
        }
        match &scan {
            None => tracing::info!(file = %file.display(), "there is no host scan any more"),
            Some(Err(why)) => tracing::error!(
                file = %file.display(), error = %why, "the host scan's result cannot be read"
            ),
            Some(Ok(scan)) => {
                let known = match &before.scan {
                    Some(Ok(before)) => before.findings.as_slice(),
                    _ => &[],
                };
                for found in new_findings(known, &scan.findings) {
                    let Found { id, severity, subject, what, .. } = found;
                    tracing::warn!(%id, %severity, %subject, %what, "new finding of the host scan");
                }
            }
        }
        self.0.store(Arc::new(Outlook { scan, beside: before.beside.clone() }));
    }

    fn beside(&self, beside: Vec<String>) {
        let before = self.outlook();
        if beside == before.beside {
            return;
        }
        for sentence in &beside {
            tracing::error!(
                "{sentence}; whoever reaches it needs no certificate and leaves no record"
            );
        }
        if beside.is_empty() {
            tracing::info!("no engine is open beside the gate any more");
        }
        self.0.store(Arc::new(Outlook { scan: before.scan.clone(), beside }));
    }
}

/// Keeps the gate's outlook up to date for as long as it runs.
pub async fn run(gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(RESULT_EVERY);
    for tick in 0.. {
        ticks.tick().await;
        gate.watch.read_again(&gate.snapshot.load().config.scan.result);
        if tick % TICKS_BETWEEN_LOOKS == 0 {
            gate.watch.beside(open_beside(&gate.listeners).await);
        }
    }
}

/// How often the result's file is read.
const RESULT_EVERY: Duration = Duration::from_secs(60);
/// How many of those pass between looks at what listens beside the gate.
const TICKS_BETWEEN_LOOKS: u32 = 10;

/// Findings that were not there before, each by its check and its subject.
fn new_findings<'a>(before: &[Found], now: &'a [Found]) -> impl Iterator<Item = &'a Found> {
    let known: BTreeSet<(String, String)> =
        before.iter().map(|found| (found.id.clone(), found.subject.clone())).collect();
    now.iter().filter(move |found| !known.contains(&(found.id.clone(), found.subject.clone())))
}

/// Reads a result; `None` when there is none.
fn read(file: &Path) -> Option<Result<Scan, String>> {
    let mut text = String::new();
    let opened = File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text));
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
        Ok(_) => {}
    }
    let read: Result<Scan, _> = serde_json::from_str(&text);
    Some(read.map(as_counts).map_err(|error| format!("it is no result of a scan: {error}")))
}

const MOST: u64 = 16 << 20;

// Without what is waived, and fit to be shown: subjects are names of files and the like, which
// anybody may have made.
fn as_counts(mut scan: Scan) -> Scan {
    scan.findings.retain(|found| found.waived.is_none());
    for found in &mut scan.findings {
        let Found { id, severity, subject, what, .. } = found;
        for text in [id, severity, subject, what] {
            *text = text.chars().flat_map(char::escape_debug).take(300).collect();
        }
    }
    scan
}

/// Engines that anyone reaches on the engine's usual ports, beside the gate's own listeners.
async fn open_beside(own: &[String]) -> Vec<String> {
    let usual = Target { way: Way::Tcp, host: String::new(), port: None };
    let mut bound: Vec<SocketAddr> = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table))
        .map(|socket| socket.address)
        .filter(|address| usual.ports().contains(&address.port()))
        .filter(|address| !own.contains(&format!("tcp://{address}")))
        .collect();
    bound.sort();
    bound.dedup();
    let targets: Vec<Target> = bound.iter().map(near).collect();
    if targets.is_empty() {
        return Vec::new();
    }
    let probe = Probe { concurrency: 1, patience: PATIENCE };
    match probe.look(targets, |_| ()).await {
        Ok(looks) => {
            let looks = bound.iter().zip(&looks);
            looks.filter_map(|(bound, look)| open(bound, look)).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "cannot look at what listens beside the gate");
            Vec::new()
        }
    }
}

/// For an engine on this host; one that is slower is looked at again later.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a socket that is bound to `address` is reached from here.
fn near(address: &SocketAddr) -> Target {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Target { way: Way::Tcp, host: host.to_string(), port: Some(address.port()) }
}

fn open(bound: &SocketAddr, look: &Look) -> Option<String> {
    let Seen::Tcp(tcp) = &look.seen else { return None };
    let without = tcp.tls.as_ref().map(|tls| (&tls.without_certificate, tls.self_made.as_ref()));
    let how = match (&tcp.plain, without) {
        (Reply::Api(_), _) => "in plain text",
        (_, Some((Access::Api(_), _))) => "over TLS without a certificate",
        (_, Some((_, Some(Access::Api(_))))) => "with any certificate",
        _ => return None,
    };
    let to = if bound.ip().to_canonical().is_loopback() { "every local user" } else { "anyone" };
    Some(format!("an engine beside the gate is open to {to} {how}: tcp://{bound}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, severity: &str, subject: &str) -> Found {
        let [id, severity, subject] = [id, severity, subject].map(str::to_owned);
        Found { id, severity, subject, what: "open".to_owned(), waived: None }
    }

    #[test]
    fn a_finding_is_new_by_its_check_and_its_subject() {
        let before = [found("NET-001", "critical", "tcp://[::]:2375")];
        let mut again = before[0].clone();
        "open still".clone_into(&mut again.what);
        let now = [again, found("NET-001", "critical", "tcp://[::]:4243")];
        let new: Vec<_> = new_findings(&before, &now).map(|found| &found.subject).collect();
        assert_eq!(new, ["tcp://[::]:4243"]);
    }

    #[test]
    fn what_is_no_result_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scan.json");
        assert_eq!(read(&file), None);
        for bad in ["", "{}", r#"{"time":"yesterday","findings":[]}"#] {
            std::fs::write(&file, bad).unwrap();
            assert!(matches!(read(&file), Some(Err(_))), "{bad}");
        }
        std::fs::write(
            &file,
            r#"{"schema_version":1,"time":"2026-11-24T08:00:00Z","findings":[
                {"id":"NET-001","severity":"critical","subject":"a\u001b[2J","what":"open","x":1},
                {"id":"CFG-008","severity":"low","subject":"icc","what":"on","waived":null},
                {"id":"KEY-001","severity":"high","subject":"/ca.pem","what":"here",
                 "waived":{"reason":"for now","until":"2027-01-31"}}]}"#,
        )
        .unwrap();
        let Some(Ok(scan)) = read(&file) else { panic!("not read") };
        assert_eq!(scan.findings[0].subject, "a\\u{1b}[2J");
        assert_eq!(scan.counts(), [(Severity::Critical, 1), (Severity::Low, 1)]);
    }

    #[test]
    fn sockets_of_every_address_are_reached_by_loopback() {
        for (bound, near_by) in [
            ("0.0.0.0:2375", "tcp://127.0.0.1:2375"),
            ("[::]:2375", "tcp://[::1]:2375"),
            ("10.0.0.9:2376", "tcp://10.0.0.9:2376"),
        ] {
            assert_eq!(near(&bound.parse().unwrap()).to_string(), near_by);
        }
    }
}

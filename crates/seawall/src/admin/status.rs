//! What `status` and `sessions` show, gathered from the running gate.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::admit::Ban;
use crate::cli::report::Error;
use crate::engine::Engine;
use crate::exposure::watch::{Found, Outlook};
use crate::gate::{self, Gate, Of};
use crate::listen;
use crate::pki;
use crate::sessions::Session;

/// One screen about a running gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is a line of `seawall status`")]
pub struct Status {
    pub version: String,
    pub pid: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    pub listeners: Vec<String>,
    /// The SSH server, where there is one.
    pub ssh: Option<SshStatus>,
    pub upstream: String,
    /// The engine's `Server` header, or why it does not answer.
    pub engine: Result<String, String>,
    pub generation: u64,
    pub certificates: Vec<Expiry>,
    pub identities: usize,
    pub connections: usize,
    pub sessions: usize,
    pub requests: u64,
    pub denied: u64,
    /// By so many rules requests would have been refused, were it not for roles in warn mode.
    pub would_deny: u64,
    pub refused_connections: u64,
    /// Sources kept out for their failures.
    pub banned: Vec<String>,
    pub audit: AuditStatus,
    pub scan: ScanStatus,
    /// Everything that wants the operator's attention, one sentence each.
    pub warnings: Vec<String>,
}

/// Who may connect, and who is kept out for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// `network.allow`.
    pub allow: Vec<String>,
    /// `network.deny`.
    pub deny: Vec<String>,
    /// `network.proxy_protocol_from`.
    pub proxy_protocol_from: Vec<String>,
    /// Sources whose handshakes keep failing.
    pub banned: Vec<BanRow>,
}

/// A source that is kept out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BanRow {
    /// An IPv4 address, or an IPv6 /64.
    pub source: String,
    /// For how many more seconds.
    pub seconds_left: u64,
}

impl BanRow {
    fn shown(ban: &Ban) -> Self {
        // What is left of a second is a second.
        let seconds_left = ban.left.as_secs() + u64::from(ban.left.subsec_nanos() > 0);
        Self { source: ban.source.to_string(), seconds_left }
    }
}

/// Who may connect by the configuration in force, and who is kept out.
pub(super) fn network(gate: &Gate) -> Network {
    let config = gate.snapshot.load().config.clone();
    let shown = |list: &[IpNet]| list.iter().map(ToString::to_string).collect();
    Network {
        allow: shown(config.networks.allowed()),
        deny: shown(config.networks.denied()),
        proxy_protocol_from: shown(config.balancers.allowed()),
        banned: gate.admission.bans().iter().map(BanRow::shown).collect(),
    }
}

/// When a certificate that matters ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expiry {
    /// `ca`, `gate`, `CRL`, or an identity's name.
    pub of: String,
    /// SHA-256 of it, as `ca show` prints it.
    pub fingerprint: String,
    /// End of its validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

impl Expiry {
    fn shown(expiry: &gate::Expiry) -> Self {
        let of = match &expiry.of {
            Of::Ca => "ca".to_owned(),
            Of::Crl => CRL.to_owned(),
            Of::Gate => "gate".to_owned(),
            Of::Identity(name) => name.to_string(),
        };
        let fingerprint = pki::colons(&expiry.fingerprint);
        Self { of, fingerprint, not_after: expiry.not_after.into() }
    }
}

/// What is known of the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScanStatus {
    /// Where the host scan leaves its result.
    pub file: String,
    /// When the last one was made; `None` when there is none, or it cannot be read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub time: Option<OffsetDateTime>,
    /// Its findings by severity, the worst first.
    pub findings: Vec<(String, usize)>,
    /// The worst of them.
    pub worst: Option<Found>,
    /// Why it cannot be read.
    pub trouble: Option<String>,
}

impl ScanStatus {
    fn shown(file: &Path, outlook: &Outlook) -> Self {
        let mut shown = Self {
            file: file.display().to_string(),
            time: None,
            findings: Vec::new(),
            worst: None,
            trouble: None,
        };
        match &outlook.scan {
            None => {}
            Some(Err(why)) => shown.trouble = Some(why.clone()),
            Some(Ok(scan)) => {
                shown.time = Some(scan.time);
                let counts = scan.counts().into_iter();
                shown.findings = counts.map(|(of, count)| (of.to_string(), count)).collect();
                shown.worst = scan.worst().cloned();
            }
        }
        shown
    }
}

/// How the SSH server is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SshStatus {
    /// Of the host key, as `ssh` shows it at the first connection.
    pub host_key: String,
    /// What confines its process; nothing while that is being started again.
    pub sandbox: Option<String>,
}

/// Whether the trail is being written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Folder of the segments.
    pub dir: String,
    /// Sequence number of the last record.
    pub seq: u64,
    /// Why the last record could not be written, if it could not.
    pub failing: Option<String>,
}

/// One connection, as `sessions` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is a column of `seawall sessions`")]
pub struct SessionRow {
    pub id: String,
    pub identity: String,
    pub roles: String,
    pub peer: String,
    pub credential: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    pub requests: u64,
    pub received: u64,
    pub sent: u64,
    /// The operation under way; `None` between requests.
    pub operation: Option<String>,
    pub target: Option<String>,
}

impl SessionRow {
    fn of(session: &Session) -> Self {
        let (doing, requests) = session.doing();
        let subject = &session.authority().subject;
        let (operation, target) =
            doing.map(|doing| (doing.operation.as_str().to_owned(), doing.target)).unzip();
        Self {
            id: format!("{:012x}", session.id),
            identity: subject.name.clone(),
            roles: subject.roles.clone(),
            peer: session.peer.address.to_string(),
            credential: subject.credential.clone(),
            since: session.since.into(),
            requests,
            received: session.received.load(Ordering::Relaxed),
            sent: session.sent.load(Ordering::Relaxed),
            operation,
            target,
        }
    }
}

/// Every session, oldest first.
pub(super) fn sessions(gate: &Gate) -> Vec<SessionRow> {
    let mut sessions = gate.sessions.list();
    sessions.sort_by_key(|session| session.since);
    sessions.iter().map(|session| SessionRow::of(session)).collect()
}

/// Gathers the summary; asks the engine for a sign of life.
pub(super) async fn status(gate: &Gate) -> Result<Status, Error> {
    let snapshot = gate.snapshot.load_full();
    let engine = sign_of_life(&snapshot.engine).await;
    let clock = gate.store().clock_behind(SystemTime::now())?;
    let certificates: Vec<Expiry> = snapshot.expiries.iter().map(Expiry::shown).collect();
    let result = &snapshot.config.scan.result;
    gate.watch.read_again(result);
    let outlook = gate.watch.outlook();
    let scan = ScanStatus::shown(result, &outlook);
    let health = gate.trail.health();
    let totals = gate.metrics.totals();
    let mut warnings = outlook.beside.clone();
    if let Err(why) = &engine {
        warnings.push(format!("the engine does not answer: {why}"));
    }
    if let Some(why) = &health.failing {
        warnings.push(format!("the audit trail cannot be written: {why}"));
    }
    if let Some(why) = &health.anchor {
        warnings.push(format!("the audit anchor command fails: {why}"));
    }
    if let Some(behind) = clock {
        warnings.push(format!(
            "the clock is {} s behind the latest time seen; no certificates are issued",
            behind.as_secs()
        ));
    }
    for address in listen::open_to_the_internet(&snapshot.config, &listen::Interfaces::look()) {
        warnings.push(format!("{address}: {}", listen::OPEN_TO_THE_INTERNET));
    }
    for address in gate.sources.translated() {
        warnings.push(format!("{address}: {}", listen::TRANSLATED));
    }
    let now = OffsetDateTime::now_utc();
    if certificates.iter().any(|expiry| expiry.of == CRL && expiry.not_after <= now) {
        let refused = "the CRL of `tls.crl` has expired: its CA's certificates are refused";
        warnings.push(refused.to_owned());
    }
    // Many a CA makes a CRL a day; nothing is amiss with one that is to end soon.
    let soon = |expiry: &&Expiry| expiry.of != CRL && expiry.not_after < now + WEEK;
    for expiry in certificates.iter().filter(soon) {
        warnings.push(format!("the certificate of {} ends {}", expiry.of, expiry.not_after.date()));
    }
    if let Some(why) = &scan.trouble {
        warnings.push(format!("the result of the host scan cannot be read: {why}"));
    }
    if let Some(worst) = scan.worst.as_ref().filter(|worst| worst.is_grave()) {
        warnings.push(format!(
            "the host scan found: {} ({} {}, {})",
            worst.what, worst.severity, worst.id, worst.subject
        ));
    }
    if scan.time.is_some_and(|time| time < OffsetDateTime::now_utc() - STALE) {
        warnings.push("the last host scan is more than two days old".to_owned());
    }
    warnings.extend(snapshot.config.roles.warnings());
    let ssh = gate.ssh.as_ref().map(|server| SshStatus {
        host_key: server.fingerprint.clone(),
        sandbox: server.process.sandbox(),
    });
    if ssh.as_ref().is_some_and(|ssh| ssh.sandbox.is_none()) {
        warnings.push("the SSH process has died and is being started again".to_owned());
    }
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: gate.started.into(),
        listeners: gate.listeners.clone(),
        ssh,
        upstream: snapshot.engine.describe(),
        engine,
        generation: snapshot.generation,
        certificates,
        identities: snapshot.identity_count,
        connections: gate.admission.total(),
        sessions: gate.sessions.list().len(),
        requests: totals.requests,
        denied: totals.denied,
        would_deny: totals.would_deny,
        refused_connections: totals.refused_connections,
        banned: gate.admission.bans().iter().map(|ban| ban.source.to_string()).collect(),
        audit: AuditStatus {
            dir: snapshot.config.audit.dir.display().to_string(),
            seq: health.seq,
            failing: health.failing,
        },
        scan,
        warnings,
    })
}

/// Asks the engine for `/_ping`; its `Server` header, or why there is none.
async fn sign_of_life(engine: &Engine) -> Result<String, String> {
    let ask = async {
        let mut stream = engine.dial().await.map_err(|unreachable| unreachable.why)?;
        let lost = |error: std::io::Error| error.to_string();
        let ping = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
        stream.write_all(ping).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await.map_err(lost)?;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        match head.parse(&answer) {
            Ok(httparse::Status::Complete(_)) if head.code == Some(200) => {}
            _ => return Err("what answers there is no Docker engine".to_owned()),
        }
        let server = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("server"));
        Ok(server.map_or_else(String::new, |server| {
            String::from_utf8_lossy(server.value).escape_debug().to_string()
        }))
    };
    tokio::time::timeout(PATIENCE, ask)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

const WEEK: time::Duration = time::Duration::days(7);

/// What no identity's name can be.
const CRL: &str = "CRL";

/// The timer scans every day.
const STALE: time::Duration = time::Duration::days(2);

/// Enough for an engine under load, short enough for someone who waits for `status`.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

//! Counters in Prometheus' text format (exposition format 0.0.4). Labels come from the route
//! table and from fixed lists only, never from what a client sent.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use seawall_rules::exposure::Severity;
use seawall_rules::operation::Operation;

use crate::audit::{Ending, RefusedConnection};
use crate::gate::{Gate, Of};

/// All counters of the gate; cheap to bump from many tasks.
#[derive(Debug)]
pub struct Metrics {
    allowed: Box<[AtomicU64]>,
    denied: Box<[AtomicU64]>,
    /// Requests refused before an operation was recognized.
    unrecognized: AtomicU64,
    endings: [AtomicU64; ENDINGS.len()],
    refused: [AtomicU64; REFUSED.len()],
    limits: [AtomicU64; LIMITS.len()],
    quotas: [AtomicU64; QUOTAS.len()],
    would_deny: [AtomicU64; WOULD_DENY.len()],
    received: AtomicU64,
    sent: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len()],
    micros: AtomicU64,
    timed: AtomicU64,
}

/// A bound of `[limits]` that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the keys of `[limits]`")]
pub enum Limit {
    Answer,
    BodyBytes,
    CertificatesPerHour,
    ConnectEngine,
    ConnectionRate,
    Connections,
    ConnectionsPerAddress,
    ConnectionsPerIdentity,
    Drain,
    Enrolment,
    EnrolmentBytes,
    EnrolmentFailures,
    EnrolmentFailuresPerAddress,
    Handshake,
    HeaderBytes,
    Headers,
    Idle,
    InvitationAttempts,
    Linger,
    MetricsConnections,
    RequestHead,
}

impl Limit {
    /// The limit whose breach a rule refuses, if it is one.
    pub fn of_rule(rule: &str) -> Option<Self> {
        match rule {
            "body.too-large" => Some(Self::BodyBytes),
            "body.too-slow" => Some(Self::Idle),
            "head.too-large" => Some(Self::HeaderBytes),
            "head.too-many-lines" => Some(Self::Headers),
            "head.too-slow" => Some(Self::RequestHead),
            _ => None,
        }
    }
}

/// Sums that `status` shows.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is a line of `seawall status`")]
pub struct Totals {
    pub requests: u64,
    pub denied: u64,
    /// Rules by which a request would have been refused, were it not for a role in warn mode.
    pub would_deny: u64,
    pub refused_connections: u64,
}

const LIMITS: [(Limit, &str); 21] = [
    (Limit::Answer, "answer"),
    (Limit::BodyBytes, "body_bytes"),
    (Limit::CertificatesPerHour, "certificates_per_hour"),
    (Limit::ConnectEngine, "connect_engine"),
    (Limit::ConnectionRate, "connection_rate"),
    (Limit::Connections, "connections"),
    (Limit::ConnectionsPerAddress, "connections_per_address"),
    (Limit::ConnectionsPerIdentity, "connections_per_identity"),
    (Limit::Drain, "drain"),
    (Limit::Enrolment, "enrolment"),
    (Limit::EnrolmentBytes, "enrolment_bytes"),
    (Limit::EnrolmentFailures, "enrolment_failures"),
    (Limit::EnrolmentFailuresPerAddress, "enrolment_failures_per_address"),
    (Limit::Handshake, "handshake"),
    (Limit::HeaderBytes, "header_bytes"),
    (Limit::Headers, "headers"),
    (Limit::Idle, "idle"),
    (Limit::InvitationAttempts, "invitation_attempts"),
    (Limit::Linger, "linger"),
    (Limit::MetricsConnections, "metrics_connections"),
    (Limit::RequestHead, "request_head"),
];

/// Rules that refuse what is more than a role allows at once, and the keys of the role.
const QUOTAS: [(&str, &str); 2] = [("role.rate", "rate"), ("role.streams", "streams")];

const ENDINGS: [(Ending, &str); 6] = [
    (Ending::Complete, "complete"),
    (Ending::ClientGone, "client_gone"),
    (Ending::EngineGone, "engine_gone"),
    (Ending::Cut, "cut"),
    (Ending::Limit, "limit"),
    (Ending::Refused, "refused"),
];

const REFUSED: [(RefusedConnection, &str); 9] = [
    (RefusedConnection::Address, "address"),
    (RefusedConnection::Banned, "banned"),
    (RefusedConnection::ProxyHeader, "proxy_header"),
    (RefusedConnection::Left, "left"),
    (RefusedConnection::Limit, "limit"),
    (RefusedConnection::Handshake, "handshake"),
    (RefusedConnection::Certificate, "certificate"),
    (RefusedConnection::Key, "key"),
    (RefusedConnection::Invitation, "invitation"),
];

/// The rules that a role in warn mode does not refuse by.
const WOULD_DENY: [(&str, &str); 11] = [
    ("role.cpus", "role.cpus"),
    ("role.images", "role.images"),
    ("role.labels", "role.labels"),
    ("role.memory", "role.memory"),
    ("role.networks", "role.networks"),
    ("role.operations", "role.operations"),
    ("role.pids", "role.pids"),
    ("role.ports", "role.ports"),
    ("role.tags", "role.tags"),
    ("role.users", "role.users"),
    ("role.volumes", "role.volumes"),
];

/// Upper bounds in milliseconds.
const BUCKETS: [u64; 9] = [1, 3, 10, 30, 100, 300, 1_000, 10_000, 60_000];

impl Default for Metrics {
    fn default() -> Self {
        let per_operation = || (0..Operation::COUNT).map(|_| AtomicU64::new(0)).collect();
        Self {
            allowed: per_operation(),
            denied: per_operation(),
            unrecognized: AtomicU64::default(),
            endings: Default::default(),
            refused: Default::default(),
            limits: Default::default(),
            quotas: Default::default(),
            would_deny: Default::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            buckets: Default::default(),
            micros: AtomicU64::default(),
            timed: AtomicU64::default(),
        }
    }
}

impl Metrics {
    /// Counts a request that was forwarded.
    pub fn allowed(&self, operation: Operation) {
        bump(&self.allowed[operation.index()], 1);
    }

    /// Counts a request that was refused; `None` when no operation was recognized in it.
    pub fn denied(&self, operation: Option<Operation>) {
        bump(operation.map_or(&self.unrecognized, |operation| &self.denied[operation.index()]), 1);
    }

    /// Counts how an exchange ended, its bytes and its time.
    pub fn ended(&self, ending: Ending, received: u64, sent: u64, took: Duration) {
        count(&self.endings, &ENDINGS, ending);
        bump(&self.received, received);
        bump(&self.sent, sent);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        bump(&self.micros, micros);
        bump(&self.timed, 1);
        if let Some(bucket) = BUCKETS.iter().position(|most| micros <= most * 1_000) {
            bump(&self.buckets[bucket], 1);
        }
    }

    /// Counts a connection that never became a session.
    pub fn refused_connection(&self, why: RefusedConnection) {
        count(&self.refused, &REFUSED, why);
    }

    /// Counts a limit that was hit.
    pub fn limit_hit(&self, limit: Limit) {
        count(&self.limits, &LIMITS, limit);
    }

    /// Counts a refusal by this rule, where it is one of too much at once.
    pub fn refused_by(&self, rule: &'static str) {
        match Limit::of_rule(rule) {
            Some(limit) => self.limit_hit(limit),
            None => count(&self.quotas, &QUOTAS, rule),
        }
    }

    /// Counts what these rules would have refused, were it not for a role in warn mode.
    pub fn would_deny(&self, rules: &[&'static str]) {
        for rule in rules {
            count(&self.would_deny, &WOULD_DENY, rule);
        }
    }

    /// The sums for `status`.
    pub fn totals(&self) -> Totals {
        let sum = |counters: &[AtomicU64]| counters.iter().map(read).sum::<u64>();
        let denied = sum(&self.denied) + read(&self.unrecognized);
        Totals {
            requests: sum(&self.allowed) + denied,
            denied,
            would_deny: sum(&self.would_deny),
            refused_connections: sum(&self.refused),
        }
    }

    /// Everything, in the text format.
    pub fn render(&self, gate: &Gate) -> String {
        let mut page = Page::default();
        page.family("seawall_requests_total", "counter", "Requests by operation and decision.");
        for &operation in Operation::ALL {
            for (decision, counters) in [("allow", &self.allowed), ("deny", &self.denied)] {
                let value = read(&counters[operation.index()]);
                if value > 0 {
                    let name = operation.as_str();
                    page.sample(&[("operation", name), ("decision", decision)], value);
                }
            }
        }
        let unrecognized = read(&self.unrecognized);
        page.sample(&[("operation", "unrecognized"), ("decision", "deny")], unrecognized);
        page.list(
            "seawall_exchanges_total",
            "Exchanges with clients by how they ended.",
            "ending",
            &self.endings,
            &ENDINGS,
        );
        page.list(
            "seawall_refused_connections_total",
            "Connections that never became a session.",
            "reason",
            &self.refused,
            &REFUSED,
        );
        page.list(
            "seawall_limit_hits_total",
            "How often a limit of [limits] was hit.",
            "limit",
            &self.limits,
            &LIMITS,
        );

        page.list(
            "seawall_quota_hits_total",
            "How often an identity was at what its roles allow at once.",
            "quota",
            &self.quotas,
            &QUOTAS,
        );

        page.list(
            "seawall_would_deny_total",
            "What roles in warn mode let through, by the rule that would have refused it.",
            "rule",
            &self.would_deny,
            &WOULD_DENY,
        );

        page.family("seawall_body_bytes_total", "counter", "Bytes of bodies and streams.");
        page.sample(&[("direction", "received")], read(&self.received));
        page.sample(&[("direction", "sent")], read(&self.sent));

        self.render_durations(&mut page);
        self.render_state(&mut page, gate);
        page.text
    }

    fn render_durations(&self, page: &mut Page) {
        page.family("seawall_exchange_seconds", "histogram", "From a request's head to its end.");
        let mut below = 0;
        for (most, bucket) in BUCKETS.iter().zip(&self.buckets) {
            below += read(bucket);
            page.suffixed("_bucket", &[("le", &seconds(Duration::from_millis(*most)))], below);
        }
        page.suffixed("_bucket", &[("le", "+Inf")], read(&self.timed));
        page.suffixed("_sum", &[], seconds(Duration::from_micros(read(&self.micros))));
        page.suffixed("_count", &[], read(&self.timed));
    }

    fn render_scan(page: &mut Page, gate: &Gate) {
        let outlook = gate.watch.outlook();
        page.family(
            "seawall_engines_beside",
            "gauge",
            "Engines that anyone reaches on this host beside the gate.",
        );
        page.sample(&[], outlook.beside.len());
        // Without a result there is nothing to count; an alert on absence says so.
        let Some(Ok(scan)) = &outlook.scan else { return };
        page.family("seawall_scan_time_seconds", "gauge", "When the last host scan was made.");
        page.sample(&[], scan.time.unix_timestamp());
        page.family("seawall_scan_findings", "gauge", "Findings of the last host scan.");
        let counts = scan.counts();
        for severity in Severity::ALL {
            let found = counts.iter().find(|(of, _)| of == severity);
            page.sample(&[("severity", severity.as_str())], found.map_or(0, |(_, count)| *count));
        }
    }

    fn render_state(&self, page: &mut Page, gate: &Gate) {
        let audit = gate.trail.health();
        let snapshot = gate.snapshot.load();
        let gauges: [(&str, &str, String); 7] = [
            ("seawall_connections", "Connections open now.", gate.admission.total().to_string()),
            (
                "seawall_banned_sources",
                "IPv4 addresses and IPv6 /64s kept out for their failures.",
                gate.admission.bans().len().to_string(),
            ),
            (
                "seawall_sessions",
                "Authenticated connections open now.",
                gate.sessions.list().len().to_string(),
            ),
            (
                "seawall_policy_generation",
                "Counts reloads and changes of identities.",
                snapshot.generation.to_string(),
            ),
            ("seawall_audit_records", "Sequence number of the last record.", audit.seq.to_string()),
            (
                "seawall_audit_failing",
                "1 while the trail cannot be written.",
                u8::from(audit.failing.is_some()).to_string(),
            ),
            (
                "seawall_start_time_seconds",
                "When the gate began to serve.",
                since_epoch(gate.started),
            ),
        ];
        for (name, help, value) in gauges {
            page.family(name, "gauge", help);
            page.sample(&[], value);
        }
        page.family(
            "seawall_certificate_end_seconds",
            "gauge",
            "When a certificate or a CRL ends.",
        );
        for expiry in &snapshot.expiries {
            let (of, name) = match &expiry.of {
                Of::Ca => ("ca", HEXLOWER.encode(&expiry.fingerprint[..8])),
                Of::Crl => ("crl", HEXLOWER.encode(&expiry.fingerprint[..8])),
                Of::Gate => ("gate", String::new()),
                Of::Identity(name) => ("identity", name.to_string()),
            };
            page.sample(&[("of", of), ("name", &name)], since_epoch(expiry.not_after));
        }
        Self::render_scan(page, gate);
        page.family("seawall_build_info", "gauge", "The version that runs.");
        page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    }
}

/// Text under construction; samples belong to the family begun last.
#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        // Writing to a String does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.suffixed("", labels, value);
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let braced =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{braced} {value}", self.family);
    }

    fn list<T, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        label: &str,
        counters: &[AtomicU64; N],
        names: &[(T, &'static str); N],
    ) {
        self.family(name, "counter", help);
        for ((_, shown), counter) in names.iter().zip(counters) {
            self.sample(&[(label, shown)], read(counter));
        }
    }
}

fn count<T: PartialEq, const N: usize>(
    counters: &[AtomicU64; N],
    names: &[(T, &'static str); N],
    what: T,
) {
    if let Some(index) = names.iter().position(|(name, _)| *name == what) {
        bump(&counters[index], 1);
    }
}

fn bump(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

fn since_epoch(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;

    #[test]
    fn every_limit_has_its_key_and_its_metric() {
        let mut keys: Vec<_> =
            KEYS.iter().filter_map(|key| key.name.strip_prefix("limits.")).collect();
        keys.sort_unstable();
        assert_eq!(LIMITS.map(|(_, name)| name).as_slice(), keys);
    }
}

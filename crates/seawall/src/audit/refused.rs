//! Connections refused before anyone was authenticated: counted per prefix, reason and minute in
//! a bounded table, and written under a quota of bytes, so that a scanner can't fill the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use ipnet::IpNet;
use serde::Serialize;

use super::RefusedConnection;

/// Prefix and reason pairs counted one by one in a minute; further ones count as `other`.
const TABLE: usize = 1000;
/// Bytes of one record's list.
const RECORD_BYTES: usize = 16 * 1024;
/// The quota: so many bytes at once, refilled by so many a minute (under 6 MiB a day).
const QUOTA_BYTES: usize = 256 * 1024;
const QUOTA_BYTES_PER_MINUTE: usize = 4 * 1024;

/// The counts of the running minute.
#[derive(Debug)]
pub(super) struct Refused {
    since: Option<SystemTime>,
    counts: HashMap<(IpNet, RefusedConnection), u64>,
    other: HashMap<RefusedConnection, u64>,
    quota: usize,
    refilled: Instant,
}

/// What one record says.
#[derive(Debug)]
pub(super) struct Minute {
    pub(super) since: SystemTime,
    /// JSON lists, each bounded: per prefix, and the sums of what didn't fit.
    pub(super) prefixes: String,
    pub(super) other: String,
}

#[derive(Serialize)]
struct Count<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    reason: &'a str,
    count: u64,
}

impl Refused {
    pub(super) fn new() -> Self {
        Self {
            since: None,
            counts: HashMap::new(),
            other: HashMap::new(),
            quota: QUOTA_BYTES,
            refilled: Instant::now(),
        }
    }

    /// Counts one; true when it is the first of its minute.
    pub(super) fn count(&mut self, address: IpAddr, why: RefusedConnection) -> bool {
        let key = (prefix(address), why);
        let full = self.counts.len() >= TABLE;
        match self.counts.get_mut(&key) {
            Some(count) => *count += 1,
            None if full => *self.other.entry(why).or_default() += 1,
            None => {
                self.counts.insert(key, 1);
            }
        }
        let first = self.since.is_none();
        self.since.get_or_insert_with(SystemTime::now);
        first
    }

    /// Ends the minute; `None` when nothing was refused.
    pub(super) fn take(&mut self, now: Instant) -> Option<Minute> {
        let since = self.since.take()?;
        let minutes = now.saturating_duration_since(self.refilled).as_secs() / 60;
        if minutes > 0 {
            let refill = QUOTA_BYTES_PER_MINUTE.saturating_mul(minutes as usize);
            self.quota = self.quota.saturating_add(refill).min(QUOTA_BYTES);
            self.refilled = now;
        }
        let mut counts: Vec<_> = self.counts.drain().collect();
        // The busiest are named; the order of equals is fixed for readers' sake.
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.0.cmp(&b.0.0)));
        let room = RECORD_BYTES.min(self.quota);
        let mut prefixes = String::from("[");
        let mut full = false;
        for ((prefix, why), count) in counts {
            let item = Count { prefix: Some(prefix.to_string()), reason: why.as_str(), count };
            // Numbers and plain ASCII always serialize.
            let json = serde_json::to_string(&item).unwrap_or_default();
            full = full || prefixes.len() + json.len() + 2 > room;
            if full {
                *self.other.entry(why).or_default() += count;
                continue;
            }
            if prefixes.len() > 1 {
                prefixes.push(',');
            }
            prefixes.push_str(&json);
        }
        prefixes.push(']');
        self.quota = self.quota.saturating_sub(prefixes.len());
        let mut other: Vec<_> = self.other.drain().collect();
        other.sort_unstable_by_key(|(why, _)| why.as_str());
        let other: Vec<_> = other
            .into_iter()
            .map(|(why, count)| Count { prefix: None, reason: why.as_str(), count })
            .collect();
        let other = serde_json::to_string(&other).unwrap_or_default();
        Some(Minute { since, prefixes, other })
    }

    /// Whether there is anything to write.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }
}

/// The network an address is counted in: /24 of IPv4, /64 of IPv6.
fn prefix(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let length = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, length).map_or(IpNet::from(address), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusals_are_summed_by_prefix_and_reason_busiest_first() {
        let mut refused = Refused::new();
        for (address, why) in [
            ("192.0.2.1", RefusedConnection::Address),
            ("198.51.100.7", RefusedConnection::Handshake),
            ("::ffff:198.51.100.9", RefusedConnection::Handshake),
            ("2001:db8::1", RefusedConnection::Limit),
        ] {
            refused.count(address.parse().unwrap(), why);
        }
        let minute = refused.take(Instant::now()).unwrap();
        assert_eq!(
            minute.prefixes,
            concat!(
                r#"[{"prefix":"198.51.100.0/24","reason":"handshake","count":2},"#,
                r#"{"prefix":"192.0.2.0/24","reason":"address","count":1},"#,
                r#"{"prefix":"2001:db8::/64","reason":"limit","count":1}]"#
            )
        );
        assert_eq!(minute.other, "[]");
        assert!(refused.take(Instant::now()).is_none(), "the next minute begins empty");
    }

    #[test]
    fn a_scanner_with_a_million_prefixes_stays_within_the_quota_and_is_still_counted() {
        let mut refused = Refused::new();
        let start = Instant::now();
        let mut bytes = 0;
        for minute in 0..120u64 {
            for host in 0..5000u32 {
                let address = std::net::Ipv4Addr::from(host << 8);
                refused.count(address.into(), RefusedConnection::Address);
            }
            assert!(refused.counts.len() <= TABLE);
            let written = refused.take(start + Duration::from_secs(60 * (minute + 1))).unwrap();
            assert!(written.prefixes.len() <= RECORD_BYTES);
            bytes += written.prefixes.len();
            let sum = |json: &str| -> u64 {
                let counts: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
                counts.iter().map(|count| count["count"].as_u64().unwrap()).sum()
            };
            assert_eq!(sum(&written.prefixes) + sum(&written.other), 5000);
        }
        assert!(bytes <= QUOTA_BYTES + 121 * QUOTA_BYTES_PER_MINUTE, "{bytes}");
    }
}

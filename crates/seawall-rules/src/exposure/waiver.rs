//! Findings that somebody has taken upon himself, with a reason and an end.

use super::{Finding, Severity};

/// One finding, or several, that are accepted for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The check's id.
    pub check: String,
    /// What the finding is about; a `*` stands for anything.
    pub subject: String,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it holds, as days since 1970.
    pub until: i64,
    /// Whether it may take in findings that are critical.
    pub takes_critical: bool,
}

/// What a waiver does to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It holds.
    Waives,
    /// It would, and has ended.
    Expired,
    /// It would, and may not: the finding is critical.
    TooMild,
    /// It is about something else.
    None,
}

impl Waiver {
    /// What it does to a finding on the day `today`, in days since 1970.
    pub fn on(&self, finding: &Finding, today: i64) -> Effect {
        if !self.check.eq_ignore_ascii_case(finding.check.id)
            || !matches(&self.subject, &finding.subject)
        {
            Effect::None
        } else if today > self.until {
            Effect::Expired
        } else if finding.severity == Severity::Critical && !self.takes_critical {
            Effect::TooMild
        } else {
            Effect::Waives
        }
    }
}

/// Whether `text` is `pattern`, with each `*` for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::network::PLAIN_TCP;
    use super::super::catalogue::socket::SOCKET_GROUP;
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases = [
            ("alice (docker)", "alice (docker)", true),
            ("alice (docker)", "alice (docker) ", false),
            ("*", "", true),
            ("*", "anything", true),
            ("alice*", "alice (docker)", true),
            ("*(docker)", "alice (docker)", true),
            ("a*c*e", "abcde", true),
            ("a*e*c", "abcde", false),
            ("ab*ba", "aba", false),
            ("", "x", false),
        ];
        for (pattern, text, is) in cases {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn a_waiver_ends_and_does_not_take_what_is_critical() {
        let waiver = |check: &str, takes_critical| Waiver {
            check: check.to_owned(),
            subject: "*".to_owned(),
            reason: "because".to_owned(),
            until: 100,
            takes_critical,
        };
        let user = Finding::new(&SOCKET_GROUP, "alice (docker)", "x");
        let port = Finding::new(&PLAIN_TCP, "tcp://[::]:2375", "x");
        assert_eq!(waiver("sock-004", false).on(&user, 100), Effect::Waives);
        assert_eq!(waiver("SOCK-004", false).on(&user, 101), Effect::Expired);
        assert_eq!(waiver("SOCK-004", false).on(&port, 100), Effect::None);
        assert_eq!(waiver("NET-001", false).on(&port, 100), Effect::TooMild);
        assert_eq!(waiver("NET-001", true).on(&port, 100), Effect::Waives);
    }
}

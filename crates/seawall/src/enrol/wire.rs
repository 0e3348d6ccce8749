//! What goes over an enrolment connection: small JSON documents over HTTP/1.1, `POST /join` and
//! `POST /renew`, inside TLS with an ALPN protocol of its own.

use std::time::{Duration, SystemTime};

use seawall_rules::identity::Name;
use serde::{Deserialize, Serialize};

/// No answer is longer than this, in bytes.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// `POST /join`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    /// The invitation's secret.
    pub(super) secret: String,
    /// PKCS#10 request, PEM. Only its public key is used.
    pub(super) csr: String,
    /// A public SSH key to register as well, as in a `.pub` file. A gate that does not know of
    /// this refuses, and the invitation is not spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ssh_key: Option<String>,
}

/// `POST /renew`, by a client that has shown its present certificate in the handshake.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renew {
    /// PKCS#10 request, PEM, for a new key or the present one.
    pub(super) csr: String,
}

/// The answer that grants. Clients ignore fields they do not know, so that older ones can be
/// served by a newer gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The certificate, PEM.
    pub certificate: String,
    /// Every CA the gate's certificate may come from now or soon, PEM.
    pub ca: String,
    /// Whom the certificate is for.
    pub identity: Name,
    /// End of its validity, seconds since 1970.
    pub not_after: u64,
    /// The way in over SSH, to who registered a key for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshDoor>,
}

/// Where the gate speaks SSH, and how it is known there: told inside the connection that proved
/// it, so nobody has to trust a host key at first sight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshDoor {
    /// Its port; the host is that of enrolment.
    pub port: u16,
    /// Its host key: algorithm and base64.
    pub host_key: String,
}

impl Grant {
    /// End of the certificate's validity.
    pub fn ends(&self) -> SystemTime {
        from_unix_seconds(self.not_after)
    }
}

/// The answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
    /// With [`Code::TooEarly`]: when to come again, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<u64>,
}

/// Why the gate refuses, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Too many attempts lately.
    Busy,
    /// The client's certificate does not entitle it to another one.
    Certificate,
    /// The gate's clock is behind what it has seen.
    Clock,
    /// The invitation is unknown, used, expired or revoked; a stranger is not told which.
    Invitation,
    /// The identity may not come from where the client is.
    Network,
    /// The request is not one the gate takes.
    Request,
    /// Less than two thirds of the lifetime have passed.
    TooEarly,
    /// The gate cannot decide or record now.
    Unavailable,
    /// A code of a newer gate.
    #[serde(other)]
    Unknown,
}

/// The moment from which a certificate is renewed: two thirds of its life.
pub fn renewable_from(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    not_before + life / 3 * 2
}

pub(super) fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Year 9999 is the last that X.509 can name; more would overflow on printing.
pub(super) fn from_unix_seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_after_two_thirds_of_the_lifetime() {
        let at = from_unix_seconds;
        for (from, to, due) in [(0, 90, 60), (1000, 1000 + 2_592_000, 1000 + 1_728_000), (5, 5, 5)]
        {
            assert_eq!(renewable_from(at(from), at(to)), at(due));
        }
        assert_eq!(renewable_from(at(9), at(3)), at(9));
    }

    #[test]
    fn a_code_of_a_newer_gate_is_read_as_unknown() {
        let refusal = r#"{"code":"full-moon","message":"not tonight","why":1}"#;
        assert_eq!(serde_json::from_str::<Refusal>(refusal).unwrap().code, Code::Unknown);
    }
}

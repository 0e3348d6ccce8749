//! The invitation: one line of text by which a client finds the gate, knows it for the right one
//! before it says anything, and may once ask it for a certificate.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::ServerName;
use zeroize::Zeroize;

use crate::pki;

/// An invitation for one named identity. Printed as `seawall1.` and one word of base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Where the gate listens, as clients reach it.
    pub address: Address,
    /// SHA-256 of the DER certificate of the gate's CA: what the client holds the gate to.
    pub ca_sha256: [u8; 32],
    /// What the gate knows the invitation by.
    pub secret: Secret,
}

impl Invitation {
    /// What every invitation of this format begins with.
    pub const PREFIX: &'static str = "seawall1.";

    fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(64 + 64);
        payload.extend_from_slice(&self.ca_sha256);
        payload.extend_from_slice(&self.secret.0);
        payload.extend_from_slice(self.address.to_string().as_bytes());
        payload
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = self.payload();
        payload.extend_from_slice(&checksum(&payload));
        write!(f, "{}{}", Self::PREFIX, BASE64URL_NOPAD.encode(&payload))
    }
}

impl FromStr for Invitation {
    type Err = NotAnInvitation;

    /// White space around and inside is dropped: terminals and mail wrap long words.
    fn from_str(text: &str) -> Result<Self, NotAnInvitation> {
        let text: String = text.split_ascii_whitespace().collect();
        let Some(word) = text.strip_prefix(Self::PREFIX) else {
            return Err(match text.strip_prefix("seawall").and_then(|rest| rest.split_once('.')) {
                Some((version, _)) if version.parse::<u32>().is_ok() => NotAnInvitation::Version,
                _ => NotAnInvitation::Other,
            });
        };
        let payload = BASE64URL_NOPAD.decode(word.as_bytes()).map_err(|_| Self::Err::Mangled)?;
        let (payload, sum) = payload.split_last_chunk().ok_or(NotAnInvitation::Mangled)?;
        if *sum != checksum(payload) {
            return Err(NotAnInvitation::Mangled);
        }
        let (ca_sha256, rest) = payload.split_first_chunk().ok_or(NotAnInvitation::Mangled)?;
        let (secret, address) = rest.split_first_chunk().ok_or(NotAnInvitation::Mangled)?;
        let address = std::str::from_utf8(address).map_err(|_| NotAnInvitation::Mangled)?;
        Ok(Self {
            address: address.parse().map_err(|_| NotAnInvitation::Mangled)?,
            ca_sha256: *ca_sha256,
            secret: Secret(*secret),
        })
    }
}

/// Why a text is not an invitation. The text itself is never repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnInvitation {
    /// It begins like one but is not whole, or a character was changed.
    #[error("the invitation is incomplete or was changed on the way")]
    Mangled,
    /// It is something else.
    #[error("this is not an invitation: one begins with `{}`", Invitation::PREFIX)]
    Other,
    /// It is an invitation of another format.
    #[error("the invitation is of a format that this seawall does not know")]
    Version,
}

/// 256 random bits, known to the gate by their hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new one from the system's random number generator.
    ///
    /// # Errors
    /// When that generator fails.
    pub fn generate() -> Result<Self, pki::Error> {
        pki::random().map(Self)
    }

    /// The secret as it goes over the wire: 43 characters of base64url.
    pub fn expose(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// Reads what [`Secret::expose`] wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// SHA-256 of the secret: what the store keeps and looks up. A lookup by hash gives nothing
    /// away by its time, since whoever can choose the hash's first bytes knows the secret.
    pub fn hash(&self) -> [u8; 32] {
        pki::sha256(&self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Host and port of a gate: a DNS name, an IPv4 address or a bracketed IPv6 address, a colon, and
/// a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an address of a gate: write `HOST:PORT`", .0.escape_debug())]
pub struct NotAnAddress(pub String);

impl Address {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host, another port.
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The name the gate's certificate must carry.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse().ok().filter(|&port| port != 0)?;
            let host = match host.strip_prefix('[') {
                Some(v6) => v6.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
                None if host.parse::<Ipv4Addr>().is_ok() => host.to_owned(),
                None if host.contains(':') => return None,
                None => host.to_ascii_lowercase(),
            };
            let address = Self { host, port };
            address.server_name().is_some().then_some(address)
        };
        parse().ok_or_else(|| NotAnAddress(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

// Tells a mangled paste from a wrong invitation; not a defense against anybody.
fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = pki::sha256(&[b"seawall invitation 1", payload].concat());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn invitation(address: &str) -> Invitation {
        Invitation {
            address: address.parse().unwrap(),
            ca_sha256: [0xca; 32],
            secret: Secret([0x5e; 32]),
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("gate.example.com:2376", "gate.example.com", 2376),
            ("GATE:1", "gate", 1),
            ("192.0.2.7:2376", "192.0.2.7", 2376),
            ("[fd00::1]:2376", "fd00::1", 2376),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port));
            assert_eq!(address.to_string(), text.to_lowercase());
        }
        for bad in ["", "gate", "gate:", "gate:0", "gate:65536", ":2376", "fd00::1:2376", "a b:1"] {
            assert_eq!(bad.parse::<Address>(), Err(NotAnAddress(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn what_is_not_an_invitation_is_told_from_a_mangled_one() {
        let whole = invitation("gate:2376").to_string();
        let payload = &whole[Invitation::PREFIX.len()..];
        for (text, error) in [
            (String::new(), NotAnInvitation::Other),
            ("gate:2376".to_owned(), NotAnInvitation::Other),
            (payload.to_owned(), NotAnInvitation::Other),
            (format!("seawall2.{payload}"), NotAnInvitation::Version),
            (Invitation::PREFIX.to_owned(), NotAnInvitation::Mangled),
            (format!("{whole}="), NotAnInvitation::Mangled),
            (whole.to_lowercase(), NotAnInvitation::Mangled),
        ] {
            assert_eq!(text.parse::<Invitation>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_invitation_survives_being_wrapped_by_a_terminal_or_mail() {
        let invitation = invitation("gate:2376");
        let text = invitation.to_string();
        let (a, b) = text.split_at(60);
        assert_eq!(format!("\n  {a}\r\n  {b}\n").parse(), Ok(invitation));
    }

    #[test]
    fn debug_and_errors_do_not_show_the_secret() {
        let invitation = invitation("gate:2376");
        let secret = invitation.secret.expose();
        assert!(!format!("{invitation:?}").contains(&secret));
        assert!(!format!("{invitation:?}").contains("94, 94"));
        assert!(format!("{invitation:?}").contains("Secret(..)"));
    }

    proptest! {
        #[test]
        fn every_invitation_reads_back_as_it_was(
            ca_sha256: [u8; 32], secret: [u8; 32], port in 1u16.., host in "[a-z]{1,20}(\\.[a-z]{1,9}){0,3}"
        ) {
            let address = format!("{host}:{port}").parse().unwrap();
            let invitation = Invitation { address, ca_sha256, secret: Secret(secret) };
            prop_assert_eq!(Secret::parse(&invitation.secret.expose()), Some(invitation.secret.clone()));
            prop_assert_eq!(invitation.to_string().parse(), Ok(invitation));
        }

        #[test]
        fn an_invitation_with_one_character_changed_or_lost_is_mangled(
            at in Invitation::PREFIX.len()..100usize, new in "[A-Za-z0-9_-]?"
        ) {
            let whole = invitation("gate:2376").to_string();
            let mut text = whole.clone();
            text.replace_range(at..=at, &new);
            if text != whole {
                prop_assert_eq!(text.parse::<Invitation>(), Err(NotAnInvitation::Mangled));
            }
        }
    }
}

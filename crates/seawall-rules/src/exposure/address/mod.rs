//! What an address shows to a stranger: what was seen there, and what that amounts to.
//!
//! The look itself sends `GET /_ping` and `GET /version`, TLS handshakes and an SSH
//! identification, and nothing else ([`hello`], [`ssh`]); everything here is about bytes that
//! came back.

pub mod hello;
mod judge;
pub mod ssh;
pub mod suites;
mod target;

pub use judge::{describe, judge};
pub use target::{NotATarget, Target, Way};

use std::net::SocketAddr;

use super::certificate::Certificate;
use suites::Version;

/// One address of a target, and what was seen there.
#[derive(Clone, Debug)]
pub struct Look {
    /// What was asked for.
    pub target: Target,
    /// Where that is; `None` when the name does not resolve.
    pub address: Option<SocketAddr>,
    /// What was there.
    pub seen: Seen,
}

/// What was there.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Nothing listens there.
    Closed,
    /// An SSH server.
    Ssh(ssh::Server),
    /// Something that takes connections where an SSH server was looked for.
    NotSsh(String),
    /// Something that takes connections.
    Tcp(Tcp),
    /// Nobody knows: no connection came about, and why.
    Unreachable(String),
}

/// A port that takes connections.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// What it answered to `GET /_ping` in the clear.
    pub plain: Reply,
    /// What it showed over TLS, if it speaks it.
    pub tls: Option<Tls>,
    /// What its `/version` says, where that was open.
    pub engine: Option<Engine>,
}

/// An answer to `GET /_ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The API answered.
    Api(Api),
    /// HTTP, but not the API: its status and its `Server` header.
    Http(u16, String),
    /// A TLS alert, with its description.
    Alert(u8),
    /// Something else; its first bytes, escaped.
    Other(String),
    /// The connection was closed without a byte.
    Closed,
    /// Nothing came in time.
    Silent,
}

/// An API that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its version of the Engine API, as its header says it.
    pub version: String,
    /// Its `Server` header.
    pub server: String,
}

/// What `/version` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// The engine's version.
    pub version: String,
    /// runc's, where it is named.
    pub runc: Option<String>,
    /// Whether it is Podman's service.
    pub podman: bool,
}

/// A port that speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Each version with what came of asking for it, the newest first.
    pub versions: Vec<(Version, Offer)>,
    /// The chain it shows, its own certificate first; what could not be read is left out.
    pub chain: Vec<Certificate>,
    /// Whether the certificate is for the host that was asked for.
    pub names_target: bool,
    /// Whether it asked for a client's certificate, and of which CAs (their names).
    pub asks_for: Option<Vec<String>>,
    /// What a client without a certificate gets.
    pub without_certificate: Access,
    /// What a client with a certificate of its own making gets, where one was asked for.
    pub self_made: Option<Access>,
}

/// What came of asking for one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is spoken: the suite that was chosen among all, and those it took among bad ones alone.
    Spoken(u16, Vec<u16>),
    /// It is not.
    Refused,
    /// Nobody knows, and why.
    Unknown(String),
}

/// What somebody gets over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The API.
    Api(Api),
    /// An answer that is not the API's: its status and its `Server` header.
    Http(u16, String),
    /// Nothing: the alert, or how else it ended.
    Refused(String),
    /// Nobody knows, and why.
    Unknown(String),
}

/// Reads an answer to `GET /_ping`; `None` while its head is not whole.
pub fn read_reply(bytes: &[u8]) -> Option<Reply> {
    match bytes {
        [] => return None,
        // An alert is a record of 2 bytes; what follows the description does not matter.
        [21, 3, _, _, _, _, description, ..] => return Some(Reply::Alert(*description)),
        [21] | [21, 3] | [21, 3, ..] if bytes.len() < 7 => return None,
        _ => {}
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(bytes) {
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some(Reply::Other(shown(bytes, 60))),
        Ok(httparse::Status::Complete(_)) => {
            let header = |name: &str| {
                let found = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
                found.map(|header| shown(header.value, 80))
            };
            let server = header("server").unwrap_or_default();
            // A socket proxy passes both on as they are; no other service has them.
            let api = header("api-version").or_else(|| header("libpod-api-version"));
            Some(match (head.code, api) {
                (Some(200), Some(version)) => Reply::Api(Api { version, server }),
                (code, _) => Reply::Http(code.unwrap_or_default(), server),
            })
        }
    }
}

/// Reads the body of an answer to `GET /version`.
pub fn read_version(body: &[u8]) -> Option<Engine> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |value: &serde_json::Value| value.as_str().map(|text| shown(text.as_bytes(), 60));
    let components = document["Components"].as_array();
    let component = |name: &str| {
        let mut all = components.into_iter().flatten();
        all.find(|it| it["Name"] == name).and_then(|it| text(&it["Version"]))
    };
    let podman = component("Podman Engine").is_some();
    // Podman's says `runc version 1.1.5\nspec: ...`; dockerd's the number.
    let runc = component("runc");
    Some(Engine { version: text(&document["Version"])?, runc, podman })
}

fn shown(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * most)]);
    text.trim().chars().flat_map(char::escape_debug).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_ping_are_told_apart() {
        let api = |version: &str, server: &str| {
            Some(Reply::Api(Api { version: version.to_owned(), server: server.to_owned() }))
        };
        let cases: &[(&[u8], Option<Reply>)] = &[
            (b"", None),
            (b"HTTP/1.0 200 OK\r\nApi-Ver", None),
            (
                b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n\r\nOK",
                api("1.41", "Docker/20.10.24 (linux)"),
            ),
            (b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 4.3.1\r\n\r\nOK", api("4.3.1", "")),
            (
                b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n<html>",
                Some(Reply::Http(200, "nginx".to_owned())),
            ),
            (
                b"HTTP/1.1 403 Forbidden\r\nApi-Version: 1.41\r\n\r\n",
                Some(Reply::Http(403, String::new())),
            ),
            (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                Some(Reply::Http(400, String::new())),
            ),
            (&[21, 3, 3, 0], None),
            (&[21, 3, 3, 0, 2, 2, 70], Some(Reply::Alert(70))),
            (b"SSH-2.0-x\x1b[2J\r\n", Some(Reply::Other("SSH-2.0-x\\u{1b}[2J".to_owned()))),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read_reply(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_version_is_read_from_what_engines_say() {
        let docker = br#"{"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},
            {"Name":"runc","Version":"1.1.5+ds1"}],"Version":"20.10.24+dfsg1"}"#;
        let engine = read_version(docker).unwrap();
        assert_eq!(engine.version, "20.10.24+dfsg1");
        assert_eq!(engine.runc.as_deref(), Some("1.1.5+ds1"));
        assert!(!engine.podman);
        let podman = br#"{"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],
            "Version":"4.3.1"}"#;
        assert!(read_version(podman).unwrap().podman);
        assert_eq!(read_version(b"OK"), None);
        assert_eq!(read_version(b"[]"), None);
    }
}

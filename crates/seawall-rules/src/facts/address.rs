//! Ports that a container publishes on the host.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::Ask;
use super::schema::{Reader, Schema, Shape, harmless, schema};

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The host's address; `None` is all of them, or one that cannot be read.
    pub address: Option<IpAddr>,
    /// The ports it may come to be.
    pub ports: Ports,
}

/// Which ports of the host.
pub type Ports = RangeInclusive<u16>;

/// Where the engine looks for a free port when none is named: the kernel's own range, which is
/// this one unless somebody changed it.
pub(super) const EPHEMERAL: Ports = 32768..=60999;

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => f.write_str("*:")?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
        }
        let (first, last) = (self.ports.start(), self.ports.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// One entry of `HostConfig.PortBindings`.
pub(super) const BINDING: Schema =
    schema(&[harmless("HostIp", Shape::Text), harmless("HostPort", Shape::Text)]).and(published);

fn published(value: &Value, reader: &mut Reader) {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let ports = match text("HostPort") {
        "" | "0" => EPHEMERAL,
        ports => range(ports).unwrap_or(0..=u16::MAX),
    };
    let address = text("HostIp").parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    reader.ask_in("HostPort", Ask::Port(Port { address, ports }));
}

/// `HostConfig.PublishAllPorts`.
pub(super) fn publish_all(value: &Value, reader: &mut Reader) {
    if value.as_bool() == Some(true) {
        reader.ask(Ask::Port(Port { address: None, ports: EPHEMERAL }));
    }
}

/// `8080` or `8000-8010`.
pub(crate) fn range(text: &str) -> Option<Ports> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten()
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

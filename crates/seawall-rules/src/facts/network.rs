//! Networks: made, and containers put on them.

use serde_json::Value;

use super::escape::{CONNECT as CONNECT_RULE, NETWORK_DRIVER, SUBNET};
use super::schema::{Reader, Schema, Shape, escapes, harmless, judged, schema};
use super::{Ask, container, endpoint};

/// `NetworkCreate`. A bridge with a name of the engine's own takes out the default network, and
/// macvlan puts containers on the LAN: only a plain bridge asks for nothing.
pub(crate) const NETWORK: Schema = schema(&[
    harmless("Attachable", Shape::Truth),
    harmless("CheckDuplicate", Shape::Truth),
    escapes("ConfigFrom", Shape::Object(&CONFIG_FROM), NETWORK_DRIVER),
    escapes("ConfigOnly", Shape::Truth, NETWORK_DRIVER),
    judged("Driver", Shape::Text, |value, reader| {
        if !matches!(value.as_str(), None | Some("" | "bridge" | "default")) {
            reader.escape(NETWORK_DRIVER, value);
        }
    }),
    harmless("EnableIPv4", Shape::Truth),
    harmless("EnableIPv6", Shape::Truth),
    harmless("IPAM", Shape::Object(&IPAM)),
    escapes("Ingress", Shape::Truth, NETWORK_DRIVER),
    harmless("Internal", Shape::Truth),
    judged("Labels", Shape::TextMap, container::labels),
    judged("Name", Shape::Text, |value, reader| {
        reader.ask(Ask::Network(value.as_str().unwrap_or_default().to_owned()));
    }),
    escapes("Options", Shape::TextMap, NETWORK_DRIVER),
    judged("Scope", Shape::Text, |value, reader| {
        if !matches!(value.as_str(), None | Some("" | "local")) {
            reader.escape(NETWORK_DRIVER, value);
        }
    }),
]);

const CONFIG_FROM: Schema = schema(&[harmless("Network", Shape::Text)]);

const IPAM: Schema = schema(&[
    escapes("Config", Shape::List(&POOL), SUBNET),
    judged("Driver", Shape::Text, |value, reader| {
        if !matches!(value.as_str(), None | Some("" | "default")) {
            reader.escape(NETWORK_DRIVER, value);
        }
    }),
    escapes("Options", Shape::TextMap, NETWORK_DRIVER),
]);

const POOL: Schema = schema(&[
    harmless("AuxiliaryAddresses", Shape::TextMap),
    harmless("Gateway", Shape::Text),
    harmless("IPRange", Shape::Text),
    harmless("Subnet", Shape::Text),
]);

/// `NetworkConnect`.
pub(crate) const CONNECT: Schema = schema(&[
    judged("Container", Shape::Text, other),
    harmless("EndpointConfig", Shape::Object(&endpoint::SETTINGS)),
]);

/// `NetworkDisconnect`.
pub(crate) const DISCONNECT: Schema =
    schema(&[judged("Container", Shape::Text, other), harmless("Force", Shape::Truth)]);

fn other(value: &Value, reader: &mut Reader) {
    reader.escape(CONNECT_RULE, value);
}

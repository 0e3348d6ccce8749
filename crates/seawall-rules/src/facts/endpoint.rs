//! How a container is attached to a network.

use super::escape::{ENDPOINT, LINK};
use super::schema::{Schema, Shape, escapes, harmless, schema};

/// An entry of `NetworkingConfig.EndpointsConfig`, and `EndpointConfig`. What the engine only
/// reports (`Gateway`, `IPAddress`) is sent back by clients and ignored.
pub(super) const SETTINGS: Schema = schema(&[
    harmless("Aliases", Shape::Texts),
    harmless("DNSNames", Shape::Texts),
    escapes("DriverOpts", Shape::TextMap, ENDPOINT),
    harmless("EndpointID", Shape::Text),
    harmless("Gateway", Shape::Text),
    harmless("GlobalIPv6Address", Shape::Text),
    harmless("GlobalIPv6PrefixLen", Shape::Integer),
    harmless("GwPriority", Shape::Integer),
    harmless("IPAMConfig", Shape::Object(&IPAM)),
    harmless("IPAddress", Shape::Text),
    harmless("IPPrefixLen", Shape::Integer),
    harmless("IPv6Gateway", Shape::Text),
    escapes("Links", Shape::Texts, LINK),
    escapes("MacAddress", Shape::Text, ENDPOINT),
    harmless("NetworkID", Shape::Text),
]);

const IPAM: Schema = schema(&[
    harmless("IPv4Address", Shape::Text),
    harmless("IPv6Address", Shape::Text),
    escapes("LinkLocalIPs", Shape::Texts, ENDPOINT),
]);

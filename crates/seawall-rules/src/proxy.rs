//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a balancer says
//! before anything else about the connection that it passes on.
//!
//! A header is read to its last byte and not beyond, for what follows is the client's. Whoever
//! reads calls [`parse`] with what there is, and reads exactly what [`Progress::Needs`] says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the longest header that is read: the protocol's own bound for a sender that adds
/// nothing unusual (section 2.2: 536 bytes of one segment).
pub const MOST: usize = 536;

/// What there is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least so many more bytes belong to the header.
    Needs(usize),
    /// The header is whole.
    Whole(Header),
}

/// For whom the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The client that connected to the balancer.
    Client(SocketAddr),
    /// The balancer itself, to see whether anybody answers: no client's bytes follow.
    Local,
}

/// Not a header that is understood; what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

/// Shorter than any header of version 2, as long as the shortest of version 1.
const FIRST: usize = 15;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD: usize = 16;
/// Section 2.1: the longest line, with its end.
const V1_MOST: usize = 107;

/// Reads a header from its first byte.
///
/// # Errors
/// [`Malformed`], as soon as nothing that follows could make a header of it.
pub fn parse(bytes: &[u8]) -> Result<Progress, Malformed> {
    if bytes.len() < FIRST {
        return Ok(Progress::Needs(FIRST - bytes.len()));
    }
    if bytes.starts_with(SIGNATURE) {
        version_2(bytes)
    } else if bytes.starts_with(b"PROXY ") {
        version_1(bytes)
    } else {
        Err(Malformed("no PROXY header"))
    }
}

fn version_1(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        return match bytes.len() {
            V1_MOST.. => Err(Malformed("the line is too long")),
            // Its end is two bytes, one of which may be here already.
            _ => Ok(Progress::Needs(if bytes.ends_with(b"\r") { 1 } else { 2 })),
        };
    };
    let line = std::str::from_utf8(line).map_err(|_| Malformed("the line is not text"))?;
    if line.contains(['\r', '\n']) {
        return Err(Malformed("there is more than one line"));
    }
    let mut fields = line.split(' ').skip(1);
    let family = fields.next();
    if family == Some("UNKNOWN") {
        return Ok(Progress::Whole(Header::Local));
    }
    let fields: Vec<_> = fields.collect();
    let [source, destination, source_port, destination_port] = fields[..] else {
        return Err(Malformed("the line does not have its six fields"));
    };
    let addresses = match family {
        Some("TCP4") => {
            [source, destination].map(|text| text.parse::<Ipv4Addr>().map(IpAddr::from))
        }
        Some("TCP6") => {
            [source, destination].map(|text| text.parse::<Ipv6Addr>().map(IpAddr::from))
        }
        _ => return Err(Malformed("the family is neither TCP4 nor TCP6")),
    };
    let ports = [source_port, destination_port].map(port);
    match (addresses, ports) {
        ([Ok(source), Ok(_)], [Some(port), Some(_)]) => {
            Ok(Progress::Whole(Header::Client(SocketAddr::new(source, port))))
        }
        _ => Err(Malformed("an address or a port is not one of its family")),
    }
}

/// Decimal without sign and leading zeros (section 2.1).
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

fn version_2(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some((head, rest)) = bytes.split_first_chunk::<V2_HEAD>() else {
        return Ok(Progress::Needs(V2_HEAD - bytes.len()));
    };
    let [.., version_and_command, family, high, low] = *head;
    if version_and_command >> 4 != 2 {
        return Err(Malformed("the version is not 2"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if V2_HEAD + length > MOST {
        return Err(Malformed("the header is too long"));
    }
    if let missing @ 1.. = length.saturating_sub(rest.len()) {
        return Ok(Progress::Needs(missing));
    }
    if rest.len() > length {
        return Err(Malformed("the header does not end where it says"));
    }
    match version_and_command & 0x0f {
        // What a health check says of addresses is to be ignored (section 2.2).
        0 => Ok(Progress::Whole(Header::Local)),
        1 => {
            let (source, more) = match family {
                0x11 => v4(rest),
                0x21 => v6(rest),
                _ => return Err(Malformed("the family is neither TCP over IPv4 nor over IPv6")),
            }
            .ok_or(Malformed("the addresses are cut short"))?;
            tile(more)?;
            Ok(Progress::Whole(Header::Client(source)))
        }
        _ => Err(Malformed("the command is neither LOCAL nor PROXY")),
    }
}

/// The source of an address block: source, destination, and their ports.
fn v4(block: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (source, rest) = block.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    port_of(Ipv4Addr::from(*source).into(), rest)
}

fn v6(block: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (_, rest) = rest.split_first_chunk::<16>()?;
    port_of(Ipv6Addr::from(*source).into(), rest)
}

fn port_of(source: IpAddr, ports: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (port, rest) = ports.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(source, u16::from_be_bytes(*port)), rest))
}

/// What follows the addresses is a row of type, length and value that fills the header.
fn tile(mut rest: &[u8]) -> Result<(), Malformed> {
    const UNEVEN: Malformed = Malformed("what follows the addresses does not fill the header");
    while let [_, after @ ..] = rest {
        let (length, after) = after.split_first_chunk::<2>().ok_or(UNEVEN)?;
        let length = usize::from(u16::from_be_bytes(*length));
        rest = after.get(length..).ok_or(UNEVEN)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

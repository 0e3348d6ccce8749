//! Just enough of TLS to ask a server which versions and suites it would take: a ClientHello is
//! written, and of the answer only the ServerHello, or the alert, is read. No key is ever made, so
//! no session can come of it, and versions can be asked for that no library speaks any more.
//!
//! RFC 8446 sections 4.1 and 5.1; RFC 5246 for the older ones; RFC 6101 for SSL 3.0.

use super::suites::Version;

/// What came back, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server would go on with this version and suite.
    Hello {
        /// The version it chose.
        version: u16,
        /// The suite it chose.
        suite: u16,
    },
    /// It refused, with this alert description (RFC 8446 section 6).
    Alert(u8),
    /// More bytes are needed.
    Incomplete,
    /// What answers does not speak TLS.
    NotTls,
}

/// A ClientHello that offers exactly this version and these suites. `server_name` is for names
/// only; addresses have no place there (RFC 6066 section 3).
pub fn client_hello(
    version: Version,
    suites: &[u16],
    random: &[u8; 32],
    server_name: Option<&str>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    // TLS 1.3 is offered in an extension; what stood here before is frozen (RFC 8446, 4.1.2).
    body.extend(version.code().min(Version::Tls12.code()).to_be_bytes());
    body.extend(random);
    body.push(0); // no session to resume
    prefixed_16(&mut body, |list| {
        for suite in suites {
            list.extend(suite.to_be_bytes());
        }
    });
    body.extend([1, 0]); // no compression
    // SSL 3.0 has no extensions.
    if version > Version::Ssl30 {
        prefixed_16(&mut body, |list| extensions(list, version, server_name));
    }
    let mut handshake = vec![CLIENT_HELLO];
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    handshake.extend(&length[1..]);
    handshake.extend(body);
    // The record's version is the lowest that servers take (RFC 8446, appendix D.2).
    let mut record = vec![HANDSHAKE];
    record.extend(version.code().min(Version::Tls10.code()).to_be_bytes());
    prefixed_16(&mut record, |payload| payload.extend(handshake));
    record
}

fn extensions(list: &mut Vec<u8>, version: Version, server_name: Option<&str>) {
    let mut extension = |kind: u16, write: &dyn Fn(&mut Vec<u8>)| {
        list.extend(kind.to_be_bytes());
        prefixed_16(list, |body| write(body));
    };
    if let Some(name) = server_name {
        extension(SERVER_NAME, &|body| {
            prefixed_16(body, |names| {
                names.push(0); // host_name
                prefixed_16(names, |host| host.extend(name.as_bytes()));
            });
        });
    }
    extension(SUPPORTED_GROUPS, &|body| prefixed_16(body, |groups| groups.extend(GROUPS)));
    if version >= Version::Tls12 {
        extension(SIGNATURE_ALGORITHMS, &|body| prefixed_16(body, |all| all.extend(SIGNATURES)));
    }
    if version == Version::Tls13 {
        extension(SUPPORTED_VERSIONS, &|body| {
            body.push(2);
            body.extend(version.code().to_be_bytes());
        });
        // No share at all: the server then chooses and asks for one (HelloRetryRequest), which
        // is all that is wanted, and costs it no key agreement and no signature.
        extension(KEY_SHARE, &|body| prefixed_16(body, |_| {}));
    } else {
        extension(EC_POINT_FORMATS, &|body| body.extend([1, 0]));
        extension(RENEGOTIATION_INFO, &|body| body.push(0));
    }
}

/// Reads what a server sent so far.
pub fn answer(bytes: &[u8]) -> Answer {
    let mut handshake = Vec::new();
    let mut rest = bytes;
    loop {
        let [kind, major, _, high, low, after @ ..] = rest else {
            // What cannot become a record is not waited for.
            return match rest {
                [kind, ..] if ![ALERT, HANDSHAKE].contains(kind) => Answer::NotTls,
                [_, major, ..] if *major != 3 => Answer::NotTls,
                _ => Answer::Incomplete,
            };
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *major != 3 || length == 0 || length > MOST_IN_A_RECORD {
            return Answer::NotTls;
        }
        let (payload, next) = after.split_at_checked(length).unwrap_or((after, &[]));
        match *kind {
            ALERT => match payload {
                [_, description, ..] => return Answer::Alert(*description),
                _ => return Answer::Incomplete,
            },
            HANDSHAKE => handshake.extend(payload),
            _ => return Answer::NotTls,
        }
        match server_hello(&handshake) {
            Answer::Incomplete if payload.len() == length => rest = next,
            answer => return answer,
        }
    }
}

fn server_hello(handshake: &[u8]) -> Answer {
    let [kind, a, b, c, body @ ..] = handshake else {
        return match handshake {
            [kind, ..] if *kind != SERVER_HELLO => Answer::NotTls,
            _ => Answer::Incomplete,
        };
    };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    if *kind != SERVER_HELLO || length > MOST_IN_A_HELLO {
        return Answer::NotTls;
    }
    match body.get(..length) {
        Some(body) => chosen(body).unwrap_or(Answer::NotTls),
        None => Answer::Incomplete,
    }
}

fn chosen(body: &[u8]) -> Option<Answer> {
    let (version, rest) = take_16(body)?;
    let (_random, rest) = rest.split_at_checked(32)?;
    let (&session, rest) = rest.split_first()?;
    let (_session, rest) = rest.split_at_checked(session.into())?;
    let (suite, rest) = take_16(rest)?;
    let (_compression, rest) = rest.split_first()?;
    let mut version = version;
    if let Some((length, mut rest)) = take_16(rest) {
        if usize::from(length) != rest.len() {
            return None;
        }
        while !rest.is_empty() {
            let (kind, after) = take_16(rest)?;
            let (length, after) = take_16(after)?;
            let (value, after) = after.split_at_checked(length.into())?;
            if kind == SUPPORTED_VERSIONS {
                version = take_16(value)?.0;
            }
            rest = after;
        }
    }
    Some(Answer::Hello { version, suite })
}

fn take_16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*head), rest))
}

fn prefixed_16(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0, 0]);
    write(out);
    // INVARIANT: everything written here is a few hundred bytes.
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// The name of an alert, for people (RFC 8446 section 6).
pub fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "an alert of another kind",
    }
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const MOST_IN_A_RECORD: usize = (1 << 14) + 2048;
const MOST_IN_A_HELLO: usize = 16 << 10;

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xFF01;

// x25519, P-256, P-384, P-521, ffdhe2048.
const GROUPS: [u8; 10] = [0, 29, 0, 23, 0, 24, 0, 25, 1, 0];
// ECDSA, RSA-PSS, Ed25519, RSA PKCS#1 with SHA-256 to SHA-512, then both with SHA-1.
const SIGNATURES: [u8; 24] =
    [4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 8, 7, 4, 1, 5, 1, 6, 1, 2, 3, 2, 1];

#[cfg(test)]
mod tests {
    use super::super::suites::offered;
    use super::*;

    fn hello(version: u16, suite: u16, selected: Option<u16>) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        if let Some(selected) = selected {
            body.extend([0, 6, 0, 43, 0, 2]);
            body.extend(selected.to_be_bytes());
        }
        let mut message = vec![2, 0, 0, u8::try_from(body.len()).unwrap()];
        message.extend(body);
        message
    }

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 3, 3];
        record.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        record.extend(payload);
        record
    }

    #[test]
    fn a_hello_is_read_whatever_pieces_it_comes_in() {
        let chosen = Answer::Hello { version: 0x0304, suite: 0x1301 };
        let message = hello(0x0303, 0x1301, Some(0x0304));
        let whole = record(22, &message);
        assert_eq!(answer(&whole), chosen);
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut]), Answer::Incomplete, "{cut}");
        }
        let in_two_records = [record(22, &message[..9]), record(22, &message[9..])].concat();
        assert_eq!(answer(&in_two_records), chosen);
        let with_more_behind = [whole, vec![22, 3, 3]].concat();
        assert_eq!(answer(&with_more_behind), chosen);
    }

    #[test]
    fn answers_are_told_apart() {
        let cases = [
            (
                record(22, &hello(0x0301, 0x0035, None)),
                Answer::Hello { version: 0x0301, suite: 0x0035 },
            ),
            (record(21, &[2, 70]), Answer::Alert(70)),
            (b"HTTP/1.0 400 Bad Request\r\n".to_vec(), Answer::NotTls),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), Answer::NotTls),
            (record(23, b"data"), Answer::NotTls),
            (record(22, &[11, 0, 0, 0]), Answer::NotTls),
            (record(22, &[2, 0xFF, 0, 0]), Answer::NotTls),
            (vec![22, 3, 3, 0, 0], Answer::NotTls),
            (vec![22, 3, 3, 0xFF, 0xFF], Answer::NotTls),
        ];
        for (bytes, expected) in cases {
            assert_eq!(answer(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_that_lie_are_no_hello() {
        let good = hello(0x0303, 0x1301, Some(0x0304));
        for at in [38, 42, 43, 46, 47] {
            let mut message = good.clone();
            message[at] ^= 0x40;
            assert_eq!(answer(&record(22, &message)), Answer::NotTls, "byte {at}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = record(22, &hello(0x0303, 0x1301, Some(0x0304)));
        for at in 0..whole.len() {
            for value in [0, 1, 2, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                answer(&bytes);
            }
        }
    }

    #[test]
    fn the_lengths_of_what_is_sent_add_up() {
        for version in Version::ALL {
            let suites: Vec<u16> = offered(version).collect();
            let sent = client_hello(version, &suites, &[0; 32], Some("build-7"));
            let at = |at: usize| usize::from(u16::from_be_bytes([sent[at], sent[at + 1]]));
            assert_eq!(at(3), sent.len() - 5);
            assert_eq!(at(7), sent.len() - 9);
            assert_eq!(at(44), 2 * suites.len());
            let extensions = 46 + at(44) + 2;
            match version {
                Version::Ssl30 => assert_eq!(extensions, sent.len()),
                _ => assert_eq!(at(extensions), sent.len() - extensions - 2),
            }
        }
    }
}

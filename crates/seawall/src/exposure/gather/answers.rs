//! Asks the host's own listening sockets for `/_ping`, all at once.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use seawall_rules::exposure::facts::Answer;

/// Asks every socket, with the name of the program that holds it, where that is known.
pub(super) fn ask(sockets: &[(SocketAddr, Option<&str>)]) -> BTreeMap<SocketAddr, Answer> {
    let asked = sockets.iter().filter(|(address, _)| !MINDS.contains(&address.port()));
    std::thread::scope(|scope| {
        let asking: Vec<_> = asked
            .take(MOST)
            .map(|(address, program)| {
                let patience = match program {
                    Some(program) if !SERVES_APIS.contains(program) => SHORT,
                    Some(_) | None => LONG,
                };
                (*address, scope.spawn(move || ping(*address, patience)))
            })
            .collect();
        asking
            .into_iter()
            .map(|(address, answer)| {
                let failed = |_| Answer::Unknown("it could not be asked".to_owned());
                (address, answer.join().unwrap_or_else(failed))
            })
            .collect()
    })
}

fn ping(address: SocketAddr, patience: Duration) -> Answer {
    let end = Instant::now() + patience;
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let here = SocketAddr::new(here, address.port());
    let reply = TcpStream::connect_timeout(&here, patience).and_then(|mut stream| {
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(PING)?;
        let mut reply = Vec::new();
        let mut buffer = [0; 1024];
        // A reply without end is as good as none.
        while reply.len() < MOST_BYTES {
            let left = end.saturating_duration_since(Instant::now());
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => reply.extend_from_slice(&buffer[..count]),
                // What has come tells enough.
                Err(_) if !reply.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(reply)
    });
    match reply {
        Ok(reply) => read(&reply),
        Err(_) if patience == SHORT => Answer::Other,
        Err(error) => Answer::Unknown(format!("it did not answer: {error}")),
    }
}

fn read(reply: &[u8]) -> Answer {
    // A TLS alert (RFC 8446 section 6), or Go's words for it.
    if reply.starts_with(&[0x15, 0x03]) {
        return Answer::Tls;
    }
    let text = String::from_utf8_lossy(reply);
    if text.contains("sent an HTTP request to an HTTPS server") {
        return Answer::Tls;
    }
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let version = headers.find(|(name, _)| {
        name.eq_ignore_ascii_case("api-version") || name.eq_ignore_ascii_case("libpod-api-version")
    });
    match version {
        Some((_, version)) if head.starts_with("HTTP/1.") => {
            Answer::Api(version.trim().escape_debug().take(16).collect())
        }
        _ => Answer::Other,
    }
}

const PING: &[u8] = concat!(
    "GET /_ping HTTP/1.0\r\nHost: localhost\r\nUser-Agent: seawall-scan/",
    env!("CARGO_PKG_VERSION"),
    "\r\n\r\n"
)
.as_bytes();

/// Programs behind which an API is likely: they get the time of a busy engine.
const SERVES_APIS: &[&str] =
    &["dockerd", "docker-proxy", "podman", "rootlesskit", "systemd", "socat", "haproxy", "nginx"];
const LONG: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(200);
const MOST: usize = 512;
const MOST_BYTES: usize = 16 << 10;

/// Ports whose protocols take a stray line amiss, and serve no API: SSH, mail, DNS, printers
/// (which would print it).
const MINDS: &[u16] = &[22, 25, 53, 465, 515, 587, 631, 853, 9100];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_known_by_its_header() {
        let cases: &[(&[u8], Answer)] = &[
            (b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\nOK", Answer::Api("1.41".to_owned())),
            (b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 4.3.1\r\n\r\n", Answer::Api("4.3.1".to_owned())),
            (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", Answer::Tls),
            (b"\x15\x03\x01\x00\x02\x02\x46", Answer::Tls),
            (b"HTTP/1.1 404 Not Found\r\n\r\nApi-Version: 1.41", Answer::Other),
            (b"SSH-2.0-OpenSSH_9.2\r\nApi-Version: 1\r\n", Answer::Other),
            (b"", Answer::Other),
        ];
        for (reply, answer) in cases {
            assert_eq!(read(reply), *answer, "{}", String::from_utf8_lossy(reply));
        }
    }
}

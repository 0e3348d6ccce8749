//! Asks the host's own listening sockets for `/_ping`, all at once, and those that speak TLS what
//! a stranger gets.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use seawall_rules::exposure::address::{self, Access, Look, Reply, Seen, Target};
use seawall_rules::exposure::facts::Answer;

use crate::exposure::probe::Probe;
use crate::exposure::root::plain;

/// Asks every socket, with the name of the program that holds it, where that is known.
pub(super) fn ask(sockets: &[(SocketAddr, Option<&str>)]) -> BTreeMap<SocketAddr, Answer> {
    let asked = sockets.iter().filter(|(address, _)| !MINDS.contains(&address.port()));
    let mut answers: BTreeMap<_, _> = std::thread::scope(|scope| {
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
    });
    let over_tls = answers.iter_mut().filter(|(_, answer)| **answer == Answer::Tls);
    ask_over_tls(over_tls.collect());
    answers
}

fn ping(address: SocketAddr, patience: Duration) -> Answer {
    let end = Instant::now() + patience;
    let reply = TcpStream::connect_timeout(&here(address), patience).and_then(|mut stream| {
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
        Err(error) => Answer::Unknown(format!("it did not answer: {}", plain(&error))),
    }
}

/// Where a socket that is bound to `address` is reached from this host.
fn here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn read(reply: &[u8]) -> Answer {
    // Go's words where TLS was expected.
    let says = |words: &[u8]| reply.windows(words.len()).any(|window| window == words);
    match address::read_reply(reply) {
        Some(Reply::Api(api)) => Answer::Api(api.version),
        Some(Reply::Alert(_)) => Answer::Tls,
        Some(Reply::Http(400, _)) if says(b"sent an HTTP request to an HTTPS server") => {
            Answer::Tls
        }
        _ => Answer::Other,
    }
}

/// Tries doors that speak TLS, as a stranger does from outside.
fn ask_over_tls(sockets: Vec<(&SocketAddr, &mut Answer)>) {
    if sockets.is_empty() {
        return;
    }
    let targets: Result<Vec<_>, _> = sockets
        .iter()
        .map(|(address, _)| Target::parse(&format!("tcp://{}", here(**address))))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (Ok(targets), Ok(runtime)) = (targets, runtime) else { return };
    let probe = Probe { concurrency: sockets.len(), patience: LONG };
    let Ok(looks) = runtime.block_on(probe.look(targets, |_| {})) else { return };
    for (address, answer) in sockets {
        let look = looks.iter().find(|look| look.address == Some(here(*address)));
        if let Some(over_tls) = look.and_then(over_tls) {
            *answer = over_tls;
        }
    }
}

/// What a stranger got; `None` where that is not known.
fn over_tls(look: &Look) -> Option<Answer> {
    let Seen::Tcp(tcp) = &look.seen else { return None };
    let tls = tcp.tls.as_ref()?;
    let doors = [Some(&tls.without_certificate), tls.self_made.as_ref()];
    for door in doors.into_iter().flatten() {
        if let Access::Api(api) = door {
            return Some(Answer::ApiOverTls(api.version.clone()));
        }
    }
    match (&tls.without_certificate, &tls.asks_for) {
        (Access::Refused(_), Some(_)) => Some(Answer::WantsCertificate),
        (Access::Http(..), _) => Some(Answer::Other),
        _ => None,
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
            (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                Answer::Tls,
            ),
            (b"HTTP/1.0 400 Bad Request\r\n\r\nno\n", Answer::Other),
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

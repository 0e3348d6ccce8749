//! Asks the host's own listening sockets for `/_ping`, all at once, and those that speak TLS what
//! a stranger gets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use seawall_rules::exposure::address::{Access, Look, Reply, Seen, Target, Way};
use seawall_rules::exposure::facts::Answer;
use tokio::task::JoinSet;

use crate::exposure::probe::{self, Probe};
use crate::exposure::root::plain;

/// Asks every socket, with the name of the program that holds it, where that is known.
pub(super) fn ask(sockets: &[(SocketAddr, Option<&str>)]) -> BTreeMap<SocketAddr, Answer> {
    let asked = sockets.iter().filter(|(address, _)| !MINDS.contains(&address.port()));
    let asked: Vec<_> = asked
        .take(MOST)
        .map(|(address, program)| match program {
            Some(program) if !SERVES_APIS.contains(program) => (*address, SHORT),
            Some(_) | None => (*address, LONG),
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(ask_all(asked)),
        Err(error) => {
            let why = format!("it could not be asked: {}", plain(&error));
            asked.into_iter().map(|(at, _)| (at, Answer::Unknown(why.clone()))).collect()
        }
    }
}

async fn ask_all(asked: Vec<(SocketAddr, Duration)>) -> BTreeMap<SocketAddr, Answer> {
    let mut asking = JoinSet::new();
    for (address, patience) in asked {
        asking.spawn(async move {
            let here = here(address);
            let reply = probe::ping(&target(here), here, patience).await;
            (address, patience, reply)
        });
    }
    let mut answers = BTreeMap::new();
    let mut over_tls = Vec::new();
    while let Some(Ok((address, patience, reply))) = asking.join_next().await {
        // Go answers so, in plain text, where it expects TLS.
        if matches!(reply, Ok(Reply::Alert(_) | Reply::Http(400, _))) {
            over_tls.push(address);
        }
        answers.insert(address, answer(reply, patience));
    }
    if !over_tls.is_empty() {
        ask_over_tls(&over_tls, &mut answers).await;
    }
    answers
}

/// What a reply says; a program that is not known for an API and says nothing has none.
fn answer(reply: Result<Reply, String>, patience: Duration) -> Answer {
    let silent = |why: &str| match patience {
        SHORT => Answer::Other,
        _ => Answer::Unknown(format!("it did not answer: {why}")),
    };
    match reply {
        Ok(Reply::Api(api)) => Answer::Api(api.version),
        Ok(Reply::Alert(_)) => Answer::Tls,
        Ok(Reply::Http(..) | Reply::Other(_) | Reply::Closed) => Answer::Other,
        Ok(Reply::Silent) => silent("nothing came in time"),
        Err(why) => silent(&why),
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

fn target(at: SocketAddr) -> Target {
    Target { way: Way::Tcp, host: at.ip().to_string(), port: Some(at.port()) }
}

/// Tries doors that may speak TLS, as a stranger does from outside.
async fn ask_over_tls(sockets: &[SocketAddr], answers: &mut BTreeMap<SocketAddr, Answer>) {
    let targets = sockets.iter().map(|address| target(here(*address))).collect();
    let probe = Probe { concurrency: sockets.len(), patience: LONG };
    let Ok(looks) = probe.look(targets, |_| {}).await else { return };
    for address in sockets {
        let look = looks.iter().find(|look| look.address == Some(here(*address)));
        if let Some(over_tls) = look.and_then(over_tls) {
            answers.insert(*address, over_tls);
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
    Some(match (&tls.without_certificate, &tls.asks_for) {
        (Access::Refused(_), Some(_)) => Answer::WantsCertificate,
        (Access::Http(..), _) => Answer::Other,
        _ => Answer::Tls,
    })
}

/// Programs behind which an API is likely: they get the time of a busy engine.
const SERVES_APIS: &[&str] =
    &["dockerd", "docker-proxy", "podman", "rootlesskit", "systemd", "socat", "haproxy", "nginx"];
const LONG: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(200);
const MOST: usize = 512;

/// Ports whose protocols take a stray line amiss, and serve no API: SSH, mail, DNS, printers
/// (which would print it).
const MINDS: &[u16] = &[22, 25, 53, 465, 515, 587, 631, 853, 9100];

#[cfg(test)]
mod tests {
    use seawall_rules::exposure::address::Api;

    use super::*;

    #[test]
    fn silence_is_an_answer_of_those_alone_who_have_no_api() {
        let api = Api { version: "1.41".to_owned(), server: String::new() };
        let silent = || Err("connection reset".to_owned());
        let unknown = |why: &str| Answer::Unknown(format!("it did not answer: {why}"));
        for (reply, patience, expected) in [
            (Ok(Reply::Api(api)), SHORT, Answer::Api("1.41".to_owned())),
            (Ok(Reply::Alert(70)), LONG, Answer::Tls),
            (Ok(Reply::Http(400, String::new())), LONG, Answer::Other),
            (Ok(Reply::Other("SSH-2.0".to_owned())), LONG, Answer::Other),
            (Ok(Reply::Silent), SHORT, Answer::Other),
            (Ok(Reply::Silent), LONG, unknown("nothing came in time")),
            (silent(), SHORT, Answer::Other),
            (silent(), LONG, unknown("connection reset")),
        ] {
            let shown = format!("{reply:?} {patience:?}");
            assert_eq!(answer(reply, patience), expected, "{shown}");
        }
    }
}

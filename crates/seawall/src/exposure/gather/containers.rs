//! What the local engine says of itself and its containers, if this user may ask it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use seawall_rules::exposure::Check;
use seawall_rules::exposure::address::read_version;
use seawall_rules::exposure::catalogue::container::*;
use seawall_rules::exposure::catalogue::engine::OLD_RELEASE;
use seawall_rules::exposure::catalogue::network::PUBLISHED_API;
use seawall_rules::exposure::facts::SocketOf;
use seawall_rules::exposure::read::inspect;

use super::Gathering;
use crate::exposure::root::plain;

impl Gathering {
    /// Asks each engine of the host for its release and its containers: `GET` of the version, of
    /// the list and of each.
    pub(super) fn running_containers(&mut self) {
        let sockets = self.facts.unix_sockets.iter();
        let engines: Vec<_> = sockets
            .filter(|socket| socket.of != SocketOf::Runtime)
            .map(|socket| socket.path.clone())
            .collect();
        let checks: [&Check; 6] = [
            &HOLDS_SOCKET,
            &PRIVILEGED,
            &PUBLISHED_AGENT,
            &PUBLISHED_EVERYWHERE,
            &PUBLISHED_API,
            &OLD_RELEASE,
        ];
        for socket in engines {
            if let Err(why) = self.containers_of(&socket) {
                self.gap(&checks, &format!("the containers behind {socket}"), &why);
            }
        }
    }

    fn containers_of(&mut self, socket: &str) -> Result<(), String> {
        let engine = read_version(get(socket, "/version")?.as_bytes());
        let engine = engine.ok_or("its answer is not the engine's")?;
        self.facts.releases.push((socket.to_owned(), engine));
        let list = get(socket, "/containers/json?all=true")?;
        let ids = inspect::ids(&list)?;
        for id in ids.iter().take(MOST) {
            // It may be gone by now.
            if let Ok(container) = get(socket, &format!("/containers/{id}/json")) {
                self.facts.containers.push(inspect::container(&container)?);
            }
        }
        match ids.len() > MOST {
            true => Err(format!("only the first {MOST} of {} were asked for", ids.len())),
            false => Ok(()),
        }
    }
}

/// Asks in HTTP/1.0, so that the answer has no framing but its end.
fn get(socket: &str, path: &str) -> Result<String, String> {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let agent = concat!("seawall-scan/", env!("CARGO_PKG_VERSION"));
        let head = format!("GET {path} HTTP/1.0\r\nHost: docker\r\nUser-Agent: {agent}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut reply = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut reply)?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = ask().map_err(|error| plain(&error))?;
    let reply = String::from_utf8(reply).map_err(|_| "its answer is not text".to_owned())?;
    let (head, body) = reply.split_once("\r\n\r\n").ok_or("it gave no answer")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        status => Err(format!("it answered {}", status.unwrap_or("nothing").escape_debug())),
    }
}

const PATIENCE: Duration = Duration::from_secs(2);
const MOST: usize = 500;
const MOST_BYTES: u64 = 16 << 20;

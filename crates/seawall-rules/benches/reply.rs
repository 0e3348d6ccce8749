//! What it costs to hide secrets in a list of 1,000 containers:
//! `cargo bench -p seawall-rules --bench reply`.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seawall_rules::operation::Operation;
use seawall_rules::reply::{Edit, Editor};

const CONTAINERS: usize = 1_000;
const ROUNDS: usize = 21;
/// As they come from the engine's socket.
const PIECE: usize = 64 * 1024;

fn main() {
    let reply = list();
    let mut times: Vec<_> = (0..ROUNDS).map(|_| time(reply.as_bytes())).collect();
    times.sort();
    let median = times[ROUNDS / 2];
    let rate = reply.len() as f64 / median.as_secs_f64() / 1e6;
    println!(
        "`ps` of {CONTAINERS} containers, {} KiB: {:.2} ms, {rate:.0} MB/s",
        reply.len() >> 10,
        median.as_secs_f64() * 1e3
    );
}

fn time(reply: &[u8]) -> Duration {
    let edit = Edit { redact: Some(Arc::default()), keep: None };
    let start = Instant::now();
    let mut editor = Editor::new(Operation::ContainerList, &edit).expect("a list is edited");
    let mut out = Vec::new();
    for piece in reply.chunks(PIECE) {
        out.clear();
        editor.push(piece, &mut out).expect("it is a list");
        black_box(&out);
    }
    editor.end(&mut out).expect("it is whole");
    start.elapsed()
}

/// Containers as Compose makes them.
fn list() -> String {
    let mut list = String::from("[");
    for n in 0..CONTAINERS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            list,
            r#"{comma}{{"Id":"{n:064x}","Names":["/shop-web-{n}"],"Image":"registry.example.com/shop:{n}","ImageID":"sha256:{n:064x}","Command":"docker-entrypoint.sh --password hunter2","Created":1767225600,"Ports":[{{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":{n},"Type":"tcp"}}],"Labels":{{"com.docker.compose.project":"shop","com.docker.compose.service":"web","com.docker.compose.config-hash":"{n:064x}","traefik.http.middlewares.auth.basicauth.users":"a:$apr1$x"}},"State":"running","Status":"Up 3 hours","HostConfig":{{"NetworkMode":"shop_default"}},"NetworkSettings":{{"Networks":{{"shop_default":{{"IPAMConfig":null,"NetworkID":"{n:064x}","IPAddress":"172.18.0.2","IPPrefixLen":16,"DriverOpts":null}}}}}},"Mounts":[{{"Type":"bind","Source":"/srv/shop","Destination":"/srv","Mode":"ro","RW":false,"Propagation":"rprivate"}}]}}"#
        )
        .expect("a String");
    }
    list + "]"
}

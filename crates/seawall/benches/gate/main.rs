//! What the gate costs, beside two proxies that only relay:
//! `make bench`, or `cargo bench -p seawall --bench gate [-- ROUNDS]`.
//!
//! Seawall, HAProxy and nginx stand before the same stub of an engine, ask every client for a
//! certificate, speak TLS 1.3 and keep a log of requests. What counts is the CPU time of their
//! processes: it hardly depends on how fast the clients are, which share the cores with them.
//! docs/benchmarks.md says how to read the table.

#![allow(missing_docs, reason = "a program, not an interface")]

mod client;
mod engine;
mod http;
mod proxy;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::Client;
use proxy::Proxy;
use tokio::runtime;

/// Connections of a few clients, and of many.
const FEW: u32 = 4;
const MANY: u32 = 64;

const SMALL_REQUESTS: u32 = 51_200;
const HANDSHAKES: u32 = 500;
const STREAM_BYTES: u64 = 1 << 30;

fn main() -> ExitCode {
    let missing: Vec<_> = ["haproxy", "nginx"].into_iter().filter(|it| !proxy::runs(it)).collect();
    if !missing.is_empty() {
        eprintln!("error: not installed: {}", missing.join(", "));
        eprintln!("hint: apt-get install haproxy nginx-light");
        return ExitCode::FAILURE;
    }
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(3).max(1);

    let dir = tempfile::Builder::new().prefix("seawall-bench-").tempdir().expect("a folder");
    let socket = dir.path().join("engine.sock");
    engine::start(&socket, STREAM_BYTES);
    let proxies = [
        proxy::seawall(dir.path(), &socket),
        proxy::haproxy(dir.path(), &socket),
        proxy::nginx(dir.path(), &socket),
    ];

    let mut measured: [Vec<Round>; 3] = Default::default();
    for number in 1..=rounds {
        for (proxy, measured) in proxies.iter().zip(&mut measured) {
            eprintln!("round {number} of {rounds}: {}", proxy.version);
            measured.push(Round::run(proxy).expect("answers as the engine gave them"));
        }
    }
    print(&proxies, &measured, rounds);
    ExitCode::SUCCESS
}

/// What a proxy and the clock took for each kind of work.
struct Round {
    few: Cost,
    many: Cost,
    handshakes: Cost,
    download: Cost,
    upload: Cost,
}

impl Round {
    fn run(proxy: &Proxy) -> io::Result<Self> {
        let client = Client::new(proxy.address, &proxy.credentials);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let cost = |work: &mut dyn FnMut() -> io::Result<()>| Cost::of(proxy, work);
        let mut stream = runtime.block_on(client.connect())?;
        let few = cost(&mut || runtime.block_on(client.small_requests(SMALL_REQUESTS, FEW)))?;
        let many = cost(&mut || runtime.block_on(client.small_requests(SMALL_REQUESTS, MANY)))?;
        let handshakes = cost(&mut || runtime.block_on(client.handshakes(HANDSHAKES, FEW)))?;
        let download = cost(&mut || match runtime.block_on(stream.get("/v1.41/images/x/get"))? {
            STREAM_BYTES => Ok(()),
            bytes => Err(io::Error::other(format!("the stream ended after {bytes} bytes"))),
        })?;
        let upload =
            cost(&mut || runtime.block_on(stream.post("/v1.41/images/load", STREAM_BYTES)))?;
        Ok(Self { few, many, handshakes, download, upload })
    }
}

struct Cost {
    cpu: Duration,
    wall: Duration,
}

impl Cost {
    fn of(proxy: &Proxy, work: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Self> {
        let (start, cpu) = (Instant::now(), proxy.cpu_time());
        work()?;
        Ok(Self { cpu: proxy.cpu_time() - cpu, wall: start.elapsed() })
    }
}

fn print(proxies: &[Proxy; 3], measured: &[Vec<Round>; 3], rounds: usize) {
    for proxy in proxies {
        println!("{}", proxy.version);
    }
    println!("the median of {rounds} rounds, CPU time of the proxy's processes alone\n");
    println!("{:<36} {:>9} {:>9} {:>9}", "", "Seawall", "HAProxy", "nginx");
    let micros = |time: Duration, count| time.as_secs_f64() * 1e6 / f64::from(count);
    let row = |name: &str, digits: usize, value: &dyn Fn(&Round) -> f64| {
        let values = measured.each_ref().map(|rounds| median(rounds.iter().map(value).collect()));
        let [seawall, haproxy, nginx] = values.map(|value| format!("{value:.digits$}"));
        println!("{name:<36} {seawall:>9} {haproxy:>9} {nginx:>9}");
    };
    row("small request of 4 clients, CPU µs", 1, &|it| micros(it.few.cpu, SMALL_REQUESTS));
    row("small request of 4 clients, wall µs", 1, &|it| micros(it.few.wall, SMALL_REQUESTS));
    row("small request of 64 clients, CPU µs", 1, &|it| micros(it.many.cpu, SMALL_REQUESTS));
    row("small request of 64 clients, wall µs", 1, &|it| micros(it.many.wall, SMALL_REQUESTS));
    row("handshake and ping, CPU µs", 0, &|it| micros(it.handshakes.cpu, HANDSHAKES));
    row("handshake and ping, wall µs", 0, &|it| micros(it.handshakes.wall, HANDSHAKES));
    row("GiB down, CPU s", 2, &|it| it.download.cpu.as_secs_f64());
    row("GiB down, wall s", 2, &|it| it.download.wall.as_secs_f64());
    row("GiB up, CPU s", 2, &|it| it.upload.cpu.as_secs_f64());
    row("GiB up, wall s", 2, &|it| it.upload.wall.as_secs_f64());
    let [seawall, haproxy, nginx] = proxies.each_ref().map(|proxy| proxy.peak_memory() >> 20);
    println!("{:<36} {seawall:>9} {haproxy:>9} {nginx:>9}", "peak resident memory, MiB");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

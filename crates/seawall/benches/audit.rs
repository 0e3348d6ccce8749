//! What recording costs: `cargo bench -p seawall --bench audit [-- DIR]`. A request is two
//! records, chained and written by one system call; the target is 3 µs of CPU for both.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use seawall::audit::{Decision, Ending, Outcome, RequestId, Subject, Trail};
use seawall::config::{Audit, OnFailure, Sync};

const REQUESTS: u32 = 400_000;

fn main() {
    let dir = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let base = dir.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").to_owned());
    println!("{:<34} {:>12} {:>12} {:>12}", base, "wall ns/req", "cpu ns/req", "requests/s");
    for threads in [1, 2, 4] {
        measure(
            Path::new(&base),
            &format!("batched sync, {threads} threads"),
            threads,
            Sync::Batched,
            REQUESTS,
        );
    }
    measure(Path::new(&base), "sync always, 8 threads", 8, Sync::Always, 4000);
}

fn measure(base: &Path, name: &str, threads: u32, sync: Sync, requests: u32) {
    let dir = tempfile::tempdir_in(base).expect("a folder to write in");
    let config = Audit {
        dir: dir.path().join("audit"),
        on_failure: OnFailure::Deny,
        sync,
        segment_bytes: 64 * 1024 * 1024,
        keep_bytes: 1024 * 1024 * 1024,
        anchor: Vec::new(),
    };
    let trail = Trail::open(&config, dir.path()).expect("a trail");
    let (start, cpu) = (Instant::now(), cpu_time());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let trail = &trail;
            scope.spawn(move || run(trail, thread.into(), requests / threads));
        }
    });
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let each = |time: Duration| time.as_nanos() / u128::from(requests);
    let rate = f64::from(requests) / wall.as_secs_f64();
    println!("{name:<34} {:>12} {:>12} {rate:>12.0}", each(wall), each(cpu));
}

fn run(trail: &Trail, session: u64, requests: u32) {
    let subject = Subject {
        id: Some("0a1b2c3d4e5f6071".to_owned()),
        name: "alice".to_owned(),
        roles: "operator".to_owned(),
        credential: "cert:5f3a9c0e7b1d24680a1b2c3d4e5f6071".to_owned(),
    };
    for number in 1..=requests {
        let id = RequestId { session: 0x7f3a_91c2_0000 + session, number };
        let decision = Decision {
            id,
            subject: &subject,
            peer: ([192, 0, 2, 7], 50_000).into(),
            balancer: None,
            method: "GET",
            target: "/v1.41/containers/4f2d9a0c7e61/json?size=0",
            operation: Some("ContainerInspect"),
            user_agent: "Docker-Client/28.2.2 (linux)",
            refused: None,
            rule: "operator.read",
            would_deny: &[],
            unknown: &[],
            asks: Some(&[]),
            generation: 1,
        };
        trail.decision(&decision).expect("recorded");
        trail.outcome(&Outcome {
            id,
            status: 200,
            ending: Ending::Complete,
            received: 0,
            sent: 4321,
            took: Duration::from_micros(1500),
        });
    }
}

/// User and system time of this process, the flusher's included.
fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64))
        .sum()
}

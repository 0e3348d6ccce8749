//! How long a scan of this host takes: `make bench`, or `cargo bench -p seawall --bench scan`.
//! The promise is 0.3 s; it fails above.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const PROMISE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let mut times: Vec<_> = (0..ROUNDS).map(|_| scan()).collect();
    times.sort();
    let [least, middle, most] = [times[0], times[ROUNDS / 2], times[ROUNDS - 1]];
    println!(
        "host scan: {middle:.0?} (of {ROUNDS}: {least:.0?} to {most:.0?}); at most {PROMISE:?}"
    );
    if middle > PROMISE { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn scan() -> Duration {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    let status = command.arg("scan").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let code = status.expect("the scan runs").code();
    assert!(matches!(code, Some(0 | 3 | 4)), "the scan ended with {code:?}");
    begun.elapsed()
}

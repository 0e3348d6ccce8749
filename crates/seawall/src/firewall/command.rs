//! Running the programs that speak to the kernel's packet filter.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use crate::cli::report::{Doing, Error};

/// Runs `program` with `input` on its standard input, and answers with what it printed.
///
/// # Errors
/// That it is not installed, or what it said.
pub(super) fn run(program: &str, args: &[&str], input: &str) -> Result<String, Error> {
    let line = [&[program], args].concat().join(" ");
    let mut child = Command::new(program)
        .args(args)
        .env("PATH", path())
        // What they say is shown as they say it, in one language.
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(program),
            _ => Error::failed(format!("cannot run `{line}`: {error}")),
        })?;
    let stdin = child.stdin.take();
    // All of them read their input to its end before they answer.
    let written = stdin.map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().doing(|| format!("run `{line}`"))?;
    if output.status.success() {
        written.doing(|| format!("tell `{line}` the rules"))?;
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = said.iter().take(3).map(|line| line.escape_debug().to_string());
    let error = Error::failed(format!("`{line}` failed: {}", shown.collect::<Vec<_>>().join("; ")));
    Err(match said.iter().any(|line| line.contains("Operation not permitted")) {
        true => error.hint("run this as root"),
        false => error,
    })
}

/// Whether `program` is installed.
pub(super) fn installed(program: &str) -> bool {
    std::env::split_paths(&path()).any(|dir| dir.join(program).is_file())
}

/// Users' search paths often lack where these programs are.
fn path() -> String {
    let given = std::env::var("PATH").unwrap_or_default();
    format!("{given}:/usr/sbin:/sbin:/usr/bin:/bin")
}

fn missing(program: &str) -> Error {
    let package = match program {
        "nft" => "nftables",
        "ip" => "iproute2",
        "nsenter" => "util-linux",
        _ => "iptables",
    };
    Error::failed(format!("`{program}` is not installed"))
        .hint(format!("apt-get install {package}, or what its package is called here"))
}

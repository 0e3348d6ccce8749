//! `seawall scan TARGET…`: addresses, from outside.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use clap::builder::RangedU64ValueParser;
use seawall_rules::exposure::Report;
use seawall_rules::exposure::address::{NotATarget, Target, judge};

use crate::cli::input::read_text;
use crate::cli::report::{Doing as _, Error};
use crate::config::units::parse_duration;
use crate::exposure::probe::Probe;

/// Which addresses, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Addresses {
    /// Look at these addresses from outside instead: tcp://HOST[:PORT], ssh://HOST[:PORT], HOST
    ///
    /// Without a port, tcp:// is 2375 and 2376, and ssh:// is 22. A name is looked at on each of
    /// its addresses, of both families. What is sent is GET /_ping and GET /version, TLS handshakes
    /// without and with a certificate made up here, and an SSH identification.
    #[arg(value_name = "TARGET", conflicts_with_all = ["root", "list", "explain"])]
    targets: Vec<String>,
    /// Look at the addresses in this file too, one a line; `-` is standard input
    #[arg(long = "targets", value_name = "FILE", conflicts_with_all = ["root", "list", "explain"])]
    file: Option<std::path::PathBuf>,
    /// How many addresses to look at at one time
    #[arg(long, value_name = "NUMBER", default_value = "32",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    concurrency: usize,
    /// How long to wait for each connection and each answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = timeout)]
    timeout: Duration,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_millis(100)..=Duration::from_secs(60);
    parse_duration(text)
        .filter(|time| bounds.contains(time))
        .ok_or_else(|| "it is a time such as 3s, from 100ms to 60s".to_owned())
}

impl Addresses {
    /// Whether addresses are asked for at all.
    pub(super) fn any(&self) -> bool {
        !self.targets.is_empty() || self.file.is_some()
    }
}

/// Looks at all of them.
///
/// # Errors
/// A target that is none; that none of them takes connections.
pub(super) fn look(args: &Addresses) -> Result<Report, Error> {
    let targets = targets(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    let probe = Probe { concurrency: args.concurrency, patience: args.timeout };
    let mut progress = Progress::new(targets.len());
    let looks = runtime.block_on(probe.look(targets, |_| progress.step()))?;
    progress.end();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let mut report = Report::default();
    for look in &looks {
        report.absorb(judge(look, now));
    }
    report.sort();
    if report.scanned.is_empty() {
        let error = Error::nothing("none of these addresses takes connections");
        return Err(match report.unknown.first() {
            Some(one) => error.hint(format!("{}: {}", one.subject, one.why)),
            None => error.hint("nothing listens on dockerd's ports 2375 and 2376 there"),
        });
    }
    Ok(report)
}

fn targets(args: &Addresses) -> Result<Vec<Target>, Error> {
    let mut texts = args.targets.clone();
    if let Some(file) = &args.file {
        let text =
            read_text(file, MOST).doing(|| format!("read the targets in {}", file.display()))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let mut known = BTreeSet::new();
    let mut targets = Vec::new();
    for text in texts {
        let target = Target::parse(&text).map_err(|why| refused(&text, why))?;
        if known.insert(target.to_string()) {
            targets.push(target);
        }
    }
    if targets.is_empty() {
        return Err(Error::usage("the file of targets names none")
            .hint("one a line: tcp://HOST:PORT, ssh://HOST or HOST; `#` begins a comment"));
    }
    Ok(targets)
}

fn refused(text: &str, why: NotATarget) -> Error {
    let error = Error::usage(format!("the target `{}` {why}", text.escape_debug()));
    match why {
        NotATarget::Scheme if text.starts_with("unix:") => {
            error.hint("sockets of this host are in the scan of the host: `sudo seawall scan`")
        }
        _ => {
            error.hint("write tcp://HOST:PORT, ssh://HOST, or an IPv6 address as tcp://[::1]:2376")
        }
    }
}

const MOST: u64 = 16 << 20;

/// A line on a terminal that says how far it is.
struct Progress {
    all: usize,
    done: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, done: 0, shown: all > 1 && std::io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.shown {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} of {} looked at", self.done, self.all);
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn args(targets: &[&str], file: Option<&Path>) -> Addresses {
        Addresses {
            targets: targets.iter().map(|&text| text.to_owned()).collect(),
            file: file.map(Path::to_owned),
            concurrency: 1,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn targets_of_the_line_and_of_the_file_are_taken_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# hosts\nbuild-7  # the old one\n\n tcp://build-8:2376\n")
            .unwrap();
        let read =
            targets(&args(&["tcp://build-7", "ssh://a@build-7"], Some(file.path()))).unwrap();
        let shown: Vec<_> = read.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["tcp://build-7", "ssh://build-7", "tcp://build-8:2376"]);
        std::fs::write(file.path(), "# none\n").unwrap();
        assert!(targets(&args(&[], Some(file.path()))).is_err());
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_to_write() {
        let error = |text| targets(&args(&[text], None)).unwrap_err().to_string();
        insta::assert_snapshot!(error("unix:///run/docker.sock"), @"
        error: the target `unix:///run/docker.sock` is neither `tcp://` nor `ssh://`
        hint: sockets of this host are in the scan of the host: `sudo seawall scan`
        ");
        insta::assert_snapshot!(error("tcp://build-7:99999"), @"
        error: the target `tcp://build-7:99999` has no usable port
        hint: write tcp://HOST:PORT, ssh://HOST, or an IPv6 address as tcp://[::1]:2376
        ");
    }

    #[test]
    fn a_timeout_has_bounds() {
        for (text, expected) in [("100ms", true), ("60s", true), ("99ms", false), ("2m", false)] {
            assert_eq!(timeout(text).is_ok(), expected, "{text}");
        }
    }
}

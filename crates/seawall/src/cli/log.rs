//! `seawall log`: the audit trail, read where it lies; the gate need not run.

mod export;
mod line;
mod show;
mod tail;
mod verify;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use serde_json::json;

use super::Context;
use super::report::{self, Doing as _, Error};
use crate::audit::read::{self, Body, Entry};
use crate::config::units::parse_duration;
use crate::config::{self, Overrides};
use crate::state::notation::rfc3339;

/// The audit trail: follow it, look into it, verify it, take it elsewhere
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall log tail -f\n  seawall log show 7f3a91c2d405-3\n  \
    seawall log verify --head \"$(cat /mnt/elsewhere/head)\"")]
pub(super) struct Args {
    /// The trail's folder; the configured one without it
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Tail(tail::Args),
    Show(show::Args),
    Verify(verify::Args),
    Export(export::Args),
    Head(HeadArgs),
}

/// Print the newest signed head, for keeping where this host can't reach it
///
/// It is one line, SEQ:HASH:SIGNATURE, made at least every minute in which anything happened.
/// Kept elsewhere it proves later, with `log verify --head`, that nothing up to it was changed or
/// cut off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall log head >> /mnt/elsewhere/heads")]
struct HeadArgs {
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => configured_dir(context)?,
    };
    let segments = read::segments(&dir).doing(|| format!("read {}", dir.display()))?;
    if segments.is_empty() {
        return Err(Error::failed(format!("there is no audit trail in {}", dir.display()))
            .hint("a gate makes one when it starts; `--dir` names another folder"));
    }
    let trail = TrailDir { dir, segments };
    match args.command {
        Command::Tail(args) => tail::run(context, &trail, &args),
        Command::Show(args) => show::run(context, &trail, &args),
        Command::Verify(args) => verify::run(context, &trail, &args),
        Command::Export(args) => export::run(&trail, &args),
        Command::Head(_) => head(context, &trail),
    }
}

/// A folder with a trail in it.
struct TrailDir {
    dir: PathBuf,
    /// Never empty.
    segments: Vec<u64>,
}

fn configured_dir(context: &Context) -> Result<PathBuf, Error> {
    // A gate that was started by flags alone has no file, and its trail at the default place.
    if !context.config_file.exists() {
        return Ok(context.state_dir.join("audit"));
    }
    let config = config::load(context, &Overrides::default())
        .map_err(|error| error.hint("`--dir` reads a trail without the configuration"))?;
    Ok(config.audit.dir)
}

fn head(context: &Context, trail: &TrailDir) -> Result<(), Error> {
    let signed = read::newest_signed(&trail.dir).doing(|| "read the trail".to_owned())?;
    let Some(signed) = signed else {
        return Err(Error::failed("nothing in this trail is signed yet"));
    };
    if context.json {
        let text = signed.to_string();
        let signature = text.rsplit(':').next();
        let head = signed.head;
        let json = json!({
            "head": text,
            "seq": head.seq,
            "hash": head.hash.to_string(),
            "signature": signature,
        });
        return report::print(format!("{json}\n"));
    }
    report::print(format!("{signed}\n"))
}

/// A moment, as `--since` and `--until` take it: compares with the times of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment(String);

impl FromStr for Moment {
    type Err = String;

    /// `1h` is an hour ago; a time is RFC 3339, or as much of its beginning as matters.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(ago) = parse_duration(text) {
            let moment = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
            return Ok(Self(rfc3339(moment)));
        }
        let format = &time::format_description::well_known::Rfc3339;
        let text = text.trim();
        let whole = match text.len() {
            10 => format!("{text}T00:00:00Z"),
            _ => text.to_owned(),
        };
        time::OffsetDateTime::parse(&whole, format)
            .map(|moment| Self(rfc3339(moment.into())))
            .map_err(|_| "write `90s`, `15m`, `1h`, `2d`, `2026-01-31` or RFC 3339".to_owned())
    }
}

impl Moment {
    /// Seconds since the epoch.
    pub(super) fn seconds(&self) -> u64 {
        seconds(&self.0)
    }

    /// Whether a record is from this moment or later. Records carry microseconds, and a second
    /// without them is the beginning of it: the shorter text compares as less.
    pub(super) fn is_before_or_at(&self, entry: &Entry) -> bool {
        entry.time.as_str() >= self.0.trim_end_matches('Z')
    }
}

/// Seconds since the epoch of a record's time.
pub(super) fn seconds(time: &str) -> u64 {
    let format = &time::format_description::well_known::Rfc3339;
    let moment =
        time::OffsetDateTime::parse(time, format).map(time::OffsetDateTime::unix_timestamp);
    moment.ok().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()
}

/// Which requests are asked for.
#[derive(Clone, Debug, Default, clap::Args)]
struct Filter {
    /// Only requests of this identity
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Only requests that were refused
    #[arg(long)]
    denied: bool,
    /// Only from then on: `1h` ago, or a date or time
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
}

impl Filter {
    /// Whether a record is asked for, where that depends on it alone; an outcome is when its
    /// decision is.
    fn takes(&self, entry: &Entry) -> bool {
        self.since.as_ref().is_none_or(|since| since.is_before_or_at(entry))
            && match &entry.body {
                Body::Decision(decision) => {
                    self.identity.as_ref().is_none_or(|name| *name == decision.identity)
                        && (!self.denied || !decision.allowed)
                }
                Body::Outcome(_) => true,
                Body::Other(_) | Body::Unreadable => self.identity.is_none() && !self.denied,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_duration_ago_a_date_or_a_time() {
        let cases = [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ];
        for (text, moment) in cases {
            assert_eq!(text.parse(), Ok(Moment(moment.to_owned())));
        }
        let hour = "1h".parse::<Moment>().unwrap().0;
        assert!(hour < rfc3339(SystemTime::now()));
        assert!("yesterday".parse::<Moment>().is_err());
    }
}

//! `seawall status`.

use std::io::Write as _;

use time::OffsetDateTime;

use super::Context;
use super::report::{Doing, Error};
use crate::admin::status::{ScanStatus, Status};
use crate::admin::{Answer, Call, client};
use crate::firewall;

/// Show one screen about the running gate
///
/// Exits 1 when no gate runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall status")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let Answer::Status(mut status) = client::call(context, &Call::Status)? else {
        return Err(client::unexpected());
    };
    // The gate itself has none of the rights that it takes to look.
    let firewall = match firewall::health(context) {
        Ok(None) => None,
        Ok(Some((applied, differences))) if differences.is_empty() => {
            Some(format!("in force, by {}", applied.backend.name()))
        }
        Ok(Some((_, differences))) => {
            let differ = differences.join("; ");
            status
                .warnings
                .push(format!("`seawall firewall` has rules that do not hold: {differ}"));
            None
        }
        Err(error) => {
            status.warnings.push(format!("the kernel's rules cannot be read: {}", error.message));
            None
        }
    };
    let write = || "write the answer".to_owned();
    let text = if args.json {
        serde_json::to_string_pretty(&status).doing(write)? + "\n"
    } else {
        screen(&status, firewall, OffsetDateTime::now_utc())
    };
    std::io::stdout().write_all(text.as_bytes()).doing(write)
}

fn screen(status: &Status, firewall: Option<String>, now: OffsetDateTime) -> String {
    let engine = match &status.engine {
        Ok(version) => format!("{} ({version})", status.upstream),
        Err(why) => format!("{} DOES NOT ANSWER: {why}", status.upstream),
    };
    let audit = match &status.audit.failing {
        None => format!("{}, {} records", status.audit.dir, status.audit.seq),
        Some(why) => format!("{} CANNOT BE WRITTEN: {why}", status.audit.dir),
    };
    let would_deny = match status.would_deny {
        0 => String::new(),
        count => format!(", {count} would be denied but for warn mode"),
    };
    let mut lines = vec![
        (
            "seawall",
            format!("{}, pid {}, up {}", status.version, status.pid, days(now - status.started)),
        ),
        ("listens on", status.listeners.join(", ")),
        ("engine", engine),
        ("policy", format!("generation {}, {} identities", status.generation, status.identities)),
        (
            "connections",
            format!("{}, {} of them authenticated", status.connections, status.sessions),
        ),
        (
            "requests",
            format!(
                "{}, {} denied{would_deny}; {} connections refused",
                status.requests, status.denied, status.refused_connections
            ),
        ),
        ("audit", audit),
        ("host scan", scan(&status.scan, now)),
    ];
    lines.extend(firewall.map(|holds| ("firewall", holds)));
    if !status.banned.is_empty() {
        let (shown, more) = status.banned.split_at(status.banned.len().min(5));
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        lines.push(("banned", format!("{}{more}; see `seawall network list`", shown.join(", "))));
    }
    if let Some(ssh) = &status.ssh {
        let sandbox = ssh.sandbox.as_deref().unwrap_or("STARTING AGAIN");
        lines.insert(2, ("ssh", format!("host key {}; {sandbox}", ssh.host_key)));
    }
    for expiry in &status.certificates {
        lines.push((
            "certificate",
            format!(
                "{}: ends {} (in {})",
                expiry.of,
                expiry.not_after.date(),
                days(expiry.not_after - now)
            ),
        ));
    }
    for warning in &status.warnings {
        lines.push(("WARNING", warning.clone()));
    }
    lines.iter().map(|(what, value)| format!("{what:<13}{value}\n")).collect()
}

fn scan(scan: &ScanStatus, now: OffsetDateTime) -> String {
    let Some(time) = scan.time else {
        return match scan.trouble {
            Some(_) => format!("{} CANNOT BE READ", scan.file),
            None => "none yet; `sudo systemctl enable --now seawall-scan.timer` has one made a day"
                .to_owned(),
        };
    };
    let counts: Vec<_> =
        scan.findings.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    format!("{} ago: {found}", days(now - time))
}

fn days(span: time::Duration) -> String {
    match span.whole_hours() {
        hours @ ..48 => format!("{hours} h {} min", span.whole_minutes() % 60),
        hours => format!("{} days", hours / 24),
    }
}

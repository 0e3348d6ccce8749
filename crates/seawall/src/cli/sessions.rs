//! `seawall sessions`.

use std::io::Write as _;

use clap::Subcommand;
use time::OffsetDateTime;

use super::Context;
use super::report::{Doing, Error};
use crate::admin::status::SessionRow;
use crate::admin::{Answer, Call, client};

/// Show who is connected and doing what, or cut somebody off
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  seawall sessions\n  seawall sessions kill 7f3a91c2b04e"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Cut a session and everything it has open; the identity may connect again
    Kill {
        /// The session's id, as `seawall sessions` shows it
        id: String,
    },
}

pub(crate) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let mut out = std::io::stdout();
    let write = || "write the answer".to_owned();
    if let Some(Action::Kill { id }) = args.action {
        let Answer::Killed = client::call(context, &Call::KillSession { id: id.clone() })? else {
            return Err(client::unexpected());
        };
        return writeln!(out, "session {id} was cut").doing(write);
    }
    let Answer::Sessions(sessions) = client::call(context, &Call::Sessions)? else {
        return Err(client::unexpected());
    };
    if args.json {
        let text = serde_json::to_string_pretty(&sessions).doing(write)?;
        return writeln!(out, "{text}").doing(write);
    }
    out.write_all(table(&sessions, OffsetDateTime::now_utc()).as_bytes()).doing(write)
}

fn table(sessions: &[SessionRow], now: OffsetDateTime) -> String {
    if sessions.is_empty() {
        return "nobody is connected\n".to_owned();
    }
    let mut table = format!(
        "{:<14}{:<18}{:<12}{:<26}{:>8}{:>10}  {}\n",
        "SESSION", "IDENTITY", "ROLES", "FROM", "FOR", "REQUESTS", "DOING"
    );
    for row in sessions {
        let doing = match (&row.operation, &row.target) {
            (Some(operation), Some(target)) => format!("{operation} {target}"),
            _ => "-".to_owned(),
        };
        table += &format!(
            "{:<14}{:<18}{:<12}{:<26}{:>8}{:>10}  {doing}\n",
            row.id,
            row.identity,
            row.roles,
            row.peer,
            age(now - row.since),
            row.requests
        );
    }
    table
}

fn age(age: time::Duration) -> String {
    match age.whole_seconds() {
        seconds @ ..60 => format!("{}s", seconds.max(0)),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_line() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let row = SessionRow {
            id: "7f3a91c2b04e".to_owned(),
            identity: "alice".to_owned(),
            roles: "operator".to_owned(),
            peer: "10.0.0.7:51234".to_owned(),
            credential: "cert:0a".to_owned(),
            since: now - time::Duration::minutes(90),
            requests: 12,
            received: 0,
            sent: 0,
            operation: Some("ContainerLogs".to_owned()),
            target: Some("/v1.41/containers/web/logs?follow=1".to_owned()),
        };
        insta::assert_snapshot!(table(&[row], now), @r"
        SESSION       IDENTITY          ROLES       FROM                           FOR  REQUESTS  DOING
        7f3a91c2b04e  alice             operator    10.0.0.7:51234                  1h        12  ContainerLogs /v1.41/containers/web/logs?follow=1
        ");
        insta::assert_snapshot!(table(&[], now), @"nobody is connected");
    }
}

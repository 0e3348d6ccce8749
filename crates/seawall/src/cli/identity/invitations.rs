//! `seawall identity invitations`.

use super::unexpected;
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::join::minute;
use crate::cli::report::{self, Error};
use crate::cli::table::table;
use crate::state::call::{Reply, StateCall};
use crate::state::{Invited, InvitedStanding};

/// Invitations and what became of them; take one back
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take this one back
    #[arg(long, value_name = "ID")]
    revoke: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "revoke")]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    if let Some(id) = args.revoke {
        let text = format!("revoked: the invitation {}\n", id.escape_debug());
        state_call(context, StateCall::RevokeInvitation { id })?;
        return report::print(text);
    }
    match state_call(context, StateCall::Invitations)? {
        Reply::Invitations(invitations) if args.json => report::print_json(&invitations),
        Reply::Invitations(invitations) => report::print(listed(&invitations)),
        _ => Err(unexpected()),
    }
}

fn listed(invitations: &[Invited]) -> String {
    let row = |invited: &Invited| {
        let standing = match invited.standing {
            InvitedStanding::Expired => "expired",
            InvitedStanding::Open => "open",
            InvitedStanding::Revoked => "revoked",
            InvitedStanding::Used => "used",
        };
        [
            invited.id.clone(),
            invited.identity.to_string(),
            standing.to_owned(),
            minute(invited.created),
            minute(invited.expires),
        ]
    };
    let rows: Vec<_> = invitations.iter().map(row).collect();
    table(["ID", "FOR", "STANDING", "MADE", "ENDS"], &rows)
}

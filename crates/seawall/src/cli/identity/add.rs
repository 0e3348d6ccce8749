//! `seawall identity add` and `identity issue`.

use std::time::Duration;

use ipnet::IpNet;
use seawall_rules::identity::Name;

use super::hand_out::{Given, HandOut};
use super::{fields, unexpected};
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::state::call::{Reply, StateCall};
use crate::state::{Identity, Kind, Match};

/// Add an identity, and hand it a certificate or an invitation
///
/// Without --out, --context or --invite, a certificate is written to a folder of the identity's
/// name; with --match alone, none is. A lost admin is replaced in the same way: whoever is root
/// on the gate's host can always run `seawall identity add NAME --role admin`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its name: a-z, 0-9, `.`, `_`, `-`
    name: Name,
    /// A role it has; may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// It is a program: its certificates live for a year
    #[arg(long)]
    machine: bool,
    /// Lifetime of its certificates; 30d for a person, 365d for a machine without it
    #[arg(long, value_name = "TIME", value_parser = fields::duration)]
    ttl: Option<Duration>,
    /// A network or address it may come from; may be repeated; from anywhere without it
    #[arg(long, value_name = "CIDR", value_parser = fields::network)]
    from: Vec<IpNet>,
    /// A certificate of the outside CA that is this identity: cn=, dns=, uri= or spki=; may be
    /// repeated
    #[arg(long = "match", value_name = "FIELD=VALUE", value_parser = fields::matching)]
    matches: Vec<Match>,
    #[command(flatten)]
    hand_out: HandOut,
    /// Say what was made as JSON
    #[arg(long)]
    json: bool,
}

/// Hand an identity that is there another certificate or invitation
#[derive(Debug, clap::Args)]
pub(super) struct IssueArgs {
    /// Whom
    name: Name,
    #[command(flatten)]
    hand_out: HandOut,
    /// Say what was made as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let only_matched = !args.matches.is_empty() && !args.hand_out.is_asked_for();
    let prepared = match only_matched {
        true => None,
        false => Some(args.hand_out.prepare(context, &args.name)?),
    };
    let call = StateCall::AddIdentity {
        name: args.name,
        kind: if args.machine { Kind::Machine } else { Kind::Person },
        roles: args.roles,
        ttl: args.ttl.map(|ttl| ttl.as_secs()),
        from: args.from,
        matches: args.matches,
        request: prepared.as_ref().and_then(|prepared| prepared.request()),
        invite: prepared.as_ref().and_then(|prepared| prepared.invite()),
    };
    let Reply::Added { identity, credentials, invitation } = state_call(context, call)? else {
        return Err(unexpected());
    };
    let said = added(&identity);
    let Some(prepared) = prepared else {
        return match args.json {
            true => report::print(format!("{}\n", serde_json::json!({ "identity": identity }))),
            false => report::print(said),
        };
    };
    let given = match (credentials, invitation) {
        (Some(credentials), _) => Given::Credentials(Box::new(credentials)),
        (None, Some(invitation)) => Given::Invitation(invitation),
        (None, None) => return Err(unexpected()),
    };
    let name = identity.name;
    prepared.finish(&name, given, args.json, &said).map_err(|error| {
        error
            .hint(format!("`{name}` was added; only handing it out failed"))
            .hint(format!("when that is mended: `seawall identity issue {name}`"))
    })
}

pub(super) fn issue(context: &Context, args: IssueArgs) -> Result<(), Error> {
    let prepared = args.hand_out.prepare(context, &args.name)?;
    let name = args.name.clone();
    let call = match (prepared.request(), prepared.invite()) {
        (Some(request), _) => StateCall::Issue { name: args.name, request },
        (None, Some(invite)) => StateCall::Invite { name: args.name, invite },
        (None, None) => return Err(unexpected()),
    };
    let given = match state_call(context, call)? {
        Reply::Credentials(credentials) => Given::Credentials(Box::new(credentials)),
        Reply::Invitation(invitation) => Given::Invitation(invitation),
        _ => return Err(unexpected()),
    };
    prepared.finish(&name, given, args.json, "")
}

fn added(identity: &Identity) -> String {
    format!("added: {} ({})\n", identity.name, identity.roles.join(", "))
}

//! `seawall identity add` and `identity issue`.

use std::time::Duration;

use ipnet::IpNet;
use seawall_rules::identity::Name;

use super::hand_out::{Given, HandOut};
use super::{fields, ssh_keys, unexpected};
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::state::call::{Reply, SshChange, StateCall};
use crate::state::{Identity, Kind, Match};

/// Add an identity, and hand it a certificate or an invitation
///
/// Without --out, --context or --invite, a certificate is written to a folder of the identity's
/// name; with --match or --ssh-key and none of these, none is. A lost admin is replaced in the same way: whoever is root
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
    /// A certificate of an outside CA that is this identity: cn=, dns=, uri=, spki= or
    /// ssh-principal=; may be repeated
    #[arg(long = "match", value_name = "FIELD=VALUE", value_parser = fields::matching)]
    matches: Vec<Match>,
    /// A public SSH key it may enter with: a file, `-`, or the key itself; may be repeated
    #[arg(long = "ssh-key", value_name = "FILE|-|KEY")]
    ssh_keys: Vec<String>,
    /// It may also enter through the host's own sshd
    #[arg(long)]
    sshd: bool,
    /// Those of the same group share what they make
    #[arg(long, value_name = "GROUP")]
    group: Option<Name>,
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
    let enters_by_other_means = !args.matches.is_empty() || !args.ssh_keys.is_empty();
    let ssh = SshChange {
        add: ssh_keys::read(context, &args.ssh_keys)?,
        remove: Vec::new(),
        sshd: args.sshd.then_some(true),
    };
    let prepared = match enters_by_other_means && !args.hand_out.is_asked_for() {
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
        ssh,
        group: args.group,
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

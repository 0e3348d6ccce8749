//! `seawall identity set`.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use seawall_rules::identity::Name;

use super::list::shown;
use super::{fields, ssh_keys, unexpected};
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::state::call::{Force, Membership, Reply, SshChange, StateCall};
use crate::state::{Kind, Match};

/// Change an identity; in force at once, for open connections too
///
/// What is not named stays as it is. Roles, networks and matches are replaced as a whole by what
/// is given; SSH keys are added and removed one by one.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args([
    "roles", "machine", "person", "ttl", "from", "from_anywhere", "matches", "no_match",
    "ssh_keys", "remove_ssh_keys", "sshd", "no_sshd", "group", "no_group",
])))]
pub(super) struct Args {
    /// Whom
    name: Name,
    /// A role it has from now on; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// It is a program
    #[arg(long, conflicts_with = "person")]
    machine: bool,
    /// It is a human being
    #[arg(long)]
    person: bool,
    /// Lifetime of its next certificates
    #[arg(long, value_name = "TIME", value_parser = fields::duration)]
    ttl: Option<Duration>,
    /// A network or address it may come from; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = fields::network)]
    from: Vec<IpNet>,
    /// It may come from anywhere
    #[arg(long, conflicts_with = "from")]
    from_anywhere: bool,
    /// A certificate of an outside CA that is this identity: cn=, dns=, uri=, spki= or
    /// ssh-principal=; may be repeated
    #[arg(long = "match", value_name = "FIELD=VALUE", value_parser = fields::matching)]
    matches: Vec<Match>,
    /// No certificate of an outside CA is this identity
    #[arg(long, conflicts_with = "matches")]
    no_match: bool,
    /// A public SSH key it may enter with too: a file, `-`, or the key itself; may be repeated
    #[arg(long = "ssh-key", value_name = "FILE|-|KEY")]
    ssh_keys: Vec<String>,
    /// The fingerprint of an SSH key it may not enter with any more; may be repeated
    #[arg(long = "remove-ssh-key", value_name = "SHA256:…")]
    remove_ssh_keys: Vec<String>,
    /// It may also enter through the host's own sshd
    #[arg(long)]
    sshd: bool,
    /// It may not enter through the host's own sshd
    #[arg(long, conflicts_with = "sshd")]
    no_sshd: bool,
    /// Those of the same group share what they make
    #[arg(long, value_name = "GROUP")]
    group: Option<Name>,
    /// It shares what it makes with nobody
    #[arg(long, conflicts_with = "group")]
    no_group: bool,
    /// Also when the last admin would be none any more
    #[arg(long)]
    force: bool,
    /// Say what it is now as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let call = StateCall::SetIdentity {
        name: args.name,
        kind: match (args.machine, args.person) {
            (true, _) => Some(Kind::Machine),
            (_, true) => Some(Kind::Person),
            _ => None,
        },
        roles: Some(args.roles).filter(|roles| !roles.is_empty()),
        ttl: args.ttl.map(|ttl| ttl.as_secs()),
        from: (args.from_anywhere || !args.from.is_empty()).then_some(args.from),
        ssh: SshChange {
            add: ssh_keys::read(context, &args.ssh_keys)?,
            remove: args.remove_ssh_keys,
            sshd: (args.sshd || args.no_sshd).then_some(args.sshd),
        },
        matches: (args.no_match || !args.matches.is_empty()).then_some(args.matches),
        group: match args.no_group {
            true => Some(Membership::None),
            false => args.group.map(Membership::Of),
        },
        force: Force::from(args.force),
    };
    match state_call(context, call)? {
        Reply::Identity(identity) if args.json => report::print_json(&identity),
        Reply::Identity(identity) => report::print(shown(&identity, SystemTime::now())),
        _ => Err(unexpected()),
    }
}

//! `seawall identity list` and `identity show`.

use std::time::SystemTime;

use seawall_rules::identity::Name;

use super::{fields, unexpected};
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::join::minute;
use crate::cli::report::{self, Error};
use crate::cli::table::table;
use crate::config::units::show_duration;
use crate::pki::Reason;
use crate::state::call::{Reply, StateCall};
use crate::state::notation::{hex, ssh_fingerprint};
use crate::state::{Certificate, Identity, SshKey};

/// Everyone who may enter, and who was revoked
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// One identity with every certificate it ever had
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Whom
    name: Name,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let Reply::Identities(identities) = state_call(context, StateCall::Identities)? else {
        return Err(unexpected());
    };
    if args.json {
        return report::print_json(&identities);
    }
    report::print(listed(&identities))
}

pub(super) fn show(context: &Context, args: ShowArgs) -> Result<(), Error> {
    let call = StateCall::Identity { name: args.name };
    let Reply::Identity(identity) = state_call(context, call)? else {
        return Err(unexpected());
    };
    if args.json {
        return report::print_json(&identity);
    }
    report::print(shown(&identity, SystemTime::now()))
}

fn listed(identities: &[Identity]) -> String {
    let row = |identity: &Identity| {
        let until = identity.certificates.iter().map(|held| held.not_after).max();
        let ways = [
            (!identity.matches.is_empty()).then(|| "by match".to_owned()),
            (!identity.ssh_keys.is_empty()).then(|| "by SSH key".to_owned()),
            until.map(|until| format!("until {}", minute(until))),
        ];
        let ways: Vec<_> = ways.into_iter().flatten().collect();
        let enters = match identity.revoked {
            Some(at) => format!("revoked {}", minute(at)),
            None if ways.is_empty() => "nothing valid".to_owned(),
            None => ways.join(", "),
        };
        [
            identity.name.to_string(),
            identity.kind.as_str().to_owned(),
            identity.roles.join(","),
            from(identity),
            enters,
        ]
    };
    let rows: Vec<_> = identities.iter().map(row).collect();
    table(["NAME", "KIND", "ROLES", "FROM", "ENTERS"], &rows)
}

pub(super) fn shown(identity: &Identity, now: SystemTime) -> String {
    let mut text = format!(
        "name:      {}\nid:        {}\nkind:      {}\nroles:     {}\nfrom:      {}\n\
         lifetime:  {}\nadded:     {}\n",
        identity.name,
        identity.id.0,
        identity.kind.as_str(),
        identity.roles.join(", "),
        from(identity),
        show_duration(identity.lifetime()),
        minute(identity.created),
    );
    if let Some(at) = identity.revoked {
        text += &format!("revoked:   {}\n", minute(at));
    }
    for matching in &identity.matches {
        text += &format!("match:     {}\n", fields::show_match(matching).escape_debug());
    }
    if let Some(group) = &identity.group {
        text += &format!("group:     {group}\n");
    }
    if identity.sshd {
        text += "sshd:      it may enter through the host's own sshd\n";
    }
    let revoked = |at: SystemTime, reason: Option<Reason>| match reason {
        None | Some(Reason::Unspecified) => format!("revoked {}", minute(at)),
        Some(reason) => format!("revoked {}: {}", minute(at), reason.as_str()),
    };
    if !identity.ssh_keys.is_empty() {
        let row = |held: &SshKey| {
            let standing = held.revoked.map(|at| revoked(at, held.reason));
            let kind = held.key.split(' ').next().unwrap_or_default();
            [
                ssh_fingerprint(&held.fingerprint),
                kind.to_owned(),
                held.comment.escape_debug().to_string(),
                standing.unwrap_or_else(|| "valid".to_owned()),
            ]
        };
        let rows: Vec<_> = identity.ssh_keys.iter().map(row).collect();
        text += &format!("\n{}", table(["SSH KEY", "KIND", "COMMENT", "STANDING"], &rows));
    }
    if !identity.certificates.is_empty() {
        let row = |held: &Certificate| {
            let standing = match held.revoked {
                Some(at) => revoked(at, held.reason),
                None if held.not_after <= now => "expired".to_owned(),
                None => "valid".to_owned(),
            };
            [hex(&held.serial), minute(held.not_after), standing]
        };
        let rows: Vec<_> = identity.certificates.iter().map(row).collect();
        text += &format!("\n{}", table(["SERIAL", "UNTIL", "STANDING"], &rows));
    }
    text
}

fn from(identity: &Identity) -> String {
    if identity.from.is_empty() {
        return "anywhere".to_owned();
    }
    identity.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::{IdentityId, Kind, Match};

    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + hours * 3600)
    }

    fn held(serial: u8, until: u64) -> Certificate {
        Certificate {
            serial: vec![serial; 16],
            fingerprint: [serial; 32],
            ca: [0; 32],
            not_before: at(0),
            not_after: at(until),
            revoked: None,
            reason: None,
        }
    }

    fn ssh_key(number: u8) -> SshKey {
        SshKey {
            fingerprint: [number; 32],
            key: "ssh-ed25519 AAAA".to_owned(),
            comment: "alice@laptop".to_owned(),
            added: at(0),
            revoked: None,
            reason: None,
        }
    }

    fn identity(name: &str) -> Identity {
        Identity {
            id: IdentityId("q2w3e4r5t6y7u2i3".to_owned()),
            name: name.parse().unwrap(),
            kind: Kind::Person,
            roles: vec!["operator".to_owned(), "viewer".to_owned()],
            from: Vec::new(),
            ttl: None,
            created: at(0),
            revoked: None,
            certificates: vec![held(0x4f, 720)],
            matches: Vec::new(),
            ssh_keys: Vec::new(),
            sshd: false,
            group: None,
        }
    }

    #[test]
    fn the_list_says_who_may_enter_and_how() {
        let mut ci = identity("ci");
        ci.kind = Kind::Machine;
        ci.from = vec!["10.0.0.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()];
        ci.matches = vec![Match::Cn("ci".to_owned())];
        ci.certificates.clear();
        let mut gone = identity("gone");
        gone.revoked = Some(at(1));
        gone.certificates.clear();
        let mut new = identity("new");
        new.certificates.clear();
        let mut both = identity("both");
        both.ssh_keys = vec![ssh_key(1)];
        insta::assert_snapshot!(listed(&[identity("alice"), both, ci, gone, new]), @"
        NAME   KIND     ROLES            FROM                  ENTERS
        alice  person   operator,viewer  anywhere              until 2027-02-14 08:00 UTC
        both   person   operator,viewer  anywhere              by SSH key, until 2027-02-14 08:00 UTC
        ci     machine  operator,viewer  10.0.0.0/24,fd00::/8  by match
        gone   person   operator,viewer  anywhere              revoked 2027-01-15 09:00 UTC
        new    person   operator,viewer  anywhere              nothing valid
        ");
    }

    #[test]
    fn one_identity_is_shown_with_its_history() {
        let mut alice = identity("alice");
        alice.ttl = Some(43_200);
        alice.matches = vec![Match::Cn("a\u{1b}[31m".to_owned())];
        let mut revoked = held(0x41, 720);
        revoked.revoked = Some(at(3));
        revoked.reason = Some(Reason::KeyCompromise);
        let mut lost = ssh_key(2);
        lost.revoked = Some(at(2));
        alice.ssh_keys = vec![ssh_key(1), lost];
        alice.sshd = true;
        alice.certificates.extend([revoked, held(0x42, 1)]);
        insta::assert_snapshot!(shown(&alice, at(4)), @r"
        name:      alice
        id:        q2w3e4r5t6y7u2i3
        kind:      person
        roles:     operator, viewer
        from:      anywhere
        lifetime:  12h
        added:     2027-01-15 08:00 UTC
        match:     cn=a\u{1b}[31m
        sshd:      it may enter through the host's own sshd

        SSH KEY                                             KIND         COMMENT       STANDING
        SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE  ssh-ed25519  alice@laptop  valid
        SHA256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI  ssh-ed25519  alice@laptop  revoked 2027-01-15 10:00 UTC

        SERIAL                            UNTIL                 STANDING
        4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f  2027-02-14 08:00 UTC  valid
        41414141414141414141414141414141  2027-02-14 08:00 UTC  revoked 2027-01-15 11:00 UTC: key-compromise
        42424242424242424242424242424242  2027-01-15 09:00 UTC  expired
        ");
    }
}

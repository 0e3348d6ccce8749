//! `seawall revoke`: the end of an identity or of one certificate.

use super::Context;
use super::identity::unexpected;
use super::join::minute;
use super::report::{self, Error};
use crate::admin::client::state_call;
use crate::pki::Reason;
use crate::state::call::{Force, Reply, StateCall};

/// End an identity, one certificate or one SSH key at once: open streams are cut
///
/// Revoking again changes nothing. What is revoked never comes back: a new identity of the name
/// starts afresh.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall revoke alice --reason key-compromise\n  \
    seawall revoke 4f0c…           # one certificate; `seawall identity show` lists serials")]
pub(super) struct Args {
    /// An identity, the serial of a certificate in hex, or the fingerprint of an SSH key
    #[arg(value_name = "NAME|SERIAL|SHA256:…")]
    target: String,
    /// Why; stands in the record and in the CRL
    #[arg(long, value_enum, default_value_t)]
    reason: Reason,
    /// Also the last admin
    #[arg(long)]
    force: bool,
    /// Say what was revoked as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let call = StateCall::Revoke {
        target: args.target,
        reason: args.reason,
        force: Force::from(args.force),
    };
    let reply = state_call(context, call)?;
    let Reply::Revoked { identity, serial, ssh_key, before } = &reply else {
        return Err(unexpected());
    };
    if args.json {
        let made = serde_json::json!({
            "identity": identity.as_str(),
            "serial": serial,
            "ssh_key": ssh_key,
            "already_revoked": before.map(crate::state::notation::rfc3339),
        });
        return report::print(format!("{made:#}\n"));
    }
    let what = match (serial, ssh_key) {
        (Some(serial), _) => format!("certificate {serial} of {identity}"),
        (None, Some(fingerprint)) => format!("SSH key {fingerprint} of {identity}"),
        (None, None) => identity.to_string(),
    };
    report::print(match before {
        Some(at) => format!("{what} was revoked at {} already\n", minute(*at)),
        None => format!("revoked: {what}\n"),
    })
}

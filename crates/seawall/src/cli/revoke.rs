//! `seawall revoke`: the end of an identity or of one certificate.

use super::Context;
use super::identity::unexpected;
use super::join::minute;
use super::report::{self, Error};
use crate::admin::client::state_call;
use crate::pki::Reason;
use crate::state::call::{Force, Reply, StateCall};

/// End an identity, or one certificate by its serial, at once: open streams are cut
///
/// Revoking again changes nothing. What is revoked never comes back: a new identity of the name
/// starts afresh.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall revoke alice --reason key-compromise\n  \
    seawall revoke 4f0c…           # one certificate; `seawall identity show` lists serials")]
pub(super) struct Args {
    /// An identity, or the serial of a certificate in hex
    #[arg(value_name = "NAME|SERIAL")]
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
    let Reply::Revoked { identity, serial, before } = &reply else { return Err(unexpected()) };
    if args.json {
        let made = serde_json::json!({
            "identity": identity.as_str(),
            "serial": serial,
            "already_revoked": before.map(crate::state::notation::rfc3339),
        });
        return report::print(format!("{made:#}\n"));
    }
    let what = match serial {
        Some(serial) => format!("certificate {serial} of {identity}"),
        None => identity.to_string(),
    };
    report::print(match before {
        Some(at) => format!("{what} was revoked at {} already\n", minute(*at)),
        None => format!("revoked: {what}\n"),
    })
}

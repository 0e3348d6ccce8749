//! Who holds roles: every identity that is not revoked, and whom `--default-role` lets in.

use std::sync::Arc;

use seawall_rules::policy::{Role, Roles};

use crate::admin::client::{state_call, unexpected};
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config::Config;
use crate::state::Store;
use crate::state::call::{Reply, StateCall};

/// Someone, or some group, that holds roles.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// An identity's name, or [`STRANGERS`].
    pub(super) name: String,
    /// The names of its roles; not every one need exist.
    pub(super) roles: Vec<String>,
}

/// Certificates of the outside CA that are no identity's.
pub(super) const STRANGERS: &str = "(any other certificate)";

impl Holder {
    /// Its roles, of those there are, the least first.
    pub(super) fn of(&self, roles: &Roles) -> Vec<Arc<Role>> {
        roles.held(&self.roles.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Every identity that is not revoked, by name; none where there is no state yet.
pub(super) fn identities(context: &Context) -> Result<Vec<Holder>, Error> {
    if !Store::exists(&context.state_dir) {
        return Ok(Vec::new());
    }
    let Reply::Identities(identities) = state_call(context, StateCall::Identities)? else {
        return Err(unexpected());
    };
    Ok(identities
        .into_iter()
        .filter(|identity| identity.revoked.is_none())
        .map(|identity| Holder { name: identity.name.to_string(), roles: identity.roles })
        .collect())
}

/// Whoever has a certificate of the outside CA, by this configuration.
pub(super) fn strangers(config: &Config) -> Option<Holder> {
    let role = config.tls.outside.as_ref()?.default_role.clone()?;
    Some(Holder { name: STRANGERS.to_owned(), roles: vec![role] })
}

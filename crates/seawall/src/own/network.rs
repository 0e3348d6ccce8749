//! Which networks a service is put on: clients name them by ids.

use std::collections::BTreeMap;

use seawall_rules::facts::Attachment;
use seawall_rules::verdict::Refusal;

use super::ask::{Asking, Said};
use super::look::text;
use crate::engine::Engine;

/// What each of these is for the swarm; one that it does not know is left out.
///
/// # Errors
/// A [`Refusal`] with status 502 when the engine does not tell.
pub async fn of_the_swarm(
    targets: Vec<String>,
    (asking, engine): (&mut Asking, &Engine),
) -> Result<BTreeMap<String, Attachment>, Refusal> {
    let mut known = BTreeMap::new();
    for target in targets {
        let query = [("scope", "swarm")];
        let said = asking.get(engine, &["networks", &target], &query).await?;
        if let Said::Thing(network) = said {
            let (id, name) = (text(&network, "/Id"), text(&network, "/Name"));
            if !id.is_empty() && !name.is_empty() {
                let found = Attachment { id: id.to_owned(), name: name.to_owned() };
                known.insert(target, found);
            }
        }
    }
    Ok(known)
}

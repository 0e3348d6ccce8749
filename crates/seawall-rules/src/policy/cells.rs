//! Where and when sets of roles differ: everywhere and always, in as few examples as there are
//! differences.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Circumstances;
use super::hours::{moment, show_minute};
use super::role::Role;

/// One example of each set of circumstances that some of these roles tell apart, with how it is
/// shown. Between two borders of hours, and of networks, no role begins or ceases to be in force.
pub(super) fn cells<'a>(
    roles: impl Iterator<Item = &'a Arc<Role>> + Clone,
) -> Vec<(Circumstances, String)> {
    let borders: BTreeSet<u32> = roles
        .clone()
        .filter_map(|role| role.conditions.hours.as_ref())
        .flat_map(|hours| hours.borders())
        .collect();
    let times: Vec<Option<u32>> = match borders.is_empty() {
        true => vec![None],
        false => borders.into_iter().map(Some).collect(),
    };
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let mut sources = false;
    for net in roles.filter_map(|role| role.conditions.sources.as_ref()).flat_map(|s| s.prefixes())
    {
        sources = true;
        addresses.insert(net.network());
        addresses.extend(after(net.broadcast()));
    }
    let mut places = vec![None];
    if sources {
        addresses.insert(Ipv4Addr::UNSPECIFIED.into());
        addresses.insert(Ipv6Addr::UNSPECIFIED.into());
        places.extend(addresses.into_iter().map(Some));
    }
    let mut cells = Vec::new();
    for &from in &places {
        for &minute in &times {
            let place = match from {
                None if sources => "by a Unix socket".to_owned(),
                None => String::new(),
                Some(from) => format!("from {from} for one"),
            };
            let time = minute.map(|at| format!("on {} for one", show_minute(at)));
            let shown: Vec<_> = [place].into_iter().filter(|p| !p.is_empty()).chain(time).collect();
            let at = minute.map_or(0, moment);
            cells.push((Circumstances { from, at }, shown.join(", ")));
        }
    }
    cells
}

/// The address after this one.
fn after(last: IpAddr) -> Option<IpAddr> {
    match last {
        IpAddr::V4(last) => u32::from(last).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(last) => u128::from(last).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

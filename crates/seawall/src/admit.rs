//! Stage 2: whether a peer address may spend any of our time, before a byte is read from it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::metrics::Limit;

/// Counts the connections that are open now, in all and by address.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a peer is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// No network allows its address.
    Address,
    /// All places are taken.
    Limit(Limit),
}

/// A place among the open connections; given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    /// Admits a peer under the configuration in force. An IPv4-mapped address counts as IPv4.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub fn admit(&self, address: IpAddr, config: &Config) -> Result<Admitted, NotAdmitted> {
        let address = address.to_canonical();
        if !config.networks.admits(address) {
            return Err(NotAdmitted::Address);
        }
        let mut open = self.open();
        if open.total >= config.limits.connections {
            return Err(NotAdmitted::Limit(Limit::Connections));
        }
        let from_here = open.by_address.entry(address).or_insert(0);
        if *from_here >= config.limits.connections_per_address {
            return Err(NotAdmitted::Limit(Limit::ConnectionsPerAddress));
        }
        *from_here += 1;
        open.total += 1;
        Ok(Admitted { admission: self.clone(), address })
    }

    /// Connections open now, authenticated or not.
    pub fn total(&self) -> usize {
        self.open().total
    }

    // Nothing panics while holding the lock, and the counts are whole at every moment.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Context;
    use crate::config::{Overrides, interpret};

    fn config(text: &str) -> Config {
        let context = Context {
            config_file: "/nowhere/seawall.toml".into(),
            state_dir: "/nowhere".into(),
            json: false,
        };
        interpret(text, &context, &Overrides::default()).unwrap()
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let config = config("[limits]\nconnections = 3\nconnections_per_address = 2\n");
        let admission = Admission::default();
        let [one, other, third] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let admit = |address: &str| admission.admit(address.parse().unwrap(), &config);

        let first = admit(one).unwrap();
        let _second = admit(one).unwrap();
        let full = NotAdmitted::Limit(Limit::ConnectionsPerAddress);
        assert_eq!(admit(one).unwrap_err(), full);
        assert_eq!(admit("::ffff:192.0.2.1").unwrap_err(), full, "one host, however it is written");
        let _third = admit(other).unwrap();
        assert_eq!(admit(third).unwrap_err(), NotAdmitted::Limit(Limit::Connections));
        assert_eq!(admission.total(), 3);

        drop(first);
        let _again = admit(one).unwrap();
        assert_eq!(admission.total(), 3);
    }

    #[test]
    fn an_address_of_no_allowed_network_is_not_counted() {
        let config = config("[network]\nallow = [\"10.0.0.0/8\"]\n");
        let admission = Admission::default();
        let refused = admission.admit("192.0.2.1".parse().unwrap(), &config).unwrap_err();
        assert_eq!(refused, NotAdmitted::Address);
        assert_eq!(admission.total(), 0);
    }
}

//! Whom limits count.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One party on the network: an IPv4 address, or an IPv6 /64, all of which one host may use (RFC
/// 6177). An IPv4-mapped IPv6 address is the IPv4 address it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Whose `address` it is.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & (u128::from(u64::MAX) << 64);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            v4 => v4,
        })
    }

    /// Whether it is this host itself.
    pub fn is_loopback(self) -> bool {
        // All of 127/8; of IPv6 one address, the only one in its /64 that is ever a source.
        match self.0 {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_unspecified(),
        }
    }
}

/// `192.0.2.1`, `2001:db8::/64`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}"),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

//! Where from and when a role is in force. Outside of that it is as if its identity had not got
//! it, whatever its mode.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::hours::Hours;
use super::term::Unusable;
use crate::escape::quoted;
use crate::network::Networks;

/// From where, and when, something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// The address that the gate admits by; `None` where there is none (a Unix socket), and then
    /// no role with `sources` is in force.
    pub from: Option<IpAddr>,
    /// Seconds since 1970-01-01 00:00 UTC.
    pub at: u64,
}

/// What must hold for a role to be in force; `None` is whatever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) sources: Option<Networks>,
    pub(super) hours: Option<Hours>,
}

/// The key of a role that keeps it from being in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asleep {
    Sources,
    Hours,
}

impl Asleep {
    /// The rule that refuses what only such a role would grant.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Sources => "role.sources",
            Self::Hours => "role.hours",
        }
    }
}

impl Conditions {
    pub(super) fn is_none(&self) -> bool {
        self.sources.is_none() && self.hours.is_none()
    }

    /// Why the role is not in force, if it is not.
    pub(super) fn asleep(&self, circumstances: &Circumstances) -> Option<Asleep> {
        let Circumstances { from, at } = circumstances;
        if let Some(sources) = &self.sources
            && !from.is_some_and(|from| sources.admits(from))
        {
            return Some(Asleep::Sources);
        }
        let awake = self.hours.as_ref().is_none_or(|hours| hours.contains(*at));
        (!awake).then_some(Asleep::Hours)
    }

    /// As they are written: key and TOML value.
    pub(super) fn written(&self) -> Vec<(&'static str, String)> {
        let sources = self.sources.as_ref().map(|sources| {
            let all: Vec<_> = sources.allowed().iter().map(|net| format!("\"{net}\"")).collect();
            ("sources", format!("[{}]", all.join(", ")))
        });
        let hours = self.hours.as_ref().map(|hours| ("hours", hours.written()));
        sources.into_iter().chain(hours).collect()
    }
}

/// `from 10.0.0.0/8, in the hours Mon-Fri 08:00-18:00 UTC`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sources) = &self.sources {
            let all: Vec<_> = sources.allowed().iter().map(ToString::to_string).collect();
            write!(f, "from {}", all.join(", "))?;
        }
        if let Some(hours) = &self.hours {
            let comma = if self.sources.is_some() { ", " } else { "" };
            write!(f, "{comma}in the hours {hours}")?;
        }
        Ok(())
    }
}

/// One network of `sources`.
pub(super) fn source(text: &str) -> Result<IpNet, Unusable> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| Unusable {
        message: format!("{} is no network", quoted(text.as_bytes())),
        hint: "write `10.0.0.0/24`, `fd00:12::/64` or one address".to_owned(),
    })
}

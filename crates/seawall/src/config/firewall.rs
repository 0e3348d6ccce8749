//! `[firewall]`: what the kernel is to hold, beside `[network]`.

use seawall_rules::firewall::Rate;

use super::file::Reader;

/// The kernel's rules for the gate's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Who reaches ports of the engine itself.
    pub engine: EnginePorts,
    /// New connections of one source.
    pub rate: Option<Rate>,
    /// Whether drops are logged.
    pub log: bool,
}

/// Who of other hosts reaches ports of the engine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnginePorts {
    /// Nobody.
    Closed,
    /// Whoever reaches the gate.
    Network,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Firewall {
    // The table keeps both far below that.
    let mut count = |name| u32::try_from(reader.count(name)).unwrap_or(u32::MAX);
    let (per_second, burst) = (count("firewall.rate"), count("firewall.burst"));
    Firewall {
        engine: match reader.one_of("firewall.engine").as_str() {
            "network" => EnginePorts::Network,
            _ => EnginePorts::Closed,
        },
        rate: (per_second > 0).then_some(Rate { per_second, burst }),
        log: reader.truth("firewall.log").value,
    }
}

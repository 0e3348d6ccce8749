//! The rules that the configuration asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use seawall_rules::firewall::ranges::Ranges;
use seawall_rules::firewall::{Guard, Plan};

use super::applied::Applied;
use super::{engine_ports, published};
use crate::admin::{Answer, Call, client};
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config::{Config, EnginePorts, Listen};

/// Chain of the gate's ports.
const GATE: &str = "gate";
/// Chain of the engine's own ports.
const ENGINE: &str = "engine";

/// The rules that the configuration asks for on this host as it is now: with the published ports
/// of `container`, if the gate runs in one, and with the ports on which an engine listens itself,
/// those of `applied` included, since an engine that is stopped comes back.
///
/// # Errors
/// That nothing listens for other hosts, or that the gate or the engine cannot be asked where.
pub(crate) fn plan(
    context: &Context,
    config: &Config,
    container: Option<&str>,
    applied: Option<&Applied>,
) -> Result<Plan, Error> {
    let mut guards = match container {
        Some(container) => {
            let published = published::ask(config, container)?;
            vec![Guard {
                name: GATE.to_owned(),
                ports: published.ports,
                containers: published.containers,
                from: config.reached_from(&config.listen),
            }]
        }
        None => gate(config, &listening(context, config)?),
    };
    let ports: BTreeSet<_> = guards.iter().flat_map(|guard| guard.ports.iter().copied()).collect();
    let mut engine = engine_ports::detect();
    let before = applied.and_then(|applied| self::engine(&applied.plan));
    engine.extend(before.into_iter().flat_map(|guard| &guard.ports));
    let engine: BTreeSet<_> = engine.difference(&ports).copied().collect();
    if !engine.is_empty() {
        let from = match config.firewall.engine {
            EnginePorts::Closed => Ranges::NONE,
            EnginePorts::Network => config.reached_from(&config.listen),
        };
        let containers = BTreeSet::new();
        guards.push(Guard { name: ENGINE.to_owned(), ports: engine, containers, from });
    }
    Ok(Plan { guards, rate: config.firewall.rate, log: config.firewall.log })
}

/// Whether the gate can be reached from `address` when `plan` is in force.
pub(crate) fn reaches_the_gate(plan: &Plan, address: IpAddr) -> bool {
    plan.guards.iter().any(|guard| guard.name != ENGINE && guard.from.contains(address))
}

/// The guard of the engine's own ports, if it has any.
pub(crate) fn engine(plan: &Plan) -> Option<&Guard> {
    plan.guards.iter().find(|guard| guard.name == ENGINE)
}

/// One guard for all ports that the same networks reach.
fn gate(config: &Config, listening: &BTreeMap<u16, Vec<Listen>>) -> Vec<Guard> {
    let mut guards: Vec<Guard> = Vec::new();
    for (&port, listeners) in listening {
        let from = config.reached_from(listeners);
        match guards.iter_mut().find(|guard| guard.from == from) {
            Some(guard) => _ = guard.ports.insert(port),
            None => guards.push(Guard {
                name: if guards.is_empty() { GATE.to_owned() } else { format!("{GATE}_{port}") },
                ports: BTreeSet::from([port]),
                containers: BTreeSet::new(),
                from,
            }),
        }
    }
    guards
}

/// Ports of the gate that other hosts can reach, with what listens there.
fn listening(context: &Context, config: &Config) -> Result<BTreeMap<u16, Vec<Listen>>, Error> {
    let mut listening: BTreeMap<u16, Vec<Listen>> = BTreeMap::new();
    let mut handed_over = None;
    for listener in &config.listen {
        match listener {
            Listen::Tcp { at, .. } | Listen::Ssh { at, .. }
                if !at.address().ip().to_canonical().is_loopback() =>
            {
                listening.entry(at.port()).or_default().push(listener.clone());
            }
            Listen::Fd { .. } => handed_over = Some(listener),
            Listen::Tcp { .. } | Listen::Ssh { .. } | Listen::Unix { .. } => {}
        }
    }
    if let Some(listener) = handed_over {
        // Only the gate knows which sockets systemd gave it.
        let status = client::call(context, &Call::Status).map_err(|error| {
            let message = "`fd://` does not say which ports to guard, and the gate cannot be asked";
            Error::failed(format!("{message}: {}", error.message))
                .hint("start the gate first: systemctl start seawall.socket seawall")
        })?;
        let Answer::Status(status) = status else { return Err(client::unexpected()) };
        for text in &status.listeners {
            let Some(port) = text.strip_prefix("tcp://").and_then(outer_port) else { continue };
            listening.entry(port).or_insert_with(|| vec![listener.clone()]);
        }
    }
    match listening.is_empty() {
        false => Ok(listening),
        true => {
            Err(Error::failed("no other host can reach the gate, so there is nothing to guard")
                .hint("`listen` names only this host's own addresses and sockets")
                .hint("a gate in a container is guarded with `--container NAME`"))
        }
    }
}

/// The port of `ADDRESS:PORT`, if other hosts can reach it.
fn outer_port(text: &str) -> Option<u16> {
    let address: SocketAddr = text.parse().ok()?;
    (!address.ip().to_canonical().is_loopback()).then_some(address.port())
}

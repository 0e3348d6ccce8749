//! The rules that the configuration asks for.

use std::collections::BTreeSet;

use seawall_rules::firewall::ranges::Ranges;
use seawall_rules::firewall::{Guard, Plan};

use super::applied::Applied;
use super::{engine_ports, published};
use crate::admin::{Answer, Call, client};
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config::{Config, EnginePorts, Listen, parse_listen};

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
    let from = config.reached_from(&config.listen);
    let (ports, containers) = match container {
        Some(container) => {
            let published = published::ask(config, container)?;
            (published.ports, published.containers)
        }
        None => (listening_ports(context, config)?, BTreeSet::new()),
    };
    let mut engine = engine_ports::detect();
    let before = applied.and_then(|applied| applied.plan.guards.iter().find(|g| g.name == ENGINE));
    engine.extend(before.into_iter().flat_map(|guard| &guard.ports));
    let engine: BTreeSet<_> = engine.difference(&ports).copied().collect();
    let mut guards = vec![Guard { name: GATE.to_owned(), ports, containers, from: from.clone() }];
    if !engine.is_empty() {
        let from = match config.firewall.engine {
            EnginePorts::Closed => Ranges::NONE,
            EnginePorts::Network => from,
        };
        let containers = BTreeSet::new();
        guards.push(Guard { name: ENGINE.to_owned(), ports: engine, containers, from });
    }
    Ok(Plan { guards, rate: config.firewall.rate, log: config.firewall.log })
}

/// The guard of the engine's own ports, if it has any.
pub(crate) fn engine(plan: &Plan) -> Option<&Guard> {
    plan.guards.iter().find(|guard| guard.name == ENGINE)
}

/// Ports of the gate that other hosts can reach.
fn listening_ports(context: &Context, config: &Config) -> Result<BTreeSet<u16>, Error> {
    let mut listeners = config.listen.clone();
    if listeners.iter().any(|listener| matches!(listener, Listen::Fd { .. })) {
        // Only the gate knows which sockets systemd gave it.
        let status = client::call(context, &Call::Status).map_err(|error| {
            let message = "`fd://` does not say which ports to guard, and the gate cannot be asked";
            Error::failed(format!("{message}: {}", error.message))
                .hint("start the gate first: systemctl start seawall.socket seawall")
        })?;
        let Answer::Status(status) = status else { return Err(client::unexpected()) };
        listeners.extend(status.listeners.iter().filter_map(|text| parse_listen(text).ok()));
    }
    let ports: BTreeSet<_> = listeners
        .iter()
        .filter_map(|listener| match listener {
            Listen::Tcp { at, .. } if !at.address().ip().to_canonical().is_loopback() => {
                Some(at.port())
            }
            Listen::Tcp { .. } | Listen::Fd { .. } | Listen::Unix { .. } => None,
        })
        .collect();
    match ports.is_empty() {
        false => Ok(ports),
        true => {
            Err(Error::failed("no other host can reach the gate, so there is nothing to guard")
                .hint("`listen` names only this host's own addresses and sockets")
                .hint("a gate in a container is guarded with `--container NAME`"))
        }
    }
}

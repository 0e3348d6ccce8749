//! The ports of a gate that runs in a container, as its engine has published them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::cli::report::{Doing, Error};
use crate::config::Config;
use crate::engine::Engine;

/// Where a container is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    /// Ports of the host.
    pub(super) ports: BTreeSet<u16>,
    /// The container's own addresses behind them.
    pub(super) containers: BTreeSet<SocketAddr>,
}

/// Asks the engine where `container` is reached.
///
/// # Errors
/// That the engine or the container cannot be found, or that nothing of it is published.
pub(super) fn ask(config: &Config, container: &str) -> Result<Published, Error> {
    if !container.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Err(Error::usage(format!("`{}` names no container", container.escape_debug()))
            .hint("`docker ps` lists them"));
    }
    let limit = config.limits.connect_engine;
    let engine =
        Engine::new(&config.upstream, limit).map_err(|error| Error::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    let doing = || format!("ask the engine about `{container}`");
    let answer = runtime.block_on(async {
        let exchange = async {
            let mut stream =
                engine.dial().await.map_err(|error| Error::failed(error.to_string()))?;
            // Of HTTP/1.0, so that the answer is not chunked.
            let request = format!("GET /containers/{container}/json HTTP/1.0\r\n\r\n");
            stream.write_all(request.as_bytes()).await.doing(doing)?;
            let mut answer = Vec::new();
            stream.take(MOST_BYTES).read_to_end(&mut answer).await.doing(doing)?;
            Ok(answer)
        };
        let silent = Err(Error::failed(format!("{} is silent", engine.describe())));
        tokio::time::timeout(limit, exchange).await.unwrap_or(silent)
    })?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => {}
        Some("404") => {
            return Err(Error::failed(format!("there is no container `{container}`"))
                .hint("`docker ps` lists them"));
        }
        _ => return Err(Error::failed(format!("cannot {}: {}", doing(), head.escape_debug()))),
    }
    let inspect: Value = serde_json::from_str(body).doing(doing)?;
    read(&inspect).ok_or_else(|| {
        Error::failed(format!("no TCP port of `{container}` is published to other hosts"))
            .hint("with `--network host` leave out `--container`: the gate's ports are the host's")
    })
}

/// What an inspect of a container says; `None` when nothing of it is published.
fn read(inspect: &Value) -> Option<Published> {
    let settings = inspect.get("NetworkSettings")?;
    let mut published = Published { ports: BTreeSet::new(), containers: BTreeSet::new() };
    let networks = settings.get("Networks").and_then(Value::as_object);
    let addresses: BTreeSet<IpAddr> = networks
        .into_iter()
        .flat_map(|networks| networks.values())
        .flat_map(|network| [network.get("IPAddress"), network.get("GlobalIPv6Address")])
        .filter_map(|address| address?.as_str()?.parse().ok())
        .collect();
    for (port, bindings) in settings.get("Ports")?.as_object()? {
        let Some(inside) = port.strip_suffix("/tcp").and_then(|port| port.parse().ok()) else {
            continue;
        };
        for binding in bindings.as_array().into_iter().flatten() {
            let at = binding.get("HostIp").and_then(Value::as_str).unwrap_or_default();
            let local = at.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            let port = binding.get("HostPort").and_then(Value::as_str);
            if let Some(port) = port.and_then(|port| port.parse().ok()).filter(|_| !local) {
                published.ports.insert(port);
                published
                    .containers
                    .extend(addresses.iter().map(|&ip| SocketAddr::new(ip, inside)));
            }
        }
    }
    (!published.ports.is_empty()).then_some(published)
}

const MOST_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_and_the_addresses_behind_them_are_read() {
        let inspect = serde_json::json!({"NetworkSettings": {
            "Ports": {
                "8443/tcp": [
                    {"HostIp": "0.0.0.0", "HostPort": "2376"}, {"HostIp": "::", "HostPort": "2376"}
                ],
                "9323/tcp": null,
                "2222/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2222"}],
                "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "53"}],
            },
            "Networks": {
                "bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": ""},
                "six": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2"},
            },
        }});
        let published = read(&inspect).unwrap();
        assert_eq!(published.ports, BTreeSet::from([2376]));
        let containers: Vec<_> = published.containers.iter().map(ToString::to_string).collect();
        assert_eq!(containers, ["172.17.0.2:8443", "172.18.0.2:8443", "[fd00::2]:8443"]);
        assert_eq!(read(&serde_json::json!({"NetworkSettings": {"Ports": {}}})), None);
    }
}

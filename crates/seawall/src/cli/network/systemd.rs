//! `seawall network systemd`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use crate::cli::report::Error;
use crate::config::{Config, Upstream};

/// A drop-in for the gate's unit that lets no packets through but those of whom the gate admits,
/// and of `also`.
///
/// # Errors
/// That everybody is admitted, or that it cannot be told whom the gate itself has to reach.
pub(super) fn drop_in(config: &Config, also: &[IpNet]) -> Result<String, Error> {
    let admitted = config.reached_from(&config.listen);
    if admitted.is_everybody() {
        return Err(Error::failed("everybody is admitted, so there is nothing to narrow")
            .hint("set `allow` in [network] to those who need the gate"));
    }
    let mut lines = vec![
        "# Made by `seawall network systemd` from [network]; make it again when that changes, for"
            .to_owned(),
        "# a reload of the gate does not. It holds for all that the gate sends and receives, and"
            .to_owned(),
        "# for the commands it runs (`audit.anchor`).".to_owned(),
        "[Service]".to_owned(),
        "IPAddressDeny=any".to_owned(),
        "IPAddressAllow=localhost".to_owned(),
    ];
    let engine = engine(config, also)?;
    let v4 = admitted.v4_networks().map(IpNet::from);
    let v6: Vec<_> = match admitted.is_every_v6() {
        true => vec![Ipv6Net::default().into()],
        false => admitted.v6_networks().map(IpNet::from).collect(),
    };
    let all = v4.chain(v6).chain(engine).chain(also.iter().copied());
    lines.extend(all.map(|net| format!("IPAddressAllow={net}")));
    Ok(lines.join("\n") + "\n")
}

/// The address of an engine elsewhere, which the gate itself calls.
fn engine(config: &Config, also: &[IpNet]) -> Result<Option<IpNet>, Error> {
    let Upstream::Tls { address, .. } = &config.upstream else { return Ok(None) };
    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => Ok(Some(ip.into())),
        Err(_) if !also.is_empty() => Ok(None),
        Err(_) => Err(Error::failed(format!(
            "the engine is at the name `{host}`, which systemd cannot let through"
        ))
        .hint("give its addresses, and those of the name server: `--also CIDR`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Context;
    use crate::config::{Overrides, interpret};

    fn drop_in(text: &str, also: &[&str]) -> Result<String, Error> {
        let context = Context {
            config_file: "/etc/seawall/seawall.toml".into(),
            state_dir: "/var/lib/seawall".into(),
            json: false,
        };
        let config = interpret(text, &context, &Overrides::default()).unwrap();
        let also: Vec<_> = also.iter().map(|net| net.parse().unwrap()).collect();
        super::drop_in(&config, &also)
    }

    #[test]
    fn the_longest_prefix_is_unfolded_for_a_list_that_knows_none() {
        let config = "listen = [\"tcp://[::]:2376\", \"tcp://%wg0:2377?allow=10.9.0.0/16\"]\n\
            [network]\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\ndeny = [\"10.0.0.0/10\"]\n\
            proxy_protocol_from = [\"192.0.2.1\"]\n";
        insta::assert_snapshot!(drop_in(config, &["198.51.100.0/24"]).unwrap(), @"
        # Made by `seawall network systemd` from [network]; make it again when that changes, for
        # a reload of the gate does not. It holds for all that the gate sends and receives, and
        # for the commands it runs (`audit.anchor`).
        [Service]
        IPAddressDeny=any
        IPAddressAllow=localhost
        IPAddressAllow=10.64.0.0/10
        IPAddressAllow=10.128.0.0/9
        IPAddressAllow=192.0.2.1/32
        IPAddressAllow=fd00::/8
        IPAddressAllow=198.51.100.0/24
        ");
    }

    #[test]
    fn where_it_would_cut_the_gate_off_it_is_refused() {
        insta::assert_snapshot!(drop_in("", &[]).unwrap_err(), @"
        error: everybody is admitted, so there is nothing to narrow
        hint: set `allow` in [network] to those who need the gate
        ");
        let elsewhere = |host: &str| {
            format!(
                "upstream = \"tcp://{host}:2376\"\n[upstream_tls]\nca = \"a\"\ncert = \"b\"\n\
                 key = \"c\"\n[network]\nallow = [\"10.0.0.0/8\"]\n"
            )
        };
        let named = elsewhere("engine.example.com");
        insta::assert_snapshot!(drop_in(&named, &[]).unwrap_err(), @"
        error: the engine is at the name `engine.example.com`, which systemd cannot let through
        hint: give its addresses, and those of the name server: `--also CIDR`
        ");
        assert!(drop_in(&named, &["192.0.2.7/32"]).unwrap().contains("=192.0.2.7/32\n"));
        let all_v6 = drop_in("[network]\ndeny = [\"10.0.0.0/8\"]", &[]).unwrap();
        assert!(all_v6.ends_with("=::/0\n"), "{all_v6}");
        assert!(drop_in(&elsewhere("[fd00::7]"), &[]).unwrap().contains("=fd00::7/128\n"));
    }
}

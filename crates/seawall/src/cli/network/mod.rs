//! `seawall network`.

mod systemd;

use std::net::IpAddr;

use clap::Subcommand;
use ipnet::IpNet;
use seawall_rules::network::Networks;

use crate::admin::status::Network;
use crate::admin::{Answer, Call, client};
use crate::cli::Context;
use crate::cli::report::{self, Doing, Error};
use crate::cli::table::table;
use crate::config::{Config, load_for_command};

/// Show which networks may connect and who is banned, or let somebody in again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  seawall network list
  seawall network check 10.1.2.3
  seawall network unban 192.0.2.7
  seawall network systemd >/etc/systemd/system/seawall.service.d/network.conf

Networks are keys of the configuration: allow, deny and proxy_protocol_from in [network].")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the networks in force and who is kept out for failed handshakes
    #[command(after_help = "Example:\n  seawall network list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether the configuration lets an address connect, and by which prefix
    ///
    /// Exits 1 when no listener lets it in. Reads the file, so it also answers before a reload;
    /// who is banned is no matter of the file: see `list`.
    #[command(after_help = "Example:\n  seawall network check 10.1.2.3")]
    Check {
        /// The address
        address: IpAddr,
    },
    /// Print a drop-in for the gate's systemd unit that lets nobody else's packets through
    ///
    /// IPAddressAllow= and IPAddressDeny= from the same networks. systemd then drops what the gate
    /// would refuse, so nobody counts or records it. It also holds for what the gate itself calls:
    /// an engine elsewhere by its address, and everything else only with --also. A reload of the
    /// gate does not change it: make it again when [network] changes, then
    /// `systemctl daemon-reload`.
    #[command(after_help = "Example:
  mkdir -p /etc/systemd/system/seawall.service.d
  seawall network systemd >/etc/systemd/system/seawall.service.d/network.conf
  systemctl daemon-reload")]
    Systemd {
        /// A network that the gate, or `audit.anchor`, has to reach besides; may be repeated
        #[arg(long, value_name = "CIDR")]
        also: Vec<IpNet>,
    },
    /// Let in again who was banned
    #[command(
        override_usage = "seawall network unban <ADDRESS | --all>",
        after_help = "Examples:\n  seawall network unban 192.0.2.7\n  seawall network unban --all"
    )]
    Unban {
        /// The address; of IPv6 any in its /64
        #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = address)]
        address: Option<IpAddr>,
        /// Everybody
        #[arg(long)]
        all: bool,
    },
}

pub(crate) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.action {
        Action::List { json } => list(context, json),
        Action::Check { address } => check(&load_for_command(context)?, address),
        Action::Systemd { also } => {
            report::print(systemd::drop_in(&load_for_command(context)?, &also)?)
        }
        Action::Unban { address, .. } => unban(context, address),
    }
}

/// An address, or a prefix as `list` shows it.
fn address(text: &str) -> Result<IpAddr, String> {
    let prefix = || text.parse::<IpNet>().ok().map(|net| net.addr());
    let address = text.parse().ok().or_else(prefix);
    address.ok_or_else(|| "an address such as 192.0.2.7 or 2001:db8::7 is needed".to_owned())
}

fn list(context: &Context, json: bool) -> Result<(), Error> {
    let Answer::Network(network) = client::call(context, &Call::Network)? else {
        return Err(client::unexpected());
    };
    if json {
        let text = serde_json::to_string_pretty(&network).doing(|| "write JSON".to_owned())?;
        return report::print(text + "\n");
    }
    report::print(screen(&network))
}

fn screen(network: &Network) -> String {
    let or = |list: &[String], none: &str| match list.is_empty() {
        true => none.to_owned(),
        false => list.join(", "),
    };
    let mut text = format!(
        "allow           {}\ndeny            {}\nbalancers       {}\n\n",
        or(&network.allow, "everybody"),
        or(&network.deny, "nobody"),
        or(&network.proxy_protocol_from, "none"),
    );
    if network.banned.is_empty() {
        return text + "nobody is banned\n";
    }
    let rows: Vec<_> =
        network.banned.iter().map(|ban| [ban.source.clone(), left(ban.seconds_left)]).collect();
    text += &table(["BANNED", "FOR ANOTHER"], &rows);
    text
}

fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

fn check(config: &Config, address: IpAddr) -> Result<(), Error> {
    let address = address.to_canonical();
    if config.balancers.admits(address) {
        return report::print(format!(
            "{address} is a balancer: the address in its PROXY header is judged\n"
        ));
    }
    let mut text = String::new();
    let mut anywhere = false;
    for listen in config.listen.iter().filter(|listen| listen.is_network()) {
        let both = [("[network]", &config.networks), ("the listener", listen.networks())];
        let refusing = both.iter().find(|(_, networks)| !networks.admits(address));
        anywhere |= refusing.is_none();
        let (verdict, (of, networks)) = match refusing {
            Some(refusing) => ("may not", refusing),
            None => ("may", &both[0]),
        };
        let why = why(of, networks, address);
        text += &format!("{address} {verdict} connect to {listen}: {why}\n");
    }
    report::print(text)?;
    match anywhere {
        true => Ok(()),
        false => Err(Error::failed(format!("no listener lets {address} in"))),
    }
}

fn why(of: &str, networks: &Networks, address: IpAddr) -> String {
    match networks.decided_by(address) {
        Some((net, true)) => format!("allow {net} of {of}"),
        Some((net, false)) => format!("deny {net} of {of}"),
        None if networks.allowed().is_empty() => format!("{of} allows everybody else"),
        None => format!("{of} does not allow it"),
    }
}

fn unban(context: &Context, address: Option<IpAddr>) -> Result<(), Error> {
    let Answer::Unbanned(sources) = client::call(context, &Call::Unban { address })? else {
        return Err(client::unexpected());
    };
    if sources.is_empty() {
        return report::print("nobody was banned\n");
    }
    report::print(format!("let in again: {}\n", sources.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::BanRow;

    #[test]
    fn the_list_names_networks_and_bans() {
        let ban = |source: &str, seconds_left| BanRow { source: source.to_owned(), seconds_left };
        let mut network = Network {
            allow: vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()],
            deny: Vec::new(),
            proxy_protocol_from: Vec::new(),
            banned: vec![
                ban("192.0.2.7", 599),
                ban("2001:db8:0:1::/64", 5_000),
                ban("192.0.2.8", 1),
            ],
        };
        insta::assert_snapshot!(screen(&network), @"
        allow           10.0.0.0/8, fd00::/8
        deny            nobody
        balancers       none

        BANNED             FOR ANOTHER
        192.0.2.7          9 min
        2001:db8:0:1::/64  1 h 23 min
        192.0.2.8          1 s
        ");
        network.allow.clear();
        network.banned.clear();
        insta::assert_snapshot!(screen(&network), @"
        allow           everybody
        deny            nobody
        balancers       none

        nobody is banned
        ");
    }

    #[test]
    fn an_address_is_typed_alone_or_as_the_list_shows_it() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("2001:db8::/64", Some("2001:db8::")),
            ("gate", None),
        ] {
            assert_eq!(address(text).ok(), expected.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }
}

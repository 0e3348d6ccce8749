//! What is typed for an identity, read into what it means.

use std::time::Duration;

use ipnet::IpNet;

use crate::config::units::parse_duration;
use crate::state::Match;
use crate::state::notation::from_hex;

/// `30d`, `12h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a time like `30d`, `12h` or `15m`".to_owned())
}

/// `10.0.0.0/24`, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    let network = network.ok_or("write a network like `10.0.0.0/24` or an address")?;
    let truncated = network.trunc();
    if truncated != network {
        return Err(format!("the host part is not zero: write `{truncated}` or one address"));
    }
    Ok(network)
}

/// `cn=…`, `dns=…`, `uri=…`, `spki=…`.
pub(super) fn matching(text: &str) -> Result<Match, String> {
    let (field, value) = text.split_once('=').unwrap_or((text, ""));
    if value.is_empty() {
        return Err("write `cn=NAME`, `dns=NAME`, `uri=URI`, `spki=SHA256` or \
                    `ssh-principal=NAME`"
            .to_owned());
    }
    let owned = value.to_owned();
    match field {
        "cn" => Ok(Match::Cn(owned)),
        "dns" => Ok(Match::Dns(owned)),
        "uri" => Ok(Match::Uri(owned)),
        "ssh-principal" => Ok(Match::SshPrincipal(owned)),
        "spki" => spki(value).map(Match::Spki).ok_or_else(|| {
            "an `spki` is the SHA-256 of the certificate's public key, in hex or base64".to_owned()
        }),
        _ => Err("a certificate is matched by `cn`, `dns`, `uri` or `spki`, one of SSH by \
                  `ssh-principal`"
            .to_owned()),
    }
}

/// As it is typed.
pub(super) fn show_match(matching: &Match) -> String {
    match matching {
        Match::Cn(value) => format!("cn={value}"),
        Match::Dns(value) => format!("dns={value}"),
        Match::Uri(value) => format!("uri={value}"),
        Match::SshPrincipal(value) => format!("ssh-principal={value}"),
        Match::Spki(hash) => format!("spki={}", crate::state::notation::hex(hash)),
    }
}

/// Hex, or base64 as HPKP, curl and ghostunnel write pins (`sha256:` or `sha256//` in front).
fn spki(text: &str) -> Option<[u8; 32]> {
    let bare = ["sha256//", "sha256:", "SHA256:"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let base64 = || data_encoding::BASE64.decode(bare.as_bytes()).ok();
    let hex = from_hex(bare).filter(|bytes| bytes.len() == 32);
    hex.or_else(base64)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_networks_or_addresses() {
        for (text, network) in [
            ("10.0.0.0/24", Some("10.0.0.0/24")),
            ("10.0.0.7", Some("10.0.0.7/32")),
            ("fd00::/8", Some("fd00::/8")),
            ("10.0.0.7/24", None),
            ("10.0.0.0/33", None),
            ("example.com", None),
        ] {
            assert_eq!(
                super::network(text).ok(),
                network.map(|net| net.parse().unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn matches_are_read_as_they_are_shown() {
        let hash = [0xab; 32];
        let hex = "ab".repeat(32);
        let base64 = data_encoding::BASE64.encode(&hash);
        for (text, expected) in [
            ("cn=Alice Doe".to_owned(), Some(Match::Cn("Alice Doe".to_owned()))),
            ("dns=a.example".to_owned(), Some(Match::Dns("a.example".to_owned()))),
            ("uri=spiffe://a/b=c".to_owned(), Some(Match::Uri("spiffe://a/b=c".to_owned()))),
            ("ssh-principal=ci".to_owned(), Some(Match::SshPrincipal("ci".to_owned()))),
            (format!("spki={hex}"), Some(Match::Spki(hash))),
            (format!("spki=sha256//{base64}"), Some(Match::Spki(hash))),
            (format!("spki=sha256:{base64}"), Some(Match::Spki(hash))),
            ("spki=ab".to_owned(), None),
            ("cn=".to_owned(), None),
            ("cn".to_owned(), None),
            ("email=a@b".to_owned(), None),
        ] {
            assert_eq!(matching(&text).ok(), expected, "{text}");
            if let Some(expected) = expected {
                assert_eq!(matching(&show_match(&expected)), Ok(expected));
            }
        }
    }
}

//! What an SSH server says before anybody has authenticated: its identification line and the
//! algorithms it offers (RFC 4253 sections 4.2, 6 and 7.1).

use super::super::Severity;

/// What is sent to a server so that it goes on to its algorithms.
pub const IDENTIFICATION: &[u8] = b"SSH-2.0-seawall_scan\r\n";

/// What a server said so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its identification and its algorithms.
    Both(Server),
    /// More bytes are needed.
    Incomplete,
    /// What answers does not speak SSH.
    NotSsh,
}

/// An SSH server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The identification, without its line end: `SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10`.
    pub identification: String,
    /// Key exchange.
    pub key_exchange: Vec<String>,
    /// Host keys.
    pub host_key: Vec<String>,
    /// Ciphers, both directions.
    pub cipher: Vec<String>,
    /// Message authentication, both directions.
    pub mac: Vec<String>,
}

/// Reads what came so far.
pub fn read(bytes: &[u8]) -> Said {
    let mut rest = bytes;
    let identification = loop {
        let Some(end) = rest.iter().take(MOST_IN_A_LINE).position(|&byte| byte == b'\n') else {
            let plausible = rest.len() < MOST_IN_A_LINE && is_text(rest);
            return if plausible { Said::Incomplete } else { Said::NotSsh };
        };
        let (line, after) = (rest[..end].trim_ascii_end(), &rest[end + 1..]);
        rest = after;
        if line.starts_with(b"SSH-") {
            break line;
        }
        // A server may say other things first (4.2), but not for ever.
        if bytes.len() - rest.len() > MOST_BEFORE || !is_text(line) {
            return Said::NotSsh;
        }
    };
    let identification = String::from_utf8_lossy(identification).escape_debug().to_string();
    let Some((length, packet)) = rest.split_first_chunk::<4>() else { return Said::Incomplete };
    let length = u32::from_be_bytes(*length) as usize;
    if !(2..=MOST_IN_A_PACKET).contains(&length) {
        return Said::NotSsh;
    }
    let Some(packet) = packet.get(..length) else { return Said::Incomplete };
    match algorithms(packet) {
        Some(server) => Said::Both(Server { identification, ..server }),
        None => Said::NotSsh,
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\r' || byte == b'\t' || (b' '..0x7F).contains(&byte))
}

fn algorithms(packet: &[u8]) -> Option<Server> {
    let (_padding, payload) = packet.split_first()?;
    let (&kind, payload) = payload.split_first()?;
    let (_cookie, mut rest) = payload.split_at_checked(16)?;
    if kind != KEXINIT {
        return None;
    }
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (list, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        let list = std::str::from_utf8(list).ok().filter(|list| is_text(list.as_bytes()))?;
        Some(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    };
    let key_exchange = next()?;
    let host_key = next()?;
    let mut both = || -> Option<Vec<String>> {
        let mut names: Vec<String> = next()?;
        for name in next()? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Some(names)
    };
    let (cipher, mac) = (both()?, both()?);
    Some(Server { identification: String::new(), key_exchange, host_key, cipher, mac })
}

impl Server {
    /// The software, without the protocol and the comment: `OpenSSH_9.2p1`.
    pub fn software(&self) -> &str {
        let rest = self.identification.splitn(3, '-').nth(2).unwrap_or_default();
        rest.split(' ').next().unwrap_or_default()
    }

    /// Whether it also speaks the broken version 1 of the protocol (RFC 4253 section 5.1).
    pub fn speaks_version_1(&self) -> bool {
        !self.identification.starts_with("SSH-2.0-")
    }

    /// The weak algorithms it offers: what kind, its name, and the row that says why.
    pub fn weak(&self) -> Vec<(&'static str, &str, &'static Weak)> {
        let kinds = [
            ("key exchange", Kind::KeyExchange, &self.key_exchange),
            ("host key", Kind::HostKey, &self.host_key),
            ("cipher", Kind::Cipher, &self.cipher),
            ("MAC", Kind::Mac, &self.mac),
        ];
        kinds
            .iter()
            .flat_map(|(title, kind, names)| {
                names.iter().filter_map(move |name| {
                    let weak = WEAK.iter().find(|weak| weak.kind == *kind && weak.is(name))?;
                    Some((*title, name.as_str(), weak))
                })
            })
            .collect()
    }

    /// Whether somebody in the middle can cut messages off the start of a connection (Terrapin,
    /// CVE-2023-48795): it offers ciphers that allow it and no strict key exchange.
    pub fn terrapin(&self) -> bool {
        let strict = self.key_exchange.iter().any(|name| name == "kex-strict-s-v00@openssh.com");
        let chacha = self.cipher.iter().any(|name| name == "chacha20-poly1305@openssh.com");
        let cbc = self.cipher.iter().any(|name| name.contains("-cbc"));
        let etm = self.mac.iter().any(|name| name.contains("-etm@"));
        !strict && (chacha || (cbc && etm))
    }
}

/// What an algorithm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the protocol names them")]
pub enum Kind {
    Cipher,
    HostKey,
    KeyExchange,
    Mac,
}

/// An algorithm that should not be offered any more.
#[derive(Debug)]
pub struct Weak {
    kind: Kind,
    /// Its name; with `*` at an end, whatever begins or ends so.
    name: &'static str,
    /// How bad that is.
    pub severity: Severity,
    /// What is wrong with it.
    pub flaw: &'static str,
}

impl Weak {
    fn is(&self, name: &str) -> bool {
        match (self.name.strip_prefix('*'), self.name.strip_suffix('*')) {
            (Some(end), _) => name.ends_with(end),
            (_, Some(start)) => name.starts_with(start),
            _ => name == self.name,
        }
    }
}

const fn weak(kind: Kind, name: &'static str, severity: Severity, flaw: &'static str) -> Weak {
    Weak { kind, name, severity, flaw }
}

// RFC 9142 (key exchange), RFC 8758 (RC4), RFC 8332 and OpenSSH 8.8 (ssh-rsa), OpenSSH 7.0 (DSA),
// CVE-2008-5161 (CBC), CVE-2016-2183 (64-bit blocks). The first row that fits counts.
const WEAK: &[Weak] = &[
    weak(Kind::KeyExchange, "diffie-hellman-group1-sha1", Severity::High, "a 1024-bit group"),
    weak(Kind::KeyExchange, "rsa1024-sha1", Severity::High, "a 1024-bit key"),
    weak(Kind::KeyExchange, "*-sha1", Severity::Medium, "SHA-1"),
    weak(Kind::HostKey, "ssh-dss*", Severity::High, "a 1024-bit DSA key"),
    weak(Kind::HostKey, "ssh-rsa*", Severity::Medium, "signatures with SHA-1"),
    weak(Kind::Cipher, "none", Severity::High, "no encryption at all"),
    weak(Kind::Cipher, "arcfour*", Severity::High, "RC4 is broken"),
    weak(Kind::Cipher, "des-cbc*", Severity::High, "a 56-bit key"),
    weak(Kind::Cipher, "3des-cbc", Severity::Medium, "64-bit blocks"),
    weak(Kind::Cipher, "blowfish-cbc", Severity::Medium, "64-bit blocks"),
    weak(Kind::Cipher, "cast128-cbc", Severity::Medium, "64-bit blocks"),
    weak(Kind::Cipher, "*-cbc", Severity::Low, "CBC"),
    weak(Kind::Mac, "none", Severity::High, "no authentication of messages"),
    weak(Kind::Mac, "hmac-md5*", Severity::Medium, "MD5"),
    weak(Kind::Mac, "hmac-sha1-96*", Severity::Low, "SHA-1 cut short"),
    weak(Kind::Mac, "hmac-ripemd160*", Severity::Low, "out of use"),
];

const KEXINIT: u8 = 20;
const MOST_IN_A_LINE: usize = 256;
const MOST_BEFORE: usize = 8 << 10;
/// RFC 4253 section 6.1.
const MOST_IN_A_PACKET: usize = 35_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn kexinit(lists: [&str; 6]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([7; 16]);
        for list in lists.into_iter().chain(["none", "none", "", ""]) {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        let mut packet = u32::try_from(payload.len() + 1 + 4).unwrap().to_be_bytes().to_vec();
        packet.push(4);
        packet.extend(payload);
        packet.extend([0; 4]);
        packet
    }

    fn modern() -> Vec<u8> {
        kexinit([
            "curve25519-sha256,kex-strict-s-v00@openssh.com",
            "ssh-ed25519,rsa-sha2-512",
            "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
            "aes256-gcm@openssh.com,aes128-ctr",
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-256-etm@openssh.com",
        ])
    }

    fn server(bytes: &[u8]) -> Server {
        match read(bytes) {
            Said::Both(server) => server,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_is_read_whatever_pieces_it_comes_in() {
        let banner = b"Keep out.\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n";
        let whole = [banner.as_slice(), &modern()].concat();
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Said::Incomplete, "{cut}");
        }
        let server = server(&whole);
        assert_eq!(server.identification, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10");
        assert_eq!(server.software(), "OpenSSH_9.2p1");
        assert_eq!(server.host_key, ["ssh-ed25519", "rsa-sha2-512"]);
        assert_eq!(server.cipher.len(), 3);
        assert!(server.weak().is_empty() && !server.terrapin() && !server.speaks_version_1());
    }

    #[test]
    fn weak_algorithms_are_named_with_their_flaw() {
        let lists = [
            "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,curve25519-sha256",
            "ssh-rsa,ssh-dss,ssh-ed25519",
            "aes128-ctr,3des-cbc",
            "aes128-ctr,arcfour256,aes128-cbc",
            "hmac-sha2-256,hmac-md5-etm@openssh.com",
            "hmac-sha1-96",
        ];
        let server = server(&[b"SSH-1.99-dropbear\r\n".as_slice(), &kexinit(lists)].concat());
        assert!(server.speaks_version_1());
        let weak: Vec<String> = server
            .weak()
            .iter()
            .map(|(kind, name, weak)| format!("{kind} {name}: {} ({})", weak.flaw, weak.severity))
            .collect();
        assert_eq!(
            weak,
            [
                "key exchange diffie-hellman-group1-sha1: a 1024-bit group (high)",
                "key exchange diffie-hellman-group14-sha1: SHA-1 (medium)",
                "host key ssh-rsa: signatures with SHA-1 (medium)",
                "host key ssh-dss: a 1024-bit DSA key (high)",
                "cipher 3des-cbc: 64-bit blocks (medium)",
                "cipher arcfour256: RC4 is broken (high)",
                "cipher aes128-cbc: CBC (low)",
                "MAC hmac-md5-etm@openssh.com: MD5 (medium)",
                "MAC hmac-sha1-96: SHA-1 cut short (low)",
            ]
        );
        assert!(server.terrapin(), "CBC with encrypt-then-MAC and no strict key exchange");
    }

    #[test]
    fn what_speaks_no_ssh_is_told_apart() {
        let long = [b'a'; 300];
        let mut endless = Vec::new();
        for _ in 0..600 {
            endless.extend(b"not yet, not yet\r\n");
        }
        let no_kexinit = [b"SSH-2.0-x\r\n".as_slice(), &[0, 0, 0, 8, 4, 21, 0, 0, 0, 0, 0, 0]];
        let cases: &[&[u8]] = &[
            &[0x16, 3, 3, 0, 1],
            &long,
            &endless,
            b"SSH-2.0-x\r\n\xFF\xFF\xFF\xFF",
            b"SSH-2.0-x\r\n\0\0\0\x01",
            &no_kexinit.concat(),
        ];
        for bytes in cases {
            assert_eq!(read(bytes), Said::NotSsh, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = [b"SSH-2.0-x\r\n".as_slice(), &modern()].concat();
        for at in 0..whole.len() {
            for value in [0, 1, b'\n', 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                read(&bytes);
            }
        }
    }
}

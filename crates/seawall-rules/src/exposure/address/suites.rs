//! The TLS versions and cipher suites that are asked for, and what is wrong with each.
//!
//! Codes and names: IANA's TLS parameters registry. Verdicts: RFC 9325 (recommendations), RFC 7465
//! (RC4), RFC 8996 (TLS 1.0 and 1.1), RFC 7568 (SSL 3.0), CVE-2016-2183 (64-bit blocks).

/// A version of the protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the protocol names them")]
pub enum Version {
    Ssl30,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::Ssl30, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// As it stands on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Ssl30 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version of that code.
    pub fn of_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.code() == code)
    }

    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl30 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// Whether it is still to be used (RFC 8996).
    pub fn is_deprecated(self) -> bool {
        self < Self::Tls12
    }
}

/// How good a suite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Recommended, or at least without a known weakness.
    Good,
    /// No known break, but not to be negotiated any more: CBC, or no forward secrecy.
    Dated,
    /// Readable or forgeable by somebody with means.
    Broken,
}

/// A cipher suite.
#[derive(Debug)]
pub struct Suite {
    /// As it stands on the wire.
    pub code: u16,
    /// IANA's name.
    pub name: &'static str,
    /// How good it is.
    pub strength: Strength,
    /// What is wrong with it; empty when nothing is.
    pub flaw: &'static str,
}

/// The suite of that code, if it is one that is asked for.
pub fn suite(code: u16) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.code == code)
}

/// The suites to offer for a version, good ones first, as a client would.
pub fn offered(version: Version) -> impl Iterator<Item = u16> {
    let for_13 = |code: u16| code >> 8 == 0x13;
    let of_13 = version == Version::Tls13;
    SUITES.iter().map(|suite| suite.code).filter(move |&code| for_13(code) == of_13)
}

const CBC: &str = "CBC with the MAC inside (RFC 7366)";
const STATIC: &str = "no forward secrecy: whoever gets the key later reads all of it";
const SWEET32: &str = "64-bit blocks (CVE-2016-2183)";
const RC4: &str = "RC4 is broken (RFC 7465)";
const NULL: &str = "no encryption at all";
const ANONYMOUS: &str = "nobody proves who he is";
const EXPORT: &str = "export strength (CVE-2015-0204)";

const fn good(code: u16, name: &'static str) -> Suite {
    Suite { code, name, strength: Strength::Good, flaw: "" }
}

const fn dated(code: u16, name: &'static str, flaw: &'static str) -> Suite {
    Suite { code, name, strength: Strength::Dated, flaw }
}

const fn broken(code: u16, name: &'static str, flaw: &'static str) -> Suite {
    Suite { code, name, strength: Strength::Broken, flaw }
}

/// Every suite that is asked for, in the order it is offered in.
pub const SUITES: &[Suite] = &[
    good(0x1301, "TLS_AES_128_GCM_SHA256"),
    good(0x1302, "TLS_AES_256_GCM_SHA384"),
    good(0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    good(0x1304, "TLS_AES_128_CCM_SHA256"),
    good(0x1305, "TLS_AES_128_CCM_8_SHA256"),
    good(0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    good(0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    good(0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    good(0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    good(0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    good(0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    good(0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    good(0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    good(0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    dated(0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", CBC),
    dated(0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", CBC),
    dated(0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", CBC),
    dated(0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", CBC),
    dated(0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", CBC),
    dated(0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", CBC),
    dated(0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", CBC),
    dated(0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", CBC),
    dated(0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", CBC),
    dated(0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", CBC),
    dated(0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", CBC),
    dated(0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", CBC),
    dated(0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256", STATIC),
    dated(0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384", STATIC),
    dated(0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256", STATIC),
    dated(0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256", STATIC),
    dated(0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA", STATIC),
    dated(0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", STATIC),
    broken(0xC008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", SWEET32),
    broken(0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", SWEET32),
    broken(0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", SWEET32),
    broken(0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", SWEET32),
    broken(0xC007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", RC4),
    broken(0xC011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA", RC4),
    broken(0x0005, "TLS_RSA_WITH_RC4_128_SHA", RC4),
    broken(0x0004, "TLS_RSA_WITH_RC4_128_MD5", RC4),
    broken(0xC018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", ANONYMOUS),
    broken(0xC019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", ANONYMOUS),
    broken(0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", ANONYMOUS),
    broken(0x003A, "TLS_DH_anon_WITH_AES_256_CBC_SHA", ANONYMOUS),
    broken(0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", EXPORT),
    broken(0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", EXPORT),
    broken(0xC006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA", NULL),
    broken(0xC010, "TLS_ECDHE_RSA_WITH_NULL_SHA", NULL),
    broken(0x003B, "TLS_RSA_WITH_NULL_SHA256", NULL),
    broken(0x0002, "TLS_RSA_WITH_NULL_SHA", NULL),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_every_flaw_is_told() {
        for (at, suite) in SUITES.iter().enumerate() {
            assert!(SUITES[..at].iter().all(|other| other.code != suite.code), "{}", suite.name);
            assert_eq!(suite.flaw.is_empty(), suite.strength == Strength::Good, "{}", suite.name);
        }
    }

    #[test]
    fn better_suites_are_offered_first() {
        assert!(SUITES.is_sorted_by_key(|suite| suite.strength));
    }

    #[test]
    fn a_version_is_offered_its_own_suites() {
        assert_eq!(offered(Version::Tls13).count(), 5);
        assert_eq!(offered(Version::Tls12).count(), SUITES.len() - 5);
        assert!(Version::ALL.is_sorted_by_key(|version| version.code()));
    }
}

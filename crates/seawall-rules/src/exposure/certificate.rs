//! What of a certificate matters to whoever judges it.

/// A certificate, as far as it is judged. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, escaped and bounded.
    pub subject: String,
    /// The issuer, escaped and bounded.
    pub issuer: String,
    /// The kind of its key.
    pub key: KeyKind,
    /// The hash of its signature.
    pub hash: Hash,
    /// Start of its validity.
    pub not_before: i64,
    /// End of its validity.
    pub not_after: i64,
    /// DNS names and addresses of its subjectAltName.
    pub names: Vec<String>,
    /// What it may be used for; `None` when it does not say, which is anything.
    pub usage: Option<Usage>,
    /// What it may do as a CA, if it is one.
    pub ca: Option<Authority>,
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// DSA, of any length.
    Dsa,
    /// An elliptic curve of that many bits.
    Ec(usize),
    /// Ed25519 or Ed448.
    Edwards,
    /// Something else.
    Other,
    /// RSA with a modulus of that many bits.
    Rsa(usize),
}

/// The hash a signature is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// MD5 or older.
    Md5,
    /// SHA-1.
    Sha1,
    /// Something newer.
    Strong,
}

/// The extended key usages that count here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// serverAuth, or any.
    pub server: bool,
    /// clientAuth, or any.
    pub client: bool,
}

/// What a CA may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// How many CAs may stand below it; `None` is any number.
    pub path_length: Option<u32>,
    /// Whether its keyUsage, if it has one, allows signing certificates.
    pub signs: bool,
}

impl Certificate {
    /// What is weak about its key or its signature. The signature of a self-signed certificate
    /// proves nothing in any case.
    pub fn weakness(&self) -> Option<String> {
        match (self.key, self.hash) {
            (KeyKind::Rsa(bits), _) if bits < 2048 => Some(format!("an RSA key of {bits} bits")),
            (KeyKind::Ec(bits), _) if bits < 256 => Some(format!("a curve of {bits} bits")),
            (KeyKind::Dsa, _) => Some("a DSA key".to_owned()),
            (_, Hash::Md5) if !self.is_self_signed() => Some("a signature with MD5".to_owned()),
            (_, Hash::Sha1) if !self.is_self_signed() => Some("a signature with SHA-1".to_owned()),
            _ => None,
        }
    }

    /// Whether it names itself as its issuer.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether it is good as a client's certificate.
    pub fn is_for_clients(&self) -> bool {
        self.usage.is_none_or(|usage| usage.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_keys_and_signatures_are_named() {
        let cases = [
            (KeyKind::Rsa(2048), Hash::Strong, "CN=ca", None),
            (KeyKind::Rsa(1024), Hash::Strong, "CN=ca", Some("an RSA key of 1024 bits")),
            (KeyKind::Ec(256), Hash::Strong, "CN=ca", None),
            (KeyKind::Ec(224), Hash::Strong, "CN=ca", Some("a curve of 224 bits")),
            (KeyKind::Dsa, Hash::Strong, "CN=ca", Some("a DSA key")),
            (KeyKind::Edwards, Hash::Sha1, "CN=ca", Some("a signature with SHA-1")),
            (KeyKind::Rsa(4096), Hash::Md5, "CN=ca", Some("a signature with MD5")),
            (KeyKind::Rsa(4096), Hash::Sha1, "CN=me", None),
            (KeyKind::Other, Hash::Strong, "CN=ca", None),
        ];
        for (key, hash, issuer, expected) in cases {
            let certificate = Certificate {
                subject: "CN=me".to_owned(),
                issuer: issuer.to_owned(),
                key,
                hash,
                not_before: 0,
                not_after: 1,
                names: Vec::new(),
                usage: None,
                ca: None,
            };
            assert_eq!(certificate.weakness().as_deref(), expected, "{key:?} {hash:?}");
        }
    }
}

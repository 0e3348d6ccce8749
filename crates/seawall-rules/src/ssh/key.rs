//! Public keys of users and of the CAs that sign for them (RFC 4253 section 6.6, RFC 5656,
//! RFC 8709, OpenSSH's PROTOCOL.u2f).

use std::fmt;

use data_encoding::BASE64;

use super::wire::{Malformed, Reader};

/// A public key of a kind that is accepted, and of sufficient strength.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    material: Material,
    blob: Vec<u8>,
}

/// What a key is, without its certificate if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the algorithms are")]
pub enum Kind {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    Rsa,
    /// On a FIDO token: a signature says whether somebody touched it.
    SkEcdsaP256,
    /// On a FIDO token: a signature says whether somebody touched it.
    SkEd25519,
}

/// What a signature is verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// A point of the curve: uncompressed (SEC 1 section 2.3.3), or of Curve25519.
    Point(Vec<u8>),
    /// Exponent and modulus, big endian, without leading zeros.
    Rsa {
        /// `e`.
        exponent: Vec<u8>,
        /// `n`.
        modulus: Vec<u8>,
    },
}

/// Why a text or a blob is no key to let anybody in with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what they are")]
pub enum NotAKey {
    #[error("it is a certificate, not a key")]
    Certificate,
    #[error("`ssh-dss` keys are broken and never accepted")]
    Dss,
    #[error("its base64 does not hold a public key: {0}")]
    Malformed(#[from] Malformed),
    #[error("it has options before the key, which only sshd knows")]
    Options,
    #[error("it is a private key")]
    Private,
    #[error("it is an RSA key of {0} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")]
    RsaSize(usize),
    #[error("it is no public key as in `id_ed25519.pub`")]
    Unknown,
}

impl PublicKey {
    /// Reads the wire form.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn parse(blob: &[u8]) -> Result<Self, NotAKey> {
        let mut reader = Reader::new(blob);
        let kind = Kind::named(reader.text()?)?;
        let key = Self::after_kind(kind, &mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// Reads a key from what `ssh-keygen` writes into a `.pub` file: kind, base64, comment.
    /// Answers the comment too; control characters in it are refused.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn from_line(line: &str) -> Result<(Self, &str), NotAKey> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
            return Err(NotAKey::Private);
        }
        let (name, rest) = line.split_once([' ', '\t']).ok_or(NotAKey::Unknown)?;
        let kind = Kind::named(name).map_err(|error| {
            let key_follows = rest.split_ascii_whitespace().any(|word| Kind::named(word).is_ok());
            if key_follows { NotAKey::Options } else { error }
        })?;
        let rest = rest.trim_start();
        let (base64, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        if comment.contains(char::is_control) {
            return Err(NotAKey::Unknown);
        }
        let blob = BASE64.decode(base64.as_bytes()).map_err(|_| Malformed)?;
        let key = Self::parse(&blob)?;
        if key.kind != kind {
            return Err(NotAKey::Malformed(Malformed));
        }
        Ok((key, comment.trim()))
    }

    /// The fields of a key of `kind`, which is how they stand in a certificate as well.
    pub(super) fn after_kind(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, NotAKey> {
        let start = reader.rest();
        let material = match kind {
            Kind::Ed25519 | Kind::SkEd25519 => Material::Point(sized(reader.string()?, 32)?),
            Kind::EcdsaP256 | Kind::SkEcdsaP256 => point(reader, "nistp256", 65)?,
            Kind::EcdsaP384 => point(reader, "nistp384", 97)?,
            Kind::EcdsaP521 => point(reader, "nistp521", 133)?,
            Kind::Rsa => rsa(reader)?,
        };
        if matches!(kind, Kind::SkEcdsaP256 | Kind::SkEd25519) {
            // The application, `ssh:` or one of the user's own.
            reader.text()?;
        }
        let fields = start.get(..start.len() - reader.rest().len()).unwrap_or_default();
        let name = kind.name().as_bytes();
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
        Ok(Self { kind, material, blob: [&length[..], name, fields].concat() })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What its signatures are verified with.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// The wire form: what fingerprints are made of.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

/// As in a `.pub` file, without the comment.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), BASE64.encode(&self.blob))
    }
}

impl Kind {
    /// Every kind that is accepted.
    pub const ALL: [Self; 7] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Ed25519,
        Self::Rsa,
        Self::SkEcdsaP256,
        Self::SkEd25519,
    ];

    /// The name of the key format.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Ed25519 => "ssh-ed25519",
            Self::Rsa => "ssh-rsa",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self, NotAKey> {
        match Self::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) => Ok(kind),
            None if name.ends_with("-cert-v01@openssh.com") => Err(NotAKey::Certificate),
            None if name == "ssh-dss" => Err(NotAKey::Dss),
            None => Err(NotAKey::Unknown),
        }
    }
}

fn sized(bytes: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    if bytes.len() == length { Ok(bytes.to_vec()) } else { Err(Malformed) }
}

fn point(reader: &mut Reader<'_>, curve: &str, length: usize) -> Result<Material, Malformed> {
    if reader.text()? != curve {
        return Err(Malformed);
    }
    let point = sized(reader.string()?, length)?;
    // Compressed points would be a second spelling of the same key.
    if point.first() == Some(&4) { Ok(Material::Point(point)) } else { Err(Malformed) }
}

fn rsa(reader: &mut Reader<'_>) -> Result<Material, NotAKey> {
    let exponent = reader.positive()?.to_vec();
    let modulus = reader.positive()?.to_vec();
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(unused);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(NotAKey::RsaSize(bits));
    }
    Ok(Material::Rsa { exponent, modulus })
}

/// NIST SP 800-57 part 1, for use beyond 2030.
pub const MIN_RSA_BITS: usize = 3072;
/// What the verifier can take, and a bound on what a login can cost.
pub const MAX_RSA_BITS: usize = 8192;

#[cfg(test)]
mod tests;

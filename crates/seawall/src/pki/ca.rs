//! A certificate authority with its key, and what it signs.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber,
};

use super::certificate::Facts;
use super::{CA, EARLY, Error, Key, PublicKey, random, whole_seconds};

/// A CA that can sign: certificate and key, checked against each other.
///
/// `pathlen:0`: it signs leaves only, so a leaked leaf can never become an authority. It carries
/// no name constraints: client names are not DNS names, and what a certificate may do is decided
/// by the stored serial, not by its names.
#[derive(Debug)]
pub struct Ca {
    facts: Facts,
    pem: String,
    key: Key,
}

/// A certificate just signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The leaf as PEM.
    pub pem: String,
    /// What it says.
    pub facts: Facts,
}

impl Ca {
    /// Makes a new CA, `Seawall CA HOST SHORTID`, valid for [`CA`].
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub fn create(host: &str, now: SystemTime) -> Result<Self, Error> {
        let short_id = data_encoding::HEXLOWER.encode(&random::<4>()?);
        let plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
        // X.520 allows 64 characters for a common name.
        let host: String = host.chars().filter(plain).take(43).collect();
        let key = Key::generate()?;
        let mut params = params(&format!("Seawall CA {host} {short_id}"), now)?;
        params.not_after = whole_seconds(now + CA);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = false;
        let certificate = params.self_signed(&key.pair)?;
        let facts = Facts::from_der(certificate.der())?;
        Ok(Self { facts, pem: certificate.pem(), key })
    }

    /// A CA from its PEM certificate and key: ours from the store, or the operator's own.
    ///
    /// # Errors
    /// [`Error::NotACertificate`], [`Error::NotAKey`], [`Error::KeyMismatch`],
    /// [`Error::NotACa`]; [`Error::CaName`] when its subject cannot be reproduced as an issuer.
    pub fn load(certificate: &str, key: &str) -> Result<Self, Error> {
        let facts = Facts::from_pem(certificate)?;
        let key = Key::from_pem(key)?;
        if key.public().spki() != facts.spki {
            return Err(Error::KeyMismatch);
        }
        if !facts.signs {
            return Err(Error::NotACa);
        }
        let ca = Self { facts, pem: certificate.to_owned(), key };
        ca.check_name()?;
        Ok(ca)
    }

    /// Its certificate.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Signs a client certificate: clientAuth only, `CN=NAME`, URI `seawall:identity:ID`. Both
    /// are for people and logs; the gate goes by the serial. It never outlives the CA.
    ///
    /// # Errors
    /// [`Error::CaExpired`], [`Error::Crypto`].
    pub fn issue_client(
        &self,
        public: &PublicKey,
        (id, name): (&str, &str),
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, Error> {
        let mut params = params(name, now)?;
        let uri = format!("seawall:identity:{id}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, public, lifetime, now)
    }

    /// Signs the gate's own certificate: serverAuth only, for these host names and addresses.
    /// It never outlives the CA.
    ///
    /// # Errors
    /// [`Error::NotAHostname`], [`Error::CaExpired`], [`Error::Crypto`].
    pub fn issue_server(
        &self,
        public: &PublicKey,
        hostnames: &[String],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, Error> {
        let mut params = params("seawall", now)?;
        params.subject_alt_names =
            hostnames.iter().map(|host| alternative_name(host)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, public, lifetime, now)
    }

    pub(super) fn issuer(&self) -> Result<Issuer<'static, &rcgen::KeyPair>, Error> {
        Issuer::from_ca_cert_der(&self.facts.der, &self.key.pair).map_err(|_| Error::CaName)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        public: &PublicKey,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, Error> {
        if self.facts.not_after <= now {
            return Err(Error::CaExpired);
        }
        let end = now.checked_add(lifetime).unwrap_or(self.facts.not_after);
        params.not_after = whole_seconds(end.min(self.facts.not_after));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&public.inner, &self.issuer()?)?;
        let facts = Facts::from_der(certificate.der())?;
        Ok(Issued { pem: certificate.pem(), facts })
    }

    /// A subject with repeated or multi-valued parts does not survive being read and written
    /// again; leaves with another issuer than the CA's subject would verify nowhere.
    fn check_name(&self) -> Result<(), Error> {
        let mut params = params("check", self.facts.not_before)?;
        params.not_after = whole_seconds(self.facts.not_after);
        let probe = params.signed_by(&self.key.pair, &self.issuer()?)?;
        let parse = |der| x509_parser::parse_x509_certificate(der).map_err(|_| Error::CaName);
        let ((_, probe), (_, own)) = (parse(probe.der())?, parse(&self.facts.der)?);
        if probe.issuer().as_raw() == own.subject().as_raw() { Ok(()) } else { Err(Error::CaName) }
    }
}

/// What every certificate has: a name, a random serial, and a start an hour ago.
fn params(common_name: &str, now: SystemTime) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from(serial()?.to_vec()));
    params.not_before = whole_seconds(now.checked_sub(EARLY).unwrap_or(now));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 126 random bits in 16 bytes: positive, and always of the same length (RFC 5280 4.1.2.2
/// allows 20 bytes; the CA/Browser Forum asks for 64 random bits).
fn serial() -> Result<[u8; 16], Error> {
    let mut serial = random::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn alternative_name(host: &str) -> Result<SanType, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refuse = || Error::NotAHostname(host.to_owned());
    // RFC 1123 section 2.1, with `_` as it is found in practice and `*.` in front.
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-')
    };
    let rest = host.strip_prefix("*.").unwrap_or(host);
    if host.len() > 253 || !rest.split('.').all(label) {
        return Err(refuse());
    }
    Ok(SanType::DnsName(host.to_owned().try_into().map_err(|_| refuse())?))
}

#[cfg(test)]
mod tests;

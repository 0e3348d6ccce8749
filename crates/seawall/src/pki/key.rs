//! Keys: made where they are used and never sent; all that travels is a request (PKCS#10), and
//! all that is read from a request is its public key.

use rcgen::{CertificateParams, DistinguishedName, PublicKeyData as _, SubjectPublicKeyInfo};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as Parsed;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Error, sha256};

/// A private key; wiped from memory when dropped, as far as it is ours to wipe (the
/// cryptographic library keeps and wipes its own copy).
#[derive(Debug)]
pub struct Key {
    pub(super) pair: rcgen::KeyPair,
}

impl Key {
    /// A new random P-256 key.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the system has no random numbers to give.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self { pair: rcgen::KeyPair::generate()? })
    }

    /// Reads an unencrypted PEM key: PKCS#8, SEC1 or PKCS#1.
    ///
    /// # Errors
    /// [`Error::NotAKey`].
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Ok(Self { pair: rcgen::KeyPair::from_pem(pem).map_err(|_| Error::NotAKey)? })
    }

    /// The key as PKCS#8 PEM. Write it only where nobody else reads.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let spki = self.pair.subject_public_key_info();
        // INVARIANT: rcgen reads the key info it has itself just written.
        let inner = SubjectPublicKeyInfo::from_der(&spki).expect("own key info parses");
        PublicKey { spki: sha256(&spki), inner }
    }

    /// A PKCS#10 request for this key as PEM. It asks for nothing: names, usages and lifetime
    /// are the gate's to decide.
    ///
    /// # Errors
    /// [`Error::Crypto`] when signing fails.
    pub fn request(&self) -> Result<String, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.pair)?.pem()?)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

/// A public key that may be certified: P-256, P-384, Ed25519, or RSA of 2048 to 8192 bits.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub(super) inner: SubjectPublicKeyInfo,
    spki: [u8; 32],
}

impl PublicKey {
    /// The key of a PEM certificate request, after checking that the request is signed by it
    /// (RFC 2986 section 3, proof of possession). Nothing else of the request is used.
    ///
    /// # Errors
    /// [`Error::NotARequest`], [`Error::UnsupportedKey`], [`Error::RequestSignature`].
    pub fn from_request(pem: &str) -> Result<Self, Error> {
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| Error::NotARequest)?;
        let (rest, request) =
            X509CertificationRequest::from_der(&der).map_err(|_| Error::NotARequest)?;
        if !rest.is_empty() {
            return Err(Error::NotARequest);
        }
        let spki = &request.certification_request_info.subject_pki;
        let algorithm = &spki.algorithm.algorithm;
        let supported = if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
        } else if let Ok(Parsed::RSA(rsa)) = spki.parsed() {
            (2048..=8192).contains(&rsa.key_size())
        } else {
            *algorithm == OID_SIG_ED25519
        };
        if !supported {
            return Err(Error::UnsupportedKey);
        }
        request.verify_signature().map_err(|_| Error::RequestSignature)?;
        let inner = SubjectPublicKeyInfo::from_der(spki.raw).map_err(|_| Error::UnsupportedKey)?;
        // What is certified is what was proved: the same bytes, written afresh.
        if inner.subject_public_key_info() != spki.raw {
            return Err(Error::UnsupportedKey);
        }
        Ok(Self { spki: sha256(spki.raw), inner })
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> [u8; 32] {
        self.spki
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_key_of_a_request_is_read_back() {
        let key = Key::generate().unwrap();
        let public = PublicKey::from_request(&key.request().unwrap()).unwrap();
        assert_eq!(public.spki(), key.public().spki());
        let again = Key::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.public().spki(), key.public().spki());
    }

    #[test]
    fn requests_by_openssl_are_read_for_every_accepted_kind_of_key() {
        let dir = tempfile::tempdir().unwrap();
        let cases: &[(&[&str], Result<(), Error>)] = &[
            (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], Ok(())),
            // openssl signs this with SHA-256 unless told otherwise.
            (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha256"], Ok(())),
            (&["-newkey", "ed25519"], Ok(())),
            (&["-newkey", "rsa:2048"], Ok(())),
            (&["-newkey", "rsa:1024"], Err(Error::UnsupportedKey)),
            (
                &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
                Err(Error::UnsupportedKey),
            ),
            (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"], Err(Error::UnsupportedKey)),
        ];
        for (args, expected) in cases {
            let output = Command::new("openssl")
                .args(["req", "-new", "-nodes", "-subj", "/CN=anything", "-keyout"])
                .arg(dir.path().join("key.pem"))
                .args(*args)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let pem = String::from_utf8(output.stdout).unwrap();
            assert_eq!(PublicKey::from_request(&pem).map(|_| ()), *expected, "{args:?}");
        }
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let pem = Key::generate().unwrap().request().unwrap();
        let mut der =
            CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        let pem = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
            data_encoding::BASE64.encode(&der)
        );
        assert_eq!(PublicKey::from_request(&pem).unwrap_err(), Error::RequestSignature);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let key = Key::generate().unwrap().to_pem();
        for bad in ["", "hello", key.as_str()] {
            assert_eq!(PublicKey::from_request(bad).unwrap_err(), Error::NotARequest);
        }
    }

    #[test]
    fn the_debug_form_of_a_key_does_not_show_it() {
        let key = Key::generate().unwrap();
        let shown = format!("{key:?}");
        let pem = key.to_pem();
        let body: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(body.iter().all(|line| !shown.contains(line)), "{shown}");
        assert!(shown.contains("elided"), "{shown}");
    }
}

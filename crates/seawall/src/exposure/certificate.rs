//! Reads a certificate, trusted or not, for whoever judges it.

use seawall_rules::exposure::certificate::{Authority, Certificate, Hash, KeyKind, Usage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::pki;

/// What of a DER certificate matters; `None` when it is none.
pub(crate) fn read(der: &[u8]) -> Option<Certificate> {
    let ([], certificate) = X509Certificate::from_der(der).ok()? else { return None };
    let usage = certificate.extended_key_usage().ok()?.map(|usage| Usage {
        server: usage.value.server_auth || usage.value.any,
        client: usage.value.client_auth || usage.value.any,
    });
    let signs = certificate.key_usage().ok()?.is_none_or(|usage| usage.value.key_cert_sign());
    let constraints = certificate.basic_constraints().ok()?;
    let ca = constraints
        .filter(|it| it.value.ca)
        .map(|constraints| Authority { path_length: constraints.value.path_len_constraint, signs });
    Some(Certificate {
        subject: pki::shown(certificate.subject()),
        issuer: pki::shown(certificate.issuer()),
        key: key(&certificate),
        hash: hash(&certificate.signature_algorithm.algorithm.to_id_string()),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        names: pki::hostnames(&certificate),
        usage,
        ca,
    })
}

/// A DER distinguished name for people; escaped and bounded.
pub(crate) fn name(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok((_, name)) => pki::shown(&name),
        Err(_) => "a name that cannot be read".to_owned(),
    }
}

fn key(certificate: &X509Certificate<'_>) -> KeyKind {
    // RFC 8410 section 3.
    const ED25519: &str = "1.3.101.112";
    const ED448: &str = "1.3.101.113";
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => KeyKind::Rsa(key.key_size()),
        // P-521's points have 66 bytes, of which 521 bits count.
        Ok(PublicKey::EC(point)) => KeyKind::Ec(point.key_size()),
        Ok(PublicKey::DSA(_)) => KeyKind::Dsa,
        _ => match certificate.public_key().algorithm.algorithm.to_id_string().as_str() {
            ED25519 | ED448 => KeyKind::Edwards,
            _ => KeyKind::Other,
        },
    }
}

/// The hash that goes with an OID of a signature algorithm (RFC 3279, RFC 5758).
fn hash(oid: &str) -> Hash {
    match oid {
        // md2, md4 and md5 WithRSAEncryption.
        "1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.3" | "1.2.840.113549.1.1.4" => Hash::Md5,
        // sha1WithRSAEncryption, its older twin, id-dsa-with-sha1, ecdsa-with-SHA1.
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10040.4.3" | "1.2.840.10045.4.1" => {
            Hash::Sha1
        }
        _ => Hash::Strong,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn made_by_openssl(args: &[&str]) -> Certificate {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=build-7", "-days", "10", "-keyout"])
            .arg(dir.path().join("key.pem"))
            .args(args)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        read(&CertificateDer::from_pem_slice(&output.stdout).unwrap()).unwrap()
    }

    #[test]
    fn keys_and_signatures_by_openssl_are_told_apart() {
        let p224 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224"];
        let p521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha1"];
        let cases: &[(&[&str], KeyKind, Hash)] = &[
            (&["-newkey", "rsa:1024"], KeyKind::Rsa(1024), Hash::Strong),
            (&["-newkey", "rsa:2048", "-sha1"], KeyKind::Rsa(2048), Hash::Sha1),
            (&["-newkey", "rsa:2048", "-md5"], KeyKind::Rsa(2048), Hash::Md5),
            (&p224, KeyKind::Ec(224), Hash::Strong),
            (&p521, KeyKind::Ec(528), Hash::Sha1),
            (&["-newkey", "ed25519"], KeyKind::Edwards, Hash::Strong),
        ];
        for (args, key, hash) in cases {
            let certificate = made_by_openssl(args);
            assert_eq!((certificate.key, certificate.hash), (*key, *hash), "{args:?}");
            assert!(certificate.is_self_signed());
        }
    }

    #[test]
    fn names_usages_and_constraints_are_read() {
        let certificate = made_by_openssl(&[
            "-newkey",
            "ed25519",
            "-addext",
            "subjectAltName=DNS:build-7,IP:fd00::7",
            "-addext",
            "extendedKeyUsage=serverAuth",
            "-addext",
            "basicConstraints=critical,CA:TRUE,pathlen:0",
        ]);
        assert_eq!(certificate.names, ["build-7", "fd00::7"]);
        assert_eq!(certificate.usage, Some(Usage { server: true, client: false }));
        assert!(!certificate.is_for_clients());
        assert!(certificate.ca.is_some());
        assert_eq!(certificate.not_after - certificate.not_before, 10 * 86_400);
        let plain = made_by_openssl(&["-newkey", "ed25519"]);
        assert!(plain.usage.is_none() && plain.is_for_clients());
        assert_eq!(read(b"nonsense"), None);
    }
}

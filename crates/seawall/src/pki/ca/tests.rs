//! What we sign, as rustls and openssl see it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::pki::{GATE, PERSON, Reason, RevokedSerial};

fn now() -> SystemTime {
    SystemTime::now()
}

fn roots(ca: &Ca) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.facts().der.clone()).unwrap();
    Arc::new(roots)
}

fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn client_ok(ca: &Ca, leaf: &Issued, at: SystemTime) -> bool {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(ca), provider()).build().unwrap();
    verifier.verify_client_cert(&leaf.facts.der, &[], unix(at)).is_ok()
}

fn server_ok(ca: &Ca, leaf: &Issued, host: &str, at: SystemTime) -> bool {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(ca), provider()).build().unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(&leaf.facts.der, &[], &name, &[], unix(at)).is_ok()
}

fn client(ca: &Ca, lifetime: Duration) -> Issued {
    let key = Key::generate().unwrap().public();
    ca.issue_client(&key, ("id", "alice"), lifetime, now()).unwrap()
}

fn server(ca: &Ca, hostnames: &[&str]) -> Result<Issued, Error> {
    let key = Key::generate().unwrap().public();
    let hostnames: Vec<String> = hostnames.iter().map(|&host| host.to_owned()).collect();
    ca.issue_server(&key, &hostnames, GATE, now())
}

fn openssl(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(args).current_dir(dir).output();
    let output = output.expect("install openssl: the tests verify with it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_leaf_is_for_clients_or_for_the_gate_and_never_for_both() {
    let ca = Ca::create("gate.example", now()).unwrap();
    let client = client(&ca, PERSON);
    let server = server(&ca, &["gate.example", "*.b.example", "127.0.0.1", "fd00::1"]).unwrap();
    assert!(client_ok(&ca, &client, now()));
    assert!(!client_ok(&ca, &server, now()));
    assert!(!server_ok(&ca, &client, "gate.example", now()));
    for (host, ok) in [
        ("gate.example", true),
        ("a.b.example", true),
        ("127.0.0.1", true),
        ("fd00::1", true),
        ("other.example", false),
        ("127.0.0.2", false),
    ] {
        assert_eq!(server_ok(&ca, &server, host, now()), ok, "{host}");
    }
}

#[test]
fn openssl_verifies_what_we_sign_for_its_purpose_only() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::create("gate.example", now()).unwrap();
    let write = |name: &str, pem: &str| std::fs::write(dir.path().join(name), pem).unwrap();
    write("ca.pem", ca.pem());
    write("client.pem", &client(&ca, PERSON).pem);
    write("server.pem", &server(&ca, &["gate.example"]).unwrap().pem);
    for (purpose, leaf, ok) in [
        ("sslclient", "client.pem", true),
        ("sslserver", "client.pem", false),
        ("sslserver", "server.pem", true),
        ("sslclient", "server.pem", false),
    ] {
        let args = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", leaf];
        let (verified, said) = openssl(dir.path(), &args);
        assert_eq!(verified, ok, "{purpose} {leaf}: {said}");
    }
    let (_, text) = openssl(dir.path(), &["x509", "-in", "ca.pem", "-noout", "-text"]);
    for expected in [
        "Subject: CN = Seawall CA gate.example ",
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
        "Signature Algorithm: ecdsa-with-SHA256",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (_, text) = openssl(dir.path(), &["x509", "-in", "client.pem", "-noout", "-text"]);
    for expected in [
        "Subject: CN = alice\n",
        "URI:seawall:identity:id",
        "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn openssl_heeds_our_crl() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::create("gate", now()).unwrap();
    let (good, bad) = (client(&ca, PERSON), client(&ca, PERSON));
    let revoked = [RevokedSerial {
        serial: bad.facts.serial.clone(),
        at: now(),
        reason: Reason::KeyCompromise,
    }];
    let week = Duration::from_secs(7 * 24 * 3600);
    let crl = ca.crl(42, &revoked, week, now()).unwrap();
    let write = |name: &str, pem: &str| std::fs::write(dir.path().join(name), pem).unwrap();
    write("ca.pem", ca.pem());
    write("good.pem", &good.pem);
    write("bad.pem", &bad.pem);
    write("crl.pem", &crl.pem);
    write("empty.pem", &ca.crl(1, &[], week, now()).unwrap().pem);
    let verify = |leaf, crl| {
        openssl(dir.path(), &["verify", "-crl_check", "-CRLfile", crl, "-CAfile", "ca.pem", leaf])
    };
    assert!(verify("good.pem", "crl.pem").0);
    assert!(verify("bad.pem", "empty.pem").0);
    let (verified, said) = verify("bad.pem", "crl.pem");
    assert!(!verified && said.contains("certificate revoked"), "{said}");
    let args = ["crl", "-in", "crl.pem", "-CAfile", "ca.pem", "-noout", "-text"];
    let (_, text) = openssl(dir.path(), &args);
    for expected in [
        "verify OK",
        "Version 2 (0x1)",
        "X509v3 CRL Number: \n                42",
        "Key Compromise",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (read, said) = openssl(dir.path(), &["crl", "-in", "crl.pem", "-noout", "-nextupdate"]);
    assert!(read && said.contains("nextUpdate="), "{said}");
}

#[test]
fn rustls_heeds_our_crl() {
    let ca = Ca::create("gate", now()).unwrap();
    let (good, bad) = (client(&ca, PERSON), client(&ca, PERSON));
    let revoked = [RevokedSerial {
        serial: bad.facts.serial.clone(),
        at: now(),
        reason: Reason::Unspecified,
    }];
    let crl = ca.crl(1, &revoked, Duration::from_secs(3600), now()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&ca), provider())
        .with_crls([crl.der.into()])
        .enforce_revocation_expiration()
        .build()
        .unwrap();
    let verify = |leaf: &Issued, at| verifier.verify_client_cert(&leaf.facts.der, &[], unix(at));
    verify(&good, now()).unwrap();
    verify(&bad, now()).unwrap_err();
    verify(&good, now() + Duration::from_secs(7200)).unwrap_err();
}

#[test]
fn a_leaf_begins_an_hour_early_and_never_outlives_its_ca() {
    let ca = Ca::create("gate", now()).unwrap();
    let leaf = client(&ca, PERSON);
    assert!(client_ok(&ca, &leaf, now() - Duration::from_secs(3500)));
    assert!(!client_ok(&ca, &leaf, now() - Duration::from_secs(3700)));
    assert!(client_ok(&ca, &leaf, now() + PERSON - Duration::from_secs(60)));
    assert!(!client_ok(&ca, &leaf, now() + PERSON + Duration::from_secs(60)));
    let eternal = client(&ca, 4 * CA);
    assert_eq!(eternal.facts.not_after, ca.facts().not_after);
    let key = Key::generate().unwrap().public();
    let late = now() + CA + Duration::from_secs(60);
    let refused = ca.issue_client(&key, ("id", "alice"), PERSON, late);
    assert_eq!(refused.unwrap_err(), Error::CaExpired);
}

#[test]
fn serials_are_positive_of_one_length_and_all_different() {
    let ca = Ca::create("gate", now()).unwrap();
    let serials: std::collections::HashSet<_> =
        (0..50).map(|_| client(&ca, PERSON).facts.serial).collect();
    assert_eq!(serials.len(), 50);
    assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] < 0x80));
}

#[test]
fn only_names_and_addresses_stand_in_the_gates_certificate() {
    let ca = Ca::create("gate", now()).unwrap();
    let long = format!("{}.example", "a".repeat(64));
    for bad in ["", "a b", "a/b", "-a.example", "*", "a.*.example", "é.example", "a..b", &long] {
        assert_eq!(server(&ca, &[bad]).unwrap_err(), Error::NotAHostname(bad.to_owned()));
    }
}

#[test]
fn a_host_of_any_name_gives_a_ca_of_a_plain_name() {
    for host in ["", "a\nb/CN=c", &"x".repeat(300)] {
        let ca = Ca::create(host, now()).unwrap();
        let cn = ca.facts().subject.strip_prefix("CN=").unwrap();
        assert!(cn.len() <= 64 && cn.starts_with("Seawall CA ") && !cn.contains('/'), "{cn}");
    }
}

#[test]
fn a_ca_comes_back_from_its_files_and_no_other_key_fits() {
    let ca = Ca::create("gate", now()).unwrap();
    let again = Ca::load(ca.pem(), &ca.key().to_pem()).unwrap();
    assert!(client_ok(&ca, &client(&again, PERSON), now()));
    let other = Key::generate().unwrap().to_pem();
    assert_eq!(Ca::load(ca.pem(), &other).unwrap_err(), Error::KeyMismatch);
    let key = Key::generate().unwrap();
    let leaf = ca.issue_client(&key.public(), ("id", "alice"), PERSON, now()).unwrap();
    assert_eq!(Ca::load(&leaf.pem, &key.to_pem()).unwrap_err(), Error::NotACa);
}

#[test]
fn the_operators_own_ca_signs_where_its_name_can_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let make = |key: &[&str], subject: &str| {
        let mut args = vec!["req", "-x509", "-nodes", "-days", "3650", "-subj", subject];
        args.extend(key);
        args.extend(["-keyout", "key.pem", "-out", "ca.pem"]);
        args.extend(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        let (made, said) = openssl(dir.path(), &args);
        assert!(made, "{said}");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        Ca::load(&read("ca.pem"), &read("key.pem"))
    };
    let ec = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"][..];
    for key in [ec, &["-newkey", "rsa:2048"], &["-newkey", "ed25519"]] {
        let ca = make(key, "/C=DE/O=Example/CN=Example Root").unwrap();
        assert!(client_ok(&ca, &client(&ca, PERSON), now()), "{key:?}");
    }
    // Two parts of one kind would be written as one.
    let refused = make(ec, "/DC=com/DC=example/CN=Root").unwrap_err();
    assert_eq!(refused, Error::CaName);
}

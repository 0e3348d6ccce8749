//! A key that is accepted has one spelling; a certificate and a list of what was revoked are read
//! whole or refused, whatever they hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::ssh::certificate::Certificate;
use seawall_rules::ssh::key::PublicKey;
use seawall_rules::ssh::krl::{Fingerprints, Revoked};
use seawall_rules::ssh::signature::ecdsa_fixed;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::parse(bytes) {
        assert_eq!(key.blob(), bytes);
        let line = key.to_string();
        assert_eq!(PublicKey::from_line(&line), Ok((key, "")));
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok((key, comment)) = PublicKey::from_line(text)
    {
        assert!(!comment.contains(char::is_control));
        assert_eq!(PublicKey::parse(key.blob()), Ok(key));
    }
    if let Ok(certificate) = Certificate::parse(bytes) {
        assert!(Certificate::is_one(bytes));
        assert_eq!(PublicKey::parse(certificate.key().blob()).as_ref(), Ok(certificate.key()));
        if let Ok(revoked) = Revoked::parse(bytes) {
            let none = Fingerprints { sha1: [0; 20], sha256: [0; 32] };
            revoked.revokes_key(certificate.key(), &none);
        }
    }
    let _ = Revoked::parse(bytes);
    assert!(ecdsa_fixed(bytes, 32).is_none_or(|fixed| fixed.len() == 64));
});

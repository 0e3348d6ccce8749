//! Certificates and keys.

use std::collections::BTreeMap;

use super::super::catalogue::tls::*;
use super::super::facts::{Certificate, Facts, KeyKind, PrivateKey, Use};
use super::super::{Check, Finding, Place, Report, Severity};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for certificate in &facts.certificates {
        strength(certificate, report);
        validity(certificate, facts.now, report);
        purpose(certificate, report);
        report.looked(&CERTIFICATE_WRITABLE);
        let trusted = matches!(certificate.usage, Use::Ca | Use::Server);
        if trusted && (certificate.access.others_write() || certificate.access.uid != 0) {
            let what = "users beside root can replace the certificate";
            let finding = found(certificate, &CERTIFICATE_WRITABLE, what);
            report.find(
                finding.seen(Place::whole(&certificate.path), certificate.access.to_string()),
            );
        }
    }
    for key in &facts.keys {
        readable(key, report);
        ca_key(key, facts, report);
    }
    shared(facts, report);
    for folder in facts.files.iter().filter(|file| file.of_keys) {
        report.looked(&KEY_FOLDER);
        if folder.access.others_write() {
            let what = "users beside its owner can put files into the folder";
            report.find(
                Finding::new(&KEY_FOLDER, &folder.path, what)
                    .seen(Place::whole(&folder.path), folder.access.to_string())
                    .remedy(&[("path", &folder.path)]),
            );
        }
    }
}

fn found(certificate: &Certificate, check: &'static Check, what: &str) -> Finding {
    Finding::new(check, &certificate.path, what)
        .seen(Place::whole(&certificate.path), certificate.subject.clone())
        .remedy(&[("path", &certificate.path)])
}

fn strength(certificate: &Certificate, report: &mut Report) {
    report.looked(&WEAK_KEY);
    let weak = match &certificate.key {
        KeyKind::Dsa => Some("its key is DSA".to_owned()),
        KeyKind::Rsa(bits) if *bits < 2048 => Some(format!("its key is RSA of {bits} bits")),
        KeyKind::Ec(bits) if *bits < 256 => Some(format!("its curve has {bits} bits")),
        KeyKind::Ec(_) | KeyKind::Edwards | KeyKind::Other(_) | KeyKind::Rsa(_) => None,
    };
    let signature = certificate.weak_signature.map(|hash| format!("it is signed with {hash}"));
    if let Some(what) = weak.or(signature) {
        report.find(found(certificate, &WEAK_KEY, &what));
    }
}

fn validity(certificate: &Certificate, now: i64, report: &mut Report) {
    report.looked(&VALIDITY);
    let left = certificate.not_after - now;
    let days = left / DAY;
    let finding = |what: &str| found(certificate, &VALIDITY, what);
    // Clients' short-lived certificates renew themselves; a last month is their whole life.
    let soon = match certificate.usage {
        Use::Ca | Use::Server => 30 * DAY,
        Use::Client | Use::Unknown => 7 * DAY,
    };
    if left < 0 {
        report.find(finding(&format!("it expired {} days ago", -days)));
    } else if certificate.not_before > now {
        report.find(finding("it is not valid yet"));
    } else if left < 7 * DAY {
        let what = format!("it expires in {days} days");
        report.find(match certificate.usage {
            Use::Ca | Use::Server => finding(&what),
            Use::Client | Use::Unknown => {
                finding(&what).weighed(Severity::Low, "one client is locked out")
            }
        });
    } else if left < soon {
        let what = format!("it expires in {days} days");
        report.find(finding(&what).weighed(Severity::Medium, "there is time to renew it"));
    }
}

fn purpose(certificate: &Certificate, report: &mut Report) {
    match certificate.usage {
        Use::Server => {
            report.looked(&NO_NAMES);
            report.looked(&SERVER_USAGE);
            if certificate.names.is_empty() {
                report.find(found(certificate, &NO_NAMES, "it has no subjectAltName"));
            }
            let what = match certificate.extended {
                None => Some("it has no extended key usage, and so is good for everything"),
                Some(usage) if usage.client => Some("its extended key usage allows clientAuth"),
                Some(_) => None,
            };
            if let Some(what) = what {
                report.find(found(certificate, &SERVER_USAGE, what));
            }
        }
        Use::Client => {
            report.looked(&CLIENT_USAGE);
            let days = (certificate.not_after - certificate.not_before) / DAY;
            if certificate.extended.is_none_or(|usage| usage.server) && !certificate.is_ca {
                let what = "it is good as a server's certificate too";
                report.find(found(certificate, &CLIENT_USAGE, what));
            } else if days > LONGEST_DAYS {
                let what = format!("it is valid for {days} days");
                let finding = found(certificate, &CLIENT_USAGE, &what);
                report.find(finding.weighed(Severity::Low, "only its lifetime is long"));
            }
        }
        Use::Ca => {
            report.looked(&CA_CONSTRAINTS);
            let what = match certificate {
                Certificate { is_ca: false, .. } => Some("it does not say CA:TRUE"),
                Certificate { signs: Some(false), .. } => {
                    Some("its key usage does not allow it to sign certificates")
                }
                Certificate { path_length: None, .. } | Certificate { signs: None, .. } => {
                    Some("it sets no path length or no key usage")
                }
                _ => None,
            };
            if let Some(what) = what {
                let finding = found(certificate, &CA_CONSTRAINTS, what);
                report.find(match certificate.is_ca {
                    true => finding.weighed(Severity::Low, "it is a CA, and says little more"),
                    false => finding,
                });
            }
        }
        Use::Unknown => {}
    }
}

fn readable(key: &PrivateKey, report: &mut Report) {
    let check = match key.usage {
        Use::Client => &CLIENT_KEY_MODE,
        Use::Ca | Use::Server | Use::Unknown => &SERVER_KEY_MODE,
    };
    report.looked(check);
    let owned = key.usage != Use::Client && key.access.uid != 0;
    if key.access.others_read() || key.access.others_write() || owned {
        let finding = Finding::new(check, &key.path, "users beside its owner can read the key")
            .seen(Place::whole(&key.path), key.access.to_string())
            .remedy(&[("path", &key.path)]);
        report.find(match key.encrypted {
            true => finding.weighed(Severity::Low, "a passphrase protects it"),
            false => finding,
        });
    }
}

/// The key of a CA: by its public key, or else by its name.
fn ca_key(key: &PrivateKey, facts: &Facts, report: &mut Report) {
    report.looked(&CA_KEY_HERE);
    let cas = facts.certificates.iter().filter(|certificate| certificate.is_ca);
    let ca = key.spki.and_then(|spki| cas.clone().find(|certificate| certificate.spki == spki));
    let name = key.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let named = key.spki.is_none()
        && name.contains("key")
        && name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == "ca" || word == "cakey");
    let what = match ca {
        Some(ca) => format!("it is the private key of {}", ca.path),
        None if named => "by its name it is the private key of a CA".to_owned(),
        None => return,
    };
    let finding = Finding::new(&CA_KEY_HERE, &key.path, what)
        .seen(Place::whole(&key.path), key.access.to_string())
        .remedy(&[("path", &key.path)]);
    report.find(match key.encrypted {
        true => finding.weighed(Severity::Medium, "a passphrase protects it"),
        false => finding,
    });
}

fn shared(facts: &Facts, report: &mut Report) {
    let mut clients = BTreeMap::new();
    for certificate in facts.certificates.iter().filter(|it| it.usage == Use::Client) {
        clients.entry(certificate.spki).or_insert(&certificate.path);
    }
    for server in facts.certificates.iter().filter(|it| it.usage == Use::Server) {
        report.looked(&SHARED_KEY);
        if let Some(client) = clients.get(&server.spki) {
            let what = format!("the client's certificate {client} has the same key");
            report.find(found(server, &SHARED_KEY, &what));
        }
    }
}

const DAY: i64 = 24 * 3600;
/// A client's certificate that lives longer than this cannot be waited out: Seawall's machines
/// have a year.
const LONGEST_DAYS: i64 = 398;

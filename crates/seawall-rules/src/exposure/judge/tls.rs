//! Certificates and keys.

use std::collections::BTreeMap;

use super::super::catalogue::tls::*;
use super::super::certificate::Authority;
use super::super::facts::{CertificateFile, Facts, PrivateKey, Use};
use super::super::{Check, Finding, Place, Report, Severity};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for file in &facts.certificates {
        strength(file, report);
        validity(file, facts.now, report);
        purpose(file, report);
        report.looked(&CERTIFICATE_WRITABLE);
        let trusted = matches!(file.usage, Use::Ca | Use::Server);
        if trusted && (file.access.others_write() || file.access.uid != 0) {
            let what = "users beside root can replace the certificate";
            let finding = found(file, &CERTIFICATE_WRITABLE, what);
            report.find(finding.seen(Place::whole(&file.path), file.access.to_string()));
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

fn found(file: &CertificateFile, check: &'static Check, what: &str) -> Finding {
    Finding::new(check, &file.path, what)
        .seen(Place::whole(&file.path), file.certificate.subject.clone())
        .remedy(&[("path", &file.path)])
}

fn strength(file: &CertificateFile, report: &mut Report) {
    report.looked(&WEAK_KEY);
    if let Some(weakness) = file.certificate.weakness() {
        report.find(found(file, &WEAK_KEY, &format!("it has {weakness}")));
    }
}

fn validity(file: &CertificateFile, now: i64, report: &mut Report) {
    report.looked(&VALIDITY);
    let certificate = &file.certificate;
    let left = certificate.not_after - now;
    let days = left / DAY;
    let finding = |what: &str| found(file, &VALIDITY, what);
    // Clients' short-lived certificates renew themselves; a last month is their whole life.
    let soon = match file.usage {
        Use::Ca | Use::Server => 30 * DAY,
        Use::Client | Use::Unknown => 7 * DAY,
    };
    if left < 0 {
        report.find(finding(&format!("it expired {} days ago", -days)));
    } else if certificate.not_before > now {
        report.find(finding("it is not valid yet"));
    } else if left < 7 * DAY {
        let what = format!("it expires in {days} days");
        report.find(match file.usage {
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

fn purpose(file: &CertificateFile, report: &mut Report) {
    let certificate = &file.certificate;
    match file.usage {
        Use::Server => {
            report.looked(&NO_NAMES);
            report.looked(&SERVER_USAGE);
            if certificate.names.is_empty() {
                report.find(found(file, &NO_NAMES, "it has no subjectAltName"));
            }
            let what = match certificate.usage {
                None => "it has no extended key usage, and so is good for everything",
                Some(_) => "its extended key usage allows clientAuth",
            };
            if certificate.is_for_clients() {
                report.find(found(file, &SERVER_USAGE, what));
            }
        }
        Use::Client => {
            report.looked(&CLIENT_USAGE);
            let days = (certificate.not_after - certificate.not_before) / DAY;
            if certificate.usage.is_none_or(|usage| usage.server) {
                let what = "it is good as a server's certificate too";
                report.find(found(file, &CLIENT_USAGE, what));
            } else if days > LONGEST_DAYS {
                let what = format!("it is valid for {days} days");
                let finding = found(file, &CLIENT_USAGE, &what);
                report.find(finding.weighed(Severity::Low, "only its lifetime is long"));
            }
        }
        Use::Ca => {
            report.looked(&CA_CONSTRAINTS);
            let finding = |what| found(file, &CA_CONSTRAINTS, what);
            match certificate.ca {
                None => report.find(finding("it does not say CA:TRUE")),
                Some(Authority { signs: false, .. }) => {
                    report.find(finding("its key usage does not let it sign certificates"));
                }
                Some(Authority { path_length: None, .. }) => report.find(
                    finding("it sets no path length: what it signs may be CAs in turn")
                        .weighed(Severity::Low, "it is a CA all the same"),
                ),
                Some(_) => {}
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
    let mut cas = facts.certificates.iter().filter(|file| file.certificate.ca.is_some());
    let ca = key.spki.and_then(|spki| cas.find(|file| file.spki == spki));
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

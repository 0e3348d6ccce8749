//! The files around an engine.

use super::super::catalogue::host::*;
use super::super::facts::Facts;
use super::super::{Finding, Place, Report};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for file in facts.files.iter().filter(|file| !file.of_keys) {
        report.looked(&FILE_WRITABLE);
        if file.access.others_write() || file.access.uid != 0 {
            report.find(
                Finding::new(&FILE_WRITABLE, &file.path, "users beside root can change it")
                    .seen(Place::whole(&file.path), file.access.to_string())
                    .remedy(&[("path", &file.path)]),
            );
        }
    }
    if let Some(rules) = &facts.auditd {
        report.looked(&NO_AUDITD);
        let missing: Vec<_> =
            WATCHED.iter().filter(|path| !rules.contains(**path)).copied().collect();
        if !missing.is_empty() {
            let what = format!("no rule watches {}", missing.join(", "));
            report.find(Finding::new(&NO_AUDITD, "auditd", what).remedy(&[]));
        }
    }
    for (place, why) in &facts.broken {
        report.find(
            Finding::new(&UNREADABLE_CONFIG, &place.name, why.clone())
                .seen(place.clone(), why.clone())
                .remedy(&[("place", &place.to_string())]),
        );
    }
}

const WATCHED: &[&str] = &["/usr/bin/dockerd", "/etc/docker", "docker.sock"];

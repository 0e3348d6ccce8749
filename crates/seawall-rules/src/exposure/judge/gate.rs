//! Seawall's own configuration.

use super::super::catalogue::gate::*;
use super::super::facts::{Facts, Firewall, Gate};
use super::super::read::endpoint::{Reach, reach};
use super::super::{Finding, Place, Report};
use super::network::{self, Auth};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    let Some(gate) = &facts.gate else { return };
    for check in [&GATE_CONFIG, &GATE_BESIDE] {
        report.looked(check);
    }
    let file = gate.file.as_str();
    let place = || Place::whole(file);
    if let Some((what, fix)) = &gate.problem {
        report.find(
            Finding::new(&GATE_CONFIG, file, what.clone())
                .seen(place(), what.clone())
                .remedy(&[("place", file), ("fix", fix)]),
        );
    } else {
        judge_valid(gate, facts, report);
    }
    if let Some((path, access)) = &gate.state {
        report.looked(&GATE_STATE);
        if access.mode & 0o077 != 0 {
            report.find(
                Finding::new(&GATE_STATE, path, "users beside its owner can look into the folder")
                    .seen(Place::whole(path), access.to_string())
                    .remedy(&[("path", path)]),
            );
        }
        report.looked(&GATE_CA_KEY);
        if gate.holds_ca_key {
            let what = "the CA's key is in the state folder, where enrolment and renewal need it";
            report.find(
                Finding::new(&GATE_CA_KEY, path, what)
                    .seen(Place::whole(path), "holds the CA's key")
                    .remedy(&[]),
            );
        }
    }
    beside(facts, report);
}

fn judge_valid(gate: &Gate, facts: &Facts, report: &mut Report) {
    let file = gate.file.as_str();
    report.looked(&GATE_EVERYONE);
    report.looked(&GATE_AUDIT);
    let open = gate.open.iter().find(|address| {
        let bound = facts.listeners.iter().find(|it| it.address.port() == address.port());
        reach(address.ip()) != Reach::Loopback
            && bound.is_none_or(|listener| listener.firewall != Firewall::Limits)
    });
    if let Some(address) = open {
        report.find(
            Finding::new(&GATE_EVERYONE, file, "`network.allow` is empty: every network may try")
                .seen(Place::whole(file), format!("listens on tcp://{address}"))
                .remedy(&[("place", file)]),
        );
    }
    if gate.serves_unrecorded {
        report.find(
            Finding::new(&GATE_AUDIT, file, "`audit.on_failure` is \"continue\"")
                .seen(Place::whole(file), "audit.on_failure = \"continue\"")
                .remedy(&[("place", file)]),
        );
    }
}

/// TCP endpoints of the engine that are no upstream of the gate's: others reach them, or nobody
/// is asked for a certificate.
fn beside(facts: &Facts, report: &mut Report) {
    for engine in &facts.engines {
        for endpoint in network::endpoints(engine, facts) {
            if endpoint.reach != Reach::Loopback || endpoint.auth != Auth::Verified {
                let what = "the engine has a TCP port of its own beside the gate's";
                let mut finding = Finding::new(&GATE_BESIDE, &endpoint.subject, what);
                finding.evidence.clone_from(&endpoint.evidence);
                report.find(finding);
            }
        }
    }
}

//! From what was gathered to what is wrong: one file a subject of the catalogue.

mod abuse;
mod access;
mod container;
mod engine;
mod firewall;
mod gate;
mod host;
mod network;
mod socket;
mod tls;

use super::Report;
use super::facts::Facts;

/// Judges what was gathered from `scanned`.
pub fn judge(scanned: &str, facts: &Facts) -> Report {
    let mut report = Report::of(scanned);
    network::judge(facts, &mut report);
    engine::judge(facts, &mut report);
    socket::judge(facts, &mut report);
    tls::judge(facts, &mut report);
    access::judge(facts, &mut report);
    container::judge(facts, &mut report);
    firewall::judge(facts, &mut report);
    host::judge(facts, &mut report);
    abuse::judge(facts, &mut report);
    gate::judge(facts, &mut report);
    for gap in &facts.gaps {
        for check in &gap.checks {
            report.unknown(check, &gap.subject, &gap.why);
        }
    }
    report.sort();
    report
}

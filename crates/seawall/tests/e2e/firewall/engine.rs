//! An engine that listens itself, beside the gate.

use super::site::{ALLOWED, Site, TO_BAD, TO_GOOD, connection};
use crate::support::engine::Engine;

#[test]
fn a_port_of_the_engine_itself_is_closed_to_other_hosts_or_held_to_the_networks() {
    let site = Site::new();
    site.answer();
    let engine = Engine::start_on(&site.server, "-H tcp://0.0.0.0:2375 --tls=false");
    let [good, bad] = [(&site.good, TO_GOOD[0]), (&site.bad, TO_BAD[0])];
    let reached = || [good, bad].map(|(host, at)| connection(host, at, 2375).is_some());
    assert_eq!(reached(), [true, true]);

    let said = site.run(&["apply"]).ok();
    assert!(said.contains("2375, the engine itself: closed to other hosts"), "{said}");
    assert_eq!(reached(), [false, false]);
    assert!(connection(&site.server, "127.0.0.1", 2375).is_some());
    site.wait_for(ALLOWED);

    site.configure(&["10.0.0.0/24", "2001:db8:a::/64"], "[firewall]\nengine = \"network\"\n");
    site.run(&["apply"]).ok();
    assert_eq!(reached(), [true, false]);
    // One that is stopped comes back, and its port stays guarded until then.
    drop(engine);
    site.run(&["verify"]).ok();
}

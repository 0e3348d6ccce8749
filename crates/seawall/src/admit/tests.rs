use super::*;
use crate::cli::Context;
use crate::config::{Overrides, interpret};

fn config(text: &str) -> Config {
    let context = Context {
        config_file: "/nowhere/seawall.toml".into(),
        state_dir: "/nowhere".into(),
        json: false,
    };
    interpret(text, &context, &Overrides::default()).unwrap()
}

fn from(address: &str) -> Peer {
    let address = SocketAddr::new(address.parse().unwrap(), 40_000);
    Peer { listener: Some(0), ..Peer::from(address) }
}

#[test]
fn places_are_counted_in_all_and_by_source_and_given_back() {
    let config = config("[limits]\nconnections = 5\nconnections_per_address = 2\n");
    let admission = Admission::default();
    let now = Instant::now();
    let admit = |address: &str| admission.judge(from(address), None, &config, now);
    let refused = |address: &str| admit(address).unwrap_err().limit;

    let first = admit("192.0.2.1").unwrap();
    let _second = admit("192.0.2.1").unwrap();
    let full = Some(Limit::ConnectionsPerAddress);
    assert_eq!(refused("192.0.2.1"), full);
    assert_eq!(refused("::ffff:192.0.2.1"), full, "one host, however it is written");
    let _third = admit("2001:db8::1").unwrap();
    let _fourth = admit("2001:db8::ffff:1").unwrap();
    assert_eq!(refused("2001:db8::2"), full, "one host, whichever of its addresses it uses");
    let _fifth = admit("2001:db8:0:1::1").unwrap();
    assert_eq!(refused("192.0.2.3"), Some(Limit::Connections));
    assert_eq!(admission.total(), 5);

    drop(first);
    let _again = admit("192.0.2.1").unwrap();
    assert_eq!(admission.total(), 5);
}

#[test]
fn an_address_of_no_allowed_network_is_not_counted() {
    let config = config("[network]\nallow = [\"10.0.0.0/8\"]\n");
    let admission = Admission::default();
    let refused = admission.judge(from("192.0.2.1"), None, &config, Instant::now()).unwrap_err();
    assert_eq!((refused.why, refused.limit), (RefusedConnection::Address, None));
    assert_eq!(admission.total(), 0);
    assert!(admission.known().rates.len() == 0);
}

#[test]
fn a_listener_narrows_the_networks_for_itself() {
    let config = config(
        "listen = [\"tcp://[::]:1\", \"tcp://[::]:2?allow=10.1.0.0/16\"]\n\
         [network]\nallow = [\"10.0.0.0/8\"]\n",
    );
    let admits =
        |address, listener| config.admits(&Peer { listener: Some(listener), ..from(address) });
    assert!(admits("10.1.0.1", 0) && admits("10.2.0.1", 0));
    assert!(admits("10.1.0.1", 1) && !admits("10.2.0.1", 1));
    assert!(!admits("10.1.0.1", 2), "there is no such listener");
}

#[test]
fn who_came_through_a_balancer_needs_it_to_be_one() {
    let through = Peer { balancer: Some([192, 0, 2, 9].into()), ..from("10.1.0.1") };
    assert!(!config("").admits(&through));
    let trusted = config("[network]\nproxy_protocol_from = [\"192.0.2.9\"]\n");
    assert!(trusted.admits(&through));
    let denied = "[network]\ndeny = [\"10.0.0.0/8\"]\nproxy_protocol_from = [\"192.0.2.9\"]\n";
    assert!(!config(denied).admits(&through));
}

#[test]
fn connections_of_one_source_begin_at_a_pace() {
    let config = config("[limits]\nconnection_rate = 2\n");
    let admission = Admission::default();
    let start = Instant::now();
    // Each is over at once: only how often it comes counts.
    let admit = |address: &str, now| admission.judge(from(address), None, &config, now).map(drop);
    for _ in 0..10 {
        admit("2001:db8::1", start).unwrap();
    }
    let refused = admit("2001:db8::2", start).unwrap_err();
    assert_eq!(refused.limit, Some(Limit::ConnectionRate));
    admit("2001:db8:0:1::2", start).unwrap();
    let later = start + Duration::from_millis(500);
    admit("2001:db8::2", later).unwrap();
    assert!(admit("2001:db8::2", later).is_err());
    assert_eq!(admission.total(), 0);
}

#[test]
fn who_is_banned_is_not_admitted() {
    let config = config("[network]\nban_after = 2\n");
    let admission = Admission::default();
    let admit = || admission.judge(from("192.0.2.1"), None, &config, Instant::now()).map(drop);
    let source = Source::of([192, 0, 2, 1].into());
    assert_eq!(admission.failed(source, &config), None);
    admit().unwrap();
    assert_eq!(admission.failed(source, &config), Some(config.bans.time));
    assert_eq!(admit().unwrap_err().why, RefusedConnection::Banned);
    assert_eq!(admission.bans()[0].source, source);
    admission.unban(Some(source));
    admit().unwrap();
}

//! `clients/heads.http` holds request heads as docker CLI 20.10.24 and 28.2.2 and docker-py 7.1.0
//! sent them to an engine (API 1.41), one after another; long ids are shortened. All must pass.

use seawall_rules::head::{self, Framing, HeadLimits, RequestHead, Upgrade};
use seawall_rules::target::{self, ApiVersion, Target};

fn recorded() -> Vec<(RequestHead, Target)> {
    let mut rest = &include_bytes!("clients/heads.http")[..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let limits = HeadLimits { bytes: 16 * 1024, headers: 64 };
        let (head, length) = head::parse(rest, limits).unwrap().expect("the file ends a head");
        let target = target::parse(&head.target).unwrap();
        all.push((head, target));
        rest = &rest[length..];
    }
    all
}

#[test]
fn what_real_clients_send_is_read_and_has_one_spelling() {
    let all = recorded();
    assert!(all.len() > 130);
    for (head, target) in &all {
        assert_eq!(target::parse(&target.to_string()).as_ref(), Ok(target), "{}", head.target);
        assert!(head.keep_alive && !head.user_agent().is_empty(), "{head:?}");
        assert!(target.version.is_none_or(|version| version == ApiVersion::new(1, 41)));
    }
}

#[test]
fn what_the_engine_needs_of_their_headers_is_kept() {
    let all = recorded();
    let count = |keep: &dyn Fn(&RequestHead) -> bool| all.iter().filter(|(h, _)| keep(h)).count();
    assert_eq!(count(&|head| head.upgrade == Some(Upgrade::Tcp)), 6);
    assert!(count(&|head| head.framing == Framing::Chunked) >= 4);
    assert!(count(&|head| head.forwarded("X-Registry-Auth").is_some()) >= 7);
    assert!(count(&|head| head.forwarded("X-Registry-Config").is_some()) >= 2);
    let (session, _) = all.iter().find(|(head, _)| head.upgrade == Some(Upgrade::H2c)).unwrap();
    let methods = session.forwarded.iter().filter(|(name, _)| name.ends_with("-Grpc-Method"));
    assert!(methods.count() >= 7);
    assert!(session.forwarded("X-Docker-Expose-Session-Uuid").is_some());
}

//! An archive is judged the same in whatever pieces it comes, and what goes to the engine is read
//! as itself.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use seawall_rules::content::Judge;
use seawall_rules::head::{Framing, Method, RequestHead, Version};
use seawall_rules::policy::{Permissions, Roles, judge};
use seawall_rules::target::{ApiVersion, parse};
use seawall_rules::verdict::{Refusal, Verdict};

const TARGETS: [&str; 2] = ["/v1.41/images/load", "/v1.41/images/create?fromSrc=-"];

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (import, pieces, body) = input;
    let target = TARGETS[usize::from(import)];
    let whole = judged(target, body, usize::MAX);
    assert_eq!(judged(target, body, usize::from(pieces) + 1), whole);
    if let Ok(out) = whole {
        assert_eq!(judged(target, &out, usize::MAX).as_ref(), Ok(&out));
    }
});

fn judged(target: &str, body: &[u8], pieces: usize) -> Result<Vec<u8>, Refusal> {
    let (mut judge, mut out) = (of(target), Vec::new());
    for mut piece in body.chunks(pieces) {
        while !piece.is_empty() {
            let taken = judge.push(piece, &mut out)?;
            piece = &piece[taken..];
        }
    }
    judge.finish(&mut out)?;
    Ok(out)
}

fn of(target: &str) -> Judge {
    let head = RequestHead {
        method: Method::Post,
        version: Version::Http11,
        target: target.to_owned(),
        framing: Framing::Chunked,
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: None,
        forwarded: Vec::new(),
    };
    let target = parse(target).unwrap();
    let request =
        seawall_rules::operation::recognize(head, target, ApiVersion::new(1, 40)).unwrap();
    let roles: Arc<Roles> = Roles::built_in();
    match judge(&Permissions::compile(&roles, ["developer"]), request) {
        Verdict::Allow(grant) => grant.content().unwrap(),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

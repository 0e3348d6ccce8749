//! What a client answers in a build session is judged the same in whatever pieces it comes, and
//! what goes to the engine is read as itself; so is what it has BuildKit build.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use seawall_rules::buildkit::{Message, ToEngine, in_session};
use seawall_rules::head::{Framing, Method, RequestHead, Upgrade, Version};
use seawall_rules::operation::recognize;
use seawall_rules::policy::{Permissions, Roles, Undecided, judge_if_own};
use seawall_rules::target::{ApiVersion, parse};
use seawall_rules::verdict::{Refusal, Verdict};

fuzz_target!(|input: (u8, &[u8])| {
    let (pieces, body) = input;
    let whole = judged(body, usize::MAX);
    assert_eq!(judged(body, usize::from(pieces) + 1), whole);
    if let Ok(out) = whole {
        assert_eq!(judged(&out, usize::MAX).as_ref(), Ok(&out));
    }
    for call in [ToEngine::Solve, ToEngine::SolveOfBuild, ToEngine::Status] {
        if let Ok(Some(message)) = Message::read(call, body) {
            let written = message.framed();
            let again = Message::read(call, &written).unwrap().unwrap();
            assert_eq!(again.framed(), written);
        }
    }
});

fn judged(body: &[u8], pieces: usize) -> Result<Vec<u8>, Refusal> {
    let method = "/moby.filesync.v1.FileSync/DiffCopy";
    let mut answer = in_session(method, Some("dockerfile"), &ROLES, 0)?.unwrap();
    let mut out = Vec::new();
    for piece in body.chunks(pieces) {
        answer.push(piece, &mut out)?;
    }
    answer.finish()?;
    Ok(out)
}

static ROLES: LazyLock<Undecided> = LazyLock::new(|| {
    let head = RequestHead {
        method: Method::Post,
        version: Version::Http11,
        target: "/session".to_owned(),
        framing: Framing::None,
        upgrade: Some(Upgrade::H2c),
        expect_continue: false,
        keep_alive: true,
        content_type: None,
        forwarded: Vec::new(),
    };
    let target = parse("/session").unwrap();
    let request = recognize(head, target, ApiVersion::new(1, 40)).unwrap();
    match judge_if_own(&Permissions::compile(&Roles::built_in(), ["developer"]), request) {
        Verdict::Allow(grant) => grant.session().unwrap().clone(),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
});

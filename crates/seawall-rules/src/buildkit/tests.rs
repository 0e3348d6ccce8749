//! What passes in a session, by packets as the client writes them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use super::{frame, proto};
use crate::head::{Framing, Method, RequestHead, Upgrade, Version};
use crate::operation;
use crate::policy::{self, Permissions, Roles};
use crate::target::{self, ApiVersion};
use crate::verdict::Verdict;

/// The roles that judge a session, for one with this role.
fn undecided_of(role: &str) -> Undecided {
    let text = format!("[shop]\n{role}");
    let table = toml::de::DeTable::parse(&text).unwrap();
    let roles = Arc::new(Roles::with(&[table.get_ref()], &[]).unwrap());
    let permissions = Permissions::compile(&roles, ["shop"]);
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
    let target = target::parse("/session").unwrap();
    let request = operation::recognize(head, target, ApiVersion::new(1, 40)).unwrap();
    match policy::judge(&permissions, request) {
        Verdict::Allow(grant) => grant.session().expect("it is judged").clone(),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

/// A `STAT` packet.
fn stat(path: &str, mode: u64, link: &str) -> Vec<u8> {
    let mut stat = Vec::new();
    proto::put_text(&mut stat, 1, path);
    proto::put_number(&mut stat, 2, mode);
    proto::put_number(&mut stat, 5, 7);
    proto::put_number(&mut stat, 6, 1);
    proto::put_text(&mut stat, 7, link);
    proto::put_bytes(&mut stat, 10, b"\n\x01a\x12\x01b");
    let mut packet = Vec::new();
    proto::put_bytes(&mut packet, 2, &stat);
    framed(&packet)
}

fn data(id: u64, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    proto::put_number(&mut packet, 1, 2);
    proto::put_number(&mut packet, 3, id);
    if !data.is_empty() {
        proto::put_bytes(&mut packet, 4, data);
    }
    framed(&packet)
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, packet);
    out
}

const NOW: i64 = 1_800_000_000_000_000_000;

fn folder(images: &str) -> Answer {
    let undecided =
        undecided_of(&format!("operations = [\"ImageBuild\", \"Session\"]\nimages = [{images}]"));
    in_session("/moby.filesync.v1.FileSync/DiffCopy", Some("dockerfile"), &undecided, NOW)
        .unwrap()
        .unwrap()
}

/// What of it goes on, or the rule that refuses it; however it is cut into pieces.
fn judged(images: &str, packets: &[Vec<u8>]) -> Result<Vec<u8>, &'static str> {
    let all = packets.concat();
    let by = |size: usize| {
        let mut answer = folder(images);
        let mut out = Vec::new();
        for piece in all.chunks(size) {
            answer.push(piece, &mut out).map_err(|refusal| refusal.rule)?;
        }
        answer.finish().map(|()| out).map_err(|refusal| refusal.rule)
    };
    let whole = by(all.len().max(1));
    assert_eq!(by(1), whole, "one byte at a time");
    whole
}

const FILE: u64 = 0o644;

#[test]
fn a_dockerfile_goes_on_when_it_is_whole_and_with_a_time_of_its_own() {
    let [name, piece, rest, end] =
        [stat("Dockerfile", FILE, ""), data(0, b"FROM busy"), data(0, b"box\n"), data(0, b"")];
    let mut answer = folder("\"busybox\"");
    let mut out = Vec::new();
    answer.push(&name, &mut out).unwrap();
    let mut expected = Vec::new();
    let mut expected_stat = Vec::new();
    proto::put_text(&mut expected_stat, 1, "Dockerfile");
    proto::put_number(&mut expected_stat, 2, FILE);
    proto::put_number(&mut expected_stat, 5, 7);
    proto::put_number(&mut expected_stat, 6, (NOW + 1).cast_unsigned());
    proto::put_bytes(&mut expected, 2, &expected_stat);
    assert_eq!(out, framed(&expected));
    out.clear();
    answer.push(&[piece, rest].concat(), &mut out).unwrap();
    assert_eq!(out, b"", "nothing before it is judged");
    answer.push(&end, &mut out).unwrap();
    assert_eq!(out, [data(0, b"FROM busybox\n"), data(0, b"")].concat());
    answer.finish().unwrap();
}

#[test]
fn what_is_not_judged_does_not_go_on() {
    let dockerfile =
        |text: &str| vec![stat("Dockerfile", FILE, ""), data(0, text.as_bytes()), data(0, b"")];
    for (packets, refused_by) in [
        (dockerfile("FROM busybox"), None),
        (dockerfile("FROM alpine"), Some("role.images")),
        (dockerfile("# syntax=docker/dockerfile:1\nFROM busybox"), Some("content.dockerfile")),
        (dockerfile("//Syntax = x\nFROM busybox"), Some("content.dockerfile")),
        (dockerfile("#!x\n#  syntax\t= x\nFROM busybox"), Some("content.dockerfile")),
        (dockerfile("{\"syntax\": \"x\"}"), Some("content.dockerfile")),
        (
            dockerfile("FROM busybox\nRUN --mount=type=cache,target=/x true"),
            Some("content.dockerfile"),
        ),
        (
            dockerfile("FROM busybox\nRUN --mount=type=bind,from=x,target=/x true"),
            Some("role.images"),
        ),
        (dockerfile("FROM busybox\nRUN --mount=\"target=/a b,FROM=x\" true"), Some("role.images")),
        (dockerfile("FROM busybox AS x\nRUN --mount=from=x,target=/x true"), None),
        (dockerfile("FROM busybox\nRUN --mount=type=secret,id=x true"), None),
        (vec![stat("Dockerfile", FILE | 1 << 27, "x")], Some("content.entry")),
        (vec![stat("Dockerfile", FILE, "other")], Some("content.entry")),
        (vec![stat("Dockerfile", FILE | 1 << 25, "")], Some("content.entry")),
        (vec![stat("folder", 0o755 | 1 << 31, "")], None),
        // A second file is judged as the first, and another's number is nobody's.
        (
            vec![stat("a", FILE, ""), stat("b", FILE, ""), data(1, b"FROM x"), data(1, b"")],
            Some("role.images"),
        ),
        (vec![stat("a.dockerignore", FILE, ""), data(0, b"FROM x"), data(0, b"")], None),
        (vec![data(0, b"FROM busybox")], Some("buildkit.message")),
        (vec![stat("a", FILE, ""), data(0, b""), data(0, b"FROM x")], Some("buildkit.message")),
        (
            vec![stat("a", FILE, ""), data(0, &vec![b' '; 1 << 20]), data(0, b" ")],
            Some("content.entry"),
        ),
        (vec![framed(b"\x08\x01")], Some("buildkit.message")),
        (vec![framed(b"\x28\x01")], Some("buildkit.message")),
        (vec![framed(b"\x08\x03\x08\x03")], Some("buildkit.message")),
        (vec![framed(b"\x08\x03")], None),
        (vec![b"\x01\0\0\0\0".to_vec()], Some("buildkit.message")),
        (vec![b"\0\0\0\0\x02\x08".to_vec()], Some("buildkit.message")),
    ] {
        let by = judged("\"busybox\"", &packets).err();
        assert_eq!(by, refused_by, "{}", String::from_utf8_lossy(&packets.concat()));
    }
}

#[test]
fn only_what_a_build_needs_is_called() {
    let undecided = undecided_of("operations = [\"ImageBuild\", \"Session\"]");
    for (method, folder, refused_by) in [
        ("/moby.filesync.v1.FileSync/DiffCopy", Some("context"), None),
        ("/moby.filesync.v1.FileSync/DiffCopy", Some("home"), Some("buildkit.folder")),
        ("/moby.filesync.v1.FileSync/DiffCopy", None, Some("buildkit.folder")),
        ("/moby.filesync.v1.FileSync/TarStream", Some("context"), Some("buildkit.method")),
        ("/moby.filesync.v1.Auth/Credentials", None, None),
        ("/moby.upload.v1.Upload/Pull", None, Some("buildkit.method")),
    ] {
        let call = in_session(method, folder, &undecided, NOW);
        assert_eq!(call.err().map(|refusal| refusal.rule), refused_by, "{method} {folder:?}");
    }
}

/// A message of pairs of texts in a map, and of texts.
fn message(maps: &[(u32, &str, &str)], texts: &[(u32, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, name, value) in maps {
        let mut entry = Vec::new();
        proto::put_text(&mut entry, 1, name);
        proto::put_text(&mut entry, 2, value);
        proto::put_bytes(&mut out, *field, &entry);
    }
    for (field, text) in texts {
        proto::put_bytes(&mut out, *field, text.as_bytes());
    }
    out
}

/// What a build comes down to, or the rule that refuses it.
fn asked(call: ToEngine, message: &[u8]) -> String {
    let request = Message::read(call, &framed(message)).and_then(|read| match read {
        Some(Message::Solve(solve) | Message::SolveOfBuild(solve)) => solve.as_request("s"),
        other => panic!("{other:?}"),
    });
    match request {
        Ok(request) => {
            let asks = request.facts.asks.iter();
            let asks = asks.map(|fact| fact.ask.notation());
            let asks: Vec<_> = asks.filter(|ask| !ask.ends_with("unlimited")).collect();
            asks.join(", ")
        }
        Err(refusal) => refusal.rule.to_owned(),
    }
}

#[test]
fn a_build_asks_for_what_the_docker_command_line_would_ask_for() {
    let attributes: &[(&str, &str, &str)] = &[
        ("target", "x", ""),
        ("build-arg:A", "b", ""),
        ("build-arg:BUILDKIT_INLINE_CACHE", "1", ""),
        ("build-arg:BUILDKIT_SYNTAX", "x", "escape.build-frontend"),
        ("build-arg:BUILDKIT_CACHE_MOUNT_NS", "x", "escape.build-option"),
        ("label:a", "b", ""),
        ("label:io.seawall.owner", "b", "escape.reserved-label"),
        ("force-network-mode", "host", "escape.host-network"),
        ("force-network-mode", "none", ""),
        ("cgroup-parent", "/x", "escape.cgroup-parent"),
        ("filename", "sub/Dockerfile", ""),
        ("filename", "x.dockerignore", "escape.build-option"),
        ("cache-from", "a,b:1", "image a, image b:1"),
        ("cache-imports", r#"[{"Type":"registry","Attrs":{"ref":"a"}}]"#, "image a"),
        ("cache-imports", r#"[{"Type":"local","Attrs":{"src":"/"}}]"#, "escape.build-source"),
        ("cache-imports", r#"[{"Type":"registry","attrs":{"ref":"a"}}]"#, "buildkit.message"),
        ("cache-imports", "{}", "buildkit.message"),
        ("local-sessionid:context", "s", ""),
        ("local-sessionid:context", "other", "buildkit.attribute"),
        ("context", "https://x/y.git", "escape.build-source"),
        ("context:x", "docker-image://x", "escape.build-source"),
        ("dockerfilekey", "context", "escape.build-source"),
        ("source", "docker/dockerfile", "escape.build-frontend"),
        ("cmdline", "docker/dockerfile", "escape.build-frontend"),
        ("attest:sbom", "", "buildkit.attribute"),
        ("no-such", "", "buildkit.attribute"),
    ];
    for (name, value, expected) in attributes {
        let solve = message(&[(7, name, value)], &[(1, "r"), (5, "s"), (6, "dockerfile.v0")]);
        assert_eq!(asked(ToEngine::Solve, &solve), *expected, "{name}={value}");
        let of_build = message(&[(3, name, value)], &[(2, "dockerfile.v0")]);
        assert_eq!(asked(ToEngine::SolveOfBuild, &of_build), *expected, "{name}={value}");
    }
    for (maps, texts, expected) in [
        (&[(4, "name", "a:1,b")][..], &[(3, "moby")][..], "tag a:1, tag b"),
        (&[(4, "push", "true")], &[(3, "moby")], "escape.build-output"),
        (&[(4, "push", "false")], &[(3, "image")], ""),
        (&[], &[(3, "local")], ""),
        (&[], &[(3, "oci")], "escape.build-output"),
        (&[(4, "name", "a")], &[], "escape.build-output"),
        (&[], &[(9, "network.host")], "escape.host-network"),
        (&[], &[(9, "security.insecure")], "escape.security-opt"),
        (&[], &[(9, "device")], "buildkit.entitlement"),
        (&[(7, "force-network-mode", "host")], &[(9, "network.host")], "escape.host-network"),
        (&[], &[(2, "")], ""),
        (&[], &[(2, "x")], "buildkit.definition"),
        (&[(10, "a", "b")], &[], "buildkit.message"),
        (&[], &[(12, "")], "buildkit.message"),
        (&[], &[(6, "gateway.v0")], "escape.build-frontend"),
        (&[], &[(8, "\n\x01x")], "buildkit.message"),
        (&[], &[(99, "")], "buildkit.message"),
        (&[(7, "target", "a"), (7, "target", "b")], &[], "buildkit.message"),
    ] {
        assert_eq!(asked(ToEngine::Solve, &message(maps, texts)), expected, "{maps:?} {texts:?}");
    }
}

#[test]
fn a_client_calls_only_what_a_build_needs() {
    for (method, expected) in [
        ("Control/Solve", Some(ToEngine::Solve)),
        ("Control/Status", Some(ToEngine::Status)),
        ("Control/Prune", None),
        ("Control/DiskUsage", None),
        ("Control/Session", None),
        ("Control/ListenBuildHistory", None),
        ("frontend.LLBBridge/Solve", Some(ToEngine::SolveOfBuild)),
        ("frontend.LLBBridge/Ping", Some(ToEngine::OfBuild)),
        ("frontend.LLBBridge/NewContainer", None),
        ("frontend.LLBBridge/ExecProcess", None),
        ("frontend.LLBBridge/ResolveImageConfig", None),
    ] {
        assert_eq!(ToEngine::of(&format!("/moby.buildkit.v1.{method}")).ok(), expected, "{method}");
    }
}

proptest! {
    /// What goes on is read as what was judged.
    #[test]
    fn a_message_that_goes_on_is_read_as_itself(
        frontend: bool,
        maps in prop::collection::vec((1..18_u32, "[a-c:]{0,3}", "[a-c]{0,3}"), 0..6),
        texts in prop::collection::vec((1..18_u32, "[a-c]{0,3}"), 0..6),
    ) {
        let maps: Vec<_> = maps.iter().map(|(field, name, value)| (*field, &**name, &**value)).collect();
        let texts: Vec<_> = texts.iter().map(|(field, text)| (*field, &**text)).collect();
        let call = if frontend { ToEngine::SolveOfBuild } else { ToEngine::Solve };
        if let Ok(Some(read)) = Message::read(call, &framed(&message(&maps, &texts))) {
            let written = read.framed();
            let again = Message::read(call, &written).unwrap().unwrap();
            prop_assert_eq!(again.framed(), written);
        }
    }

    #[test]
    fn bytes_are_a_message_or_refused(bytes: Vec<u8>) {
        for call in [ToEngine::Solve, ToEngine::SolveOfBuild, ToEngine::Status] {
            let _ = Message::read(call, &framed(&bytes));
            let _ = Message::read(call, &bytes);
        }
        let mut out = Vec::new();
        let _ = folder("\"*\"").push(&framed(&bytes), &mut out);
    }
}

//! What passes in a session, by packets as the client writes them.

use std::sync::Arc;

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

use std::io::Write as _;
use std::sync::Arc;

use ::tar::{Builder, EntryType, Header};
use proptest::prelude::*;

use crate::head::{Framing, Method, RequestHead, Version};
use crate::operation;
use crate::policy::{self, Permissions, Roles};
use crate::target::{self, ApiVersion};
use crate::verdict::{Refusal, Verdict};

const ROLE: &str = r#"
[shop]
operations = ["ImageBuild", "ImageCreate", "ImageLoad"]
images = ["busybox", "shop/*"]
tags = ["shop/*"]
users = ["1000"]
"#;

/// What the engine would get of `body`, sent in pieces of so many bytes.
fn judged(target: &str, body: &[u8], pieces: usize) -> Result<Vec<u8>, Refusal> {
    let table = toml::de::DeTable::parse(ROLE).unwrap();
    let roles = Arc::new(Roles::with(&[table.get_ref()], &[]).unwrap());
    let permissions = Permissions::compile(&roles, ["shop"]);
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
    let target = target::parse(target).unwrap();
    let request = operation::recognize(head, target, ApiVersion::new(1, 40)).unwrap();
    let grant = match policy::judge(&permissions, request) {
        Verdict::Allow(grant) => grant,
        Verdict::Deny(denied) => return Err(denied.1),
    };
    let mut judge = grant.content().expect("its content is judged");
    let mut out = Vec::new();
    for mut piece in body.chunks(pieces) {
        while !piece.is_empty() {
            let taken = judge.push(piece, &mut out)?;
            piece = &piece[taken..];
        }
    }
    judge.finish(&mut out)?;
    Ok(out)
}

/// Judged whole and byte by byte, which must come to the same.
fn judge(target: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let whole = judged(target, body, usize::MAX);
    assert_eq!(judged(target, body, 1), whole, "{target}");
    whole
}

const LOAD: &str = "/v1.41/images/load";
const IMPORT: &str = "/v1.41/images/create?fromSrc=-&repo=shop%2Fa&tag=1";

const BUILD: &str =
    "/v1.41/build?t=shop%2Fa&networkmode=default&memory=0&labels=%7B%7D&ulimits=null";

fn rule(result: Result<Vec<u8>, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.rule, |_| "")
}

struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn file(mut self, name: &str, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        self.0.append_data(&mut header, name, data).unwrap();
        self
    }

    fn link(mut self, kind: EntryType, name: &str, to: &str) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        self.0.append_link(&mut header, name, to).unwrap();
        self
    }

    /// A header with whatever is written into it.
    fn odd(mut self, name: &[u8], change: impl Fn(&mut Header), data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    fn pax(self, records: &[u8]) -> Self {
        self.odd(b"pax", |header| header.set_entry_type(EntryType::XHeader), records)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Name, type, link and data of every entry, as the `tar` crate reads them.
type Listed = Vec<(Vec<u8>, EntryType, Option<Vec<u8>>, Vec<u8>)>;

fn list(bytes: &[u8]) -> Listed {
    let mut archive = ::tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
        let link = entry.link_name_bytes().map(|link| link.into_owned());
        (entry.path_bytes().into_owned(), entry.header().entry_type(), link, data)
    });
    entries.collect()
}

#[test]
fn the_names_that_a_load_would_give_are_judged() {
    let manifest = |tags: &str| format!(r#"[{{"Config":"c","RepoTags":{tags},"Layers":[]}}]"#);
    let index = |annotations: &str| format!(r#"{{"manifests":[{{"annotations":{annotations}}}]}}"#);
    for (file, data, expected) in [
        ("manifest.json", manifest(r#"["shop/a:1"]"#), ""),
        ("manifest.json", manifest("null"), ""),
        ("manifest.json", manifest(r#"["shop/a:1","busybox:latest"]"#), "role.tags"),
        ("./manifest.json", manifest(r#"["busybox:latest"]"#), "role.tags"),
        // Go takes it for the same field.
        ("manifest.json", r#"[{"repotags":["busybox:1"]}]"#.to_owned(), "role.tags"),
        (
            "manifest.json",
            r#"[{"RepoTags":["shop/a:1"],"repotags":["busybox:1"]}]"#.to_owned(),
            "body.duplicate",
        ),
        ("manifest.json", r#"{"RepoTags":["shop/a:1"]}"#.to_owned(), "content.names"),
        ("manifest.json", "[] []".to_owned(), "body.syntax"),
        ("repositories", r#"{"shop/a":{"1":"id"}}"#.to_owned(), ""),
        ("repositories", r#"{"busybox":{"1":"id"}}"#.to_owned(), "role.tags"),
        ("repositories", r#"{"shop/a:1":{"2":"id"}}"#.to_owned(), "content.names"),
        ("index.json", index(r#"{"io.containerd.image.name":"docker.io/shop/a:1"}"#), ""),
        (
            "index.json",
            index(
                r#"{"io.containerd.image.name":"docker.io/shop/a:1","org.opencontainers.image.ref.name":"1"}"#,
            ),
            "",
        ),
        (
            "index.json",
            index(
                r#"{"io.containerd.image.name":"docker.io/shop/a:1","org.opencontainers.image.ref.name":"evil"}"#,
            ),
            "role.tags",
        ),
        ("index.json", index(r#"{"org.opencontainers.image.ref.name":"busybox:1"}"#), "role.tags"),
        ("blobs/manifest.json", manifest(r#"["busybox:latest"]"#), ""),
    ] {
        let archive = Archive::new().file("layer", b"x").file(file, data.as_bytes()).bytes();
        assert_eq!(rule(judge(LOAD, &archive)), expected, "{file} {data}");
    }
}

#[test]
fn nothing_names_an_image_but_the_file_that_is_read() {
    let ours = br#"[{"RepoTags":["shop/a:1"]}]"#;
    let foreign = br#"[{"RepoTags":["busybox:1"]}]"#;
    let symlink = EntryType::Symlink;
    for (archive, expected) in [
        (Archive::new().file("manifest.json", ours).file("manifest.json", ours), "content.entry"),
        (Archive::new().file("x", foreign).link(symlink, "manifest.json", "x"), "content.entry"),
        (
            Archive::new().file("x", foreign).link(EntryType::Link, "manifest.json", "x"),
            "content.entry",
        ),
        (
            Archive::new().link(symlink, "d", ".").odd(b"d/manifest.json", |_| {}, foreign),
            "content.entry",
        ),
        (Archive::new().link(symlink, "d/l", "../x/layer.tar"), ""),
        (Archive::new().link(symlink, "d/l", "../../x"), "content.entry"),
        (Archive::new().link(symlink, "l", "/etc"), "content.entry"),
        (
            Archive::new().odd(b"n", |header| header.set_entry_type(EntryType::Fifo), b""),
            "content.entry",
        ),
    ] {
        assert_eq!(rule(judge(LOAD, &archive.bytes())), expected);
    }
}

#[test]
fn what_two_readers_would_read_two_ways_is_refused() {
    let kind = |kind: EntryType| move |header: &mut Header| header.set_entry_type(kind);
    let good = Archive::new().file("a", b"data").bytes();
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    let mut behind = good.clone();
    behind.extend_from_slice(&good);
    for (what, body) in [
        ("absolute", Archive::new().odd(b"/etc/x", |_| {}, b"").bytes()),
        ("upwards", Archive::new().odd(b"a/../../x", |_| {}, b"").bytes()),
        ("hard link upwards", {
            let link = |header: &mut Header| {
                header.set_entry_type(EntryType::Link);
                header.as_old_mut().linkname[..4].copy_from_slice(b"../x");
            };
            Archive::new().odd(b"a", link, b"").bytes()
        }),
        ("sparse", Archive::new().odd(b"a", kind(EntryType::GNUSparse), b"").bytes()),
        ("pax sparse", Archive::new().pax(b"22 GNU.sparse.major=1\n").file("a", b"").bytes()),
        ("unknown type", Archive::new().odd(b"a", kind(EntryType::new(b'Z')), b"").bytes()),
        ("folder with data", Archive::new().odd(b"a", kind(EntryType::Directory), b"x").bytes()),
        ("file with a slash", Archive::new().odd(b"a/", kind(EntryType::Regular), b"x").bytes()),
        ("twice", Archive::new().pax(b"9 size=0\n9 size=9\n").file("a", b"").bytes()),
        ("no end of line", Archive::new().pax(b"9 size=0.").file("a", b"").bytes()),
        ("wrong length", Archive::new().pax(b"8 size=0\n").file("a", b"").bytes()),
        ("NUL", Archive::new().pax(b"11 path=a\0b\n").file("a", b"").bytes()),
        ("two sets", Archive::new().pax(b"").pax(b"").file("a", b"").bytes()),
        (
            "for all",
            Archive::new().odd(b"g", kind(EntryType::XGlobalHeader), b"10 path=xy\n").bytes(),
        ),
        ("checksum", flipped),
        ("behind the end", behind),
        ("cut", good[..600].to_vec()),
        ("cut in a header", good[..100].to_vec()),
        ("number", {
            let wrong = |header: &mut Header| header.as_old_mut().mtime[..2].copy_from_slice(b"9x");
            Archive::new().odd(b"a", wrong, b"").bytes()
        }),
    ] {
        assert_eq!(rule(judge(IMPORT, &body)), "content.tar", "{what}");
    }
}

#[test]
fn what_passes_is_read_as_it_was_and_written_one_way() {
    let long = format!("{}/{}", "d".repeat(150), "n".repeat(250));
    let body = Archive::new()
        .file("./a//b/./c", b"one")
        .file(&long, &[7; 1000])
        .file("BZh91AY&SY", b"")
        .link(EntryType::Symlink, "s", &format!("/{long}"))
        .link(EntryType::Link, "h", &long)
        .pax(b"30 SCHILY.xattr.user.mine=yes\n25 mtime=1700000000.1234\n")
        .odd(b"x", |_| {}, b"x")
        .odd(b"console", |header| header.set_entry_type(EntryType::Char), b"")
        .bytes();
    let out = judge(IMPORT, &body).unwrap();
    let names: Vec<_> = list(&out).into_iter().map(|(name, ..)| name).collect();
    let expected: [&[u8]; 7] =
        [b"a/b/c", long.as_bytes(), b"BZh91AY&SY", b"s", b"h", b"x", b"console"];
    assert_eq!(names, expected);
    assert_eq!(list(&out)[3].2.as_deref(), Some(format!("/{long}").as_bytes()));
    assert_eq!(list(&out)[4].2.as_deref(), Some(long.as_bytes()));
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains(" SCHILY.xattr.user.mine=yes\n") && text.contains("mtime=1700000000."));
    assert_eq!(judge(IMPORT, &out).unwrap(), out, "what is written is read as itself");
    // Written as the first, the name would make the engine run bzip2.
    let first = judge(IMPORT, &Archive::new().odd(b"./BZh91AY&SY", |_| {}, b"").bytes()).unwrap();
    assert!(first.starts_with(b"pax\0") && list(&first)[0].0 == b"BZh91AY&SY");
}

#[test]
fn the_storage_drivers_own_attributes_go_nowhere() {
    let record = b"43 SCHILY.xattr.trusted.overlay.redirect=/\n";
    let out = judge(IMPORT, &Archive::new().pax(record).file("a", b"").bytes()).unwrap();
    assert_eq!(out, judge(IMPORT, &Archive::new().file("a", b"").bytes()).unwrap());
}

#[test]
fn an_end_comes_only_when_the_body_has_ended() {
    let body = Archive::new().file("a", b"data").bytes();
    // Without its end, as some programs leave it.
    let short = &body[..1024];
    assert_eq!(judge(IMPORT, short).unwrap(), judge(IMPORT, &body).unwrap());
    assert!(judge(IMPORT, &body).unwrap().ends_with(&[0; 1024]));
    assert_eq!(judge(IMPORT, b"").unwrap(), b"");
}

#[test]
fn what_a_build_reaches_for_is_judged() {
    let ours = b"FROM busybox".as_slice();
    let foreign = b"FROM alpine".as_slice();
    let given = format!("{BUILD}&dockerfile=a%2FD");
    for (target, archive, expected) in [
        (BUILD, Archive::new().file("./Dockerfile", ours).file("a", foreign), ""),
        (BUILD, Archive::new().file("Dockerfile", foreign), "role.images"),
        (BUILD, Archive::new().file("dockerfile", foreign), "role.images"),
        (BUILD, Archive::new().file("a", foreign), "content.dockerfile"),
        (BUILD, Archive::new().file("Dockerfile", ours).file("Dockerfile", ours), "content.entry"),
        (
            BUILD,
            Archive::new().file("a", foreign).link(EntryType::Symlink, "Dockerfile", "a"),
            "content.entry",
        ),
        (&given, Archive::new().file("Dockerfile", foreign).file("a/D", ours), ""),
        (&given, Archive::new().file("Dockerfile", ours).file("a/D", foreign), "role.images"),
        (
            &given,
            Archive::new().file("b/D", foreign).link(EntryType::Symlink, "a", "b"),
            "content.dockerfile",
        ),
        (
            &format!("{BUILD}&dockerfile=..%2FDockerfile"),
            Archive::new().file("Dockerfile", ours),
            "content.dockerfile",
        ),
    ] {
        assert_eq!(rule(judge(target, &archive.bytes())), expected, "{target}");
    }
    assert_eq!(rule(judged("/v1.41/build?t=busybox", b"", 1)), "role.tags");
    assert_eq!(rule(judged("/v1.41/build?cachefrom=%5B%22alpine%22%5D", b"", 1)), "role.images");
    assert_eq!(rule(judged("/v1.41/build?networkmode=mine", b"", 1)), "role.networks");
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_compressed_archive_goes_on_plain() {
    let body = Archive::new().file("a", &[b'a'; 300_000]).file("b", b"other").bytes();
    let plain = judge(IMPORT, &body).unwrap();
    let (first, second) = body.split_at(150_000);
    for (what, compressed) in [
        ("gzip", gzip(&body)),
        ("members of gzip", [gzip(first), gzip(second)].concat()),
        ("zstd", zstd(&body)),
        ("frames of zstd", [zstd(first), zstd(second)].concat()),
    ] {
        assert!(compressed.len() < body.len() / 2, "{what}");
        assert_eq!(judge(IMPORT, &compressed).unwrap(), plain, "{what}");
        let cut = &compressed[..compressed.len() - 3];
        assert!(judge(IMPORT, cut).is_err(), "{what}, cut short");
        let mut wrong = compressed.clone();
        let near_the_end = wrong.len() - 6;
        wrong[near_the_end] ^= 0x55;
        assert!(judge(IMPORT, &wrong).is_err(), "{what}, with a wrong byte");
    }
    for start in [b"BZh91AY&SY".as_slice(), b"\xfd7zXZ\0\0\x04\xe6\xd6", b"P*M\x18\0\0\0\0\0\0"] {
        assert_eq!(rule(judge(IMPORT, start)), "content.compression");
    }
}

#[test]
fn an_archive_does_not_grow_beyond_measure() {
    let mut body = Archive::new().0;
    let mut header = Header::new_gnu();
    header.set_size(1 << 30);
    body.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 1 << 20))
        .unwrap();
    let start = body.into_inner().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&start[..512]).unwrap();
    for _ in 0..300 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert_eq!(rule(judged(IMPORT, &bomb, usize::MAX)), "content.ratio");
}

#[test]
fn what_an_import_says_of_its_image_is_judged() {
    let change = |line: &str| {
        let line: String = line.bytes().map(|byte| format!("%{byte:02X}")).collect();
        rule(judge(&format!("{IMPORT}&changes={line}"), b""))
    };
    for (line, expected) in [
        ("ENV A=b", ""),
        ("cmd [\"sh\"]", ""),
        ("LABEL a=b c=\"d e\"", ""),
        ("USER 1000", ""),
        ("USER 0", "role.users"),
        ("WORKDIR /srv", ""),
        ("WORKDIR /proc/self/fd/7", "escape.working-dir"),
        ("WORKDIR $A", "escape.image-change"),
        ("LABEL io.seawall.owner=x", "escape.reserved-label"),
        ("LABEL a=b \"io.sea\"wall.owner=x", "escape.reserved-label"),
        ("LABEL $A=x", "escape.reserved-label"),
        ("ONBUILD RUN x", "escape.image-change"),
        ("FROM busybox", "escape.image-change"),
        ("ENV A=b\nLABEL io.seawall.owner=x", "escape.image-change"),
        ("ENV A=b \\", "escape.image-change"),
        ("# escape=`", "escape.image-change"),
    ] {
        assert_eq!(change(line), expected, "{line:?}");
    }
    let foreign = "/v1.41/images/create?fromSrc=-&repo=busybox";
    assert_eq!(rule(judged(foreign, b"", 1)), "role.tags");
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_come_to_the_same(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        at in 0..1500_usize, pieces in 1..700_usize,
    ) {
        let mut body = Archive::new().file("a", b"data").file("b/c", &[1; 600]).bytes();
        let end = body.len().min(at + bytes.len() % 7);
        body.splice(at..end, bytes.iter().copied().take(end - at));
        for body in [body, bytes] {
            let whole = judged(IMPORT, &body, usize::MAX);
            prop_assert_eq!(&judged(IMPORT, &body, pieces), &whole);
            if let Ok(out) = whole {
                prop_assert_eq!(judged(IMPORT, &out, usize::MAX).unwrap(), out);
            }
        }
    }

    #[test]
    fn an_archive_holds_afterwards_what_it_held(
        files in proptest::collection::vec(("[a-z]{1,60}(/[a-z.]{1,90}x){0,3}", 0..1500_usize), 0..8),
        pieces in 1..2000_usize,
    ) {
        let archive = files.iter().fold(Archive::new(), |archive, (name, size)| {
            archive.file(name, &vec![b'x'; *size])
        });
        let body = archive.bytes();
        let out = judged(IMPORT, &body, pieces).unwrap();
        let kinds = |listed: Listed| -> Vec<_> {
            listed.into_iter().map(|(name, _, link, data)| (name, link, data)).collect()
        };
        prop_assert_eq!(kinds(list(&out)), kinds(list(&body)));
    }
}

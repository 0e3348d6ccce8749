use proptest::prelude::*;

use super::*;

/// The canonical spelling, or the rule that refused.
fn check(raw: &str, expected: &str) {
    let got = match parse(raw) {
        Ok(target) => target.to_string(),
        Err(refusal) => {
            assert!(refusal.reason.len() < 200, "{raw}: {}", refusal.reason);
            refusal.rule.to_owned()
        }
    };
    assert_eq!(got, expected, "{raw}");
}

#[test]
fn what_clients_send_has_one_spelling() {
    let cases = [
        // docker CLI 20.10 and 28, seen on the wire
        ("/_ping", "/_ping"),
        ("/v1.41/containers/json?all=1&limit=0", "/v1.41/containers/json?all=1&limit=0"),
        (
            "/v1.41/events?filters=%7B%22type%22%3A%7B%22container%22%3Atrue%7D%7D",
            "/v1.41/events?filters=%7B%22type%22:%7B%22container%22:true%7D%7D",
        ),
        (
            "/v1.49/images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=latest",
            "/v1.49/images/create?fromImage=docker.io/library/busybox&tag=latest",
        ),
        (
            "/v1.41/images/registry:5000/a/b:tag/push?tag=",
            "/v1.41/images/registry:5000/a/b:tag/push?tag=",
        ),
        (
            "/v1.41/distribution/docker.io/library/busybox/json",
            "/v1.41/distribution/docker.io/library/busybox/json",
        ),
        // docker-py: `quote(name, safe="/:")`, so only `@` is escaped
        ("/v1.41/images/a/b%40sha256:0123/json", "/v1.41/images/a/b@sha256:0123/json"),
        // bollard: `?` even when the query is empty
        ("/v1.41/containers/json?", "/v1.41/containers/json"),
        // clients that escape the whole name (dockerode, gesellix): the engine splits there too
        (
            "/v1.41/images/registry%3A5000%2Fa%2Fb%3Atag/json",
            "/v1.41/images/registry:5000/a/b:tag/json",
        ),
        // curl by hand
        (
            r#"/containers/json?filters={"id":["a"]}"#,
            "/containers/json?filters=%7B%22id%22:%5B%22a%22%5D%7D",
        ),
        (
            "/v1.41/containers/x/archive?path=%2Fa+b%2Bc",
            "/v1.41/containers/x/archive?path=/a%20b%2Bc",
        ),
        ("/containers/json?all&size=&&x=a=b&", "/containers/json?all=&size=&x=a%3Db"),
        ("/commit?comment=a%0Ab%3Bc", "/commit?comment=a%0Ab%3Bc"),
        ("/", "/"),
        ("/v1.41", "/v1.41"),
        ("/volumes/a+b", "/volumes/a%2Bb"),
        ("/volumes/%E2%82%AC%252F", "/volumes/%E2%82%AC%252F"),
    ];
    for (raw, printed) in cases {
        check(raw, printed);
        check(printed, printed);
    }
}

/// Each line is a target the engine (20.10.24) was sent raw. What it did with it is in the
/// comment; everything it redirects, forgives or reads twice is refused here.
#[test]
fn what_the_engine_forgives_is_refused() {
    let cases = [
        // 301 to the clean path
        ("//containers/json", "target.slash"),
        ("/v1.41//containers/json", "target.slash"),
        ("/containers//json", "target.slash"),
        ("/./containers/json", "target.dots"),
        ("/x/../containers/json", "target.dots"),
        ("/%2e%2e/containers/json", "target.dots"),
        ("/%2E/containers/json", "target.dots"),
        ("/x/..%2fcontainers/json", "target.dots"),
        ("*", "target.form"),
        // 200: an escaped slash is a slash, an escaped version a version
        ("/v1.41%2Fcontainers/json", "target.version"),
        ("/%76%31.41/containers/json", "target.version"),
        ("/v1%2e41/containers/json", "target.version"),
        ("/%2Fcontainers/json", "target.slash"),
        // 404, or a 400 about the version
        ("/containers/json/", "target.slash"),
        ("/networks/", "target.slash"),
        ("/v1.41/", "target.slash"),
        ("/containers/json;x=1", "target.character"),
        ("/containers/json%3Bx=1", "target.character"),
        ("/containers/json%00", "target.character"),
        ("/containers/json%0a", "target.character"),
        ("/containers/json%C2%85", "target.character"),
        ("/containers/json#frag", "target.character"),
        ("/containers/json?a=1#frag", "target.character"),
        ("/containers\\json", "target.character"),
        ("/containers%5Cjson", "target.character"),
        ("/V1.41/containers/json", "target.version"),
        ("/v1.41/v1.41/containers/json", "target.version"),
        ("/v1/containers/json", "target.version"),
        ("/v1..41/containers/json", "target.version"),
        ("/v.1.41/containers/json", "target.version"),
        ("/v1.41.1/containers/json", "target.version"),
        ("/v1.041/containers/json", "target.version"),
        ("/v01.41/containers/json", "target.version"),
        ("/v1.+1/containers/json", "target.version"),
        ("/v1.99999999999/containers/json", "target.version"),
        ("/v-1/containers/json", "target.version"),
        ("/v/containers/json", "target.version"),
        ("/v1.41%20/containers/json", "target.version"),
        // 200: scheme and host ignored
        ("http://evil/v1.41/containers/json", "target.form"),
        ("unix:///containers/json", "target.form"),
        ("docker:/containers/json", "target.form"),
        ("evil:2376", "target.form"),
        // 400
        ("containers/json", "target.form"),
        ("", "target.form"),
        ("/%zz", "target.escape"),
        ("/%2", "target.escape"),
        ("/%", "target.escape"),
        ("/%+1", "target.escape"),
        // read differently by one parser or another
        ("/containers/%FF/json", "target.escape"),
        ("/containers/%C0%AF/json", "target.escape"),
        ("/containers/\u{e9}/json", "target.character"),
        ("/containers/a b/json", "target.character"),
        ("/containers/a|b/json", "target.character"),
        ("/build?a=1;b=2", "target.character"),
        ("/build?a=%zz", "target.escape"),
        ("/build?a=%ff", "target.escape"),
        ("/build?a=%00", "target.query"),
        ("/build?%0a=1", "target.query"),
        ("/build?=1", "target.query"),
        ("/build?a=\u{e9}", "target.character"),
        // Podman: the slash stays inside the segment there
        ("/libpod/images/a%2Fb/json", "target.escape"),
        ("/v1.41/libpod/images/a%2fb/json", "target.escape"),
        ("/v1.41/libpod/_ping", "target.version"),
        ("/v5.0/libpod/_ping", "target.version"),
        ("/v5.0.0.0/libpod/_ping", "target.version"),
        ("/v5.0.00/libpod/_ping", "target.version"),
        ("/v5.0.0-dev/libpod/_ping", "target.version"),
        ("/v5.0.0/%6Cibpod/_ping", "target.version"),
        ("/v5.0.0/libpod", "target.version"),
        ("/v5.0.0/containers/json", "target.version"),
    ];
    for (raw, rule) in cases {
        check(raw, rule);
    }
}

#[test]
fn a_release_of_podman_stands_before_its_own_api() {
    let target = parse("/v4.3.1/libpod/images/a/b/json?x=1").unwrap();
    assert_eq!((target.version, target.release), (None, Some(Release([4, 3, 1]))));
    assert_eq!(target.segments, ["libpod", "images", "a", "b", "json"]);
    assert_eq!(target.to_string(), "/v4.3.1/libpod/images/a/b/json?x=1");
    assert_eq!(parse("/libpod/_ping").unwrap().release, None);
}

/// Names that route words hide in stay plain segments: the whole template decides, elsewhere.
#[test]
fn segments_are_kept_apart() {
    let target =
        parse("/v1.41/images/create/json/json?fromImage=a&fromImage=b&FromImage=c").unwrap();
    assert_eq!(target.version, Some(ApiVersion::new(1, 41)));
    assert_eq!(target.segments, ["images", "create", "json", "json"]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        target.query,
        [pair("fromImage", "a"), pair("fromImage", "b"), pair("FromImage", "c")]
    );
}

#[test]
fn neither_the_record_nor_the_debug_form_shows_query_values() {
    assert_eq!(for_record(b"/build;x?buildargs=SECRET"), "/build;x?...");
    assert_eq!(for_record(b"/a\x1b[2J"), r"/a\x1b[2J");
    let long = for_record(format!("/{}?a", "a".repeat(9000)).as_bytes());
    assert_eq!(long.len(), 256);
    assert!(long.ends_with("...?..."));
    let target = parse("/v1.41/build?buildargs=SECRET").unwrap();
    assert_eq!(format!("{target:?}"), "/v1.41/build?buildargs=***");
    for bad in ["x?a=SECRET", "/\\?a=SECRET", "/a?b=SECRET;", "/a?b=SECRET%00"] {
        let reason = parse(bad).unwrap_err().reason;
        assert!(!reason.contains("SECRET"), "{reason}");
    }
}

prop_compose! {
    fn any_target()(
        version in proptest::option::of((0_u16..3, 0_u16..70)),
        segments in proptest::collection::vec("[^\\p{Cc}/\\\\;]{1,12}", 0..6),
        query in proptest::collection::vec(("[^\\p{Cc}]{1,8}", "[^\0]{0,12}"), 0..5),
    ) -> Target {
        let segments: Vec<String> =
            segments.into_iter().filter(|segment| segment != "." && segment != "..").collect();
        let versioned = segments.first().is_some_and(|first| looks_like_version(first));
        Target {
            version: version.map(|(major, minor)| ApiVersion::new(major, minor)),
            release: None,
            segments: if versioned { Vec::new() } else { segments },
            query,
        }
    }
}

proptest! {
    #[test]
    fn printing_and_parsing_gives_the_same_target(target in any_target()) {
        prop_assert_eq!(parse(&target.to_string()), Ok(target));
    }

    #[test]
    fn canonical_spelling_is_a_fixed_point(raw in "/(v1\\.4[0-9]/)?([a-z.%2Fe/:@+]|%[0-9A-F]{2}|\\PC){0,24}(\\?([a-z=&+;%]|%[0-9A-F]{2}|\\PC){0,16})?") {
        if let Ok(target) = parse(&raw) {
            let printed = target.to_string();
            prop_assert_eq!(parse(&printed), Ok(target.clone()));
            prop_assert!(target.segments.iter().all(|s| !matches!(s.as_str(), "" | "." | "..")));
        }
    }

    #[test]
    fn nothing_panics(raw: String, bytes: Vec<u8>) {
        let _ = parse(&raw);
        let _ = parse(&format!("/{raw}"));
        prop_assert!(for_record(&bytes).len() <= 256);
    }
}

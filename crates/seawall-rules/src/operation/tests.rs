//! Recognition and the canonical head, by table and by property.

use proptest::prelude::*;

use super::{BodyKind, BodySeen, Class, Operation, Request, UpgradeKind, recognize};
use crate::head::{self, Framing, HeadLimits, Method, RequestHead, Upgrade, Version};
use crate::target::{self, ApiVersion};
use crate::verdict::Refusal;

const JSON: Option<&str> = Some("application/json");

fn head(method: Method, target: &str) -> RequestHead {
    RequestHead {
        method,
        version: Version::Http11,
        target: target.to_owned(),
        framing: Framing::None,
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: None,
        forwarded: Vec::new(),
    }
}

fn with_body(method: Method, target: &str, content_type: Option<&str>) -> RequestHead {
    RequestHead {
        framing: Framing::Length(2),
        content_type: content_type.map(str::to_owned),
        ..head(method, target)
    }
}

fn attempt(head: RequestHead) -> Result<Request, Refusal> {
    let target = target::parse(&head.target)?;
    recognize(head, target, ApiVersion::new(1, 40)).map_err(|(_, refusal)| refusal)
}

fn accept(head: RequestHead) -> Request {
    let shown = format!("{head:?}");
    attempt(head).unwrap_or_else(|refusal| panic!("{shown}: {refusal}"))
}

fn rule(head: RequestHead) -> &'static str {
    let shown = format!("{head:?}");
    match attempt(head) {
        Ok(request) => panic!("{shown} is {:?}", request.route.operation),
        Err(refusal) => refusal.rule,
    }
}

#[test]
fn a_request_is_the_operation_whose_whole_template_it_fits() {
    use Method::{Delete, Get, Head, Post, Put};
    use Operation::*;
    // The names `json`, `create`, `get` are legal for objects; docker-api.md section 4.
    let cases: &[(Method, &str, Operation, &[&str])] = &[
        (Get, "/_ping", SystemPing, &[]),
        (Head, "/_ping", SystemPingHead, &[]),
        (Get, "/v1.41/containers/json", ContainerList, &[]),
        (Get, "/containers/json", ContainerList, &[]),
        (Get, "/v1.41/containers/json/json", ContainerInspect, &["json"]),
        (Get, "/v1.41/containers/web/archive?path=/etc", ContainerArchive, &["web"]),
        (Head, "/v1.41/containers/web/archive?path=/etc", ContainerArchiveInfo, &["web"]),
        (Put, "/v1.41/containers/web/archive?path=/etc", PutContainerArchive, &["web"]),
        (Post, "/v1.41/containers/create/start", ContainerStart, &["create"]),
        (Post, "/v1.41/containers/prune/stop", ContainerStop, &["prune"]),
        (Delete, "/v1.41/containers/json", ContainerDelete, &["json"]),
        (Delete, "/v1.41/containers/web/db?link=1", ContainerDelete, &["web/db"]),
        (Delete, "/v1.41/containers/a/checkpoints/b", CheckpointDelete, &["a", "b"]),
        (Get, "/v1.41/images/json", ImageList, &[]),
        (Get, "/v1.41/images/json/json", ImageInspect, &["json"]),
        (Get, "/v1.41/images/get?names=a&names=b", ImageGetAll, &[]),
        (Get, "/v1.41/images/get/get", ImageGet, &["get"]),
        (Get, "/v1.41/images/a/b/c:1/json", ImageInspect, &["a/b/c:1"]),
        (Get, "/v1.41/images/a%2Fb%2Fc:1/json", ImageInspect, &["a/b/c:1"]),
        (Get, "/v1.41/images/a/json/get", ImageGet, &["a/json"]),
        (
            Get,
            "/v1.41/images/localhost:5000/a@sha256:0/history",
            ImageHistory,
            &["localhost:5000/a@sha256:0"],
        ),
        (Post, "/v1.41/images/create/push", ImagePush, &["create"]),
        (Post, "/v1.41/images/create?fromImage=a", ImageCreate, &[]),
        (Delete, "/v1.41/images/a/b", ImageDelete, &["a/b"]),
        (Get, "/v1.41/distribution/a/b/json", DistributionInspect, &["a/b"]),
        (Post, "/v1.41/plugins/vieux/sshfs:1/enable?timeout=0", PluginEnable, &["vieux/sshfs:1"]),
        (Get, "/v1.41/plugins/privileges?remote=a", GetPluginPrivileges, &[]),
        (Get, "/v1.41/swarm", SwarmInspect, &[]),
        (Get, "/v4.3.1/libpod/containers/json", ContainerListLibpod, &[]),
        (Get, "/libpod/containers/json/json", ContainerInspectLibpod, &["json"]),
        (Delete, "/v4.3.1/libpod/images/a/b:c", ImageDeleteLibpod, &["a/b:c"]),
        (Delete, "/v4.3.1/libpod/images/remove", ImageDeleteAllLibpod, &[]),
        (Get, "/v4.3.1/libpod/images/a/json/history", ImageHistoryLibpod, &["a/json"]),
        (Post, "/v4.3.1/libpod/containers/a/attach", ContainerAttachLibpod, &["a"]),
        (Delete, "/debug/pprof/profile?seconds=999", Debug, &[]),
    ];
    for &(method, target, operation, params) in cases {
        let request = accept(head(method, target));
        assert_eq!(request.route.operation, operation, "{target}");
        assert_eq!(request.params, params, "{target}");
    }
}

#[test]
fn what_fits_no_template_is_refused() {
    use Method::{Delete, Get, Head, Post, Put};
    for (method, target, expected) in [
        (Get, "/", "route.unknown"),
        (Get, "/v1.41", "route.unknown"),
        (Get, "/v1.41/containers", "route.unknown"),
        (Get, "/v1.41/Containers/json", "route.unknown"),
        (Get, "/v1.41/containers/a/b/json", "route.unknown"),
        (Get, "/v1.41/exec/a/b/json", "route.unknown"),
        (Get, "/v1.41/images//json", "target.slash"),
        (Get, "/v1.41/images/history", "route.unknown"),
        (Get, "/v1.41/plugins/json", "route.unknown"),
        (Get, "/v1.41/networks/", "target.slash"),
        (Post, "/v1.41/containers/web/copy", "route.unknown"),
        (Get, "/latest/containers/json", "route.unknown"),
        (Post, "/v1.41/containers/json", "route.method"),
        (Head, "/v1.41/containers/json", "route.method"),
        (Head, "/v1.41/version", "route.method"),
        (Put, "/v1.41/containers/web/start", "route.method"),
        (Delete, "/v1.41/swarm", "route.method"),
        (Get, "/v1.41/v1.41/info", "target.version"),
    ] {
        let head = head(method, target);
        let refused = attempt(head.clone()).map(|request| request.route.operation);
        match refused {
            Err(refusal) => assert_eq!(refusal.rule, expected, "{target}: {refusal}"),
            Ok(operation) => panic!("{target} is {operation:?}"),
        }
    }
}

#[test]
fn a_refusal_names_the_method_or_the_nearest_path() {
    for (method, target, expected) in [
        (
            Method::Get,
            "/v1.41/containers/web/stop",
            "`/containers/web/stop` takes POST, not GET [rule route.method]",
        ),
        (
            Method::Get,
            "/v1.41/containers/jsn",
            "the path `/containers/jsn` is no known operation; the nearest known one is \
             `/containers/json` [rule route.unknown]",
        ),
        (
            Method::Get,
            "/v1.41/imges/json",
            "the path `/imges/json` is no known operation; the nearest known one is \
             `/images/json` [rule route.unknown]",
        ),
        (
            Method::Get,
            "/v1.41/kubernetes",
            "the path `/kubernetes` is no known operation [rule route.unknown]",
        ),
    ] {
        let refusal = attempt(head(method, target)).expect_err(target);
        assert_eq!(refusal.to_string(), expected);
    }
}

#[test]
fn the_version_is_at_least_the_floor_and_as_new_as_the_engine_likes() {
    for (target, expected) in [
        ("/v1.39/info", Some("version.floor")),
        ("/v0.99/info", Some("version.floor")),
        ("/v1.40/info", None),
        ("/v1.99/info", None),
        ("/v2.0/info", Some("version.unknown")),
        ("/info", None),
        ("/v1.54/images/a/attestations", Some("route.version")),
        ("/v1.55/images/a/attestations", None),
        ("/images/a/attestations", None),
    ] {
        let found = attempt(head(Method::Get, target)).err().map(|refusal| refusal.rule);
        assert_eq!(found, expected, "{target}");
    }
    let refusal = attempt(head(Method::Get, "/v1.39/info")).expect_err("below the floor");
    assert_eq!(
        refusal.reason,
        "client version 1.39 is too old: this gate takes API version 1.40 or newer (`min_api`)"
    );
}

#[test]
fn query_keys_are_single_or_repeatable_and_never_spelled_otherwise() {
    for (target, expected) in [
        ("/containers/json?all=1&limit=2", None),
        ("/containers/json?all=1&all=0", Some("query.repeated")),
        ("/containers/json?All=1", Some("query.case")),
        ("/containers/json?filter%C5%BF=1", Some("query.case")),
        ("/containers/json?novel=1&novel=2", Some("query.repeated")),
        ("/images/get?names=a&names=b&names=a", None),
        ("/system/df?type=image&type=volume", None),
    ] {
        let found = attempt(head(Method::Get, target)).err().map(|refusal| refusal.rule);
        assert_eq!(found, expected, "{target}");
    }
    let request = accept(head(Method::Get, "/containers/json?novel=1&all=1&new=2"));
    assert_eq!(request.unknown, ["novel", "new"]);

    let many = |count| {
        let pairs: Vec<_> = (0..count).map(|n| format!("k{n}=")).collect();
        head(Method::Get, &format!("/containers/json?{}", pairs.join("&")))
    };
    assert_eq!(accept(many(16)).unknown.len(), 16);
    assert_eq!(rule(many(17)), "query.too-many");
}

#[test]
fn fields_of_the_body_in_the_query_end_at_the_gate() {
    let create = "/containers/create?Env=TOKEN%3Ds3cret&name=web&Env=a&HostConfig=%7B%7D";
    let request = accept(with_body(Method::Post, create, JSON));
    assert_eq!(request.target.to_string(), "/containers/create?name=web");
    assert!(request.unknown.is_empty());
    assert_eq!(rule(with_body(Method::Post, "/containers/create?Name=a", JSON)), "query.case");
    assert_eq!(accept(head(Method::Get, "/containers/json?Env=a")).unknown, ["Env"]);
}

#[test]
fn forms_are_refused_on_every_operation_with_and_without_a_body() {
    for operation in Operation::ALL {
        let route = operation.route();
        if route.class == Class::Closed {
            continue;
        }
        let path = route.template.replace("{name...}", "n").replace(['{', '}'], "");
        for form in ["application/x-www-form-urlencoded", "multipart/form-data", "multipart/mixed"]
        {
            let full = with_body(route.method, &path, Some(form));
            let empty = RequestHead { framing: Framing::None, ..full.clone() };
            assert_eq!(rule(full), "body.form", "{operation:?}");
            assert_eq!(rule(empty), "body.form", "{operation:?}");
        }
    }
}

#[test]
fn a_body_is_taken_only_where_the_row_has_one() {
    use Method::{Delete, Get, Post, Put};
    let tar = Some("application/x-tar");
    let text = Some("text/plain");
    for (method, target, media, expected) in [
        (Get, "/info", JSON, Some("body.unexpected")),
        (Delete, "/containers/web", JSON, Some("body.unexpected")),
        (Post, "/containers/web/start", JSON, Some("body.unexpected")),
        // docker-modem says the query again.
        (Post, "/containers/web/stop?t=5", JSON, None),
        (Post, "/containers/web/stop?t=5", text, Some("body.media-type")),
        (Post, "/containers/web/stop?t=5", None, Some("body.media-type")),
        (Post, "/containers/create", JSON, None),
        (Post, "/containers/create", text, Some("body.media-type")),
        (Post, "/containers/create", None, Some("body.media-type")),
        (Post, "/commit?container=web", JSON, None),
        (Post, "/images/load", tar, None),
        (Post, "/images/load", None, None),
        (Put, "/containers/web/archive?path=/", text, None),
        (Post, "/build", tar, None),
    ] {
        let found = attempt(with_body(method, target, media)).err().map(|refusal| refusal.rule);
        assert_eq!(found, expected, "{target} {media:?}");
    }
    for (method, target, expected) in [
        (Post, "/containers/create", Some("body.missing")),
        (Post, "/exec/e/start", Some("body.missing")),
        (Post, "/commit?container=web", None),
        (Post, "/images/create?fromImage=a", None),
        (Post, "/containers/web/attach", None),
    ] {
        // bollard sends a media type with everything, the CLI `text/plain` with nothing.
        for media in [None, JSON, text] {
            let head = RequestHead { framing: Framing::None, ..with_body(method, target, media) };
            let found = attempt(head).err().map(|refusal| refusal.rule);
            assert_eq!(found, expected, "{target} {media:?}");
        }
    }
}

#[test]
fn a_body_the_engine_does_not_read_ends_at_the_gate() {
    let request = accept(with_body(Method::Post, "/containers/web/stop?t=5", JSON));
    assert_eq!(request.route.body, BodyKind::Ignored);
    assert_eq!(
        written(&request, Framing::None, true),
        ["POST /containers/web/stop?t=5 HTTP/1.1", "Host: docker", "Content-Length: 0",]
    );
}

#[test]
fn an_upgrade_is_asked_for_only_where_the_row_has_it() {
    use Upgrade::{H2c, Tcp, Websocket};
    let exec = "/exec/e/start";
    for (target, asked, expected) in [
        ("/containers/web/attach", Some(Tcp), Ok(Some(Tcp))),
        ("/containers/web/attach", None, Ok(None)),
        ("/containers/web/attach", Some(H2c), Err("upgrade.unexpected")),
        ("/containers/web/attach", Some(Websocket), Err("upgrade.unexpected")),
        (exec, Some(Tcp), Ok(Some(Tcp))),
        (exec, Some(H2c), Err("upgrade.unexpected")),
        ("/session", Some(H2c), Ok(Some(H2c))),
        ("/session", Some(Tcp), Err("upgrade.unexpected")),
        ("/session", None, Err("upgrade.missing")),
        ("/grpc", Some(H2c), Ok(Some(H2c))),
        ("/grpc", None, Err("upgrade.missing")),
        ("/containers/web/stop", Some(Tcp), Err("upgrade.unexpected")),
        ("/containers/web/stop", Some(Websocket), Err("upgrade.unexpected")),
        // Ignored, as the engine ignores it: Java and curl ask on every cleartext connection.
        ("/containers/web/stop", Some(H2c), Ok(None)),
    ] {
        let body = if target == exec { JSON } else { None };
        let framing = if target == exec { Framing::Length(2) } else { Framing::None };
        let head = RequestHead { upgrade: asked, framing, ..with_body(Method::Post, target, body) };
        let found = attempt(head).map(|request| request.upgrade).map_err(|refusal| refusal.rule);
        assert_eq!(found, expected, "{target} {asked:?}");
    }
    let ws = |upgrade| RequestHead {
        upgrade,
        ..head(Method::Get, "/containers/web/attach/ws?stream=1")
    };
    assert_eq!(accept(ws(Some(Websocket))).upgrade, Some(Websocket));
    assert_eq!(rule(ws(None)), "upgrade.missing");
}

fn written(request: &Request, framing: Framing, keep_alive: bool) -> Vec<String> {
    let mut out = Vec::new();
    request.write_head(framing, keep_alive, &mut out);
    let text = String::from_utf8(out).expect("ASCII");
    let head = text.strip_suffix("\r\n\r\n").expect("the blank line ends it");
    head.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn the_head_for_the_engine_has_what_was_judged_and_nothing_else() {
    let forwarded = vec![("User-Agent", "Docker-Client/28.2.2 (linux)".to_owned())];
    let create = RequestHead {
        forwarded: forwarded.clone(),
        ..with_body(Method::Post, "/v1.41/containers/create?name=a%2eb", JSON)
    };
    assert_eq!(
        written(&accept(create), Framing::Length(120), true),
        [
            "POST /v1.41/containers/create?name=a.b HTTP/1.1",
            "Host: docker",
            "User-Agent: Docker-Client/28.2.2 (linux)",
            "Content-Type: application/json",
            "Content-Length: 120",
        ]
    );
    let attach = RequestHead {
        upgrade: Some(Upgrade::Tcp),
        content_type: Some("text/plain".to_owned()),
        ..head(Method::Post, "/v1.41/containers/web/attach?stream=1")
    };
    assert_eq!(
        written(&accept(attach), Framing::None, false),
        [
            "POST /v1.41/containers/web/attach?stream=1 HTTP/1.1",
            "Host: docker",
            "Content-Length: 0",
            "Connection: Upgrade",
            "Upgrade: tcp",
        ]
    );
    let put = with_body(Method::Put, "/containers/web/archive?path=/", Some("text/plain"));
    assert_eq!(
        written(&accept(put), Framing::Chunked, true),
        [
            "PUT /containers/web/archive?path=/ HTTP/1.1",
            "Host: docker",
            "Content-Type: application/x-tar",
            "Transfer-Encoding: chunked",
        ]
    );
    assert_eq!(
        written(&accept(head(Method::Get, "/info")), Framing::None, false),
        ["GET /info HTTP/1.1", "Host: docker", "Connection: close",]
    );
}

#[test]
fn secret_and_unknown_query_values_are_not_recorded() {
    for (target, expected) in [
        (
            "/v1.41/build?buildargs={\"TOKEN\":\"s3cret\"}&t=a&t=b",
            "/v1.41/build?buildargs=***&t=a&t=b",
        ),
        ("/commit?changes=ENV+T=s3cret&container=web", "/commit?changes=***&container=web"),
        ("/images/create?fromSrc=https://u:s3cret@h/x&tag=1", "/images/create?fromSrc=***&tag=1"),
        ("/build?novel=s3cret", "/build?novel=***"),
        ("/build?t=a", "/build?t=a"),
    ] {
        assert_eq!(accept(head(Method::Post, target)).recorded_target(), expected);
    }
}

/// A request of any open operation with made-up names and values.
#[test]
fn a_chunked_body_is_judged_when_it_is_known_whether_it_is_empty() {
    use BodySeen::{Absent, Present};
    for (target, media, body, refused) in [
        ("/containers/web/restart?t=5", None, Absent, None),
        ("/containers/web/restart?t=5", None, Present, Some("body.media-type")),
        ("/containers/web/restart?t=5", JSON, Present, None),
        ("/containers/web/start", None, Absent, None),
        ("/containers/web/start", JSON, Present, Some("body.unexpected")),
        ("/containers/create", None, Absent, Some("body.missing")),
        ("/containers/create", None, Present, Some("body.media-type")),
        ("/containers/create", JSON, Present, None),
    ] {
        let head =
            RequestHead { framing: Framing::Chunked, ..with_body(Method::Post, target, media) };
        let found = accept(head).check_body(body).err().map(|refusal| refusal.rule);
        assert_eq!(found, refused, "{target} {media:?} {body:?}");
    }
}

#[test]
fn a_body_has_the_json_type_of_its_operation() {
    for (target, body, refused) in [
        ("/containers/create", r#"{"Image":"busybox"}"#, false),
        ("/containers/create", r#"[{"Image":"busybox"}]"#, true),
        ("/containers/create", r#""busybox""#, true),
        ("/containers/create", "null", false),
        ("/volumes/create", "[]", true),
        ("/plugins/p/set", r#"["DEBUG=1"]"#, false),
        ("/plugins/p/set", "{}", true),
        // The engine reads nothing of it.
        ("/containers/web/stop", "[]", false),
    ] {
        let request = accept(with_body(Method::Post, target, JSON));
        let document = crate::json::parse(body.as_bytes()).unwrap();
        let found = request.with_body(document).err().map(|refusal| refusal.rule);
        assert_eq!(found, refused.then_some("body.shape"), "{target} {body}");
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let open: Vec<_> =
        Operation::ALL.iter().filter(|op| op.route().class != Class::Closed).copied().collect();
    let word = "[a-zA-Z0-9 _.:@%&=?+é-]{1,12}"
        .prop_filter("not a dot segment", |word| word != "." && word != "..");
    (
        proptest::sample::select(open),
        proptest::collection::vec(word, 4),
        proptest::collection::vec((any::<proptest::sample::Index>(), ".{0,12}"), 0..6),
        proptest::bool::ANY,
    )
        .prop_map(|(operation, words, query, versioned)| {
            let route = operation.route();
            let mut words = words.iter();
            let mut target = target::Target {
                version: (versioned && !route.is_libpod()).then_some(ApiVersion::new(1, 60)),
                release: (versioned && route.is_libpod()).then_some(target::Release([5, 0, 0])),
                segments: Vec::new(),
                query: Vec::new(),
            };
            for part in route.template.split('/').skip(1) {
                match part {
                    "{name...}" => target.segments.extend(words.by_ref().take(2).cloned()),
                    part if part.starts_with('{') => {
                        target.segments.extend(words.by_ref().take(1).cloned());
                    }
                    literal => target.segments.push(literal.to_owned()),
                }
            }
            for (index, value) in query {
                if route.query.is_empty() {
                    break;
                }
                let key = index.get(route.query);
                if key.repeats || target.query.iter().all(|(name, _)| name != key.name) {
                    target.query.push((key.name.to_owned(), value.replace('\0', "")));
                }
            }
            let (framing, content_type) = match route.body {
                BodyKind::None => (Framing::None, None),
                _ => (Framing::Length(2), JSON.map(str::to_owned)),
            };
            let upgrade = match route.upgrade {
                UpgradeKind::None => None,
                kind => kind.protocol(),
            };
            let forwarded = match upgrade {
                Some(Upgrade::Websocket) => vec![
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
                    ("Sec-WebSocket-Version", "13".to_owned()),
                ],
                _ => Vec::new(),
            };
            let head =
                RequestHead { framing, content_type, upgrade, forwarded, ..head(route.method, "") };
            recognize(head, target, ApiVersion::new(1, 24))
                .unwrap_or_else(|(_, refusal)| panic!("{refusal}"))
        })
}

proptest! {
    /// What goes to the engine means there what it was judged to mean here.
    #[test]
    fn the_written_request_is_recognized_as_the_same(request in any_request()) {
        let framing = match request.route.body {
            BodyKind::Ignored | BodyKind::None => Framing::None,
            BodyKind::Json | BodyKind::OptionalJson | BodyKind::Stream => request.head.framing,
        };
        let mut out = Vec::new();
        request.write_head(framing, true, &mut out);
        let limits = HeadLimits { bytes: 1 << 16, headers: 64 };
        let (head, length) = head::parse(&out, limits).unwrap().expect("a whole head");
        prop_assert_eq!(length, out.len());
        prop_assert_eq!(head.framing, framing);
        prop_assert_eq!(head.upgrade, request.upgrade);
        let target = target::parse(&head.target).unwrap();
        prop_assert_eq!(&target, &request.target);
        let again = recognize(head, target, ApiVersion::new(1, 24)).unwrap();
        prop_assert_eq!(again.route.operation, request.route.operation);
        prop_assert_eq!(again.params, request.params);
        prop_assert_eq!(again.upgrade, request.upgrade);
        prop_assert!(again.unknown.is_empty());
    }
}

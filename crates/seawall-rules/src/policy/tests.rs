use super::*;
use crate::facts::{Access, Ask, ImageName, KINDS, Port};
use crate::head::{Framing, Method, RequestHead, Version};
use crate::json;
use crate::operation::Class;
use crate::target::{self, ApiVersion};
use toml::de::DeTable;

const VIEWER: &[&str] = &["viewer"];
const OPERATOR: &[&str] = &["operator"];
const EVERY_SET: &[&[&str]] = &[
    &[],
    VIEWER,
    OPERATOR,
    &["developer"],
    &["read-only"],
    &[ADMIN],
    &[ADMIN, "viewer"],
    &["operator", "viewer"],
];

fn compile(roles: &[&str]) -> Permissions {
    Permissions::compile(&Roles::built_in(), roles.iter().copied())
}

fn request(method: Method, target: &str) -> Request {
    let head = RequestHead {
        method,
        version: Version::Http11,
        target: target.to_owned(),
        framing: Framing::None,
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: None,
        forwarded: Vec::new(),
    };
    let target = target::parse(target).expect(target);
    crate::operation::recognize(head, target, ApiVersion::new(1, 40))
        .unwrap_or_else(|(_, refusal)| panic!("{refusal}"))
}

fn decide(roles: &[&str], method: Method, target: &str) -> Verdict {
    judge(&compile(roles), request(method, target))
}

fn refusal(roles: &[&str], method: Method, target: &str) -> String {
    match decide(roles, method, target) {
        Verdict::Allow(grant) => panic!("allowed by {}", grant.rule()),
        Verdict::Deny(denied) => denied.1.to_string(),
    }
}

fn rule(roles: &[&str], method: Method, target: &str) -> String {
    match decide(roles, method, target) {
        Verdict::Allow(grant) => grant.rule().to_owned(),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

#[test]
fn every_operation_is_decided_for_every_set_of_roles() {
    for roles in EVERY_SET {
        let permissions = compile(roles);
        for &operation in Operation::ALL {
            let granted = permissions.rule(operation);
            match (roles.contains(&ADMIN), operation.route().class) {
                (_, Class::Closed) => assert_eq!(granted, None, "{operation:?}"),
                (true, _) => assert!(granted.is_some(), "{operation:?}"),
                (false, _) => {}
            }
        }
    }
}

#[test]
fn what_the_lesser_roles_grant_is_exactly_this() {
    use Operation::*;
    let everyone = PINGS;
    let viewer = [
        ContainerInspect,
        ContainerList,
        ExecInspect,
        ImageHistory,
        ImageInspect,
        ImageList,
        NetworkInspect,
        NetworkList,
        SystemDataUsage,
        SystemEvents,
        SystemInfo,
        SystemVersion,
        VolumeInspect,
        VolumeList,
    ];
    let operator = [
        ContainerKill,
        ContainerLogs,
        ContainerPause,
        ContainerRestart,
        ContainerStart,
        ContainerStats,
        ContainerStop,
        ContainerUnpause,
        ContainerWait,
    ];
    let check = |roles: &[&str], sets: &[&[Operation]]| {
        let permissions = compile(roles);
        for &operation in Operation::ALL {
            let expected = sets.iter().any(|set| set.contains(&operation));
            assert_eq!(permissions.rule(operation).is_some(), expected, "{roles:?} {operation:?}");
        }
    };
    check(&[], &[&everyone]);
    check(&["viewer"], &[&everyone, &viewer]);
    check(&["operator"], &[&everyone, &viewer, &operator]);
}

#[test]
fn a_role_more_never_takes_anything_away() {
    for roles in EVERY_SET {
        for more in Roles::built_in().all().map(|role| role.name()) {
            let before = compile(roles);
            let after = compile(&[*roles, &[more]].concat());
            for &operation in Operation::ALL {
                assert!(
                    before.rule(operation).is_none() || after.rule(operation).is_some(),
                    "{roles:?} and {more} lost {operation:?}"
                );
            }
        }
    }
}

#[test]
fn a_grant_names_the_rule_of_the_least_role_that_gives_it_or_sees_its_secrets() {
    use Method::*;
    for (roles, method, target, expected) in [
        (&[][..], Get, "/_ping", "everyone.ping"),
        (&["viewer"], Head, "/_ping", "everyone.ping"),
        (&["viewer"], Get, "/v1.41/containers/json?all=1", "viewer.operations"),
        (&["viewer"], Get, "/v1.41/events", "viewer.operations"),
        (&["operator"], Get, "/v1.41/containers/json", "viewer.operations"),
        (&["operator"], Post, "/v1.41/containers/web/stop?t=5", "operator.operations"),
        (&["operator"], Get, "/v1.41/containers/web/logs?stdout=1", "operator.operations"),
        (&[ADMIN], Get, "/v1.41/containers/json", "admin.all"),
        (&[ADMIN, "viewer"], Get, "/v1.41/version", "viewer.operations"),
        (&[ADMIN, "viewer"], Get, "/v1.41/containers/json", "admin.all"),
        (&[ADMIN, "viewer"], Get, "/v1.41/volumes/data", "admin.all"),
        (&[ADMIN], Delete, "/v1.41/containers/web", "admin.all"),
    ] {
        assert_eq!(rule(roles, method, target), expected, "{roles:?} {target}");
    }
}

#[test]
fn secrets_are_shown_by_the_term_and_of_what_the_role_names() {
    use Method::*;
    let text = r#"
        [web]
        operations = ["ContainerInspect", "ImageInspect", "NetworkInspect", "VolumeInspect"]
        images = ["shop/*"]
        networks = ["shop-*"]
        volumes = ["shop-*"]
        secrets = true
        [heir]
        extends = "web"
        operations = ["ContainerList"]
    "#;
    let table = DeTable::parse(text).unwrap();
    let roles = Arc::new(Roles::with(&[table.get_ref()], &[]).unwrap());
    for (names, target, shown) in [
        (&["viewer"][..], "/containers/web/json", false),
        (&["operator"], "/containers/json", false),
        (&["developer"], "/events", true),
        (&["read-only"], "/containers/web/json", true),
        (&["read-only"], "/networks/0123456789ab", true),
        (&["read-only"], "/images/shop/web/json", true),
        (&[ADMIN], "/containers/web/json", true),
        (&["viewer", "read-only"], "/containers/json", true),
        (&["viewer", "read-only"], "/volumes/data", true),
        // Nothing is hidden of these.
        (&["viewer"], "/version", true),
        (&[], "/_ping", true),
        (&["web"], "/containers/web/json", true),
        (&["web"], "/images/shop/web/json", true),
        (&["web"], "/images/other/web/json", false),
        (&["web", "read-only"], "/images/other/web/json", true),
        (&["web"], "/networks/shop-a", true),
        (&["web"], "/networks/other", false),
        (&["web"], "/networks/0123456789ab", false),
        (&["web"], "/volumes/shop-a", true),
        (&["web"], "/volumes/other", false),
        (&["heir"], "/containers/json", true),
        (&["heir", "viewer"], "/volumes", false),
    ] {
        let permissions = Permissions::compile(&roles, names.iter().copied());
        match judge_if_own(&permissions, request(Get, &format!("/v1.41{target}"))) {
            Verdict::Allow(grant) => assert_eq!(!grant.is_edited(), shown, "{names:?} {target}"),
            Verdict::Deny(denied) => panic!("{names:?} {target}: {}", denied.1),
        }
    }
}

#[test]
fn what_is_edited_is_asked_for_in_plain_text() {
    for (role, kept) in [("viewer", false), (ADMIN, true)] {
        let mut request = request(Method::Get, "/v1.41/containers/json");
        request.head.forwarded.push(("Accept-Encoding", "gzip".to_owned()));
        let Verdict::Allow(grant) = judge(&compile(&[role]), request) else { panic!("{role}") };
        assert_eq!(grant.request().head.forwarded("Accept-Encoding").is_some(), kept, "{role}");
        assert_eq!(grant.editor().is_some(), !kept, "{role}");
    }
}

#[test]
fn a_refusal_reads_as_one_clear_clause() {
    use Method::*;
    for (roles, method, target, expected) in [
        (
            &["viewer"][..],
            Get,
            "/v1.41/containers/web/top",
            "may not list a container's processes (ContainerTop): role viewer does not grant it; \
             read-only, developer or admin would [rule role.operations]",
        ),
        (
            &["viewer"],
            Post,
            "/v1.41/containers/web/stop",
            "may not stop a container (ContainerStop): role viewer does not grant it; operator, \
             developer, deployer or admin would [rule role.operations]",
        ),
        (
            &["operator", "viewer"],
            Get,
            "/v1.41/containers/web/top",
            "may not list a container's processes (ContainerTop): none of the roles viewer \
             and operator grants it; read-only, developer or admin would [rule role.operations]",
        ),
        (
            &[],
            Get,
            "/v1.41/containers/json",
            "may not list containers (ContainerList): no role is given that grants it; viewer, \
             read-only, operator, developer, deployer or admin would [rule role.operations]",
        ),
        (
            &[ADMIN],
            Delete,
            "/debug/pprof",
            "may not use the engine's debug pages (Debug): it is closed to every role [rule \
             everyone.closed]",
        ),
        (
            &[ADMIN],
            Post,
            "/v1.41/debug/pprof/heap",
            "may not use the engine's debug pages (Debug): it is closed to every role [rule \
             everyone.closed]",
        ),
        (
            &["viewer"],
            Get,
            "/v1.41/containers/json?filter=x",
            "may not list containers (ContainerList) with the unknown query key `filter` (the \
             nearest known one is `filters`): only admin may send it [rule query.unknown]",
        ),
    ] {
        assert_eq!(refusal(roles, method, target), expected);
    }
}

#[test]
fn who_may_start_a_container_may_not_restore_one_from_a_folder_of_the_host() {
    for query in ["checkpoint=c", "checkpoint=c&checkpoint-dir=%2Ftmp", "checkpoint-dir="] {
        let target = format!("/v1.41/containers/web/start?{query}");
        let refused = refusal(&["operator"], Method::Post, &target);
        assert!(
            refused.contains("from a checkpoint: `checkpoint")
                && refused.contains("only admin may"),
            "{refused}"
        );
        assert_eq!(rule(&[ADMIN], Method::Post, &target), "admin.all");
    }
    let plain = "/v1.41/containers/web/start?detachKeys=ctrl-a";
    assert_eq!(rule(&["operator"], Method::Post, plain), "operator.operations");
}

#[test]
fn unknown_query_keys_pass_for_admin_and_are_listed() {
    match decide(&[ADMIN], Method::Get, "/v1.41/containers/json?novel=1&all=1") {
        Verdict::Allow(grant) => assert_eq!(grant.request().unknown, ["novel"]),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

/// The roles of a text, or every complaint about it.
fn written(text: &str) -> Result<Arc<Roles>, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    assert!(errors.is_empty(), "{errors:?}");
    let protected = ["/srv/gate/state".to_owned(), "/srv/engine.sock".to_owned()];
    Roles::with(&[table.get_ref()], &protected).map(Arc::new)
}

fn create_as(roles: &Arc<Roles>, names: &[&str], body: &str) -> Verdict {
    let head = RequestHead {
        method: Method::Post,
        version: Version::Http11,
        target: "/v1.41/containers/create".to_owned(),
        framing: Framing::Length(body.len() as u64),
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: Some("application/json".to_owned()),
        forwarded: Vec::new(),
    };
    let target = target::parse(&head.target).expect("a target");
    let request = crate::operation::recognize(head, target, ApiVersion::new(1, 40))
        .unwrap_or_else(|(_, refusal)| panic!("{refusal}"));
    let request = request.with_body(json::parse(body.as_bytes()).expect(body)).expect(body);
    judge_if_own(&Permissions::compile(roles, names.iter().copied()), request)
}

fn refused(roles: &Arc<Roles>, role: &str, body: &str) -> Option<String> {
    match create_as(roles, &[role], body) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denied) => Some(denied.1.to_string()),
    }
}

#[test]
fn a_developer_creates_a_container_that_has_nothing_of_the_host() {
    let roles = Roles::built_in();
    for body in [
        r#"{"Image":"busybox","User":"1000"}"#,
        r#"{"Image":"sha256:abc","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}"#,
        r#"{"Image":"busybox","HostConfig":{"PublishAllPorts":true,"Memory":1024}}"#,
    ] {
        assert_eq!(refused(&roles, "developer", body), None, "{body}");
    }
    for (body, expected) in [
        (
            r#"{"HostConfig":{"Privileged":true}}"#,
            "may not run a privileged container: `HostConfig.Privileged` is true, and only admin \
             may [rule escape.privileged]",
        ),
        (
            r#"{"HostConfig":{"Binds":["/:/host"]}}"#,
            "may not bind a path of the host: `HostConfig.Binds[0]` is `/:rw`, and no `binds` of \
             role developer covers it [rule escape.bind]",
        ),
        (
            r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"80"}]}}}"#,
            "may not publish this port: `HostConfig.PortBindings.80/tcp[0].HostPort` is `*:80`, \
             and no `ports` of role developer covers it [rule role.ports]",
        ),
        (
            r#"{"HostConfig":{"Novel":true}}"#,
            "may not create a container (ContainerCreate) with the unknown field \
             `HostConfig.Novel`: only admin may send it [rule body.unknown]",
        ),
    ] {
        assert_eq!(refused(&roles, "developer", body).as_deref(), Some(expected));
        assert_eq!(refused(&roles, ADMIN, body), None, "{body}");
    }
}

#[test]
fn a_role_of_the_configuration_grants_what_it_lists_and_what_it_extends() {
    let roles = written(
        r#"
        [maker]
        extends = "viewer"
        operations = ["ContainerCreate"]
        images = ["*"]

        [shop]
        extends = ["maker", "operator"]
        operations = ["ImagePush"]
        binds = ["/srv/shop/static/*:ro", "/srv/shop/data:rw"]
        volumes = ["shop-*"]
        networks = ["shop"]
        capabilities = ["NET_ADMIN"]
        devices = ["/dev/dri/*"]
        memory = "1GiB"
        cpus = 1.5
        pids = 100

        [bigger-shop]
        extends = "shop"
        memory = "2GiB"

        [shop-and-eyes]
        extends = ["viewer", "shop", "operator"]

        [shop-or-more]
        extends = ["shop", "maker"]
        "#,
    )
    .expect("it is right");
    let shop = Permissions::compile(&roles, ["shop"]);
    for (operation, rule) in [
        (Operation::SystemDataUsage, Some("viewer.operations")),
        (Operation::ContainerStart, Some("operator.operations")),
        (Operation::ContainerCreate, Some("maker.operations")),
        (Operation::ImagePush, Some("shop.operations")),
        (Operation::ImagePrune, None),
    ] {
        assert_eq!(shop.rule(operation).map(|rule| &**rule), rule, "{operation:?}");
    }
    let limits = r#""Memory":1073741824,"NanoCpus":1500000000,"PidsLimit":100"#;
    let body = |fields: &str| format!(r#"{{"Image":"a","HostConfig":{{{limits},{fields}}}}}"#);
    for fields in [
        r#""Binds":["/srv/shop/static/a/b:/x:ro","/srv/shop/data:/y"]"#,
        r#""Binds":["shop-data:/x"],"NetworkMode":"shop","CapAdd":["net_admin"]"#,
        r#""Devices":[{"PathOnHost":"/dev/dri/card0"}]"#,
    ] {
        assert_eq!(refused(&roles, "shop", &body(fields)), None, "{fields}");
    }
    for (fields, rule) in [
        (r#""Binds":["/srv/shop/static/a:/x"]"#, "escape.bind"),
        (r#""Binds":["/srv/shop/static:/x:ro"]"#, "escape.bind"),
        (r#""Binds":["/srv/shop/staticx:/x:ro"]"#, "escape.bind"),
        (r#""Binds":["/srv/shop/data/below:/x"]"#, "escape.bind"),
        (r#""Binds":["/srv/shop/static/../../etc:/x:ro"]"#, "escape.bind-path"),
        (r#""Binds":["other:/x"]"#, "role.volumes"),
        (r#""NetworkMode":"shop2""#, "role.networks"),
        (r#""CapAdd":["SYS_ADMIN"]"#, "escape.capability"),
        (r#""Devices":[{"PathOnHost":"/dev/dri/../sda"}]"#, "escape.device"),
        (r#""Privileged":true"#, "escape.privileged"),
    ] {
        let reason = refused(&roles, "shop", &body(fields)).expect(fields);
        assert!(reason.ends_with(&format!("[rule {rule}]")), "{reason}");
    }
    for (host_config, rule) in [
        (r#""NanoCpus":1,"PidsLimit":1"#, "role.memory"),
        (r#""Memory":1073741825,"NanoCpus":1,"PidsLimit":1"#, "role.memory"),
        (r#""Memory":-1,"NanoCpus":1,"PidsLimit":1"#, "role.memory"),
        (r#""Memory":1,"PidsLimit":1"#, "role.cpus"),
        (r#""Memory":1,"CpuQuota":200000,"PidsLimit":1"#, "role.cpus"),
        (r#""Memory":1,"NanoCpus":1,"PidsLimit":-1"#, "role.pids"),
    ] {
        let body = format!(r#"{{"Image":"a","HostConfig":{{{host_config}}}}}"#);
        let reason = refused(&roles, "shop", &body).expect(host_config);
        assert!(reason.ends_with(&format!("[rule {rule}]")), "{reason}");
    }
    let quota = r#"{"Image":"a","HostConfig":{"Memory":1,"CpuQuota":150000,"PidsLimit":1}}"#;
    assert_eq!(refused(&roles, "shop", quota), None);
    assert!(refused(&roles, "shop", "{}").is_some());
    let bigger = r#"{"HostConfig":{"Memory":2147483648,"NanoCpus":1,"PidsLimit":1}}"#;
    assert_eq!(refused(&roles, "bigger-shop", bigger), None);
    // What has no containers to make has no say; what makes them without limit has.
    assert!(refused(&roles, "shop-and-eyes", bigger).is_some());
    assert_eq!(refused(&roles, "shop-or-more", bigger), None);
    assert!(refused(&roles, "shop", bigger).is_some());
}

#[test]
fn two_roles_never_add_up_to_a_request_that_neither_grants() {
    let roles = written(
        r#"
        [a]
        operations = ["ContainerCreate"]
        images = ["busybox"]
        [b]
        operations = ["ContainerCreate"]
        volumes = ["v"]
        "#,
    )
    .unwrap();
    for (body, allowed) in [
        (r#"{"Image":"busybox"}"#, true),
        (r#"{"HostConfig":{"Binds":["v:/x"]}}"#, true),
        (r#"{"Image":"busybox","HostConfig":{"Binds":["v:/x"]}}"#, false),
    ] {
        let found = matches!(create_as(&roles, &["a", "b"], body), Verdict::Allow(_));
        assert_eq!(found, allowed, "{body}");
    }
}

#[test]
fn a_role_that_would_give_the_host_away_cannot_be_written() {
    for (keys, complaint) in [
        (r#"binds = ["/:ro"]"#, "`/:ro` would give the host away"),
        (r#"binds = ["/var:ro"]"#, "`/var:ro` would give the host away"),
        (
            r#"binds = ["/var/run/docker.sock:ro"]"#,
            "`/var/run/docker.sock:ro` would give the host away",
        ),
        (r#"binds = ["/proc/sys:ro"]"#, "`/proc/sys:ro` would give the host away"),
        (r#"binds = ["/srv/gate:ro"]"#, "`/srv/gate:ro` would give the host away"),
        (r#"binds = ["/srv/*:ro"]"#, "`/srv/*:ro` would give the host away"),
        (r#"binds = ["/data/../etc:ro"]"#, "`/data/../etc` is no plain absolute path"),
        (r#"binds = ["/data"]"#, "`/data` does not say how it may be bound"),
        (r#"binds = ["/data:z"]"#, "`/data:z` ends in neither `:ro` nor `:rw`"),
        (
            r#"binds = ["/data/*:rw"]"#,
            "`/data/*:rw`: whoever writes in a folder can put a symbolic link there that leads to all of the host, and then bind that",
        ),
        (
            r#"binds = ["/data:rw", "/data/x:ro"]"#,
            "`/data/x:ro` is undermined by `/data:rw` of the role `x`: a symbolic link that is put there would be followed",
        ),
        (
            r#"binds = ["/data/x:rw", "/data/*:ro"]"#,
            "`/data/*:ro` is undermined by `/data/x:rw` of the role `x`: a symbolic link that is put there would be followed",
        ),
        (r#"capabilities = ["SYS_ADMIN"]"#, "no role can be given the capability `SYS_ADMIN`"),
        (r#"capabilities = ["ALL"]"#, "no role can be given the capability `ALL`"),
        (r#"devices = ["/dev/sda"]"#, "no role can be given the device `/dev/sda`"),
        (r#"devices = ["/dev/*"]"#, "no role can be given the device `/dev/*`"),
        (
            r#"operations = ["ContainerExec"]"#,
            "`ContainerExec` takes `isolation = \"own\"`: it reaches into a container, with all that that may do",
        ),
        (r#"operations = ["Debug"]"#, "no role can be given `Debug`: it is closed to everybody"),
        (
            r#"operations = ["ContainerCreateLibpod"]"#,
            "no role can be given `ContainerCreateLibpod`: what Podman's own API takes there is not \
             judged yet",
        ),
        (
            r#"operations = ["SwarmJoin"]"#,
            "no role can be given `SwarmJoin`: it hands out the whole cluster",
        ),
        (r#"operations = ["closed"]"#, "there is no operation or class `closed`"),
        (r#"extends = "admin""#, "`admin` cannot be extended"),
        (r#"unrestricted = true"#, "a role has no key `unrestricted`"),
        (r#"images = ["*/web"]"#, "`*/web` would match any registry"),
        (r#"isolation = "mine""#, "`isolation` must be `own` or `all`"),
        (
            "extends = \"developer\"\nisolation = \"all\"",
            "`x` extends `developer`, whose isolation is `own`",
        ),
        (r#"extends = "x""#, "`x` extends itself, by way of `x`"),
        (r#"extends = "nobody""#, "there is no role `nobody` to extend"),
        (r#"ports = ["http"]"#, "`http` has no port"),
        (r#"ports = ["0.0.0.0:80"]"#, "`0.0.0.0:80` has no address of the host"),
        (r#"memory = "lots""#, "`memory` must be a size"),
        (r#"memory = 0"#, "`memory` must be a size"),
        (r#"cpus = -1"#, "`cpus` must be a number of CPUs"),
        (r#"pids = "5""#, "`pids` must be a whole number from 1 on"),
        (r#"image = ["a"]"#, "a role has no key `image`"),
        (r#"images = "a""#, "`images` must be a list of texts"),
        (r#"volumes = [""]"#, "`` is no pattern"),
    ] {
        let problems = written(&format!("[x]\n{keys}")).expect_err(keys);
        let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(told, [complaint], "{keys}");
    }
    for (text, complaint) in [
        ("[admin]\noperations = []", "the role `admin` ships with Seawall"),
        ("[viewer]", "the role `viewer` ships with Seawall"),
        ("[everyone]", "`everyone` cannot be the name of a role"),
        ("[Bad]", "`Bad` is no name for a role"),
        ("x = 1", "the role `x` is no table"),
    ] {
        let problems = written(text).expect_err(text);
        assert_eq!(problems[0].message, complaint, "{text}");
    }
}

#[test]
fn the_keys_of_the_language_are_those_that_are_read() {
    for key in KEYS {
        if key.name == "extends" {
            continue;
        }
        let text = format!("[x]\n{} = {}", key.name, key.example);
        assert!(written(&text).is_ok(), "{text}: {:?}", written(&text).err());
    }
}

#[test]
fn a_term_covers_what_it_says_and_not_a_letter_more() {
    let roles = written(
        r#"
        [x]
        images = ["alpine", "registry.example.com/shop/*", "busybox:1.*", "a@sha256:ab"]
        ports = ["8000-8999", "127.0.0.1:1-65535"]
        users = ["1000", "1000:*"]
        networks = ["*"]
        "#,
    )
    .unwrap();
    let terms = roles.named("x").unwrap().terms();
    let image = |name: &str| terms.cover(&Ask::Image(ImageName::new(name)));
    for name in [
        "alpine",
        "docker.io/library/alpine:3",
        "registry.example.com/shop/a/b:c",
        "busybox:1.36",
        "a@sha256:ab",
    ] {
        assert!(image(name), "{name}");
    }
    for name in [
        "alpine2",
        "evil/alpine",
        "registry.example.com/shopx",
        "registry.example.com.evil/shop/a",
        "busybox",
        "busybox:2",
        "sha256:abc",
        "abc",
        "",
        "a@sha256:abc",
    ] {
        assert!(!image(name), "{name}");
    }
    let port = |address: Option<&str>, ports| {
        terms.cover(&Ask::Port(Port { address: address.map(|a| a.parse().unwrap()), ports }))
    };
    assert!(port(None, 8000..=8999) && port(Some("10.0.0.1"), 8080..=8080));
    assert!(port(Some("127.0.0.1"), 22..=22) && !port(None, 22..=22));
    assert!(!port(None, 8000..=9000) && !port(Some("127.0.0.2"), 22..=22));
    for (user, covered) in [("1000", true), ("1000:7", true), ("10001", false), ("0", false)] {
        assert_eq!(terms.cover(&Ask::User(user.to_owned())), covered, "{user}");
    }
    // What could be the beginning of an id is covered by nothing.
    assert!(terms.cover(&Ask::Network("shop".to_owned())));
    assert!(!terms.cover(&Ask::Network("cafe".to_owned())));
    assert!(!terms.cover(&Ask::Bind("/srv".to_owned(), Access::ReadOnly)));
}

#[test]
fn a_role_without_terms_covers_no_entry_of_the_catalogue() {
    for role in Roles::built_in().all() {
        for escape in crate::facts::CATALOGUE {
            let ask = Ask::Escape(escape, String::new());
            assert!(!role.terms().cover(&ask), "{} covers {}", role.name(), escape.rule);
        }
    }
}

#[test]
fn nobody_but_admin_could_ever_get_at_the_host() {
    let roles = written(
        r#"
        [shop]
        extends = ["developer", "operator", "read-only"]
        operations = ["metadata", "read", "change", "host", "admin"]
        binds = ["/srv/shop/*:ro", "/srv/data:rw"]
        capabilities = ["NET_ADMIN"]
        devices = ["/dev/kvm", "/dev/dri/*"]
        images = ["*"]
        tags = ["*"]
        networks = ["*"]
        users = ["*"]
        volumes = ["*"]
        "#,
    )
    .unwrap();
    let escapes = crate::facts::CATALOGUE.iter().map(|escape| escape.rule);
    for asked in ["become-root", "run-privileged"].into_iter().chain(escapes) {
        let question = Question::parse(&[asked]).unwrap();
        let able: Vec<_> = roles.all().filter(|role| question.answer(role).is_some()).collect();
        assert_eq!(able.len(), 1, "{asked}: {able:?}");
        assert_eq!(able[0].name(), ADMIN);
    }
}

#[test]
fn a_question_is_answered_by_the_term_that_covers_it() {
    let roles = written(
        r#"
        [shop]
        operations = ["ContainerCreate"]
        images = ["shop/*", "alpine:3.*"]
        binds = ["/srv/shop/*:ro", "/srv/data:rw"]
        ports = ["8000-8999"]
        memory = "1GiB"
        [eyes]
        extends = "viewer"
        images = ["*"]
        "#,
    )
    .unwrap();
    let term = |words: &[&str], role: &str| {
        let question = Question::parse(words).unwrap_or_else(|no| panic!("{no:?}"));
        question.answer(roles.named(role).unwrap()).map(|way| way.term.unwrap_or_default())
    };
    for (words, covered) in [
        (&["bind", "/srv/shop/a/b"][..], Some(r#"binds = ["/srv/shop/*:ro"]"#)),
        (&["bind", "/srv/shop/a:rw"], None),
        (&["bind", "/srv/shop"], None),
        // Inside of what may be bound.
        (&["bind", "/srv/data/below:rw"], Some(r#"binds = ["/srv/data:rw"]"#)),
        (&["bind", "/srv/datax"], None),
        (&["bind", "/etc"], None),
        (&["use-image", "alpine:3.20"], Some(r#"images = ["docker.io/library/alpine:3.*"]"#)),
        (&["use-image", "alpine"], None),
        (&["publish-port", "8080"], Some(r#"ports = ["*:8000-8999"]"#)),
        (&["publish-port", "80"], None),
        (&["memory", "1073741824"], Some("memory = 1073741824")),
        (&["memory", "unlimited"], None),
        (&["create"], Some("")),
        (&["exec"], None),
    ] {
        assert_eq!(term(words, "shop").as_deref(), covered, "{words:?}");
    }
    // It has the term, but nothing to use it with.
    assert_eq!(term(&["use-image", "alpine"], "eyes"), None);
    for words in [&["bind"][..], &["bind", "etc"], &["exec", "a"], &["exex"], &[]] {
        assert!(Question::parse(words).is_err(), "{words:?}");
    }
    for (phrase, word) in PHRASES.iter().filter(|(_, word)| !word.is_empty()) {
        let value: &[&str] = if KINDS.iter().any(|kind| kind.word == *word) { &["1"] } else { &[] };
        let words = [&[*phrase][..], value].concat();
        assert!(Question::parse(&words).is_ok(), "{phrase} is {word}");
    }
}

mod comparing;
mod condition;
mod labels;
mod shown_labels;
mod warn;

#[test]
fn what_a_request_lacks_is_told_as_the_lines_that_would_grant_it() {
    let roles = written(
        "[shop]\noperations = [\"ContainerCreate\"]\nimages = [\"busybox\"]\nports = [\"80\"]\n",
    )
    .unwrap();
    let permissions = Permissions::compile(&roles, ["viewer", "shop"]);
    let words = [
        "create",
        "-v",
        "/srv/x:/x:ro",
        "-v",
        "/etc:/e",
        "-p",
        "81:81",
        "-p",
        "127.0.0.1:81:82",
        "-p",
        "80:80",
        "--privileged",
        "--network",
        "abc",
        "-m",
        "1g",
        "busybox",
    ];
    let described = crate::command_line::read(&words).unwrap();
    let request = described[0].read(ApiVersion::new(1, 40)).unwrap();
    let missing = permissions.missing(&request);
    assert_eq!(missing.nearest.unwrap().name(), "shop");
    assert_eq!(missing.operation, None);
    let mut smallest = Smallest::default();
    missing.asks.iter().for_each(|ask| smallest.ask(ask));
    let keys: Vec<_> = smallest
        .keys()
        .into_iter()
        .map(|(key, values)| (key, values.into_iter().map(|(value, _)| value).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        keys,
        [("binds", vec![r#""/srv/x:ro""#.to_owned()]), ("ports", vec![r#""*:81""#.to_owned()]),]
    );
    let impossible: Vec<_> = smallest.impossible().map(|(what, ..)| what).collect();
    assert_eq!(impossible, ["bind /etc:rw", "escape.privileged", "network abc"]);
    let start = crate::command_line::read(&["start", "web"]).unwrap();
    let missing = permissions.missing(&start[0].read(ApiVersion::new(1, 40)).unwrap());
    assert_eq!(missing.operation, Some(Operation::ContainerStart));
}

#[test]
fn the_smallest_role_covers_what_it_was_made_of() {
    let asks: Vec<_> = [
        "image alpine",
        "image alpine:3.20",
        "image a/b@sha256:00",
        "bind /srv/a:rw",
        "bind /srv/a",
        "port 80",
        "port 127.0.0.1:80",
        "user 0:0",
        "memory 5",
        "memory 7",
        "cpus 1.5",
        "pids unlimited",
        "pids 5",
        "capability NET_ADMIN",
        "device /dev/kvm",
        "volume v",
        "network shop",
        "tag shop/web:1",
    ]
    .iter()
    .map(|text| Ask::from_notation(text).expect(text))
    .collect();
    let mut smallest = Smallest::default();
    smallest.operation(Operation::ContainerCreate);
    asks.iter().for_each(|ask| smallest.ask(ask));
    assert_eq!(smallest.impossible().count(), 0);
    let lines: Vec<_> = smallest.lines().collect();
    let text = format!("[learned]\n{}", lines.join("\n"));
    let roles = written(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let learned = roles.named("learned").unwrap();
    for ask in &asks {
        assert!(learned.terms().cover(ask), "{ask:?} in {text}");
    }
    // Nothing that another term covers, and no limit that was not always kept.
    assert_eq!(text.matches("/srv/a").count(), 1, "{text}");
    assert_eq!(text.matches(":80\"").count(), 1, "{text}");
    assert!(!text.contains("pids"), "{text}");
    assert!(!learned.terms().cover(&Ask::Image(ImageName::new("alpine:3.21"))));
}

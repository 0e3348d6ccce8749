//! What roles in warn mode let through, and what never.

use super::*;
use crate::reference::{Scope, scope};

fn site() -> Arc<Roles> {
    written(
        r#"
        [all]
        mode = "warn"
        operations = ["ContainerCreate"]
        images = ["shop/*"]
        memory = "1GiB"
        users = ["1000"]
        [own]
        mode = "warn"
        isolation = "own"
        operations = ["ContainerCreate"]
        [heir]
        extends = "all"
        "#,
    )
    .unwrap()
}

#[test]
fn the_operations_that_warn_mode_never_lets_through_are_these() {
    let roles = site();
    for (name, whole) in [("all", false), ("own", true)] {
        let role = roles.named(name).unwrap();
        for &operation in Operation::ALL {
            let route = operation.route();
            let closed = route.class == Class::Closed
                || route.admin_only().is_some()
                || if whole { scope(operation) == Scope::Whole } else { route.own_only() };
            assert_eq!(role.grants(operation), !closed, "{name} {operation:?}");
            assert_eq!(role.lists(operation), operation == Operation::ContainerCreate);
        }
    }
    use Operation::*;
    let all = roles.named("all").unwrap();
    for never in [
        BuildCancel,
        CheckpointCreate,
        ContainerArchive,
        ContainerAttach,
        ContainerAttachWebsocket,
        ContainerExec,
        Debug,
        ExecStart,
        PluginPull,
        PutContainerArchive,
        SwarmInit,
        SystemAuth,
    ] {
        assert!(!all.grants(never), "{never:?}");
    }
    for own in [BuildPrune, ImageLoad, ServiceList] {
        assert!(all.grants(own) && !roles.named("own").unwrap().grants(own), "{own:?}");
    }
}

/// What a create comes to: the rules that would refuse it, or the rule that does.
fn comes_to(roles: &Arc<Roles>, names: &[&str], body: &str) -> Result<Vec<&'static str>, String> {
    match create_as(roles, names, body) {
        Verdict::Allow(grant) => Ok(grant.would_deny().to_vec()),
        Verdict::Deny(denied) => Err(denied.1.rule.to_owned()),
    }
}

#[test]
fn warn_mode_lets_through_what_a_role_could_be_given_and_nothing_else() {
    let roles = site();
    let through = |rules: &[&'static str]| Ok(rules.to_vec());
    let never = |rule: &str| Err(rule.to_owned());
    for (body, expected) in [
        (r#"{"Image":"shop/web","HostConfig":{"Memory":1}}"#, through(&[])),
        (r#"{"Image":"alpine","HostConfig":{"Memory":1}}"#, through(&["role.images"])),
        (r#"{"Image":"sha256:00","HostConfig":{"Memory":1}}"#, through(&["role.images"])),
        (r#"{"Image":"shop/web"}"#, through(&["role.memory"])),
        (r#"{"Image":"alpine"}"#, through(&["role.images", "role.memory"])),
        (
            r#"{"Image":"alpine","User":"0","HostConfig":{"Memory":1}}"#,
            through(&["role.images", "role.users"]),
        ),
        (r#"{"HostConfig":{"Memory":1,"Binds":["v:/x"]}}"#, through(&["role.volumes"])),
        (r#"{"HostConfig":{"Memory":1,"NetworkMode":"web"}}"#, through(&["role.networks"])),
        (
            r#"{"HostConfig":{"Memory":1,"PortBindings":{"80/tcp":[{"HostPort":"80"}]}}}"#,
            through(&["role.ports"]),
        ),
        // The catalogue.
        (r#"{"HostConfig":{"Memory":1,"Privileged":true}}"#, never("escape.privileged")),
        (r#"{"HostConfig":{"Memory":1,"PidMode":"host"}}"#, never("escape.host-pid")),
        (r#"{"HostConfig":{"Memory":1,"NetworkMode":"host"}}"#, never("escape.host-network")),
        (r#"{"HostConfig":{"Memory":1,"Binds":["/srv/a:/x:ro"]}}"#, never("escape.bind")),
        (r#"{"HostConfig":{"Memory":1,"CapAdd":["NET_ADMIN"]}}"#, never("escape.capability")),
        (
            r#"{"HostConfig":{"Memory":1,"Devices":[{"PathOnHost":"/dev/fuse"}]}}"#,
            never("escape.device"),
        ),
        // Nobody can say which network an id is.
        (r#"{"HostConfig":{"Memory":1,"NetworkMode":"0123456789ab"}}"#, never("role.networks")),
        // The closed schema.
        (r#"{"Image":"shop/web","HostConfig":{"Memory":1,"New":1}}"#, never("body.unknown")),
    ] {
        assert_eq!(comes_to(&roles, &["all"], body), expected, "{body}");
    }
    // Mode is not inherited, and a role that is enforced goes first.
    assert_eq!(comes_to(&roles, &["heir"], r#"{"Image":"alpine"}"#), never("role.images"));
    let two = comes_to(&roles, &["all", ADMIN], r#"{"Image":"alpine"}"#);
    assert_eq!(two, through(&[]));
}

#[test]
fn what_is_only_let_through_is_named_so_and_its_secrets_stay_hidden() {
    let text = "[web]\nmode = \"warn\"\noperations = [\"ContainerList\"]\nsecrets = true\n\
        images = [\"shop/*\"]\n[seen]\noperations = [\"ContainerInspect\"]\n";
    let roles = written(text).unwrap();
    for (names, target, rule, would, shown) in [
        (&["web"][..], "/containers/json", "web.operations", &[][..], true),
        (&["web"], "/containers/a/json", "web.warn", &["role.operations"], false),
        (&["web"], "/images/shop/a/json", "web.warn", &["role.operations"], false),
        (&["web", "seen"], "/containers/a/json", "seen.operations", &[], false),
    ] {
        let permissions = Permissions::compile(&roles, names.iter().copied());
        let Verdict::Allow(grant) = judge(&permissions, request(Method::Get, target)) else {
            panic!("{target}")
        };
        assert_eq!((grant.rule(), grant.would_deny()), (rule, would), "{target}");
        assert_eq!(!grant.is_edited(), shown, "{target}");
    }
    let replayed = Permissions::compile(&roles, ["web"]);
    assert_eq!(
        replayed.replay(Operation::SystemInfo, vec![], Unknown::None).as_deref(),
        Ok("web.warn")
    );
}

#[test]
fn beside_a_role_for_ones_own_things_one_for_everybodys_is_enforced() {
    let roles = site();
    for others in ["own", "developer"] {
        let permissions = Permissions::compile(&roles, ["all", others]);
        for &operation in Operation::ALL {
            let all = permissions.granted(operation).is_some_and(|g| g.isolation == Isolation::All);
            let everyone = EVERYONE.1.contains(&operation);
            assert!(!all || everyone || operation == Operation::ContainerCreate, "{operation:?}");
        }
        let held = roles.held(&["all", others]);
        assert!(held.iter().all(|role| role.name() != "all" || !role.warns()));
    }
}

#[test]
fn questions_about_roles_in_warn_mode_are_answered_by_what_they_let_through() {
    let roles = site();
    let all = roles.named("all").unwrap();
    for (words, warned) in [
        (&["use-image", "alpine"][..], Some(true)),
        (&["use-image", "shop/web"], Some(false)),
        (&["stop"], Some(true)),
        (&["run"], Some(false)),
        (&["publish-port", "80"], Some(true)),
        (&["bind", "/srv/a"], None),
        (&["capability", "NET_ADMIN"], None),
        (&["exec"], None),
        (&["run-privileged"], None),
        (&["become-root"], None),
    ] {
        let way = Question::parse(words).unwrap().answer(all);
        assert_eq!(way.map(|way| way.warned), warned, "{words:?}");
    }
    let strict = Arc::new(all.enforced());
    let more = beyond(std::slice::from_ref(all), std::slice::from_ref(&strict));
    assert!(more.operations.contains(&Operation::ContainerStop));
    assert!(more.terms.contains(&"images = [\"*\"]".to_owned()), "{:?}", more.terms);
    assert!(!more.terms.iter().any(|term| term.contains("binds")));
    assert!(beyond(&[strict], std::slice::from_ref(all)).is_empty());
    assert_eq!(roles.warnings().count(), 2);
}

#[test]
fn what_an_archive_asks_for_is_let_through_and_told() {
    let text = "[load]\nmode = \"warn\"\noperations = [\"ImageLoad\"]\ntags = [\"shop/*\"]\n";
    let roles = written(text).unwrap();
    let permissions = Permissions::compile(&roles, ["load"]);
    let Verdict::Allow(grant) = judge(&permissions, request(Method::Post, "/images/load")) else {
        panic!("it is listed")
    };
    assert!(grant.would_deny().is_empty());
    let mut undecided = Undecided::of(&permissions, grant.request()).unwrap();
    let tag = |name: &str| Fact { field: String::new(), ask: Ask::Tag(ImageName::new(name)) };
    undecided.judge(vec![tag("shop/web:1")]).unwrap();
    assert!(undecided.would_deny().is_empty());
    undecided.judge(vec![tag("alpine:1")]).unwrap();
    assert_eq!(undecided.would_deny(), ["role.tags"]);
}

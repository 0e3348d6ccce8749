use super::*;
use crate::head::{Framing, Method, RequestHead, Version};
use crate::operation::Class;
use crate::target::{self, ApiVersion};

const EVERY_SET: &[&[Role]] = &[
    &[],
    &[Role::Viewer],
    &[Role::Operator],
    &[Role::Admin],
    &[Role::Admin, Role::Viewer],
    &[Role::Operator, Role::Viewer],
];

fn decide(roles: &[Role], method: Method, target: &str) -> Verdict {
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
    let request = crate::operation::recognize(head, target, ApiVersion::new(1, 40))
        .unwrap_or_else(|(_, refusal)| panic!("{refusal}"));
    judge(&Permissions::compile(roles), request)
}

fn refusal(roles: &[Role], method: Method, target: &str) -> String {
    match decide(roles, method, target) {
        Verdict::Allow(grant) => panic!("allowed by {}", grant.rule()),
        Verdict::Deny(denied) => denied.1.to_string(),
    }
}

fn rule(roles: &[Role], method: Method, target: &str) -> &'static str {
    match decide(roles, method, target) {
        Verdict::Allow(grant) => grant.rule(),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

#[test]
fn every_operation_is_decided_for_every_set_of_roles() {
    for roles in EVERY_SET {
        let permissions = Permissions::compile(roles);
        for &operation in Operation::ALL {
            let granted = permissions.rule(operation);
            match (roles.contains(&Role::Admin), operation.route().class) {
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
    let everyone = [SystemPing, SystemPingHead];
    let viewer = [
        ContainerList,
        ImageList,
        NetworkList,
        VolumeList,
        SystemDataUsage,
        SystemEvents,
        SystemInfo,
        SystemVersion,
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
    let check = |roles: &[Role], sets: &[&[Operation]]| {
        let permissions = Permissions::compile(roles);
        for &operation in Operation::ALL {
            let expected = sets.iter().any(|set| set.contains(&operation));
            assert_eq!(permissions.rule(operation).is_some(), expected, "{roles:?} {operation:?}");
        }
    };
    check(&[], &[&everyone]);
    check(&[Role::Viewer], &[&everyone, &viewer]);
    check(&[Role::Operator], &[&everyone, &viewer, &operator]);
}

#[test]
fn a_role_more_never_takes_anything_away() {
    for roles in EVERY_SET {
        for &more in Role::ALL {
            let before = Permissions::compile(roles);
            let after = Permissions::compile(&[*roles, &[more]].concat());
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
fn a_grant_names_the_rule_of_the_least_role_that_gives_it() {
    use Method::*;
    for (roles, method, target, expected) in [
        (&[][..], Get, "/_ping", "everyone.ping"),
        (&[Role::Viewer], Head, "/_ping", "everyone.ping"),
        (&[Role::Viewer], Get, "/v1.41/containers/json?all=1", "viewer.list"),
        (&[Role::Viewer], Get, "/v1.41/events", "viewer.system"),
        (&[Role::Operator], Get, "/v1.41/containers/json", "viewer.list"),
        (&[Role::Operator], Post, "/v1.41/containers/web/stop?t=5", "operator.lifecycle"),
        (&[Role::Operator], Get, "/v1.41/containers/web/logs?stdout=1", "operator.observe"),
        (&[Role::Admin], Get, "/v1.41/containers/json", "admin.all"),
        (&[Role::Admin, Role::Viewer], Get, "/v1.41/containers/json", "viewer.list"),
        (&[Role::Admin], Delete, "/v1.41/containers/web", "admin.all"),
    ] {
        assert_eq!(rule(roles, method, target), expected, "{roles:?} {target}");
    }
}

#[test]
fn a_refusal_reads_as_one_clear_clause() {
    use Method::*;
    for (roles, method, target, expected) in [
        (
            &[Role::Viewer][..],
            Get,
            "/v1.41/containers/web/json",
            "may not inspect a container (ContainerInspect): role viewer does not grant it; \
             admin would [rule viewer.not-granted]",
        ),
        (
            &[Role::Viewer],
            Post,
            "/v1.41/containers/web/stop",
            "may not stop a container (ContainerStop): role viewer does not grant it; operator \
             or admin would [rule viewer.not-granted]",
        ),
        (
            &[Role::Operator, Role::Viewer],
            Get,
            "/v1.41/containers/web/top",
            "may not list a container's processes (ContainerTop): none of the roles operator \
             and viewer grants it; admin would [rule roles.not-granted]",
        ),
        (
            &[],
            Get,
            "/v1.41/containers/json",
            "may not list containers (ContainerList): no role is given that grants it; viewer, \
             operator or admin would [rule none.not-granted]",
        ),
        (
            &[Role::Admin],
            Delete,
            "/libpod/containers/web",
            "may not use Podman's own API (Libpod): it is closed to every role [rule \
             everyone.closed]",
        ),
        (
            &[Role::Admin],
            Post,
            "/v1.41/debug/pprof/heap",
            "may not use the engine's debug pages (Debug): it is closed to every role [rule \
             everyone.closed]",
        ),
        (
            &[Role::Viewer],
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
        let refused = refusal(&[Role::Operator], Method::Post, &target);
        assert!(refused.contains("from a checkpoint: only admin may"), "{refused}");
        assert_eq!(rule(&[Role::Admin], Method::Post, &target), "admin.all");
    }
    let plain = "/v1.41/containers/web/start?detachKeys=ctrl-a";
    assert_eq!(rule(&[Role::Operator], Method::Post, plain), "operator.lifecycle");
}

#[test]
fn unknown_query_keys_pass_for_admin_and_are_listed() {
    match decide(&[Role::Admin], Method::Get, "/v1.41/containers/json?novel=1&all=1") {
        Verdict::Allow(grant) => assert_eq!(grant.request().unknown, ["novel"]),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

#[test]
fn roles_are_found_by_the_names_they_print() {
    for &role in Role::ALL {
        assert_eq!(Role::named(&role.to_string()), Some(role));
    }
    assert_eq!(Role::named("Admin"), None);
}

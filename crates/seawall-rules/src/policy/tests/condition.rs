//! Roles that are in force from somewhere or at some time.

use super::*;

/// Monday, 2026-11-23, at this hour.
fn monday(hour: u64) -> u64 {
    1_795_392_000 + hour * 3600
}

fn site() -> Arc<Roles> {
    written(
        r#"
        [office]
        operations = ["ContainerStop"]
        sources = ["10.0.0.0/8", "fd00::1"]
        hours = ["Mon-Fri 08:00-18:00"]
        [warns]
        mode = "warn"
        sources = ["10.0.0.0/8"]
        [heir]
        extends = "office"
        operations = ["ContainerStart"]
        [always]
        extends = "office"
        hours = ["00:00-24:00"]
        "#,
    )
    .unwrap()
}

#[test]
fn a_role_grants_only_from_its_sources_and_in_its_hours() {
    use Operation::{ContainerStart, ContainerStop};
    let roles = site();
    for (role, operation, from, hour, refused) in [
        ("office", ContainerStop, Some("10.1.2.3"), 8, None),
        ("office", ContainerStop, Some("fd00::1"), 17, None),
        ("office", ContainerStop, Some("::ffff:10.1.2.3"), 17, None),
        ("office", ContainerStop, Some("10.1.2.3"), 18, Some("role.hours")),
        ("office", ContainerStop, Some("11.1.2.3"), 8, Some("role.sources")),
        ("office", ContainerStop, None, 8, Some("role.sources")),
        ("heir", ContainerStart, Some("10.1.2.3"), 7, Some("role.hours")),
        ("heir", ContainerStart, Some("10.1.2.3"), 9, None),
        ("always", ContainerStop, Some("10.1.2.3"), 3, None),
        ("always", ContainerStop, Some("192.0.2.1"), 9, Some("role.sources")),
        ("warns", ContainerStop, Some("10.1.2.3"), 3, None),
        ("warns", ContainerStop, Some("192.0.2.1"), 3, Some("role.sources")),
    ] {
        let from = from.map(|from| from.parse().unwrap());
        let here = Circumstances { from, at: monday(hour) };
        let permissions = Permissions::compile_under(&roles, [role], &here);
        assert_eq!(permissions.rule(operation).is_none(), refused.is_some(), "{role} {here:?}");
        let action = if operation == ContainerStop { "stop" } else { "start" };
        let target = format!("/containers/web/{action}");
        if let Some(rule) = refused {
            let Verdict::Deny(denied) = judge(&permissions, request(Method::Post, &target)) else {
                panic!("{role}")
            };
            assert_eq!(denied.1.rule, rule, "{}", denied.1);
            assert!(denied.1.reason.contains("grants it only from 10.0.0.0/8"), "{}", denied.1);
        }
    }
    let here = Circumstances { from: None, at: monday(7) };
    let until = |role| Permissions::compile_under(&roles, [role], &here).until();
    assert_eq!((until("office"), until("warns")), (Some(monday(8)), None));
    assert_eq!(roles.next_border(monday(8)), Some(monday(18)));
}

#[test]
fn conditions_are_written_once_and_never_lost_on_the_way() {
    for (text, complaint) in [
        ("[x]\nsources = []\n", "`sources` is empty"),
        ("[x]\nhours = []\n", "`hours` is empty"),
        ("[x]\nhours = [\"9 to 5\"]\n", "`9 to 5` are no hours"),
        ("[x]\nsources = [\"10.0.0.0/33\"]\n", "`10.0.0.0/33` is no network"),
        ("[x]\nmode = \"audit\"\n", "`mode` must be `enforce` or `warn`"),
        (
            "[a]\nhours = [\"08:00-18:00\"]\n[x]\nextends = [\"a\", \"viewer\"]\n",
            "what the role `x` extends has different `hours`",
        ),
        (
            "[a]\nsources = [\"10.0.0.0/8\"]\n[x]\nextends = [\"viewer\", \"a\"]\n",
            "what the role `x` extends has different `sources`",
        ),
    ] {
        let problems = written(text).unwrap_err();
        assert!(problems[0].message.starts_with(complaint), "{text}: {problems:?}");
    }
    let shown = site().named("office").unwrap().written();
    assert_eq!(
        shown,
        [
            ("sources", "[\"10.0.0.0/8\", \"fd00::1/128\"]".to_owned()),
            ("hours", "[\"Mon-Fri 08:00-18:00\"]".to_owned()),
        ]
    );
}

#[test]
fn what_differs_in_some_hours_or_from_somewhere_is_told_so() {
    let roles = written(
        "[a]\noperations = [\"ContainerStop\"]\n[b]\noperations = [\"ContainerStop\"]\n\
         hours = [\"Mon-Fri 08:00-18:00\"]\n[c]\noperations = [\"ContainerStop\"]\n\
         hours = [\"Mon-Fri 18:00-08:00\", \"Sat,Sun 00:00-24:00\", \"Mon 00:00-08:00\"]\n\
         [d]\noperations = [\"ContainerStop\"]\nsources = [\"10.0.0.0/8\"]\n",
    )
    .unwrap();
    let of = |names: &[&str]| -> Vec<_> {
        names.iter().map(|name| roles.named(name).unwrap().clone()).collect()
    };
    let more = |these: &[&str], others: &[&str]| beyond(&of(these), &of(others));
    assert!(more(&["b"], &["a"]).is_empty());
    let told = more(&["a"], &["b"]);
    assert!(told.operations.is_empty());
    assert_eq!(told.terms, ["on Mon 18:00 UTC for one: ContainerStop"]);
    // Between them they are always there.
    assert!(more(&["a"], &["b", "c"]).is_empty());
    assert_eq!(more(&["a"], &["d"]).terms, ["by a Unix socket: ContainerStop"]);
    assert!(more(&["d"], &["a"]).is_empty());
    let way = Question::parse(&["stop"]).unwrap().answer(&of(&["b"])[0]).unwrap();
    assert_eq!(way.only.as_deref(), Some("in the hours Mon-Fri 08:00-18:00 UTC"));
}

//! Whether `policy diff` tells everything.

use super::*;
use crate::operation::Operation::{ImageInspect, NetworkInspect};
use proptest::prelude::*;

/// Terms that overlap a lot.
fn role() -> impl Strategy<Value = String> {
    let some = |of: &'static [&'static str]| {
        proptest::sample::subsequence(of, 0..=of.len()).prop_map(|all| format!("{all:?}"))
    };
    let limit = proptest::sample::select(&["", "memory = 1", "memory = 2"][..]);
    let one = proptest::sample::select;
    let others = (
        one(&["", "secrets = true"][..]),
        one(&["", "mode = \"warn\""][..]),
        one(&["", "labels = [\"a=b\"]", "labels = [\"a=*\"]", "labels = [\"a=*\", \"c=d\"]"][..]),
        one(&["", "rate = 1", "rate = 2\nburst = 3", "streams = 2", "rate = 2\nstreams = 1"][..]),
        one(&["", "sources = [\"10.0.0.0/8\"]", "sources = [\"10.1.0.0/16\", \"::1\"]"][..]),
        one(&[
            "",
            "hours = [\"Mon 08:00-18:00\"]",
            "hours = [\"Mon 12:00-24:00\", \"Tue 00:00-01:00\"]",
        ][..]),
    )
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].join("\n"));
    (
        some(&["ContainerCreate", "ImageInspect", "ImageTag", "NetworkInspect", "VolumeDelete"]),
        some(&["*", "a", "a:1", "a:*", "a/*", "a/*:1", "a@sha256:*", "ab*"]),
        some(&["*", "a*", "ab*", "*b", "ab"]),
        some(&["*", "aa*", "x"]),
        some(&["/a/*:ro", "/a/b:ro", "/a/b/*:ro", "/c:rw", "/c:ro"]),
        some(&["80", "1-100", "127.0.0.1:80", "127.0.0.1:1-1000"]),
        limit,
        others,
    )
        .prop_map(|(operations, images, volumes, networks, binds, ports, limit, others)| {
            format!(
                "operations = {operations}\nimages = {images}\nvolumes = {volumes}\nnetworks = {networks}\n\
                 binds = {binds}\nports = {ports}\n{limit}\n{others}\n"
            )
        })
}

/// Requests with one or two things asked for.
fn requests() -> Vec<(Operation, Vec<Ask>)> {
    let asks: Vec<_> = [
        "image a",
        "image a:1",
        "image a:2",
        "image a/b:1",
        "image a/b",
        "image abc",
        "image a@sha256:0",
        "image 0",
        "volume a",
        "volume ab",
        "volume aab",
        "volume c",
        "bind /a",
        "bind /a/b",
        "bind /a/b/c",
        "bind /c:rw",
        "bind /c",
        "bind /a/x:rw",
        "labels a=b",
        "labels a=c",
        "labels a=c,c=d",
        "labels {}",
        "network a",
        "network aab",
        "port 80",
        "port 127.0.0.1:80",
        "port 127.0.0.1:200",
        "port 1-100",
        "memory 1",
        "memory 2",
        "memory 3",
        "memory unlimited",
    ]
    .iter()
    .map(|text| Ask::from_notation(text).expect(text))
    .collect();
    let mut all = Vec::new();
    let judged = |operation: &&Operation| !EVERYONE.1.contains(operation);
    for &operation in Operation::ALL.iter().filter(judged) {
        all.push((operation, Vec::new()));
        let can = |ask: &&Ask| {
            let kind = ask.kind().unwrap();
            kind.operations.contains(&operation) || kind.looks.contains(&operation)
        };
        for one in asks.iter().filter(can) {
            for other in asks.iter().filter(can) {
                all.push((operation, vec![one.clone(), other.clone()]));
            }
        }
    }
    all
}

/// Some moments and addresses that the roles tell apart, and some that they do not.
fn places() -> impl Iterator<Item = Circumstances> {
    // Monday, 2026-11-23.
    let monday = 1_795_392_000;
    [None, Some("10.1.0.1"), Some("10.2.0.1"), Some("::1")].into_iter().flat_map(move |from| {
        [7, 9, 13, 24].map(|hour| Circumstances {
            from: from.map(|from| from.parse().unwrap()),
            at: monday + hour * 3600 + 60,
        })
    })
}

/// Whether a request is granted, and if so whether it shows secrets.
fn grants(permissions: &Permissions, (operation, asks): &(Operation, Vec<Ask>)) -> Option<bool> {
    let facts = || asks.iter().map(|ask| Fact { field: String::new(), ask: ask.clone() }).collect();
    let facts = match operation {
        ImageInspect | NetworkInspect => Facts { looks: facts(), ..Facts::default() },
        _ => Facts { asks: facts(), ..Facts::default() },
    };
    let granted = permissions.weigh(*operation, &facts, Unknown::None, Isolation::All).ok()?;
    Some(granted.redact.is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where nothing is said to be added, no request is granted that was not before, none shows
    /// more, and none may come more often, from nowhere and never.
    #[test]
    fn what_is_not_told_is_not_granted(a in role(), b in role(), c in role()) {
        let Ok(roles) = written(&format!("[a]\n{a}[b]\n{b}[c]\n{c}")) else { return Ok(()) };
        let [a, b, c] = ["a", "b", "c"].map(|name| roles.named(name).unwrap().clone());
        for (these, others) in [
            (vec![a.clone()], vec![b.clone()]),
            (vec![a.clone()], vec![b.clone(), c.clone()]),
            (vec![a.clone(), b], vec![c]),
            (vec![a.clone()], vec![a]),
        ] {
            let told = beyond(&these, &others);
            for place in places() {
                let there = |of: &[Arc<Role>]| {
                    let awake = of.iter().filter(|role| role.is_in_force(&place)).cloned();
                    Permissions::of(&roles, awake.collect())
                };
                let (this, that) = (there(&these), there(&others));
                for request in requests() {
                    let new = grants(&this, &request).is_some_and(|shown| {
                        grants(&that, &request).is_none_or(|before| shown && !before)
                    });
                    let known = told.operations.contains(&request.0) || !told.terms.is_empty();
                    prop_assert!(!new || known, "{request:?} {place:?}");
                }
                let faster = !that.roles.is_empty() && !this.roles.is_empty()
                    && this.quota.or(that.quota) != that.quota;
                prop_assert!(!faster || !told.is_empty(), "{place:?}");
            }
        }
    }

    #[test]
    fn a_role_is_nothing_beyond_itself(a in role()) {
        let Ok(roles) = written(&format!("[a]\n{a}")) else { return Ok(()) };
        let a = [roles.named("a").unwrap().clone()];
        prop_assert_eq!(beyond(&a, &a), Beyond::default());
    }
}

use super::*;
use crate::policy::beyond;

const ROLES: &str = r#"
    [proxy]
    operations = ["ContainerList", "SystemEvents"]
    shown_labels = ["traefik.*"]
    [other]
    operations = ["ContainerList"]
    shown_labels = ["traefik.http.*", "app.token"]
    [plain]
    operations = ["ContainerList", "SystemEvents"]
    [heir]
    extends = "other"
    operations = ["ContainerInspect"]
"#;

/// The labels that these roles see of a list of containers.
fn seen(names: &[&str]) -> Vec<String> {
    let permissions = Permissions::compile(&written(ROLES).unwrap(), names.iter().copied());
    let request = request(Method::Get, "/v1.41/containers/json");
    let Verdict::Allow(grant) = judge(&permissions, request) else { panic!("{names:?}") };
    let reply = r#"[{"Command":"sh pw","Labels":{"traefik.http.auth.basicauth.users":"hash",
        "traefik.token":"t","app.token":"t","my.password":"p","app":"web"}}]"#;
    let mut out = Vec::new();
    let mut editor = grant.editor().unwrap();
    editor.push(reply.as_bytes(), &mut out).unwrap();
    editor.end(&mut out).unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(shown[0]["Command"], "sh ***", "nothing but labels");
    let labels = shown[0]["Labels"].as_object().unwrap();
    labels.iter().filter(|(_, value)| *value != "***").map(|(name, _)| name.clone()).collect()
}

#[test]
fn labels_that_a_role_names_are_shown_whatever_their_names_tell() {
    let basic = "traefik.http.auth.basicauth.users";
    for (names, expected) in [
        (&["plain"][..], &["app"][..]),
        (&["proxy"], &["app", basic, "traefik.token"]),
        (&["other"], &["app", "app.token", basic]),
        (&["heir"], &["app", "app.token", basic]),
        // Roles add up.
        (&["plain", "proxy"], &["app", basic, "traefik.token"]),
        (&["proxy", "other"], &["app", "app.token", basic, "traefik.token"]),
    ] {
        let mut seen = seen(names);
        seen.sort();
        assert_eq!(seen, expected, "{names:?}");
    }
}

#[test]
fn a_role_that_shows_more_labels_is_beyond_one_that_does_not() {
    let roles = written(ROLES).unwrap();
    let of = |name: &str| vec![roles.named(name).unwrap().clone()];
    let terms = |these: &str, others: &str| beyond(&of(these), &of(others)).terms;
    assert_eq!(terms("proxy", "plain"), [r#"shown_labels = ["traefik.*"]"#]);
    assert_eq!(terms("plain", "proxy"), [""; 0]);
    assert_eq!(terms("other", "proxy"), [r#"shown_labels = ["app.token"]"#]);
    assert_eq!(terms("proxy", "read-only"), [""; 0]);
}

#[test]
fn who_loses_a_label_is_shown_less() {
    let roles = written(ROLES).unwrap();
    let of = |name| Permissions::compile(&roles, [name]);
    let less = |now, before| of(now).hides_more_than(&of(before), Operation::SystemEvents);
    assert!(less("plain", "proxy"));
    assert!(less("proxy", "read-only"));
    assert!(!less("proxy", "plain"));
    assert!(!less("proxy", "proxy"));
}

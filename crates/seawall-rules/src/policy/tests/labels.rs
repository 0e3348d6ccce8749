//! Labels that what is made must carry.

use super::*;

const SITE: &str = "[x]\noperations = [\"ContainerCreate\", \"ImageBuild\", \"NetworkCreate\", \"VolumeCreate\"]\n\
    images = [\"*\"]\nnetworks = [\"*\"]\nvolumes = [\"*\"]\nlabels = [\"team=web\", \"env=*\"]\n\
    [heir]\nextends = \"x\"\n[free]\nextends = \"x\"\nlabels = []\n";

#[test]
fn what_is_made_must_carry_the_labels_of_its_role() {
    let roles = written(SITE).unwrap();
    let refused = |names: &[&str], body: &str| match create_as(&roles, names, body) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denied) => Some(denied.1.to_string()),
    };
    for role in ["x", "heir"] {
        assert_eq!(refused(&[role], r#"{"Labels":{"team":"web","env":"","b":"c"}}"#), None);
        for (body, lacking) in [
            ("{}", "team=web"),
            (r#"{"Labels":null}"#, "team=web"),
            (r#"{"Labels":{"team":"db","env":"x"}}"#, "team=web"),
            (r#"{"Labels":{"team":"web"}}"#, "env=*"),
        ] {
            let said = format!(
                "may not create a container without a label: `{lacking}`, which role {role} asks \
                 for [rule role.labels]"
            );
            assert_eq!(refused(&[role], body), Some(said), "{body}");
        }
    }
    assert_eq!(refused(&["free"], "{}"), None);
    // Two roles add up to what either grants.
    assert_eq!(refused(&["x", "free"], "{}"), None);
    let permissions = Permissions::compile(&roles, ["x"]);
    for (target, allowed) in [
        ("/build?labels=%7B%22team%22%3A%22web%22%2C%22env%22%3A%22a%22%7D", true),
        ("/build?labels=%7B%22team%22%3A%22web%22%7D", false),
        ("/build", false),
        ("/volumes/create", false),
    ] {
        let verdict = judge(&permissions, request(Method::Post, target));
        assert_eq!(matches!(verdict, Verdict::Allow(_)), allowed, "{target}");
    }
}

#[test]
fn of_labels_only_those_are_recorded_that_a_role_asks_for() {
    let roles = written(SITE).unwrap();
    let target = "/build?labels=%7B%22team%22%3A%22web%22%2C%22password%22%3A%22a%22%7D";
    let request = request(Method::Post, target);
    let recorded = |role: &str| {
        let permissions = Permissions::compile(&roles, [role]);
        permissions.recorded_labels(&request).map(|labels| labels.notation())
    };
    assert_eq!(recorded("x").as_deref(), Some(r#"labels {"team":"web"}"#));
    assert_eq!(recorded("free"), None);
}

#[test]
fn labels_are_written_once_and_compared() {
    for (text, complaint) in [
        ("[y]\nlabels = [\"team\"]\n", "`team` is no label"),
        ("[y]\nlabels = [\"te*=a\"]\n", "`te*=a` is no label"),
        ("[y]\nlabels = [\"a=b\", \"a=c\"]\n", "the label `a` is asked for twice"),
        ("[y]\nextends = [\"x\", \"free\"]\n", "what the role `y` extends has different `labels`"),
    ] {
        let problems = written(&format!("{SITE}{text}")).unwrap_err();
        assert!(problems[0].message.starts_with(complaint), "{text}: {problems:?}");
    }
    let roles = written(SITE).unwrap();
    let [x, free] = ["x", "free"].map(|name| [roles.named(name).unwrap().clone()]);
    assert_eq!(beyond(&free, &x).terms, ["labels = []"]);
    assert!(beyond(&x, &free).is_empty());
    assert!(x[0].written().contains(&("labels", r#"["team=web", "env=*"]"#.to_owned())));
    assert!(!free[0].written().iter().any(|(key, _)| *key == "labels"));
}
